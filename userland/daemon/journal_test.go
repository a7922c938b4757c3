// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// The journal gets each line with its priority, also from loggers that were derived.
func TestJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "8:1")
	var out bytes.Buffer
	log := newLog(&out, slog.LevelDebug)
	log.Debug("d")
	log.Info("i")
	log.With("k", 1).Warn("w")
	log.WithGroup("g").Error("e", "k", 2)
	const want = "<7>level=DEBUG msg=d\n<6>level=INFO msg=i\n<4>level=WARN msg=w k=1\n<3>level=ERROR msg=e g.k=2\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	log.Info("x", "time", 5, slog.Group("g", "time", 7))
	if text := out.String(); strings.Contains(text, "time=2") || !strings.Contains(text, "g.time=7") {
		t.Errorf("%q: want its own attributes, whatever their names", text)
	}
	out.Reset()
	newLog(&out, slog.LevelWarn).Info("too much")
	if out.Len() != 0 {
		t.Errorf("%q, want nothing", out.String())
	}
}

// Without the journal, a line has its time and no priority.
func TestNoJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	var out bytes.Buffer
	newLog(&out, slog.LevelInfo).Info("i")
	if !strings.HasPrefix(out.String(), "time=") {
		t.Errorf("%q", out.String())
	}
}

// Lines of several goroutines keep their own priorities.
func TestJournalInParallel(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "8:1")
	var out bytes.Buffer
	log := newLog(&out, slog.LevelInfo)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { log.Info("i") })
		wg.Go(func() { log.Error("e") })
	}
	wg.Wait()
	if n := strings.Count(out.String(), "<6>level=INFO msg=i\n") + strings.Count(out.String(), "<3>level=ERROR msg=e\n"); n != 100 || strings.Count(out.String(), "\n") != 100 {
		t.Errorf("%d lines are right:\n%s", n, out.String())
	}
}
