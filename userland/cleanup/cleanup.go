// SPDX-License-Identifier: MIT

// Package cleanup is the work of dpr-cleanup: it has the kernel expire flows,
// in bounded steps, takes peers that fell silent out of the load table, and
// tells a dead host from a host whose daemon is dead before it declares a
// peer dead, which ends the peer's flows.
//
// It keeps no state that matters: started again, it finds silent peers in the
// kernel and probes them anew.
package cleanup

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
)

// A Kernel is what a cleaner needs of dprnl.Client.
type Kernel interface {
	Expire(ctx context.Context, budget uint32) (dprnl.Expiry, error)
	Services(context.Context) ([]dprnl.Service, error)
	Peers(context.Context) ([]dprnl.Peer, error)
	Peer(context.Context, netip.Addr) (dprnl.Peer, error)
	DeletePeer(ctx context.Context, address netip.Addr, dead bool) error
	Close() error
}

// Options are what a cleaner works with.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	// Probe finds out whether a host is alive; see Prober.
	Probe func(ctx context.Context, host netip.Addr, ports []uint16) Verdict
	Log   *slog.Logger
}

const (
	logEvery = 10 * time.Second // the same trouble is logged once per
	// budget is how many flows one step looks at; the kernel holds no lock
	// for longer than a fraction of it.
	budget = 4096
	// maxSteps bounds the steps of one interval, to a quarter of a million
	// flows: a larger table is gone over in several intervals, so that it
	// neither takes a whole CPU nor keeps the peers waiting.
	maxSteps = 64
	// maxProbes bounds the hosts probed at once.
	maxProbes = 32
)

// A Cleaner cleans the tables. It implements daemon.Service.
type Cleaner struct {
	o       Options
	log     *daemon.Limited
	link    *daemon.Link[Kernel]
	config  atomic.Pointer[config.Config]
	probing map[netip.Addr]bool      // probes on their way
	next    map[netip.Addr]time.Time // hosts that live in silence: the next probe
	results chan result
}

// A result is what a probe found.
type result struct {
	host    netip.Addr
	verdict Verdict
}

// New makes a cleaner.
func New(o Options) *Cleaner {
	c := &Cleaner{
		o: o, log: daemon.NewLimited(o.Log, logEvery), link: daemon.NewLink(o.Dial),
		probing: make(map[netip.Addr]bool), next: make(map[netip.Addr]time.Time),
		results: make(chan result, maxProbes),
	}
	c.config.Store(o.Config)
	return c
}

// Reload gives it another configuration, which holds from the next interval.
func (c *Cleaner) Reload(cfg *config.Config) { c.config.Store(cfg) }

// Run cleans each interval until ctx is done. Only the lack of the right ends
// it otherwise.
func (c *Cleaner) Run(ctx context.Context, ready, alive func()) error {
	defer c.link.Close()
	interval := c.config.Load().Cleanup.Interval
	tick := time.NewTicker(interval)
	defer tick.Stop()
	heart := time.NewTicker(time.Second)
	defer heart.Stop()
	err := c.clean(ctx, alive)
	for ready(); ; {
		if errors.Is(err, dprnl.ErrNoRight) {
			return err
		}
		alive()
		select {
		case <-ctx.Done():
			return nil
		case <-heart.C: // intervals may be longer than the watchdog allows
			err = nil
		case r := <-c.results:
			err = c.judge(ctx, r)
		case <-tick.C:
			err = c.clean(ctx, alive)
			if i := c.config.Load().Cleanup.Interval; i != interval {
				interval = i
				tick.Reset(interval)
			}
		}
	}
}

// clean is the work of one interval.
func (c *Cleaner) clean(ctx context.Context, alive func()) error {
	k, err := c.link.Get()
	if err == nil {
		err = c.link.Note(c.expire(ctx, k, alive))
	}
	if err == nil {
		err = c.link.Note(c.peers(ctx, k))
	}
	if err != nil && ctx.Err() == nil {
		c.log.Log(slog.LevelWarn, "kernel", "the tables cannot be cleaned", "error", err)
	}
	return err
}

