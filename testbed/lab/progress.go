// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells what is being done, one line for each step when it begins and
// one when it took long. Steps may overlap.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	begin time.Time
}

func newProgress(w io.Writer) *progress { return &progress{w: w, begin: time.Now()} }

// long is what a step may take without a line at its end.
const long = time.Second

// step tells that a step begins. The function it returns tells its end.
func (p *progress) step(what string) (done func()) {
	begin := time.Now()
	p.say("%s", what)
	return func() {
		if d := time.Since(begin); d >= long {
			p.say("%s: done in %.1f s", what, d.Seconds())
		}
	}
}

// say writes a line with the time since the beginning before it. What cannot be
// written is no reason to stop.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, "%6.1f s  %s\n", time.Since(p.begin).Seconds(), fmt.Sprintf(format, args...))
}
