// SPDX-License-Identifier: MIT

// Package broadcast implements dpr-broadcast. Once a period it reads this host's
// load and state from the kernel and sends them in a report to every configured
// network. When the host's state changes it sends a report immediately, so that
// peers stop choosing a draining or leaving host before the next period. When it
// is stopped while the host drains or leaves, it sends a last report; while the
// host is active it sends none, because it may only be restarting.
//
// It keeps no state that matters: after a kill and a restart it sends the next
// report, whose sequence number comes from the kernel's boot time clock.
package broadcast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A Kernel is the part of dprnl.Client that a broadcaster uses.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	Load(context.Context) (dprnl.Load, error)
	ServiceStates(context.Context) ([]dprnl.ServiceStatus, error)
	Peers(context.Context) ([]dprnl.Peer, error)
	Protocol() uint32
	Close() error
}

// An EventSource is the part of dprnl.Events that a broadcaster uses.
type EventSource interface {
	All(context.Context) iter.Seq2[dprnl.Event, error]
	Close() error
}

// A Sender sends datagrams to one network.
type Sender interface {
	Send(b []byte) error
	Close() error
}

// Options configure a broadcaster.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	// Events subscribes to the kernel's events. If it is nil, a change of state
	// is announced at the next period.
	Events func() (EventSource, error)
	// Open opens a network for sending datagrams from the address host.
	Open func(n config.Network, port uint16, host netip.Addr) (Sender, error)
	Boot report.BootID
	// Sequence returns the sequence number of a report sent now. It must grow
	// as long as the boot id stays the same.
	Sequence func() (uint64, error)
	// Lookup returns the addresses of a host's name of a family, "ip4" or "ip6".
	Lookup func(ctx context.Context, family, name string) ([]netip.Addr, error)
	// Addresses returns all addresses of this host, those that stay first.
	Addresses func() ([]netip.Addr, error)
	Software  string // version of this program
	Now       func() time.Time
	Log       *slog.Logger
}

const (
	logEvery    = 10 * time.Second // log the same problem at most once per
	resubscribe = time.Second      // between attempts to subscribe to events
	lastReport  = time.Second      // time limit for the report sent when it stops
)

// A Broadcaster sends reports. It implements daemon.Service.
type Broadcaster struct {
	o        Options
	log      *daemon.Limited
	link     *daemon.Link[Kernel]
	config   atomic.Pointer[config.Config]
	current  *config.Config // the configuration of nets
	host     netip.Addr
	names    names
	resolved int // version of names that nets are of
	nets     []*network
	state    dprnl.State // in the last report
	last     uint64      // sequence number of the last report
	named    int         // of the peers that it hears: the next to be named
}

// A network is a destination of reports. Its sender is nil until it is opened.
type network struct {
	config.Network
	sender Sender
}

// New returns a broadcaster. An error means that the configuration is wrong.
func New(o Options) (*Broadcaster, error) {
	if len(o.Config.Report.Networks) == 0 {
		return nil, errors.New("no report.network is configured: nowhere to send reports")
	}
	b := &Broadcaster{o: o, log: daemon.NewLimited(o.Log, logEvery), link: daemon.NewLink(o.Dial)}
	b.names = names{lookup: o.Lookup, log: b.log, wake: make(chan struct{}, 1), known: make(map[string][]netip.Addr), six: o.Config.Report.IPv6}
	b.config.Store(o.Config)
	return b, nil
}

// Reload replaces the configuration from the next period on.
func (b *Broadcaster) Reload(c *config.Config) { b.config.Store(c) }

