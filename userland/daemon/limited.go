// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A Limited log limits the rate of each kind of message, and counts those that
// it suppresses.
type Limited struct {
	log   *slog.Logger
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*message
}

type message struct {
	last       time.Time
	suppressed int
}

// NewLimited returns a log that writes each kind of message at most once per
// every.
func NewLimited(log *slog.Logger, every time.Duration) *Limited {
	return &Limited{log: log, every: every, now: time.Now, keys: make(map[string]*message)}
}

// Log logs the message unless one with the same key was logged within the limit.
// Keys must come from a small set, because they are never forgotten.
func (l *Limited) Log(level slog.Level, key, text string, args ...any) {
	l.mu.Lock()
	now := l.now()
	m := l.keys[key]
	if m == nil {
		m = &message{}
		l.keys[key] = m
	} else if now.Sub(m.last) < l.every {
		m.suppressed++
		l.mu.Unlock()
		return
	}
	suppressed := m.suppressed
	m.last, m.suppressed = now, 0
	l.mu.Unlock()
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.log.Log(context.Background(), level, text, args...)
}
