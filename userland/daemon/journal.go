// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// newLog returns a process's log. Where the journal reads it, each line begins with its
// priority (sd-daemon(3)) and has no time of its own.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	if os.Getenv("JOURNAL_STREAM") == "" {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	p := &prefixed{w: w}
	return slog.New(journal{slog.NewTextHandler(p, &slog.HandlerOptions{Level: level, ReplaceAttr: dropTime}), p})
}

// dropTime omits the time, which the journal adds.
func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A journal writes each record's priority in front of its line.
type journal struct {
	slog.Handler
	out *prefixed // what Handler writes to
}

// prefixed writes a prefix before what is written.
type prefixed struct {
	w  io.Writer
	mu sync.Mutex // of prefix, while a record is written
	// prefix is of the record that is being written.
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	n, err := p.w.Write(append([]byte(p.prefix), b...))
	return max(n-len(p.prefix), 0), err
}

// Handle writes a record, which is one line.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	j.out.prefix = fmt.Sprintf("<%d>", priority(r.Level))
	return j.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the priorities.
func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journal{j.Handler.WithAttrs(attrs), j.out}
}

func (j journal) WithGroup(name string) slog.Handler {
	return journal{j.Handler.WithGroup(name), j.out}
}

// priority returns a level's priority of syslog(3).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
