// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxSize is the size above which a file cannot be meant as configuration.
const maxSize = 1 << 20

// A Mistake is one thing that is wrong in a file.
type Mistake struct {
	Line    int    // 0: of the file as a whole
	Key     string // such as "report.network.2.ttl"; empty for wrong syntax
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

// An Error holds all mistakes of a file, by line.
type Error struct {
	Path     string
	Mistakes []Mistake
}

// Error lists the mistakes, each on a line that starts with the file's name.
func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = e.Path + ": " + m.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads a file and the key files it names. The error is an *Error.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		var pe *fs.PathError // names the file again
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &Error{path, []Mistake{{Message: fmt.Sprintf("it cannot be read: %v", err)}}}
	}
	return Parse(path, data)
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
		return nil, fmt.Errorf("it has more than %d bytes", maxSize)
	}
	return data, nil
}

// Parse reads the text of a file; the name is for errors. Key files are read.
func Parse(name string, data []byte) (*Config, error) {
	text := string(data)
	// The parser takes the byte order mark of UTF-16 for nothing.
	if i := notUTF8(text); i < len(text) {
		return nil, &Error{name, []Mistake{{Line: lineOf(text, i), Message: fmt.Sprintf("byte %#x: the file is not UTF-8", text[i])}}}
	}
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		return nil, &Error{name, []Mistake{syntax(err, text)}}
	}
	d := &decoder{lines: locate(text)}
	c := d.config(table{d: d, values: tree})
	if len(d.mistakes) > 0 {
		slices.SortStableFunc(d.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
		return nil, &Error{name, d.mistakes}
	}
	return c, nil
}

// notUTF8 is the offset of the first byte that is none of UTF-8, or the end.
func notUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return len(text)
}

// lineOf is the line, from 1, that an offset is in.
func lineOf(text string, offset int) int { return strings.Count(text[:offset], "\n") + 1 }

func syntax(err error, text string) Mistake {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Mistake{Message: err.Error()}
	}
	message := pe.Message
	if message == "" {
		message = pe.Error()
	}
	// The parser's own line is wrong after an escape at the text's end, and in
	// texts whose lines end in "\r\n".
	line := lineOf(text, min(max(0, pe.Position.Start), len(text)))
	return Mistake{Line: line, Key: pe.LastKey, Message: message}
}