// Run sends a report immediately, then each period and when the host's state
// changes, until ctx is done. The ticker keeps the period however long a report
// takes, and drops ticks that it cannot keep up with. The only error that ends
// Run is dprnl.ErrNoRight.
func (b *Broadcaster) Run(ctx context.Context, ready, alive func()) error {
	defer b.close()
	defer b.link.Close()
	looking, stop := context.WithCancel(ctx)
	var looked sync.WaitGroup
	looked.Go(func() { b.names.run(looking, b.config.Load) })
	defer looked.Wait()
	defer stop()
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

// part sends a last report if the host drains or leaves.
func (b *Broadcaster) part(ctx context.Context) {
	if b.state == dprnl.StateActive {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReport)
	defer cancel()
	_ = b.beat(ctx) // beat has logged the error
}

// announce sends a report if the host's state differs from the last report.
func (b *Broadcaster) announce(ctx context.Context) error {
	k, err := b.link.Get()
	if err != nil {
		return nil // the next period logs it
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

// beat sends one report to all networks. It logs errors; the returned error is
// for information, since the next period tries again.
func (b *Broadcaster) beat(ctx context.Context) error {
	c := b.config.Load()
	r, err := b.report(ctx, c)
	if err != nil {
		if ctx.Err() == nil {
			b.log.Log(slog.LevelWarn, "kernel", "no report sent", "error", err)
		}
		return err
	}
	var key *report.Key
	if len(c.Report.Keys) > 0 {
		key = c.Report.Keys[0]
	}
	datagrams, err := b.encode(r, key)
	if err != nil {
		b.log.Log(slog.LevelError, "encode", "no report sent", "error", err)
		return err
	}
	b.prepare(c, r.Host)
	for _, n := range b.nets {
		if err := b.send(n, datagrams); err != nil {
			b.log.Log(slog.LevelWarn, "network "+n.String(), "sending to a network failed", "network", n.String(), "error", err)
		}
	}
	if b.state != r.State {
		b.state = r.State
		b.o.Log.Info("announced this host's state", "state", r.State.String())
	}
	return nil
}

// encode returns the datagrams of a report: one of version 2, and for the hosts of
// versions 0.1 and 0.2 one of version 1, which other hosts then ignore. Those know no
// host of IPv6.
func (b *Broadcaster) encode(r *report.Report, key *report.Key) ([][]byte, error) {
	newest, err := r.Append(nil, key)
	if err != nil {
		return nil, err
	}
	if !r.Host.Is4() {
		return [][]byte{newest}, nil
	}
	old := *r
	old.Details = nil
	b.last++
	old.Sequence = b.last
	oldest, err := old.Append(nil, key)
	return [][]byte{newest, oldest}, err
}

// report builds this host's report from the kernel's data.
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
		return nil, errors.New("the kernel has no address for this host (dprctl apply)")
	}
	load, err := k.Load(ctx)
	if err != nil {
		return nil, b.link.Note(err)
	}
	sequence, err := b.o.Sequence()
	if err != nil {
		return nil, fmt.Errorf("reading the boot time clock: %w", err)
	}
	details, err := b.details(ctx, k, kc)
	if err != nil {
		return nil, b.link.Note(err)
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
		Details:  details,
	}, nil
}

// prepare rebuilds the list of networks when the configuration, this host's address or
// that of a name has changed.
func (b *Broadcaster) prepare(c *config.Config, host netip.Addr) {
	b.names.use(host)
	version := b.names.version()
	if b.current == c && b.host == host && b.resolved == version {
		return
	}
	b.close()
	b.current, b.host, b.resolved, b.nets = c, host, version, nil
	for _, n := range b.names.expand(c.Report.Networks, host) {
		b.nets = append(b.nets, &network{Network: n})
	}
}

// send sends to one network. It opens the network if necessary, and closes it
// on an error because its interface may have been replaced.
func (b *Broadcaster) send(n *network, datagrams [][]byte) error {
	if n.sender == nil {
		s, err := b.o.Open(n.Network, b.current.Report.Port, b.host)
		if err != nil {
			return err
		}
		n.sender = s
	}
	for _, d := range datagrams {
		if err := n.sender.Send(d); err != nil {
			n.sender.Close()
			n.sender = nil
			return err
		}
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
