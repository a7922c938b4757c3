// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// DropInDir is the name of the directory beside the file whose files "*.toml" are read
// after it, such as /etc/dpr/conf.d.
const DropInDir = "conf.d"

// maxDropIns is a number of files above which the directory cannot be meant.
const maxDropIns = 100

// A source is the text of one file.
type source struct {
	name string
	text []byte
}

// dropIns returns the paths of the files in the directory beside the file, in the order
// in which they are read: that of their names' bytes. Whoever may write there configures
// this host, so that neither the directory nor a file in it may be another user's than
// root's or the file's owner's, or be writable by others.
func dropIns(path string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(path), DropInDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	if len(paths) > maxDropIns {
		return nil, fmt.Errorf("%s has %d files, more than %d", dir, len(paths), maxDropIns)
	}
	owner, err := os.Stat(path)
	if err != nil {
		return nil, nil //nolint:nilerr // whoever reads the file itself says so
	}
	for _, p := range append([]string{dir}, paths...) {
		if err := trusted(p, owner); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// trusted returns an error if others than root and the owner of a file could have written
// what is at a path.
func trusted(path string, file fs.FileInfo) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	uid := func(i fs.FileInfo) uint32 { return i.Sys().(*syscall.Stat_t).Uid }
	if owner := uid(info); owner != 0 && owner != uid(file) {
		return fmt.Errorf("%s belongs to user %d, neither to root nor to the owner of %s", path, owner, file.Name())
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is writable by others than its owner (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}

// A place is where a key stands.
type place struct {
	file int // of the sources
	line int // 0: the whole file
}

// An Override is a key of one file that another one has, too, and replaces.
type Override struct {
	Key, File, By string
}

// merge puts a file's keys over those of the files before it. Tables are merged key by
// key; everything else, lists of tables too, replaces what was there. It returns the keys
// that it replaces.
func merge(under, over map[string]any, prefix string, places map[string]place) (replaced map[string]place) {
	replaced = make(map[string]place)
	for name, v := range over {
		key := join(prefix, name)
		old, there := under[name]
		below, isTable := old.(map[string]any)
		if sub, ok := v.(map[string]any); ok && isTable {
			maps.Copy(replaced, merge(below, sub, key, places))
			continue
		}
		if there {
			replaced[key] = places[key]
		}
		under[name] = v
		maps.DeleteFunc(places, func(k string, _ place) bool { return k == key || strings.HasPrefix(k, key+".") })
	}
	return replaced
}

// order sorts mistakes by file and line.
func order(mistakes []Mistake, sources []source) {
	index := func(m Mistake) int {
		return slices.IndexFunc(sources, func(s source) bool { return s.name == m.File })
	}
	slices.SortStableFunc(mistakes, func(a, b Mistake) int {
		if d := index(a) - index(b); d != 0 {
			return d
		}
		return a.Line - b.Line
	})
}
