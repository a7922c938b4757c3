// SPDX-License-Identifier: MIT

// Package receive implements dpr-receive, which verifies every report that
// arrives and passes the peers' loads to the kernel. If the kernel is
// unconfigured, because the module was loaded again, it applies the
// configuration file.
//
// After a kill and a restart it continues from the last report of each host,
// which it keeps in a file; see report.Memory. It serves the counts of datagrams
// on a socket; see ReadStatus.
package receive

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"dpr/userland/apply"
	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A Kernel is the part of dprnl.Client that a receiver uses.
type Kernel interface {
	apply.Kernel
	SetPeer(context.Context, dprnl.PeerUpdate) error
	SetPeers(context.Context, []dprnl.PeerUpdate) []error
	DeletePeer(ctx context.Context, address netip.Addr, dead bool) error
	Protocol() uint32
	Close() error
}

// A Source delivers datagrams.
type Source interface {
	// Read waits for datagrams from configured networks until the deadline,
	// when it returns os.ErrDeadlineExceeded. It returns the datagrams that
	// have arrived, at most MaxBatch and possibly none. They are valid until
	// the next call. If full, others may be waiting already: it has read
	// MaxBatch, though not all of them may be wanted.
	Read(deadline time.Time) (batch []Datagram, full bool, err error)
	// Maintain joins the networks that are not joined yet, or whose interface
	// was replaced. An error may concern only some of them.
	Maintain() error
	Close() error
}

// A Datagram may hold a report.
type Datagram struct {
	Data   []byte // at most one byte more than a report, so that excess length is noticed
	Sender netip.Addr
}

// MaxBatch is the number of datagrams read at once.
const MaxBatch = 64

// Options configure a receiver.
type Options struct {
	Config   *config.Config
	Dial     func() (Kernel, error)
	Open     func(config.Report) (Source, error)
	Boot     report.BootID
	Memory   *report.Memory // nil: see report.NewVerifier
	Socket   string         // path of the status socket; empty: none
	Applying string         // path of the file that exists while a file is applied in part; empty: none
	Now      func() time.Time
	Log      *slog.Logger
}

const (
	logEvery      = 10 * time.Second // log the same problem at most once per
	maintainEvery = time.Second      // check networks and the kernel once per
	summaryEvery  = time.Minute      // log the counts once per, if they changed
	// renumberAfter is how long this host's address must be gone before another
	// one is taken: an interface may only be configured anew.
	renumberAfter = 3 * time.Second
	// protocolOfHandovers is what a module knows at least that has keys of handovers.
	protocolOfHandovers = 5
	// gather is how long to let datagrams accumulate after a batch, so that
	// many hosts do not cause many wake-ups.
	gather = 20 * time.Millisecond
)

// A Receiver turns reports into the kernel's load table. It implements
// daemon.Service.
type Receiver struct {
	o        Options
	log      *daemon.Limited
	link     *daemon.Link[Kernel]
	verifier *report.Verifier
	config   atomic.Pointer[config.Config]
	current  *config.Config // the configuration of source
	source   Source
	host     netip.Addr          // this host's address in the kernel; invalid: none
	adopted  bool                // a kernel was looked at
	leftover *leftover           // nil: no file was applied in part
	gone     time.Time           // since when no interface has it; zero: one has
	left     map[netip.Addr]bool // leaving hosts that have been removed from the load table
	services []dprnl.Service     // of this host, in the kernel
	settings report.Digest       // of this host
	// neighbours are the hosts whose reports are of version 2.
	neighbours map[netip.Addr]*neighbour
	hosts      hostTable
	counts     *Counts
	started    time.Time
	due        time.Time // of the next maintenance
	summary    time.Time // of the next log line with the counts
	logged     uint64    // total of the counts when last logged
}

