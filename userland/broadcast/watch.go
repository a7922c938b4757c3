// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"dpr/userland/dprnl"
)

// watch signals that the kernel's configuration may have changed, until ctx is
// done. Changes before the receiver looks are merged into one signal.
func (b *Broadcaster) watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	if b.o.Events == nil {
		return changed
	}
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	go func() {
		for ctx.Err() == nil {
			err := b.events(ctx, notify)
			// Without the module there are no events, and the main loop has
			// already logged that.
			if err != nil && ctx.Err() == nil && !errors.Is(err, dprnl.ErrNotLoaded) {
				b.log.Log(slog.LevelWarn, "events", "no kernel events: state changes are announced only at the next period", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(resubscribe):
			}
		}
	}()
	return changed
}

// events subscribes once and calls notify for each event that may concern the
// configuration, until the subscription ends.
func (b *Broadcaster) events(ctx context.Context, notify func()) error {
	source, err := b.o.Events()
	if err != nil {
		return err
	}
	defer source.Close()
	notify() // the configuration may have changed before
	for ev, err := range source.All(ctx) {
		switch {
		case errors.Is(err, dprnl.ErrEventsLost):
			notify()
		case err != nil:
			return err
		case ev.Type == dprnl.EventConfig:
			notify()
		}
	}
	return nil
}
