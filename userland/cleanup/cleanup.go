// SPDX-License-Identifier: MIT

// Package cleanup implements dpr-cleanup. It makes the kernel expire flows in
// bounded steps and removes silent peers from the load table. Before it declares
// a peer dead, which ends the peer's flows, it probes whether the host is dead or
// only its daemon.
//
// It keeps no state that matters: after a restart it finds silent peers in the
// kernel and probes them again.
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
	"dpr/userland/health"
)

// A Kernel is the part of dprnl.Client that a cleaner uses.
type Kernel interface {
	Expire(ctx context.Context, budget uint32) (dprnl.Expiry, error)
	Services(context.Context) ([]dprnl.Service, error)
	Peers(context.Context) ([]dprnl.Peer, error)
	Peer(context.Context, netip.Addr) (dprnl.Peer, error)
	DeletePeer(ctx context.Context, address netip.Addr, dead bool) error
	Close() error
}

// Options configure a cleaner.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	// Probe finds out whether a host is alive; see Prober.
	Probe func(ctx context.Context, host netip.Addr, ports []uint16) Verdict
	Log   *slog.Logger
	// Health checks backends beside, nil: nothing does.
	Health *health.Checker
}

const (
	logEvery = 10 * time.Second // log the same problem at most once per
	// budget is how many flows one step scans. The kernel holds no lock for
	// longer than a fraction of a step.
	budget = 4096
	// maxSteps limits one interval to about 262,000 flows. A larger table is
	// scanned over several intervals, so that it neither occupies a whole CPU
	// nor delays the work on peers.
	maxSteps = 64
	// maxProbes limits the number of hosts probed at once.
	maxProbes = 32
)

// A Cleaner cleans the tables. It implements daemon.Service.
type Cleaner struct {
	o       Options
	log     *daemon.Limited
	link    *daemon.Link[Kernel]
	config  atomic.Pointer[config.Config]
	probing map[netip.Addr]bool      // hosts with a probe under way
	next    map[netip.Addr]time.Time // when to probe a silent live host again
	silent  map[netip.Addr]bool      // known peers, and whether they are silent; nil at first
	results chan result
}

// A result is the outcome of a probe.
type result struct {
	host    netip.Addr
	verdict Verdict
}

// New returns a cleaner.
func New(o Options) *Cleaner {
	c := &Cleaner{
		o: o, log: daemon.NewLimited(o.Log, logEvery), link: daemon.NewLink(o.Dial),
		probing: make(map[netip.Addr]bool), next: make(map[netip.Addr]time.Time),
		results: make(chan result, maxProbes),
	}
	c.config.Store(o.Config)
	return c
}

// Reload replaces the configuration from the next interval on.
func (c *Cleaner) Reload(cfg *config.Config) {
	c.config.Store(cfg)
	if c.o.Health != nil {
		c.o.Health.Reload(cfg)
	}
}

// Run cleans once an interval until ctx is done. The only error that ends it is
// dprnl.ErrNoRight.
func (c *Cleaner) Run(ctx context.Context, ready, alive func()) error {
	defer c.link.Close()
	if c.o.Health != nil {
		go c.o.Health.Run(ctx)
	}
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
		c.log.Log(slog.LevelWarn, "kernel", "cannot clean the tables", "error", err)
	}
	return err
}

// expire continues the scan of the routing table, to its end or for maxSteps
// steps.
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

// peers handles silent peers. A peer that never reported was added by hand; it
// is left alone.
func (c *Cleaner) peers(ctx context.Context, k Kernel) error {
	cfg := c.config.Load()
	silence := time.Duration(cfg.Cleanup.SilentPeriods) * cfg.Report.Period
	list, err := k.Peers(ctx)
	if err != nil {
		return err
	}
	c.announce(list, silence)
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

// announce logs peers that are new, and those that are back.
func (c *Cleaner) announce(list []dprnl.Peer, silence time.Duration) {
	now := make(map[netip.Addr]bool, len(list))
	for _, p := range list {
		silent := p.Age > silence
		was, known := c.silent[p.Address]
		if p.Reported {
			now[p.Address] = silent
		}
		switch {
		case !p.Reported || silent || c.silent == nil:
		case !known:
			c.o.Log.Info("peer is new", "peer", p.Address)
		case was:
			c.o.Log.Info("peer reports again", "peer", p.Address)
		}
	}
	c.silent = now
}

// unlist removes a silent peer from the load table; its flows continue.
func (c *Cleaner) unlist(ctx context.Context, k Kernel, p dprnl.Peer) error {
	err := k.DeletePeer(ctx, p.Address, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process was faster
	}
	if err != nil {
		return err
	}
	c.o.Log.Warn("peer is silent; it gets no new connections", "peer", p.Address, "silent", p.Age, "flows", p.Flows)
	return nil
}

// probe starts a probe of a silent peer, unless one is under way, the peer was
// found alive recently, or too many probes are running.
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
		// This does not block: at most maxProbes are under way.
		c.results <- result{host, v}
	}()
	return nil
}

// judge acts on the result of a probe if the peer is still silent.
func (c *Cleaner) judge(ctx context.Context, r result) error {
	delete(c.probing, r.host)
	cfg := c.config.Load()
	level := slog.LevelWarn
	if _, before := c.next[r.host]; before {
		level = slog.LevelDebug // logged when first found
	}
	// Do not probe again before DeadAfter has passed.
	c.next[r.host] = time.Now().Add(cfg.Cleanup.DeadAfter)
	switch {
	case ctx.Err() != nil:
		return nil
	case r.verdict == Alive:
		c.o.Log.Log(ctx, level, "peer is silent but its host answers; its flows continue", "peer", r.host)
		return nil
	case r.verdict == Unknown:
		c.o.Log.Log(ctx, level, "nothing is known of a silent peer: this host cannot send, or hears nobody; the peer's flows continue", "peer", r.host)
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
		c.log.Log(slog.LevelWarn, "kernel", "cannot delete a dead peer", "peer", r.host, "error", err)
		return c.link.Note(err)
	}
	delete(c.next, r.host)
	c.o.Log.Warn("peer is dead; ending its flows", "peer", r.host, "silent", p.Age, "flows", p.Flows)
	return nil
}
