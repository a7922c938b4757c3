// SPDX-License-Identifier: MIT

package moved

import "math"

// segment decides about a client's segment at its host, as dpr_owner_seek().
func (s *sim) segment(at, number int32) float64 {
	c, h := &s.conns[number], &s.hosts[at]
	if c.flow {
		s.transmit(s.now+s.Transmit, c.owner, packet{kind: forwarded, conn: number, from: at})
		return s.now + s.Transmit
	}
	peers := min(s.Hosts-1, s.Limits.Peers)
	cost, again, extra := float64(peers), float64(peers), 0
	switch s.Ask {
	case LikelyCopy:
		cost, extra = 1, 1
	case LikelyUnicast, OneByOne, Multicast, LikelyMulticast:
		cost, again = 1, 1
	case BatchUnicast, BatchMulticast:
		cost, again = 0, 0 // messages of many questions pay
	}
	v, a := h.table.admit(s.now, c.hash, number, s.Segment, cost, again, extra)
	switch v {
	case waited:
		s.r.Waited++
	case limited:
		s.r.Limited++
	case nobody:
		s.r.Unknown++
		c.reset = true
		if math.IsNaN(c.found) {
			s.left--
		}
	case asked:
		s.r.Asked++
		if a.held && !h.waiting {
			h.waiting = true
			s.add(event{at: s.now + s.Limits.Hold, kind: holdEnded, host: at})
		}
		return s.put(at, c, a)
	}
	return s.now
}

// put sends the messages of a try and returns when they are sent.
func (s *sim) put(at int32, c *conn, a *ask) float64 {
	switch s.Ask {
	case LikelyCopy:
		if a.tries == 1 {
			return s.askOne(at, c.likely, a.conn)
		}
		return s.askEach(at, packet{kind: question, conn: a.conn, from: at}, a.tries-2, noHost)
	case LikelyUnicast, LikelyMulticast:
		s.after(at, a)
		return s.askOne(at, c.likely, a.conn)
	case OneByOne:
		s.after(at, a)
		return s.askOne(at, s.nth(at, c, a.next), a.conn)
	case Multicast:
		return s.askAll(at, packet{kind: question, conn: a.conn, from: at})
	case BatchUnicast, BatchMulticast:
		s.gather(at, a)
		return s.now
	}
	return s.askEach(at, packet{kind: question, conn: a.conn, from: at}, a.tries-1, noHost)
}

// after plans what is done if nobody claims the connection.
func (s *sim) after(at int32, a *ask) {
	s.add(event{at: s.now + s.Step, kind: stepEnded, host: at, number: a.put, packet: packet{conn: a.conn}})
}

// nth is the peer that is asked after n others: the likeliest, then the others in turn.
func (s *sim) nth(at int32, c *conn, n int) int32 {
	n %= s.Hosts - 1
	if n == 0 {
		return c.likely
	}
	for i := range int32(s.Hosts) {
		if i == at || i == c.likely {
			continue
		}
		if n--; n == 0 {
			return i
		}
	}
	return c.likely
}

// stepEnded asks the others.
func (s *sim) stepEnded(e event) {
	c, h := &s.conns[e.packet.conn], &s.hosts[e.host]
	a := h.table.find(c.hash, e.packet.conn)
	if a == nil || a.put != e.number || c.flow {
		return
	}
	cost := 1.0
	if s.Ask == LikelyUnicast {
		cost = float64(min(s.Hosts-2, s.Limits.Peers))
	}
	if s.Hosts == 2 {
		return
	}
	if !h.table.take(s.now, cost) {
		s.withdraw(h, a)
		return
	}
	a.put++
	switch s.Ask {
	case LikelyUnicast:
		s.busy(e.host, s.askEach(e.host, packet{kind: question, conn: a.conn, from: e.host}, a.tries-1, c.likely))
	case LikelyMulticast:
		s.busy(e.host, s.askAll(e.host, packet{kind: question, conn: a.conn, from: e.host}))
	case OneByOne:
		if a.next++; a.next%(s.Hosts-1) != 0 {
			s.after(e.host, a)
			s.busy(e.host, s.askOne(e.host, s.nth(e.host, c, a.next), a.conn))
		}
	}
}

// withdraw forgets a try for which the host may send no more messages: that nobody claims a
// connection means nothing if not all were asked. The next copy of the segment asks again.
func (s *sim) withdraw(h *host, a *ask) {
	s.r.Limited++
	h.table.unhold(a, s.Segment)
	a.tries--
}

func (s *sim) askOne(at, peer, number int32) float64 {
	return s.tell(s.now, at, peer, packet{kind: question, conn: number, from: at})
}

