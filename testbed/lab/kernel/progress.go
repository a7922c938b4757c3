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
	// keptLines is how much of make's output an error shows.
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
	last     []string // the last lines
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
	if m.last = append(m.last, line); len(m.last) > keptLines {
		m.last = m.last[1:]
	}
	verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
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

// end returns the last lines of the output.
func (m *makeProgress) end() string {
	return strings.Join(append(m.last, string(m.partial)), "\n")
}
