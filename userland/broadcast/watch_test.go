// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"iter"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// events is a subscription that ends with err when the channel is closed.
type events struct {
	in  chan dprnl.Event
	err error
}

func (e events) All(ctx context.Context) iter.Seq2[dprnl.Event, error] {
	return func(yield func(dprnl.Event, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case ev, ok := <-e.in:
				if !ok {
					yield(dprnl.Event{}, e.err)
					return
				}
				if !yield(ev, nil) {
					return
				}
			}
		}
	}
}

func (events) Close() error { return nil }

// launch runs a broadcaster whose period no test waits for.
func launch(t *testing.T, b *Broadcaster, subscriptions chan events) (end func()) {
	t.Helper()
	b.o.Config.Report.Period = time.Hour
	b.o.Events = func() (EventSource, error) { return <-subscriptions, nil }
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan bool, 1), make(chan error, 1)
	go func() { done <- b.Run(ctx, func() { ready <- true }, func() {}) }()
	<-ready
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended: %v", err)
		}
	}
}

func (k *kernel) setState(s dprnl.State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config.State = s
}

func sentSoon(t *testing.T, n *ether, want int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); n.count(netA) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d reports were sent, want %d", n.count(netA), want)
		}
	}
}

// A change of state is announced at once, other changes are not; on its end
// the process says once more that the host leaves.
func TestStateIsAnnouncedAtOnce(t *testing.T) {
	b, k, n := setup(t)
	k.setState(dprnl.StateActive)
	subscriptions := make(chan events, 2)
	first, second := events{make(chan dprnl.Event), dprnl.ErrNotLoaded}, events{in: make(chan dprnl.Event)}
	subscriptions <- first
	subscriptions <- second
	end := launch(t, b, subscriptions)
	sentSoon(t, n, 1)
	first.in <- dprnl.Event{Type: dprnl.EventConfig}
	first.in <- dprnl.Event{Type: dprnl.EventTableFull}
	k.setState(dprnl.StateDraining)
	first.in <- dprnl.Event{Type: dprnl.EventConfig}
	sentSoon(t, n, 2)
	// What changes while there is no subscription is seen with the next.
	k.setState(dprnl.StateLeaving)
	close(first.in)
	sentSoon(t, n, 3)
	end()
	if n.count(netA) != 4 {
		t.Fatalf("%d reports were sent, want 4", n.count(netA))
	}
	var states []dprnl.State
	for _, r := range verify(t, report.NewKey([report.KeyLen]byte{1}), n.sent[netA]...) {
		states = append(states, r.State)
	}
	for i, want := range []dprnl.State{dprnl.StateActive, dprnl.StateDraining, dprnl.StateLeaving, dprnl.StateLeaving} {
		if states[i] != want {
			t.Errorf("states %v", states)
		}
	}
}

// An active host's process that ends says nothing: it may be a mere restart.
func TestRestartIsNotAnnounced(t *testing.T) {
	b, k, n := setup(t)
	k.setState(dprnl.StateActive)
	subscriptions := make(chan events, 1)
	subscriptions <- events{in: make(chan dprnl.Event)}
	end := launch(t, b, subscriptions)
	sentSoon(t, n, 1)
	end()
	if n.count(netA) != 1 {
		t.Errorf("%d reports were sent", n.count(netA))
	}
}
