// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"dpr/userland/report"
)

// maxSize is the size above which a file cannot be a configuration file.
const maxSize = 1 << 20

// A Mistake is one mistake in a file.
type Mistake struct {
	File    string // its path
	Line    int    // 0: concerns the whole file
	Key     string // such as "report.network.2.ttl"; empty for a syntax error
	Message string
}

func (m Mistake) String() string {
	var b strings.Builder
	if m.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", m.Line)
	}
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	b.WriteString(m.Message)
	return b.String()
}

// An Error holds all mistakes, ordered by file and line.
type Error struct {
	Mistakes []Mistake
}

// Error lists the mistakes, each on a line that starts with the file's name.
func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.File + ": " + m.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads a file, those of the directory DropInDir beside it, and the key files that
// they name. The error is an *Error.
func Load(path string) (*Config, error) { return load(path, report.ReadKey) }

// LoadWithoutKeys is Load for programs that need no keys, and read none.
func LoadWithoutKeys(path string) (*Config, error) { return load(path, nil) }

// LoadReadable is Load for programs that can do without the keys: the configuration lacks those
// that this user may not read.
func LoadReadable(path string) (*Config, error) {
	return load(path, func(path string) (*report.Key, error) {
		key, err := report.ReadKey(path)
		if errors.Is(err, fs.ErrPermission) {
			return nil, nil
		}
		return key, err
	})
}

func load(path string, readKey func(string) (*report.Key, error)) (*Config, error) {
	sources, err := open(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(sources, readKey)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		c.Files = append(c.Files, s.name)
	}
	return c, nil
}

// open reads a file and its drop-in files. The error is an *Error.
func open(path string) ([]source, error) {
	paths := []string{path}
	more, err := dropIns(path)
	if err != nil {
		return nil, &Error{[]Mistake{{File: filepath.Join(filepath.Dir(path), DropInDir), Message: err.Error()}}}
	}
	var sources []source
	var mistakes []Mistake
	for _, p := range append(paths, more...) {
		data, err := read(p)
		if err != nil {
			var pe *fs.PathError // its text repeats the path
			if errors.As(err, &pe) {
				err = pe.Err
			}
			mistakes = append(mistakes, Mistake{File: p, Message: fmt.Sprintf("cannot read the file: %v", err)})
			continue
		}
		sources = append(sources, source{p, bytes.TrimPrefix(data, []byte("\ufeff"))})
	}
	if len(mistakes) > 0 {
		return nil, &Error{mistakes}
	}
	return sources, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	return data, nil
}

// Parse parses the text of a file and reads the key files it names. The name is
// used in errors.
func Parse(name string, data []byte) (*Config, error) {
	return parse([]source{{name, data}}, report.ReadKey)
}

// parse parses files, of which each changes what those before it say. Without readKey it
// reads no keys.
func parse(sources []source, readKey func(string) (*report.Key, error)) (*Config, error) {
	d := &decoder{sources: sources, places: make(map[string]place), readKey: readKey}
	all := make(map[string]any)
	for i, s := range sources {
		tree, err := parseOne(s)
		if err != nil {
			d.mistakes = append(d.mistakes, *err)
			continue
		}
		for key, was := range merge(all, tree, "", d.places) {
			d.overrides = append(d.overrides, Override{key, sources[was.file].name, s.name})
		}
		for key, line := range locate(s.text) {
			d.places[key] = place{i, line}
		}
	}
	var c *Config
	if len(d.mistakes) == 0 {
		c = d.config(table{d: d, values: all})
	}
	if len(d.mistakes) > 0 {
		order(d.mistakes, sources)
		return nil, &Error{d.mistakes}
	}
	slices.SortStableFunc(d.overrides, func(a, b Override) int { return strings.Compare(a.Key, b.Key) })
	c.Overrides = d.overrides
	return c, nil
}

// parseOne parses the text of one file.
func parseOne(s source) (map[string]any, *Mistake) {
	text := string(s.text)
	// The parser silently ignores the byte order mark of UTF-16.
	if i := notUTF8(text); i < len(text) {
		return nil, &Mistake{File: s.name, Line: lineOf(text, i), Message: fmt.Sprintf("the file is not UTF-8: byte %#x", text[i])}
	}
	var tree map[string]any
	if err := toml.Unmarshal(s.text, &tree); err != nil {
		m := syntax(err)
		m.File = s.name
		return nil, &m
	}
	return tree, nil
}

// notUTF8 returns the offset of the first byte that is not UTF-8, or the length
// of the text.
func notUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return len(text)
}

// lineOf returns the line of an offset, counted from 1.
func lineOf(text string, offset int) int { return strings.Count(text[:offset], "\n") + 1 }

func syntax(err error) Mistake {
	var pe *toml.DecodeError
	if !errors.As(err, &pe) {
		return Mistake{Message: err.Error()}
	}
	line, _ := pe.Position()
	return Mistake{Line: line, Key: strings.Join(pe.Key(), "."), Message: strings.TrimPrefix(pe.Error(), "toml: ")}
}
