// SPDX-License-Identifier: MIT

// Package health finds out whether backends answer, and has the kernel give no new
// connections to those that do not.
//
// A backend is down after it has failed to answer Fall times in a row, and up again after it
// has answered Rise times, so that one lost packet moves no connection. Checks of different
// hosts and backends drift apart: each interval is up to a quarter longer or shorter.
//
// A backend that does not answer is kept down: the kernel forgets it with the module, and an
// operator cannot set it up. Otherwise only a change of what is found changes what the kernel
// has. A backend that an operator has set down stays so until it fails and comes back, or this
// process starts again.
package health

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
)

// A Kernel is the part of dprnl.Client that a checker uses.
type Kernel interface {
	Backends(context.Context) ([]dprnl.BackendStatus, error)
	SetBackendDown(ctx context.Context, name string, down bool) error
	Close() error
}

// Options configure a checker.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	// Ask returns nil if a backend answers as it should; see Ask.
	Ask func(context.Context, config.Check) error
	Log *slog.Logger
}

// How often in a row a backend must answer to be up, and fail to be down.
const (
	Rise = 2
	Fall = 3
)

const (
	tick     = 50 * time.Millisecond // between two looks at what is due
	logEvery = 10 * time.Second
	longest  = 5 * time.Second // of one check
)

// A backend is what a checker knows of one.
type backend struct {
	check  config.Check
	next   time.Time // when to ask again
	asking bool
	good   bool // the last answer, and how many in a row were like it
	streak int
	judged bool // the streak was long enough once
	up     bool // what that said
	told   bool // the kernel has, or had, that
}

// A result is what came of asking a backend.
type result struct {
	check config.Check
	err   error
}

// A Checker checks backends.
type Checker struct {
	o       Options
	log     *daemon.Limited
	link    *daemon.Link[Kernel]
	config  atomic.Pointer[config.Config]
	known   map[string]*backend
	results chan result
}

// New returns a checker.
func New(o Options) *Checker {
	c := &Checker{o: o, log: daemon.NewLimited(o.Log, logEvery), link: daemon.NewLink(o.Dial), known: make(map[string]*backend),
		results: make(chan result, dprnl.MaxBackends)}
	c.config.Store(o.Config)
	return c
}

// Reload replaces the configuration.
func (c *Checker) Reload(cfg *config.Config) { c.config.Store(cfg) }

// Run checks backends until ctx is done.
func (c *Checker) Run(ctx context.Context) {
	defer c.link.Close()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-c.results:
			c.note(ctx, r)
		case now := <-t.C:
			c.look(ctx, now)
		}
	}
}

// look asks the backends that are due.
func (c *Checker) look(ctx context.Context, now time.Time) {
	cfg := c.config.Load()
	names := make(map[string]bool)
	for _, check := range cfg.Checks {
		names[check.Backend] = true
		b := c.known[check.Backend]
		if b == nil || b.check != check {
			b = anew(b, check, now)
			c.known[check.Backend] = b
		}
		if b.asking || now.Before(b.next) {
			continue
		}
		b.asking = true
		b.next = now.Add(spread(check.Interval))
		go c.ask(ctx, check)
	}
	for name, b := range c.known {
		if names[name] {
			continue
		}
		// Nobody else would give it connections again. One that is in the file no more does
		// not answer either: the kernel may have it for a while.
		unchecked := b.judged && !b.up && slices.ContainsFunc(cfg.Backends, func(o dprnl.Backend) bool { return o.Name == name })
		if !unchecked || c.tell(ctx, name, false) {
			delete(c.known, name)
		}
	}
}

// anew is a backend that is checked otherwise than before, or was not checked (nil). What was
// found of another address says nothing about this one, but one that was down is so in the
// kernel until it is found to answer.
func anew(old *backend, check config.Check, now time.Time) *backend {
	b := &backend{check: check, next: now}
	if old != nil && old.judged && !old.up {
		b.judged, b.told = true, old.told
	}
	return b
}

// ask asks a backend once.
func (c *Checker) ask(ctx context.Context, check config.Check) {
	limited, cancel := context.WithTimeout(ctx, min(check.Interval, longest))
	defer cancel()
	err := c.o.Ask(limited, check)
	select {
	case c.results <- result{check, err}:
	case <-ctx.Done():
	}
}

// spread is an interval that is up to a quarter longer or shorter.
func spread(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d/2)+1))
}

// note judges a backend by one more answer.
func (c *Checker) note(ctx context.Context, r result) {
	b := c.known[r.check.Backend]
	if b == nil || b.check != r.check {
		return
	}
	b.asking = false
	good := r.err == nil
	if good != b.good {
		b.good, b.streak = good, 0
	}
	b.streak++
	enough := map[bool]int{true: Rise, false: Fall}[good]
	if b.streak >= enough && (!b.judged || b.up != good) {
		b.judged, b.up, b.told = true, good, false
		if good {
			c.o.Log.Info("the backend answers", "backend", r.check.Backend, "address", r.check.Target)
		} else {
			c.o.Log.Warn("the backend does not answer", "backend", r.check.Backend, "address", r.check.Target, "error", r.err)
		}
	}
	if b.judged && (!b.told || !b.up) {
		b.told = c.tell(ctx, r.check.Backend, !b.up)
	}
}

// tell has the kernel give a backend no new connections, or give it some again. It returns
// whether there is nothing more to be done.
func (c *Checker) tell(ctx context.Context, name string, down bool) bool {
	k, err := c.link.Get()
	if err == nil {
		err = c.link.Note(set(ctx, k, name, down))
	}
	if err != nil && ctx.Err() == nil {
		c.log.Log(slog.LevelWarn, "kernel", "cannot change the backend", "backend", name, "error", err)
	}
	return err == nil
}

// set changes whether a backend is down. One that the kernel does not have is left out.
func set(ctx context.Context, k Kernel, name string, down bool) error {
	list, err := k.Backends(ctx)
	if err != nil {
		return err
	}
	for _, b := range list {
		if b.Name == name && b.Down != down {
			err = k.SetBackendDown(ctx, name, down)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