// New returns a receiver. An error means that the configuration is wrong.
func New(o Options) (*Receiver, error) {
	if len(o.Config.Report.Networks) == 0 {
		return nil, errors.New("no report.network is configured: nowhere to receive reports from")
	}
	r := &Receiver{
		o:        o,
		log:      daemon.NewLimited(o.Log, logEvery),
		link:     daemon.NewLink(o.Dial),
		verifier: report.NewVerifier(policy(o.Config), o.Now, o.Memory),
		left:     make(map[netip.Addr]bool),

		neighbours: make(map[netip.Addr]*neighbour),
		hosts:      newHostTable(),
		counts:     newCounts(),
		started:    o.Now(),
	}
	r.config.Store(o.Config)
	return r, nil
}

func policy(c *config.Config) report.Policy {
	return report.Policy{Keys: c.Report.Keys, Window: c.Report.ClockWindow}
}

// Reload replaces the configuration within a second.
func (r *Receiver) Reload(c *config.Config) { r.config.Store(c) }

// Counts returns the counts of datagrams by their fate. They may be read while
// Run runs.
func (r *Receiver) Counts() *Counts { return r.counts }

// Run receives until ctx is done. It returns an error only if the port cannot be
// opened at the start, or for dprnl.ErrNoRight.
func (r *Receiver) Run(ctx context.Context, ready, alive func()) error {
	defer r.link.Close()
	if err := r.reopen(r.config.Load()); err != nil {
		return err
	}
	defer func() { r.source.Close() }()
	if len(r.config.Load().Report.Keys) == 0 {
		r.o.Log.Warn("reports are not authenticated: anyone who can send a datagram controls this host")
	}
	if err := r.maintain(ctx); errors.Is(err, dprnl.ErrNoRight) {
		return err
	}
	stop, err := r.serve()
	if err != nil {
		r.o.Log.Warn("cannot serve the report counts: they are only in the log", "error", err)
	}
	defer stop()
	ready()
	for ctx.Err() == nil {
		alive()
		if err := r.step(ctx); errors.Is(err, dprnl.ErrNoRight) {
			return err
		}
	}
	r.o.Log.Info("reports", r.counts.attrs()...)
	return nil
}

// own ignores this host's own reports. A report with another boot id is not
// ours: either it is replayed, or another host has our address.
func (r *Receiver) own(datagram []byte, sender netip.Addr) {
	rep, err := r.verifier.Verify(datagram, sender)
	if err == nil && rep.Boot != r.o.Boot {
		r.counts.add(reasonAddress)
		r.log.Log(slog.LevelError, reasonAddress, "another host uses this host's address",
			"address", sender, "boot", rep.Boot.String())
		return
	}
	r.counts.add(Own)
}

// maintain switches to a new configuration, joins networks, and makes sure that
// the kernel is configured.
func (r *Receiver) maintain(ctx context.Context) error {
	if c := r.config.Load(); c != r.current {
		if err := r.reopen(c); err != nil {
			r.log.Log(slog.LevelError, "open", "cannot open the new networks", "error", err)
		}
	}
	if err := r.source.Maintain(); err != nil {
		r.log.Log(slog.LevelWarn, "join", "cannot join a network", "error", err)
	}
	r.summarize()
	err := r.adopt(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.Log(slog.LevelWarn, "adopt", "kernel is not ready", "error", err)
	}
	return err
}

// reopen opens the source for a configuration and then closes the old one. If
// both need the same port, it closes the old one first.
func (r *Receiver) reopen(c *config.Config) error {
	if r.source != nil && r.current.Report.Port == c.Report.Port {
		r.source.Close()
	}
	s, err := r.o.Open(c.Report)
	if err != nil {
		return err
	}
	if r.source != nil {
		r.source.Close()
	}
	r.source, r.current = s, c
	r.verifier.SetPolicy(policy(c))
	return nil
}

