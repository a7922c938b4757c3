// SPDX-License-Identifier: MIT

package moved

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// minRTO is the least time after which TCP sends again, beside the round trip.
const minRTO = 0.2

// A conn is a connection that has moved.
type conn struct {
	host, owner int32 // where its packets come now, and who has its socket
	hash        uint32
	likely      int32 // the peer that is asked first
	flow        bool  // its host has a flow to the owner
	reset       bool
	rtt         float64 // between its client and hosts
	first       float64 // its first segment came
	found       float64 // the owner's socket got data; NaN: not yet
	copies      int32   // that came, beside the first
}

// A host asks for connections.
type host struct {
	table   *table
	cpu     int32
	waiting bool // for the end of a hold
	batch   []int32
	sent    windows
	heard   windows
}

// A processor handles packets one after the other.
type processor struct {
	queue []job
	head  int
}

type job struct {
	host   int32
	packet packet
	takes  float64
}

func (p *processor) len() int { return len(p.queue) - p.head }

type sim struct {
	Config
	agenda
	now   float64
	conns []conn
	hosts []host
	cpus  []processor
	r     *Result
	left  int   // connections that are neither found nor reset
	begun int32 // connections whose clients have sent, if they share a processor
}

// Run simulates.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("simulating a rehash: %w", err)
	}
	s := &sim{Config: c, r: &Result{Config: c}, left: c.Connections}
	s.populate()
	for n := 0; s.left > 0; n++ {
		e, ok := s.next()
		if !ok || e.at > c.Seconds {
			break
		}
		if n%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.now = e.at
		s.happen(e)
	}
	s.r.judge(s)
	return s.r, nil
}

// populate makes hosts, connections and the first segments.
func (s *sim) populate() {
	r := rand.New(rand.NewPCG(s.Seed, 0))
	s.hosts, s.cpus = make([]host, s.Hosts), make([]processor, s.Hosts)
	for i := range s.hosts {
		s.hosts[i] = host{table: newTable(&s.Limits), cpu: int32(i)}
	}
	if s.Send > 0 {
		s.hosts[1].cpu = 0
	}
	s.conns = make([]conn, s.Connections)
	for i := range s.conns {
		c := &s.conns[i]
		*c = conn{hash: r.Uint32(), rtt: s.RTT, first: s.Burst * float64(i) / float64(s.Connections), found: math.NaN()}
		if s.Send == 0 {
			c.rtt *= 0.5 + r.Float64()
		}
		c.host, c.owner = s.draw(r)
		c.likely = c.owner
		if r.Float64() >= s.Likely && s.Hosts > 2 {
			for c.likely == c.owner || c.likely == c.host {
				c.likely = int32(r.IntN(s.Hosts))
			}
		}
		if s.Send == 0 {
			s.begin(int32(i))
		}
	}
	if s.Send > 0 {
		s.work(0, s.now)
	}
}

// begin has the first copy of a client's segment come at its time.
func (s *sim) begin(number int32) {
	s.add(event{at: s.conns[number].first, kind: copyCame, packet: packet{kind: segment, conn: number}})
}

// draw returns the host that a connection comes to and its owner, another one.
func (s *sim) draw(r *rand.Rand) (to, owner int32) {
	n := s.Hosts
	switch {
	case s.Spread == One && s.Owners == One:
		return 0, 1
	case s.Spread == One:
		return 0, int32(1 + r.IntN(n-1))
	case s.Owners == One:
		return int32(1 + r.IntN(n-1)), 0
	}
	to = int32(r.IntN(n))
	owner = int32(r.IntN(n - 1))
	if owner >= to {
		owner++
	}
	return to, owner
}

func (s *sim) happen(e event) {
	switch e.kind {
	case copyCame:
		s.copyCame(e)
	case packetCame:
		s.receive(e.host, e.packet)
	case packetDone:
		s.packetDone(e.host)
	case holdEnded:
		s.holdEnded(e.host)
	case stepEnded:
		s.stepEnded(e)
	case gathered:
		s.gathered(e.host)
	}
}

// copyCame has a client's segment come to its host, unless the client knows by now that an
// earlier copy arrived, and plans the next copy. Linux sends one as a probe for lost tails
// after the time after which it would send again, and then doubles the time.
func (s *sim) copyCame(e event) {
	c := &s.conns[e.packet.conn]
	if c.reset || c.found+c.rtt <= s.now {
		return
	}
	if e.number > 0 {
		c.copies++
		if s.Send > 0 {
			s.enqueue(0, job{host: noHost, takes: s.Send})
		}
	}
	next := e
	next.number++
	next.at = c.first + (c.rtt+minRTO)*math.Pow(2, float64(e.number))
	s.add(next)
	s.receive(c.host, e.packet)
}

// receive puts a packet into a host's ring.
func (s *sim) receive(to int32, p packet) {
	if p.kind == question || p.kind == claim {
		s.hosts[to].heard.add(s.now, &p)
	}
	cpu := &s.cpus[s.hosts[to].cpu]
	if s.Ring > 0 && cpu.len() >= s.Ring {
		s.r.Overflowed++
		return
	}
	s.enqueue(s.hosts[to].cpu, job{to, p, s.Receive + s.Lookup*float64(len(p.more))})
}

func (s *sim) enqueue(i int32, j job) {
	cpu := &s.cpus[i]
	if cpu.queue = append(cpu.queue, j); cpu.len() == 1 {
		s.work(i, s.now)
	}
}

// work has a processor begin what is first in its queue, when it is free. If nothing is
// there, and clients share it, the next one sends.
func (s *sim) work(i int32, free float64) {
	cpu := &s.cpus[i]
	switch {
	case cpu.len() > 0:
		s.add(event{at: free + cpu.queue[cpu.head].takes, kind: packetDone, host: i})
	case free > s.now:
		// It sends until then; what comes meanwhile waits.
		s.enqueue(i, job{host: noHost, takes: free - s.now})
	case i == 0 && s.Send > 0 && s.begun < int32(s.Connections):
		c := &s.conns[s.begun]
		c.first = s.now + s.Send + c.rtt // all of the round trip is on the way there
		s.r.Burst = s.now + s.Send
		s.begin(s.begun)
		s.begun++
		s.enqueue(i, job{host: noHost, takes: s.Send})
	}
}

// noHost is in place of the host of a packet if a processor is busy with something else.
const noHost = -1

// packetDone has a host act on a packet. What it sends takes its processor's time, too.
func (s *sim) packetDone(i int32) {
	cpu := &s.cpus[i]
	j := cpu.queue[cpu.head]
	free := s.act(j)
	cpu.queue[cpu.head] = job{}
	if cpu.head++; cpu.len() == 0 {
		cpu.queue, cpu.head = cpu.queue[:0], 0
	}
	s.work(i, free)
}

// act returns when the host has sent all that it has to send.
func (s *sim) act(j job) float64 {
	if j.host == noHost {
		return s.now
	}
	c := &s.conns[j.packet.conn]
	switch j.packet.kind {
	case segment:
		return s.segment(j.host, j.packet.conn)
	case forwarded:
		s.arrived(c)
	case question:
		return s.question(j)
	case claim:
		return s.claimed(j.host, j.packet)
	}
	return s.now
}

// arrived has the owner's socket get data.
func (s *sim) arrived(c *conn) {
	if math.IsNaN(c.found) && !c.reset {
		c.found = s.now
		s.left--
	}
}

// transmit sends a packet at a time.
func (s *sim) transmit(at float64, to int32, p packet) {
	s.add(event{at: at + s.Hop, kind: packetCame, host: to, packet: p})
}
