// SPDX-License-Identifier: MIT

// Package progress says, a line a step, what a long command does.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Progress tells what is being done, one line for each step when it begins and
// one when it took long. Steps may overlap.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	begin time.Time
}

// New returns one that writes to w.
func New(w io.Writer) *Progress { return &Progress{w: w, begin: time.Now()} }

// long is what a step may take without a line at its end.
const long = time.Second

// Step tells that a step begins. The function it returns tells its end.
func (p *Progress) Step(what string) (done func()) {
	begin := time.Now()
	p.Say("%s", what)
	return func() {
		if d := time.Since(begin); d >= long {
			p.Say("%s: done in %.1f s", what, d.Seconds())
		}
	}
}

// Say writes one line with the time since the beginning before it, whatever
// breaks the text has. What cannot be written is no reason to stop.
func (p *Progress) Say(format string, args ...any) {
	text := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n", "; ")
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, "%6.1f s  %s\n", time.Since(p.begin).Seconds(), text)
}