// tell sends a message when the processor is free and returns when it is again.
func (s *sim) tell(free float64, at, peer int32, p packet) float64 {
	free += s.Transmit
	s.hosts[at].sent.add(s.now, &p)
	s.transmit(free, peer, p)
	return free
}

// askEach asks all peers but one that was asked before, or in a large cluster as many as
// may be at a time, by a message each.
func (s *sim) askEach(at int32, p packet, turn int, but int32) float64 {
	n := s.Hosts - 1
	free := s.now
	for i := range min(n, s.Limits.Peers) {
		peer := int32((turn*s.Limits.Peers + i) % n)
		if peer >= at {
			peer++
		}
		if peer != but {
			free = s.tell(free, at, peer, p)
		}
	}
	return free
}

// askAll asks all peers by one message.
func (s *sim) askAll(at int32, p packet) float64 {
	s.hosts[at].sent.add(s.now, &p)
	for i := range int32(s.Hosts) {
		if i != at {
			s.transmit(s.now+s.Transmit, i, p)
		}
	}
	return s.now + s.Transmit
}

// gather has a question wait for others that go with it. One that waits already has not
// been put.
func (s *sim) gather(at int32, a *ask) {
	h := &s.hosts[at]
	if a.ready {
		a.tries--
		return
	}
	a.ready = true
	if h.batch = append(h.batch, a.conn); len(h.batch) == 1 {
		s.add(event{at: s.now + s.Gather, kind: gathered, host: at})
	}
}

// gathered sends the questions that a host has gathered. Those for which it may send no
// more messages wait until it may.
func (s *sim) gathered(at int32) {
	h := &s.hosts[at]
	cost := 1.0
	if s.Ask == BatchUnicast {
		cost = float64(min(s.Hosts-1, s.Limits.Peers))
	}
	for len(h.batch) > 0 {
		if !h.table.take(s.now, cost) {
			// A little later than it may, as numbers are rounded.
			s.add(event{at: s.now + 1.001*(cost-h.table.tokens)/s.Limits.Rate, kind: gathered, host: at})
			return
		}
		n := min(s.Batch, len(h.batch))
		p := packet{kind: question, from: at, more: h.batch[:n:n]}
		h.batch = h.batch[n:]
		for _, number := range p.more {
			if a := h.table.find(s.conns[number].hash, number); a != nil {
				a.ready = false
				a.last = s.now
			}
		}
		if s.Ask == BatchUnicast {
			s.busy(at, s.askEach(at, p, 0, noHost))
		} else {
			s.busy(at, s.askAll(at, p))
		}
	}
}

// busy has a host's processor be busy from now on until a time.
func (s *sim) busy(at int32, until float64) {
	s.enqueue(s.hosts[at].cpu, job{host: noHost, takes: until - s.now})
}

// question has the owner claim a connection.
func (s *sim) question(j job) float64 {
	about := j.packet.more
	if about == nil {
		about = []int32{j.packet.conn}
	}
	t := s.now
	for _, number := range about {
		if s.conns[number].owner != j.host {
			continue
		}
		s.r.Claims++
		t = s.tell(t, j.host, j.packet.from, packet{kind: claim, conn: number, from: j.host})
	}
	return t
}

// claimed makes a flow and sends on the segment that waits, as dpr_owner_claimed().
func (s *sim) claimed(at int32, p packet) float64 {
	c, h := &s.conns[p.conn], &s.hosts[at]
	a := h.table.find(c.hash, p.conn)
	if a == nil || c.flow {
		s.r.Refused++
		return s.now
	}
	c.flow = true
	a.tries = 0
	if !h.table.unhold(a, s.Segment) {
		return s.now
	}
	s.r.Held++
	s.transmit(s.now+s.Transmit, c.owner, packet{kind: forwarded, conn: p.conn, from: at})
	return s.now + s.Transmit
}

// holdEnded drops the segments that have waited for too long, as dpr_owner_drop().
func (s *sim) holdEnded(at int32) {
	h := &s.hosts[at]
	t := h.table
	kept := t.held[:0]
	for _, number := range t.held {
		a := t.find(s.conns[number].hash, number)
		if a == nil || !a.held {
			continue
		}
		if s.now-a.since >= s.Limits.Hold {
			t.unhold(a, s.Segment)
			s.r.Expired++
			continue
		}
		kept = append(kept, number)
	}
	t.held = kept
	if h.waiting = len(kept) > 0; h.waiting {
		s.add(event{at: s.now + s.Limits.Hold, kind: holdEnded, host: at})
	}
}