// expire goes on over the routing table, to its end or as far as an interval
// may.
func (c *Cleaner) expire(ctx context.Context, k Kernel, alive func()) error {
	var sum dprnl.Expiry
	for range maxSteps {
		x, err := k.Expire(ctx, budget)
		if err != nil {
			return err
		}
		alive()
		sum.Scanned += x.Scanned
		sum.Expired += x.Expired
		sum.Reset += x.Reset
		sum.Flows = x.Flows
		if x.Done {
			break
		}
	}
	level := slog.LevelDebug
	if sum.Reset > 0 {
		level = slog.LevelInfo
	}
	c.o.Log.Log(ctx, level, "flows cleaned", "scanned", sum.Scanned, "expired", sum.Expired,
		"reset", sum.Reset, "left", sum.Flows)
	return nil
}

// peers looks for those that are silent. A peer that never reported was added
// by hand, and is left alone.
func (c *Cleaner) peers(ctx context.Context, k Kernel) error {
	cfg := c.config.Load()
	silence := time.Duration(cfg.Cleanup.SilentPeriods) * cfg.Report.Period
	list, err := k.Peers(ctx)
	if err != nil {
		return err
	}
	known := make(map[netip.Addr]bool, len(list))
	for _, p := range list {
		known[p.Address] = true
		if !p.Reported || p.Age <= silence {
			delete(c.next, p.Address)
			continue
		}
		if p.Listed {
			if err := c.unlist(ctx, k, p); err != nil {
				return err
			}
		}
		if p.Age > cfg.Cleanup.DeadAfter {
			if err := c.probe(ctx, k, p.Address); err != nil {
				return err
			}
		}
	}
	for host := range c.next {
		if !known[host] {
			delete(c.next, host)
		}
	}
	return nil
}

// unlist takes a silent peer out of the load table; its flows go on.
func (c *Cleaner) unlist(ctx context.Context, k Kernel, p dprnl.Peer) error {
	err := k.DeletePeer(ctx, p.Address, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // someone was faster
	}
	if err != nil {
		return err
	}
	c.o.Log.Warn("a peer is silent and gets no new connections", "peer", p.Address, "silent", p.Age, "flows", p.Flows)
	return nil
}

// probe starts a probe of a silent peer, unless one is on its way, it was
// found alive a while ago, or there are too many.
func (c *Cleaner) probe(ctx context.Context, k Kernel, host netip.Addr) error {
	if c.probing[host] || len(c.probing) >= maxProbes || time.Now().Before(c.next[host]) {
		return nil
	}
	services, err := k.Services(ctx)
	if err != nil {
		return err
	}
	ports := []uint16{c.config.Load().Report.Port}
	if len(services) > 0 {
		ports = nil
	}
	for _, s := range services {
		ports = append(ports, s.Port)
	}
	c.probing[host] = true
	go func() {
		v := c.o.Probe(ctx, host, ports)
		// There is room: no more than maxProbes are on their way.
		c.results <- result{host, v}
	}()
	return nil
}

// judge acts on what a probe found, if the peer is still silent.
func (c *Cleaner) judge(ctx context.Context, r result) error {
	delete(c.probing, r.host)
	cfg := c.config.Load()
	level := slog.LevelWarn
	if _, before := c.next[r.host]; before {
		level = slog.LevelDebug // it was said when it was first found out
	}
	// The next probe comes no sooner than it takes to be taken for dead.
	c.next[r.host] = time.Now().Add(cfg.Cleanup.DeadAfter)
	switch {
	case ctx.Err() != nil:
		return nil
	case r.verdict == Alive:
		c.o.Log.Log(ctx, level, "a peer is silent but its host answers; its flows go on", "peer", r.host)
		return nil
	case r.verdict == Unknown:
		c.o.Log.Log(ctx, level, "a silent peer cannot be probed from here; its flows go on", "peer", r.host)
		return nil
	}
	k, err := c.link.Get()
	if err != nil {
		return err
	}
	p, err := k.Peer(ctx, r.host)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Age <= cfg.Cleanup.DeadAfter {
		return nil
	}
	if err == nil {
		err = k.DeletePeer(ctx, r.host, true)
	}
	if err != nil {
		c.log.Log(slog.LevelWarn, "kernel", "a dead peer cannot be deleted", "peer", r.host, "error", err)
		return c.link.Note(err)
	}
	delete(c.next, r.host)
	c.o.Log.Warn("a peer is dead, its flows end", "peer", r.host, "silent", p.Age, "flows", p.Flows)
	return nil
}
