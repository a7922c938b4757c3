// SPDX-License-Identifier: MIT

package service

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lineLog puts the time before each line; each Write must be one whole line.
type lineLog struct {
	mu sync.Mutex
	w  io.Writer
}

func newLineLog(w io.Writer) *lineLog { return &lineLog{w: w} }

func (l *lineLog) Write(p []byte) (int, error) {
	line := time.Now().UTC().AppendFormat(nil, "15:04:05.000 ")
	line = append(line, p...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.w.Write(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxLine is the longest line of a service kept as one, in bytes.
const maxLine = 4096

// prefixWriter cuts a service's output into lines and puts a prefix before each.
type prefixWriter struct {
	prefix string
	w      io.Writer
	rest   []byte
}

func (p *prefixWriter) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 && len(p.rest) < maxLine {
			return len(b), nil
		}
		next := i + 1
		if i < 0 {
			i, next = maxLine, maxLine
		}
		p.line(p.rest[:i])
		p.rest = p.rest[next:]
	}
}

// line writes one line. The log's failure must not end the service.
func (p *prefixWriter) line(b []byte) {
	_, _ = p.w.Write(append(append([]byte(p.prefix), b...), '\n'))
}

func (p *prefixWriter) flush() {
	if len(p.rest) > 0 {
		p.line(p.rest)
		p.rest = nil
	}
}
