// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"dpr/userland/apply"
	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// applyAgain is how long after a failure a file is applied again; a reloaded one is at once.
const applyAgain = 10 * time.Second

// A leftover is what a kernel was left with when a file could be applied in part only: it has
// this host's address, which cannot be taken back, and looks configured.
type leftover struct {
	config   dprnl.Config // without what changes all the same
	services []dprnl.Service
	file     *config.Config // that was applied
	until    time.Time      // it is applied again
}

// noteApplying notes that a file is being applied, for the process after this one.
func (r *Receiver) noteApplying() {
	if r.o.Applying == "" {
		return
	}
	if err := os.WriteFile(r.o.Applying, nil, 0o600); err != nil {
		r.log.Log(slog.LevelWarn, "applying", "cannot note that the file is being applied: a restart meanwhile leaves it applied in part", "error", err)
	}
}

// wasApplying says whether a process before this one ended while it applied a file.
func (r *Receiver) wasApplying() bool {
	_, err := os.Stat(r.o.Applying)
	return r.o.Applying != "" && err == nil
}

// forgetLeftover: the kernel has all of a file, or nothing of it, or somebody else goes on.
func (r *Receiver) forgetLeftover() {
	r.leftover = nil
	if r.o.Applying == "" {
		return
	}
	if err := os.Remove(r.o.Applying); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.log.Log(slog.LevelWarn, "applying", "cannot remove a note: after a restart the file is applied if the kernel has a part of it", "error", err)
	}
}

// lasting is a configuration without the address, which may be renumbered, the keys, which
// follow the file's, and the state, which an operator sets.
func lasting(c dprnl.Config) dprnl.Config {
	c.Address, c.HandoverKeyIDs, c.State = netip.Addr{}, [dprnl.MaxHandoverKeys]uint32{}, dprnl.StateActive
	return c
}

// due says whether to apply the file (again).
func (l *leftover) due(file *config.Config, now time.Time) bool {
	return l != nil && (l.file != file || !now.Before(l.until))
}

// keepLeftover notes what is left after a failure.
func (r *Receiver) keepLeftover(ctx context.Context, k Kernel) error {
	r.leftover = nil
	c, err := k.Config(ctx)
	if err != nil {
		return err
	}
	services, err := k.Services(ctx)
	if err != nil {
		return err
	}
	r.leftover = &leftover{lasting(c), services, r.config.Load(), r.o.Now().Add(applyAgain)}
	return nil
}

// findLeftover forgets what was left once somebody else has gone on with it. What a process
// before this one left is found, too: a kernel with an address, and a part of the file's
// services, rules and backends, or none. Without its note somebody has taken the rest away.
func (r *Receiver) findLeftover(ctx context.Context, k Kernel, c dprnl.Config) error {
	if r.adopted && r.leftover == nil {
		return nil
	}
	services, err := k.Services(ctx)
	if err != nil {
		return err
	}
	if r.leftover != nil {
		if lasting(c) != r.leftover.config || !slices.Equal(services, r.leftover.services) {
			r.forgetLeftover()
		}
		return nil
	}
	inPart := false
	if r.wasApplying() {
		if inPart, err = apply.InPart(ctx, k, r.config.Load()); err != nil {
			return err
		}
	}
	r.adopted = true
	if inPart {
		r.leftover = &leftover{config: lasting(c)}
		return nil
	}
	r.forgetLeftover()
	return nil
}
