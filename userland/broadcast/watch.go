// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"dpr/userland/dprnl"
)

// watch tells when the kernel's configuration may have changed, until ctx is
// done. Changes that come before the last was looked at are one.
func (b *Broadcaster) watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	if b.o.Events == nil {
		return changed
	}
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	go func() {
		for ctx.Err() == nil {
			err := b.events(ctx, tell)
			// Without the module there are no events, and the main loop
			// has said so.
			if err != nil && ctx.Err() == nil && !errors.Is(err, dprnl.ErrNotLoaded) {
				b.log.Log(slog.LevelWarn, "events", "a change of state is announced with the next period only", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(resubscribe):
			}
		}
	}()
	return changed
}

// events subscribes once and calls tell for what concerns the configuration,
// until the subscription ends.
func (b *Broadcaster) events(ctx context.Context, tell func()) error {
	source, err := b.o.Events()
	if err != nil {
		return err
	}
	defer source.Close()
	tell() // it may have changed before
	for ev, err := range source.All(ctx) {
		switch {
		case errors.Is(err, dprnl.ErrEventsLost):
			tell()
		case err != nil:
			return err
		case ev.Type == dprnl.EventConfig:
			tell()
		}
	}
	return nil
}
