// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"testing"

	"dpr/userland/dprnl"
)

// A listener for a server's events.
type events struct {
	from *dprnl.Events
}

// subscribe listens for a server's events from now on.
func subscribe(t *testing.T, s *server) *events {
	t.Helper()
	e := &events{}
	check(t, s.Do(func() (err error) { e.from, err = dprnl.NewEvents(); return err }))
	t.Cleanup(func() { e.from.Close() })
	return e
}

// want waits for an event of that type; what comes after it is lost.
func (e *events) want(t *testing.T, typ dprnl.EventType) dprnl.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	for ev, err := range e.from.All(ctx) {
		check(t, err)
		if ev.Type == typ {
			return ev
		}
	}
	t.Fatalf("no event %v", typ)
	return dprnl.Event{}
}
