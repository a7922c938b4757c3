// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"strings"
	"time"
)

const (
	// tellEvery is the time between two lines about a long build.
	tellEvery = 20 * time.Second
	// keptLines is how many lines of make's complaints an error shows.
	keptLines = 40
)

// makeProgress takes the output of the kernel's make and tells how many files are
// compiled.
type makeProgress struct {
	say      func(format string, args ...any)
	told     time.Time
	compiled int
	objects  int      // about what will be compiled
	partial  []byte   // a line without its end
	last     []string // the last lines, without those that say what is being made
}

func (m *makeProgress) Write(p []byte) (int, error) {
	m.partial = append(m.partial, p...)
	for {
		line, rest, ok := bytes.Cut(m.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		m.partial = rest
		m.line(string(line))
	}
}

func (m *makeProgress) line(line string) {
	// Other files are still made after the one that fails.
	verb, ok := step(line)
	if !ok {
		if m.last = append(m.last, line); len(m.last) > keptLines {
			m.last = m.last[1:]
		}
	}
	if verb != "CC" && verb != "AS" {
		return
	}
	if m.compiled++; m.told.IsZero() {
		m.told = time.Now()
	}
	if time.Since(m.told) >= tellEvery {
		m.told = time.Now()
		m.say("%d of about %d files compiled", m.compiled, m.objects)
	}
}

// step returns what the kernel's make says that it does with a file ("  CC [M]  a.o"), and
// whether the line says such a thing.
func step(line string) (verb string, ok bool) {
	indented, ok := strings.CutPrefix(line, "  ")
	verb, _, _ = strings.Cut(indented, " ")
	return verb, ok && verb != "" && strings.Trim(verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// end returns the last complaints.
func (m *makeProgress) end() string {
	return strings.Join(append(m.last, string(m.partial)), "\n")
}
