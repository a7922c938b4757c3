// SPDX-License-Identifier: MIT

package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// A conn is a transfer under way, from its SYN to its last byte.
type conn struct {
	start    float64
	user     int32
	home     int32 // the host that its SYN came to
	refusals int32 // of peers that did not take it
}

// reportInfo is what a report says.
type reportInfo struct {
	load uint64  // connections
	rate float64 // new connections per second that came straight from clients
	at   float64 // when it was heard; never: not yet
}

// A cluster is a simulation under way.
type cluster struct {
	cfg      Config
	rng      *rand.Rand // of decisions
	traffic  *rand.Rand // of what comes, when and where
	reports  *rand.Rand // of their times and losses
	size     func() float64
	off      func() float64
	entry    picker
	now      float64
	events   *schedule
	servers  []server
	weight   []uint32
	conns    []conn
	free     []int32
	links    *links
	home     []int32 // of each user
	sent     []reportInfo
	heard    []reportInfo
	arrived  []uint32 // since the last report, straight from clients
	dispatch dispatcher
	record   recorder
}

// A dispatcher decides as the hosts do.
type dispatcher interface {
	// place says which host serves a new connection that came to a host, and how
	// many peers refused it before.
	place(host int) (to, refusals int)
	// hear tells of a report that all peers of the host have heard.
	hear(host int)
}

// The events: one of each kind for each host, and for each user.
const (
	eventEnd  = iota // a transfer ends at the host
	eventSend        // the host reads its metrics and sends a report
	eventHear        // the report is heard
	hostKinds
)

func (c *cluster) hostEvent(kind, host int) int { return kind*c.cfg.Hosts + host }
func (c *cluster) arrival() int                 { return hostKinds * c.cfg.Hosts }
func (c *cluster) sample() int                  { return c.arrival() + 1 }
func (c *cluster) wake(user int) int            { return c.arrival() + 2 + user }

// samplePeriod is how often the hosts' connections are counted, seconds.
const samplePeriod = 0.25

// Run simulates a cluster. The same configuration gives the same result.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	c, err := newCluster(cfg)
	if err != nil {
		return nil, fmt.Errorf("simulation: %w", err)
	}
	defer c.close()
	end := c.cfg.Warmup + c.cfg.Seconds
	for n := 0; ; n++ {
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("simulation: %w", ctx.Err())
		}
		event, at := c.events.next()
		if at >= end {
			break
		}
		c.now = at
		c.handle(event)
	}
	return c.record.result(&c.cfg), nil
}

func newCluster(cfg Config) (*cluster, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := cfg.Hosts
	c := &cluster{
		cfg: cfg, rng: stream(cfg.Seed, 1), traffic: stream(cfg.Seed, 2), reports: stream(cfg.Seed, 3),
		entry: newPicker(cfg.Shares), events: newSchedule(hostKinds*n + 2 + cfg.Users),
		servers: make([]server, n), links: newLinks(n), home: make([]int32, cfg.Users),
		sent: make([]reportInfo, n), heard: make([]reportInfo, n), arrived: make([]uint32, n),
	}
	var err error
	if c.size, err = law(cfg.SizeLaw, stream(cfg.Seed, 4)); err != nil {
		return nil, fmt.Errorf("size_law: %w", err)
	}
	if c.off, err = law(cfg.OffLaw, stream(cfg.Seed, 5)); err != nil {
		return nil, fmt.Errorf("off_law: %w", err)
	}
	c.weight = weights(cfg.Capacity)
	for h := range n {
		c.servers[h].capacity = cfg.Capacity[h]
		c.sent[h].rate = c.cfg.offered() * cfg.Shares[h] / c.entry[n-1]
		c.heard[h].at = never
	}
	c.record.start(&c.cfg, c.weight)
	if c.dispatch, err = newDispatcher(c); err != nil {
		return nil, err
	}
	for h := range n {
		c.events.plan(c.hostEvent(eventSend, h), c.reports.Float64()*cfg.Period)
		// The hosts know each other already, and have no load.
		if c.reports.Float64() >= cfg.Loss {
			c.hear(h)
		}
	}
	c.events.plan(c.sample(), cfg.Warmup)
	if cfg.Rate > 0 {
		c.events.plan(c.arrival(), c.traffic.ExpFloat64()/cfg.Rate)
	}
	c.settle()
	return c, nil
}

// stream returns random numbers of their own for one purpose, so that policies
// are compared under the same arrivals and sizes.
func stream(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }

