// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"dpr/userland/report"
)

// savedName is the drop-in file that Prepare writes: it is read last, but for what
// somebody has named to come after it.
const savedName = "99-saved.toml"

const savedHeader = `# Written by dprctl set --save, which keeps the keys of this file but not its comments.
# It is read after dpr.toml and changes what that says.

`

// A Saving is a drop-in file that is written but not in force yet.
type Saving struct {
	Path string // of the file
	temp string
	lock *os.File // in the directory: one at a time saves
}

// Prepare writes keys to the drop-in file of a configuration file beside the one that is
// there, with what it has besides. Keys are those of the file, with dots between tables.
// It is an error, and nothing is written, if the configuration would then have a mistake,
// or if another file would change what was saved. Meanwhile nobody else can save; Prepare waits
// for somebody who does, but not for long.
func Prepare(ctx context.Context, path string, keys map[string]any) (*Saving, error) {
	dir := filepath.Join(filepath.Dir(path), DropInDir)
	saved := filepath.Join(dir, savedName)
	lock, err := locked(ctx, dir, lockWait)
	if err != nil {
		return nil, fmt.Errorf("saving the configuration: %w", err)
	}
	text, err := changed(path, saved, keys)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	temp, err := write(dir, text)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("saving the configuration: %w", err), lock.Close())
	}
	return &Saving{saved, temp, lock}, nil
}

// lockName is the file in the directory that whoever saves has locked. Only its owner can open
// it: the directory itself anybody can lock.
const lockName = ".lock"

// How long to wait for somebody else who saves, and how often to look.
const (
	lockWait  = 10 * time.Second
	lockEvery = 20 * time.Millisecond
)

// locked makes a directory if it is not there, and waits until nobody else has it locked, for
// so long at most.
func locked(ctx context.Context, dir string, wait time.Duration) (*os.File, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("another process has had %s locked for %v", f.Name(), wait))
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for %s: %w", f.Name(), context.Cause(ctx)), f.Close())
		case <-time.After(lockEvery):
		}
	}
}

// changed returns the text of the file for saved keys with more keys.
func changed(path, saved string, keys map[string]any) ([]byte, error) {
	sources, err := open(path)
	if err != nil {
		return nil, err
	}
	tree := make(map[string]any)
	at := slices.IndexFunc(sources, func(s source) bool { return s.name == saved })
	if at < 0 {
		at = 1
		for at < len(sources) && sources[at].name < saved {
			at++
		}
		sources = slices.Insert(sources, at, source{name: saved})
	} else if there, mistake := parseOne(sources[at]); mistake != nil {
		return nil, &Error{[]Mistake{*mistake}}
	} else {
		tree = there
	}
	for key, v := range keys {
		if err := set(tree, strings.Split(key, "."), v); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", saved, key, err)
		}
	}
	text := bytes.NewBufferString(savedHeader)
	if err := toml.NewEncoder(text).Encode(tree); err != nil {
		return nil, fmt.Errorf("%s: %w", saved, err)
	}
	sources[at].text = text.Bytes()
	if _, err := parse(sources, report.ReadKey); err != nil {
		return nil, err
	}
	for _, later := range sources[at+1:] {
		for key := range locate(later.text) {
			if _, ok := keys[key]; ok {
				return nil, fmt.Errorf("cannot save %s in %s: %s, which is read later, has it too", key, saved, later.name)
			}
		}
	}
	return text.Bytes(), nil
}

// set puts a value into a tree.
func set(tree map[string]any, key []string, v any) error {
	for _, name := range key[:len(key)-1] {
		if tree[name] == nil {
			tree[name] = make(map[string]any)
		}
		sub, ok := tree[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %s, not a table", name, show(tree[name]))
		}
		tree = sub
	}
	tree[key[len(key)-1]] = v
	return nil
}

// write writes a new file, which dropIns does not read.
func write(dir string, data []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, ".saved-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// Commit puts the file in force for whoever reads the configuration from now on.
func (s *Saving) Commit() error {
	defer s.lock.Close()
	if err := os.Rename(s.temp, s.Path); err != nil {
		return fmt.Errorf("saving the configuration: %w", err)
	}
	if err := syncDir(filepath.Dir(s.Path)); err != nil {
		return fmt.Errorf("saving the configuration: %w", err)
	}
	return nil
}

// syncDir has the names in a directory survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Abort removes what Prepare wrote.
func (s *Saving) Abort() error { return errors.Join(os.Remove(s.temp), s.lock.Close()) }