// adopt reads this host's address from the kernel, applies the configuration file to an
// unconfigured kernel, and gives a configured one the keys of handovers if they changed. What
// was applied in part is applied again, until that succeeds or somebody else configures the
// kernel.
func (r *Receiver) adopt(ctx context.Context) error {
	k, err := r.link.Get()
	if err != nil {
		return err
	}
	c, err := k.Config(ctx)
	if err != nil {
		return r.link.Note(err)
	}
	if !c.Address.IsValid() || c.Address.IsUnspecified() {
		r.host = netip.Addr{}
		clear(r.left) // the kernel no longer knows any peers
		r.adopted = true
		r.forgetLeftover()
		return r.link.Note(r.apply(ctx, k))
	}
	if err := r.findLeftover(ctx, k, c); err != nil {
		return r.link.Note(err)
	}
	var failed error
	if r.leftover.due(r.config.Load(), r.o.Now()) {
		if failed = r.apply(ctx, k); failed == nil {
			return nil
		}
	}
	address, err := r.renumber(ctx, k, c.Address)
	if err != nil {
		return r.link.Note(err)
	}
	r.host, r.settings = address, report.SettingsOf(c)
	if err := r.rekey(ctx, k, c); err != nil {
		return r.link.Note(err)
	}
	r.services, err = k.Services(ctx)
	return r.link.Note(errors.Join(failed, err))
}

// apply applies the configuration file. If it fails after the kernel got an address, which
// cannot be taken back, the kernel looks configured, and has not got everything: see leftover.
func (r *Receiver) apply(ctx context.Context, k Kernel) error {
	r.noteApplying()
	result, err := apply.Apply(ctx, k, r.config.Load())
	if err != nil {
		if r.leftover != nil || result.Address.IsValid() {
			return errors.Join(err, r.keepLeftover(ctx, k))
		}
		r.forgetLeftover()
		return err
	}
	found := "kernel was unconfigured"
	if r.leftover != nil {
		found = "kernel was configured in part"
	}
	r.host = result.Address
	r.forgetLeftover()
	r.o.Log.Info(found+"; applied the configuration file",
		"address", result.Address, "services", len(result.Added))
	return nil
}

// rekey gives the kernel the keys of handovers that belong to those of reports, once the file
// has others: both change by the same reload.
func (r *Receiver) rekey(ctx context.Context, k Kernel, old dprnl.Config) error {
	u := apply.HandoverKeys(old, r.config.Load())
	if u == nil || k.Protocol() < protocolOfHandovers {
		return nil
	}
	if err := k.SetConfig(ctx, *u); err != nil {
		return err
	}
	r.o.Log.Info("the kernel has the keys of handovers that belong to the report keys of the file")
	return nil
}

// renumber gives the kernel this host's new address once the old one is gone, and
// returns the one that the kernel has then.
func (r *Receiver) renumber(ctx context.Context, k Kernel, old netip.Addr) (netip.Addr, error) {
	address, err := r.config.Load().Renumbered(old)
	if err != nil {
		r.log.Log(slog.LevelWarn, "renumber", "this host's address is gone, and no other is found", "address", old, "error", err)
		return old, nil
	}
	if address == old {
		r.gone = time.Time{}
		return old, nil
	}
	if r.gone.IsZero() {
		r.gone = r.o.Now()
	}
	if r.o.Now().Sub(r.gone) < renumberAfter {
		return old, nil
	}
	if err := k.SetConfig(ctx, dprnl.ConfigUpdate{Address: &address}); err != nil {
		return old, err
	}
	r.gone = time.Time{}
	r.o.Log.Info("this host has another address", "address", address, "before", old)
	return address, nil
}

// summarize logs the counts if they changed.
func (r *Receiver) summarize() {
	now := time.Now()
	if now.Before(r.summary) {
		return
	}
	first := r.summary.IsZero()
	r.summary = now.Add(summaryEvery)
	if total := r.counts.total(); !first && total != r.logged {
		r.logged = total
		r.o.Log.Info("reports", r.counts.attrs()...)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
