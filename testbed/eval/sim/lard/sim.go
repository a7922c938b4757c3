// SPDX-License-Identifier: MIT

package lard

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
)

// What happens to a request, and to a host.
const (
	handed    = iota // it comes to the host that serves it
	connected        // the host that serves has read the request
	read             // the document has come from the disk
	answered         // all of the answer is sent
	reported         // the host reports its connections
)

// An event happens at a time; of two at the same time the one planned first does.
type event struct {
	at       float64
	n        uint64
	kind     int
	host     int // that serves, or reports
	request  int
	document int // read
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// A request is under way: it came to a host, first, and another one may serve it.
type request struct {
	document, first int
	start           float64
}

// A host's processor and disk are busy until some time.
type host struct {
	cpu, disk   float64
	cache       *cache
	reading     map[int][]int // requests by the document that they wait for
	connections int
	measured    busy
}

// busy is how long a host's parts worked.
type busy struct{ cpu, disk float64 }

// work lets a processor or a disk, which is busy until a time, do some work more. What
// is done begins now at the earliest, never later: nothing is kept free for it.
func work(until *float64, now, cost float64) float64 {
	*until = max(*until, now) + cost
	return *until
}

// A chooser decides as the hosts do.
type chooser interface {
	// choose says which host serves a document that a host was asked for.
	choose(c *cluster, first, document int) int
	// hear tells of a host's report that all others have heard.
	hear(c *cluster, host int)
	close()
}

// A cluster is a simulation under way.
type cluster struct {
	cfg      Config
	now      float64
	planned  uint64
	events   events
	docs     *documents
	hosts    []host
	requests []request
	// live are a host's handovers to each host that are under way, known what
	// they were when that one's last report came.
	live, known [][]int32
	traffic     *rand.Rand // what comes, and where
	random      *rand.Rand // of decisions
	chooser     chooser
	record      record
}

// Run simulates a cluster. The same configuration gives the same result.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("lard: %w", err)
	}
	ch, err := newChooser(&cfg)
	if err != nil {
		return nil, fmt.Errorf("lard: %w", err)
	}
	defer ch.close()
	c := newCluster(cfg, ch)
	for n := 0; !c.record.done(); n++ {
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("lard: %w", ctx.Err())
		}
		c.step()
	}
	return c.result(), nil
}

func newCluster(cfg Config, ch chooser) *cluster {
	c := &cluster{
		cfg: cfg, chooser: ch, hosts: make([]host, cfg.Hosts), requests: make([]request, cfg.outstanding()),
		live: square(cfg.Hosts), known: square(cfg.Hosts),
		traffic: rand.New(rand.NewPCG(cfg.Seed, 1)), random: rand.New(rand.NewPCG(cfg.Seed, 2)),
	}
	c.docs = newDocuments(&c.cfg, rand.New(rand.NewPCG(cfg.Seed, 3)))
	c.record = record{skip: int(cfg.Warmup * float64(len(c.docs.size)*cfg.Hosts)), want: cfg.Requests}
	for i := range c.hosts {
		c.hosts[i].cache, c.hosts[i].reading = newCache(cfg.Memory, c.docs.size), make(map[int][]int)
		c.report(i)
		// Hosts do not report all at once.
		c.plan(event{at: cfg.Period * float64(i+1) / float64(cfg.Hosts), kind: reported, host: i})
	}
	for i := range c.requests {
		c.arrive(i)
	}
	return c
}

func square(n int) [][]int32 {
	s := make([][]int32, n)
	for i := range s {
		s[i] = make([]int32, n)
	}
	return s
}

func (c *cluster) plan(e event) {
	e.n = c.planned
	c.planned++
	heap.Push(&c.events, e)
}

// step lets the next event happen.
func (c *cluster) step() {
	e := heap.Pop(&c.events).(event)
	c.now = e.at
	switch e.kind {
	case handed:
		c.connect(e.host, e.request)
	case connected:
		c.serve(e.host, e.request)
	case read:
		h := &c.hosts[e.host]
		h.cache.add(e.document)
		waiting := h.reading[e.document]
		delete(h.reading, e.document)
		for _, r := range waiting {
			c.transmit(e.host, r)
		}
	case answered:
		c.end(e.host, e.request)
		c.arrive(e.request)
	case reported:
		c.report(e.host)
		c.plan(event{at: c.now + c.cfg.Period, kind: reported, host: e.host})
	}
}

// report lets all hosts know a host's connections.
func (c *cluster) report(host int) {
	for first := range c.hosts {
		c.known[first][host] = c.live[first][host]
	}
	c.chooser.hear(c, host)
}

// arrive begins a request at a host at random.
func (c *cluster) arrive(r int) {
	first := c.traffic.IntN(c.cfg.Hosts)
	document := c.docs.pick(c.traffic)
	c.requests[r] = request{document: document, first: first, start: c.now}
	to := c.chooser.choose(c, first, document)
	c.hosts[to].connections++
	if to == first {
		c.connect(to, r)
		return
	}
	c.live[first][to]++
	c.plan(event{at: c.cpu(first, c.cfg.Machine.Handover), kind: handed, host: to, request: r})
}

func (c *cluster) connect(host, r int) {
	c.plan(event{at: c.cpu(host, c.cfg.Machine.Connect), kind: connected, host: host, request: r})
}

// cpu lets a host's processor work, and returns when it will have done so.
func (c *cluster) cpu(host int, cost float64) float64 {
	h := &c.hosts[host]
	if c.record.measures() {
		h.measured.cpu += cost
	}
	return work(&h.cpu, c.now, cost)
}

// serve looks for the document of a request that was read.
func (c *cluster) serve(host, r int) {
	h := &c.hosts[host]
	document := c.requests[r].document
	if h.cache.has(document) {
		c.record.hit()
		c.transmit(host, r)
		return
	}
	c.record.miss()
	h.reading[document] = append(h.reading[document], r)
	if len(h.reading[document]) > 1 {
		return
	}
	cost := c.cfg.Machine.disk(c.docs.size[document])
	if c.record.measures() {
		h.measured.disk += cost
	}
	c.plan(event{at: work(&h.disk, c.now, cost), kind: read, host: host, document: document})
}

func (c *cluster) transmit(host, r int) {
	m := &c.cfg.Machine
	cost := m.Transmit*float64(units(c.docs.size[c.requests[r].document], 512)) + m.Connect
	c.plan(event{at: c.cpu(host, cost), kind: answered, host: host, request: r})
}

// segments are the bytes that a client acknowledges at once: two segments.
const segments = 2 * 1460

func (c *cluster) end(host, r int) {
	x := &c.requests[r]
	c.hosts[host].connections--
	if host != x.first {
		c.live[x.first][host]--
		c.cpu(x.first, c.cfg.Machine.Ack*float64(units(c.docs.size[x.document], segments)))
	}
	c.record.answered(c.now, x.start, host != x.first)
}

// disk is what reading some bytes costs.
func (m *Machine) disk(size int64) float64 {
	return m.Seek + m.SeekMore*float64(max(0, size-1)/m.SeekEvery) + m.Read*float64(units(size, 4096))
}

// units are how many of a size some bytes need.
func units(bytes, size int64) int64 { return (bytes + size - 1) / size }
