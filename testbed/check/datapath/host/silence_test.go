// SPDX-License-Identifier: MIT

//go:build lab

package host

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// dumpTime is how long a Go program may take to say what its goroutines do.
const dumpTime = time.Minute

// A silence watches a program in the guest that prints what it does. If that is
// nothing for too long the program is asked what its goroutines wait for; if even that
// does not come the guest hangs, and the program is given up.
type silence struct {
	ctx     context.Context
	signals chan os.Signal // for the program
	last    time.Duration  // that it may say nothing
	heard   *time.Timer
	stop    func() // no more watching; to be called when the program has ended
}

// watchSilence watches from now on. What is printed must be written to the result,
// too; the program must run with its ctx and get its signals.
func watchSilence(ctx context.Context, t *testing.T, l *lab.Lab, guest string, last time.Duration) *silence {
	t.Helper()
	ctx, giveUp := context.WithCancel(ctx)
	s := &silence{ctx: ctx, signals: make(chan os.Signal, 1), last: last}
	over := make(chan struct{})
	late := make(chan struct{})
	s.heard = time.AfterFunc(last, func() { close(late) })
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-over:
			return
		case <-late:
		}
		t.Errorf("the tests in %s said nothing for %v", guest, last)
		s.signals <- syscall.SIGQUIT
		select {
		case <-over:
			return
		case <-time.After(dumpTime):
		}
		var console strings.Builder
		if err := l.Logs(ctx, guest, &console, false); err != nil {
			t.Error(err)
		}
		t.Errorf("%s does not answer:\n%s", guest, console.String())
		giveUp()
	})
	s.stop = sync.OnceFunc(func() {
		s.heard.Stop()
		close(over)
		wg.Wait()
		giveUp()
	})
	t.Cleanup(s.stop)
	return s
}

// Write notes that the program has said something.
func (s *silence) Write(p []byte) (int, error) {
	if s.heard.Stop() {
		s.heard.Reset(s.last)
	}
	return len(p), nil
}
