// SPDX-License-Identifier: MIT

// Package broadcast is the work of dpr-broadcast: once a period it reads this
// host's load and state from the kernel and sends a report of them to every
// configured network. When the host's state changes it does so at once: a host
// that is to be drained or to leave is out of the others' choice before the
// next period. Ended while the host drains or leaves it says so once more;
// ended while the host is active it says nothing, for it may only be restarted.
//
// It keeps no state that matters: killed and started again, it sends the next
// report, whose sequence number comes from the kernel's boot time clock.
package broadcast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A Kernel is what a broadcaster needs of dprnl.Client.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	Load(context.Context) (dprnl.Load, error)
	Close() error
}

// An EventSource is what a broadcaster needs of dprnl.Events.
type EventSource interface {
	All(context.Context) iter.Seq2[dprnl.Event, error]
	Close() error
}

// A Sender sends datagrams to one network.
type Sender interface {
	Send(b []byte) error
	Close() error
}

// Options are what a broadcaster works with.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	// Events subscribes to the kernel's events. Without them, nil, a change of
	// state is announced at the next period.
	Events func() (EventSource, error)
	// Open opens a network for datagrams from the address host.
	Open func(n config.Network, port uint16, host netip.Addr) (Sender, error)
	Boot report.BootID
	// Sequence returns the sequence number of a report sent now; it must grow
	// for as long as the boot id stays.
	Sequence func() (uint64, error)
	Now      func() time.Time
	Log      *slog.Logger
}

const (
	logEvery    = 10 * time.Second // the same trouble is logged once per
	resubscribe = time.Second      // between attempts to subscribe to events
	lastWord    = time.Second      // for the report that is sent when it ends
)

// A Broadcaster sends reports. It implements daemon.Service.
type Broadcaster struct {
	o       Options
	log     *daemon.Limited
	link    *daemon.Link[Kernel]
	config  atomic.Pointer[config.Config]
	current *config.Config // what the networks below were made of
	host    netip.Addr
	nets    []*network
	state   dprnl.State // of the last report
	last    uint64      // sequence number of the last report
}

// A network is a place to send to, open or not.
type network struct {
	config.Network
	sender Sender
}

// New makes a broadcaster; the error is one of the configuration.
func New(o Options) (*Broadcaster, error) {
	if len(o.Config.Report.Networks) == 0 {
		return nil, errors.New("there is no report.network to send reports to")
	}
	b := &Broadcaster{o: o, log: daemon.NewLimited(o.Log, logEvery), link: daemon.NewLink(o.Dial)}
	b.config.Store(o.Config)
	return b, nil
}

// Reload gives it another configuration, which holds from the next period on.
func (b *Broadcaster) Reload(c *config.Config) { b.config.Store(c) }

// Run sends a report at once, then each period and when the host's state
// changes, until ctx is done. The ticker keeps to the period however long a report takes, and drops what it
// cannot keep up with. Only the lack of the right ends it otherwise.
func (b *Broadcaster) Run(ctx context.Context, ready, alive func()) error {
	defer b.close()
	defer b.link.Close()
	period := b.config.Load().Report.Period
	tick := time.NewTicker(period)
	defer tick.Stop()
	heart := time.NewTicker(time.Second)
	defer heart.Stop()
	changed := b.watch(ctx)
	err := b.beat(ctx)
	for ready(); ; {
		if errors.Is(err, dprnl.ErrNoRight) {
			return err
		}
		alive()
		select {
		case <-ctx.Done():
			b.part(ctx)
			return nil
		case <-heart.C: // periods may be longer than the watchdog allows
			continue
		case <-changed:
			err = b.announce(ctx)
			continue
		case <-tick.C:
		}
		err = b.beat(ctx)
		if p := b.config.Load().Report.Period; p != period {
			period = p
			tick.Reset(period)
		}
	}
}

// part says once more that the host drains or leaves, if it does.
func (b *Broadcaster) part(ctx context.Context) {
	if b.state == dprnl.StateActive {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	_ = b.beat(ctx) // it has logged what went wrong
}

// announce sends a report if the host's state is not what the last one said.
func (b *Broadcaster) announce(ctx context.Context) error {
	k, err := b.link.Get()
	if err != nil {
		return nil // the next period tells
	}
	c, err := k.Config(ctx)
	if err != nil {
		return b.link.Note(err)
	}
	if c.State == b.state {
		return nil
	}
	return b.beat(ctx)
}

// beat sends one report to all networks. Trouble is logged and, but for the
// caller's interest, no reason to stop: the next period tries again.
func (b *Broadcaster) beat(ctx context.Context) error {
	c := b.config.Load()
	r, err := b.report(ctx, c)
	if err != nil {
		if ctx.Err() == nil {
			b.log.Log(slog.LevelWarn, "kernel", "no report is sent", "error", err)
		}
		return err
	}
	var key *report.Key
	if len(c.Report.Keys) > 0 {
		key = c.Report.Keys[0]
	}
	datagram, err := r.Append(nil, key)
	if err != nil {
		b.log.Log(slog.LevelError, "encode", "no report is sent", "error", err)
		return err
	}
	b.prepare(c, r.Host)
	for _, n := range b.nets {
		if err := b.send(n, datagram); err != nil {
			b.log.Log(slog.LevelWarn, "network "+n.String(), "a network gets no report", "network", n.String(), "error", err)
		}
	}
	if b.state != r.State {
		b.state = r.State
		b.o.Log.Info("this host's state is announced", "state", r.State.String())
	}
	return nil
}

// report reads from the kernel what this host says of itself.
func (b *Broadcaster) report(ctx context.Context, c *config.Config) (*report.Report, error) {
	k, err := b.link.Get()
	if err != nil {
		return nil, err
	}
	kc, err := k.Config(ctx)
	if err != nil {
		return nil, b.link.Note(err)
	}
	if !kc.Address.IsValid() || kc.Address.IsUnspecified() {
		return nil, errors.New("the kernel has no address of this host (dprctl apply)")
	}
	load, err := k.Load(ctx)
	if err != nil {
		return nil, b.link.Note(err)
	}
	sequence, err := b.o.Sequence()
	if err != nil {
		return nil, fmt.Errorf("reading the boot time clock: %w", err)
	}
	b.last = max(b.last+1, sequence)
	return &report.Report{
		Host:     kc.Address,
		Boot:     b.o.Boot,
		Sequence: b.last,
		Time:     b.o.Now(),
		Period:   c.Report.Period,
		State:    kc.State,
		Weight:   max(kc.Weight, 1),
		Metrics:  load.Metrics,
	}, nil
}

// prepare makes the list of networks anew when the configuration or this
// host's address changed.
func (b *Broadcaster) prepare(c *config.Config, host netip.Addr) {
	if b.current == c && b.host == host {
		return
	}
	b.close()
	b.current, b.host, b.nets = c, host, nil
	for _, n := range c.Report.Networks {
		b.nets = append(b.nets, &network{Network: n})
	}
}

// send sends to one network, which is opened if need be and closed on an
// error, for its interface may have been replaced.
func (b *Broadcaster) send(n *network, datagram []byte) error {
	if n.sender == nil {
		s, err := b.o.Open(n.Network, b.current.Report.Port, b.host)
		if err != nil {
			return err
		}
		n.sender = s
	}
	if err := n.sender.Send(datagram); err != nil {
		n.sender.Close()
		n.sender = nil
		return err
	}
	return nil
}

func (b *Broadcaster) close() {
	for _, n := range b.nets {
		if n.sender != nil {
			n.sender.Close()
			n.sender = nil
		}
	}
}
