// SPDX-License-Identifier: MIT

package metrics

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
)

// scrapeTimeout limits one collection; Prometheus itself waits for 10 s.
const scrapeTimeout = 8 * time.Second

// A Kernel is the part of dprnl.Client that the collector uses.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	ServiceStates(context.Context) ([]dprnl.ServiceStatus, error)
	Load(context.Context) (dprnl.Load, error)
	Peers(context.Context) ([]dprnl.Peer, error)
	Stats(context.Context) (dprnl.Stats, error)
	Flows(context.Context, dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error]
	Close() error
}

// Options configure a collector.
type Options struct {
	Dial func() (Kernel, error)
	// Reports reads the counts of dpr-receive.
	Reports func(context.Context) (receive.Status, error)
	// Config says which devices are to have the fast path, until it is replaced.
	Config *config.Config
	// FastPath returns their states.
	FastPath func(context.Context, *config.Config) []fastpath.State
	// FlowsLimit is the largest number of flows at which a collection reads the
	// whole table to count flows by state; 0: never.
	FlowsLimit uint64
	// BriefPeers leaves out of peers what no alert asks for. In a cluster of n hosts the
	// rest is n² time series for each column.
	BriefPeers bool
	Log        *slog.Logger
}

// A Collector implements prometheus.Collector.
type Collector struct {
	o      Options
	log    *daemon.Limited
	descs  *descs
	config atomic.Pointer[config.Config]

	mu   sync.Mutex
	link *daemon.Link[Kernel]
}

// NewCollector returns a collector.
func NewCollector(o Options) *Collector {
	c := &Collector{o: o, log: daemon.NewLimited(o.Log, time.Minute), descs: newDescs(), link: daemon.NewLink(o.Dial)}
	c.config.Store(o.Config)
	return c
}

// reload has the collector know which devices are to have the fast path. Where the processes
// serve what they know is read at the start, as they do.
func (c *Collector) reload(now *config.Config) {
	old := *c.config.Load()
	old.FastPath = now.FastPath
	c.config.Store(&old)
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) { c.descs.all(out) }

// A view is everything that a collection reads from the kernel.
type view struct {
	config   dprnl.Config
	services []dprnl.ServiceStatus
	load     dprnl.Load
	peers    []dprnl.Peer
	stats    dprnl.Stats
	states   map[dprnl.FlowState]uint64 // nil: not counted
}

// Collect implements prometheus.Collector. If the kernel or dpr-receive does not
// answer, dpr_up or dpr_receive_up is 0 and its other metrics are absent: no
// metric keeps an old value.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	e := &emitter{out: out, d: c.descs, brief: c.o.BriefPeers}

	e.gauge(c.descs.build, 1, daemon.Version(), runtime.Version())
	v, err := c.read(ctx)
	e.gauge(c.descs.up, truth(err == nil))
	if err != nil {
		c.log.Log(slog.LevelWarn, "kernel", "cannot read from the kernel", "error", err)
	} else {
		e.view(v)
	}
	for _, s := range c.o.FastPath(ctx, c.config.Load()) {
		e.gauge(c.descs.fastPath, truth(s.Attached), s.Device)
	}
	s, err := c.o.Reports(ctx)
	e.gauge(c.descs.receiveUp, truth(err == nil))
	if err != nil {
		c.log.Log(slog.LevelWarn, "reports", "cannot read from dpr-receive", "error", err)
		return
	}
	e.reports(s)
}

// read reads a view from the kernel.
func (c *Collector) read(ctx context.Context) (*view, error) {
	k, err := c.link.Get()
	if err != nil {
		return nil, err
	}
	var v view
	var errs [5]error
	v.config, errs[0] = k.Config(ctx)
	v.services, errs[1] = k.ServiceStates(ctx)
	v.load, errs[2] = k.Load(ctx)
	v.peers, errs[3] = k.Peers(ctx)
	v.stats, errs[4] = k.Stats(ctx)
	err = errors.Join(errs[:]...)
	if flows := v.stats.Get(dprnl.StatFlows); err == nil && flows <= c.o.FlowsLimit {
		v.states, err = countStates(ctx, k)
	}
	if err != nil {
		c.link.Close() // the module may have been reloaded
		return nil, err
	}
	return &v, nil
}

// countStates counts the flows of the routing table by state.
func countStates(ctx context.Context, k Kernel) (map[dprnl.FlowState]uint64, error) {
	states := map[dprnl.FlowState]uint64{dprnl.FlowSyn: 0, dprnl.FlowEstablished: 0, dprnl.FlowFin: 0, dprnl.FlowRst: 0, dprnl.FlowEnded: 0}
	for f, err := range k.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return nil, err
		}
		states[f.State]++
	}
	return states, nil
}

// Close closes the connection to the kernel.
func (c *Collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link.Close()
}
