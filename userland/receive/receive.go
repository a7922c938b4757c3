// SPDX-License-Identifier: MIT

// Package receive is the work of dpr-receive: it judges every report that
// comes in and tells the kernel of the peers' loads. To a kernel that has no
// configuration, after the module was loaded, it gives that of the file.
//
// Killed and started again, it goes on with what it remembered of each host's
// last report; package report tells of the file. What became of datagrams is
// told on a socket, see ReadStatus.
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

// A Kernel is what a receiver needs of dprnl.Client.
type Kernel interface {
	apply.Kernel
	SetPeer(context.Context, dprnl.PeerUpdate) error
	SetPeers(context.Context, []dprnl.PeerUpdate) []error
	DeletePeer(ctx context.Context, address netip.Addr, dead bool) error
	Close() error
}

// A Source is where datagrams come from.
type Source interface {
	// Read waits for datagrams from configured networks until the deadline;
	// then the error is os.ErrDeadlineExceeded. It returns those that there
	// are, at most MaxBatch, which are valid until it is called again. There
	// may be none.
	Read(deadline time.Time) ([]Datagram, error)
	// Maintain joins the networks that are not joined yet, or whose interface
	// was replaced. An error concerns only some of them.
	Maintain() error
	Close() error
}

// A Datagram is what may be a report.
type Datagram struct {
	Data   []byte // at most one byte longer than a report, so that longer ones show
	Sender netip.Addr
}

// MaxBatch is how many datagrams are read at once.
const MaxBatch = 64

// Options are what a receiver works with.
type Options struct {
	Config *config.Config
	Dial   func() (Kernel, error)
	Open   func(config.Report) (Source, error)
	Boot   report.BootID
	Memory *report.Memory // nil: see report.NewVerifier
	Socket string         // path of the socket that tells the counts; empty: none
	Now    func() time.Time
	Log    *slog.Logger
}

const (
	logEvery      = 10 * time.Second // the same trouble is logged once per
	maintainEvery = time.Second      // networks and the kernel are looked at once per
	summaryEvery  = time.Minute      // counts are logged once per, if they changed
	// gather is how long datagrams are left to come together, after those
	// that have come were dealt with: many hosts are then not many wake-ups.
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
	current  *config.Config // what source was opened for
	source   Source
	host     netip.Addr          // this host's address in the kernel; invalid: none
	left     map[netip.Addr]bool // hosts that said they are leaving, and are unlisted
	counts   *Counts
	started  time.Time
	due      time.Time // of maintenance
	summary  time.Time // of the next line with the counts
	logged   uint64    // total of the counts that was last logged
}

// New makes a receiver; the error is one of the configuration.
func New(o Options) (*Receiver, error) {
	if len(o.Config.Report.Networks) == 0 {
		return nil, errors.New("there is no report.network to receive reports from")
	}
	r := &Receiver{
		o:        o,
		log:      daemon.NewLimited(o.Log, logEvery),
		link:     daemon.NewLink(o.Dial),
		verifier: report.NewVerifier(policy(o.Config), o.Now, o.Memory),
		left:     make(map[netip.Addr]bool),
		counts:   newCounts(),
		started:  o.Now(),
	}
	r.config.Store(o.Config)
	return r, nil
}

func policy(c *config.Config) report.Policy {
	return report.Policy{Keys: c.Report.Keys, Window: c.Report.ClockWindow}
}

// Reload gives it another configuration, within a second.
func (r *Receiver) Reload(c *config.Config) { r.config.Store(c) }

// Counts returns the counters of what became of datagrams. They may be read
// while Run runs.
func (r *Receiver) Counts() *Counts { return r.counts }

// Run receives until ctx is done. Only a port that cannot be opened at the
// start and the lack of the right end it otherwise.
func (r *Receiver) Run(ctx context.Context, ready, alive func()) error {
	defer r.link.Close()
	if err := r.reopen(r.config.Load()); err != nil {
		return err
	}
	defer func() { r.source.Close() }()
	if len(r.config.Load().Report.Keys) == 0 {
		r.o.Log.Warn("reports are not authenticated, whoever can send a datagram steers this host")
	}
	if err := r.maintain(ctx); errors.Is(err, dprnl.ErrNoRight) {
		return err
	}
	stop, err := r.serve()
	if err != nil {
		r.o.Log.Warn("the counts of reports can be read in the log only", "error", err)
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

// own ignores this host's reports. One of another boot is not ours: either it
// is replayed, or another host has our address.
func (r *Receiver) own(datagram []byte, sender netip.Addr) {
	rep, err := r.verifier.Verify(datagram, sender)
	if err == nil && rep.Boot != r.o.Boot {
		r.counts.add(reasonAddress)
		r.log.Log(slog.LevelError, reasonAddress, "another host reports with this host's address",
			"address", sender, "boot", rep.Boot.String())
		return
	}
	r.counts.add(Own)
}

// maintain takes over a new configuration, joins networks, and looks after
// the kernel's configuration.
func (r *Receiver) maintain(ctx context.Context) error {
	if c := r.config.Load(); c != r.current {
		if err := r.reopen(c); err != nil {
			r.log.Log(slog.LevelError, "open", "the new networks cannot be opened", "error", err)
		}
	}
	if err := r.source.Maintain(); err != nil {
		r.log.Log(slog.LevelWarn, "join", "a network cannot be joined", "error", err)
	}
	r.summarize()
	err := r.adopt(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.Log(slog.LevelWarn, "adopt", "the kernel is not ready", "error", err)
	}
	return err
}

// reopen opens the source for a configuration and then closes the old one;
// where both would need the same port the old one is closed first.
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

// adopt learns this host's address from the kernel, and configures a kernel
// that was never configured.
func (r *Receiver) adopt(ctx context.Context) error {
	k, err := r.link.Get()
	if err != nil {
		return err
	}
	c, err := k.Config(ctx)
	if err != nil {
		return r.link.Note(err)
	}
	if c.Address.IsValid() && !c.Address.IsUnspecified() {
		r.host = c.Address
		return nil
	}
	r.host = netip.Addr{}
	clear(r.left) // the kernel knows no peers any more
	result, err := apply.Apply(ctx, k, r.config.Load())
	if err != nil {
		return r.link.Note(err)
	}
	r.host = result.Address
	r.o.Log.Info("the kernel had no configuration, it has that of the file now",
		"address", result.Address, "services", len(result.Added))
	return nil
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