// offered returns how many new connections come per second, about.
func (c *Config) offered() float64 {
	if c.Rate > 0 {
		return c.Rate
	}
	return float64(c.Users) / c.Off
}

// weights returns the relative capacity that each host reports: the smallest
// numbers whose ratios are within 1 in 100 of the capacities'.
func weights(capacity []float64) []uint32 {
	least := math.Inf(1)
	for _, v := range capacity {
		least = min(least, v)
	}
	w := make([]uint32, len(capacity))
	for scale := 1.0; ; scale++ {
		exact := true
		for i, v := range capacity {
			ratio := scale * v / least
			w[i] = uint32(min(65535, max(1, math.Round(ratio))))
			exact = exact && math.Abs(float64(w[i])-ratio) <= ratio/100
		}
		if exact || scale >= 100 {
			return w
		}
	}
}

// settle gives each user a host, exactly in proportion to the shares, and lets
// it begin in the middle of a wait.
func (c *cluster) settle() {
	sum := c.entry[len(c.entry)-1]
	h := 0
	for u := range c.home {
		for h < len(c.entry)-1 && (float64(u)+0.5)/float64(len(c.home)) > c.entry[h]/sum {
			h++
		}
		c.home[u] = int32(h)
		c.events.plan(c.wake(u), c.traffic.Float64()*c.cfg.Off)
	}
}

func (c *cluster) close() {
	if d, ok := c.dispatch.(interface{ close() }); ok {
		d.close()
	}
}

func (c *cluster) handle(event int) {
	n := c.cfg.Hosts
	switch kind := event / n; {
	case event == c.arrival():
		c.events.plan(event, c.now+c.traffic.ExpFloat64()/c.cfg.Rate)
		c.connect(c.entry.pick(c.traffic), -1)
	case event == c.sample():
		c.events.plan(event, c.now+samplePeriod)
		for h := range c.servers {
			c.record.sample(h, c.servers[h].load())
		}
	case event > c.sample():
		u := event - c.wake(0)
		c.events.plan(event, never)
		c.connect(int(c.home[u]), u)
	case kind == eventEnd:
		c.end(event)
	case kind == eventSend:
		c.send(event % n)
	default:
		c.hear(event % n)
	}
}

// connect has a user's SYN reach a host.
func (c *cluster) connect(host, user int) {
	c.arrived[host]++
	to, refusals := c.dispatch.place(host)
	if to != host {
		c.links.change(host, to, 1)
	}
	i := c.newConn()
	c.conns[i] = conn{start: c.now, user: int32(user), home: int32(host), refusals: int32(refusals)}
	c.servers[to].add(c.now, i, c.size())
	c.planEnd(to)
	c.record.decided(c.now, to != host, refusals)
}

func (c *cluster) newConn() int32 {
	if len(c.free) == 0 {
		c.conns = append(c.conns, conn{})
		return int32(len(c.conns) - 1)
	}
	i := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	return i
}

func (c *cluster) planEnd(host int) {
	c.events.plan(c.hostEvent(eventEnd, host), c.servers[host].nextEnd())
}

// end finishes a transfer at a host.
func (c *cluster) end(host int) {
	i := c.servers[host].finish(c.now)
	c.planEnd(host)
	x := c.conns[i]
	way := 0.0 // there and back for each refusal, and there for good
	if int(x.home) != host {
		c.links.change(int(x.home), host, -1)
		way = c.cfg.Hop * float64(1+2*x.refusals)
	}
	c.free = append(c.free, i)
	c.record.ended(x.start, c.now+way)
	if x.user >= 0 {
		c.events.plan(c.wake(int(x.user)), c.now+way+c.cfg.Off*c.off())
	}
}

// send has a host read its metrics; the report is heard a little later.
func (c *cluster) send(host int) {
	cfg := &c.cfg
	c.events.plan(c.hostEvent(eventSend, host), c.now+cfg.Period*(1+cfg.Jitter*(2*c.reports.Float64()-1)))
	c.sent[host] = reportInfo{
		load: uint64(c.servers[host].load()),
		rate: float64(c.arrived[host]) / cfg.Period,
	}
	c.arrived[host] = 0
	c.record.report(c.now)
	if cfg.Loss > 0 && c.reports.Float64() < cfg.Loss {
		return
	}
	c.events.plan(c.hostEvent(eventHear, host), c.now+cfg.Delay)
}

func (c *cluster) hear(host int) {
	c.events.plan(c.hostEvent(eventHear, host), never)
	c.heard[host] = c.sent[host]
	c.heard[host].at = c.now
	c.links.heard(host)
	c.dispatch.hear(host)
}
