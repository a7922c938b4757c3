// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// twoAnswers is a connection whose SYN two hosts have answered: it reached A, which
// redirected it to B, and again by a peer, which redirected it to A. A router that
// spreads packets anew does that.
//
//	R ── SYN ── A ── tunnel ── B
//	└─── SYN ── P ── tunnel ── A
type twoAnswers struct {
	*talk
	peer *raw
	a, b uint32 // the client's acknowledgments of their answers
	wrap func(wire.Segment) []byte
	c    *cluster
}

func newTwoAnswers(t *testing.T, w way) *twoAnswers {
	t.Helper()
	c := newCluster(t, w)
	p := netip.MustParseAddr("10.77.0.55")
	two := &twoAnswers{c: c, peer: c.raw(t, p), wrap: func(s wire.Segment) []byte { return w.outer(p, addrA).Wrap(s.Bytes()) }}
	report := w.report(p, 1<<20)
	report.Others = []netip.Addr{c.a.at} // all hosts have it
	check(t, c.a.dpr.SetPeer(t.Context(), report))
	two.talk = c.raw(t, addrR).talk(c.a, 4000)
	syn := two.segment("S", "")
	two.send(t, syn)
	two.b = two.hear(t, "SA").TCP.Seq + 1
	two.peer.send(t, c.a, two.wrap(syn))
	two.a = two.r.get(t, func(p *wire.Packet) bool { return two.mine(p) && p.Has("SA") && p.TCP.Seq+1 != two.b }).TCP.Seq + 1
	return two
}

// wantFlows fails the test unless A has as many flows, and has given up as many for its
// own sockets.
func (two *twoAnswers) wantFlows(t *testing.T, m *meter, n, own int) {
	t.Helper()
	if f := two.c.a.flows(t); len(f) != n {
		t.Errorf("flows %+v, want %d", f, n)
	}
	wantChange(t, m, dprnl.StatFlowsOwn, own)
}

// A connection that became one here is served here, whatever flow its SYN made.
func TestHalfOpenFlowOfOwn(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		two := newTwoAnswers(t, w)
		two.ack = two.a
		a := two.c.a.meter(t)
		two.peer.send(t, two.c.a, two.wrap(two.segment("A", "")))
		two.wantServed(t, "A")
		two.wantFlows(t, a, 0, 1)
	})
}

// The last segment of the handshake says whose answer the client has taken.
func TestHalfOpenFlow(t *testing.T) {
	for by, taken := range map[string]struct {
		ack        func(*twoAnswers) uint32
		flows, own int
	}{
		"A": {func(two *twoAnswers) uint32 { return two.a }, 0, 1},
		"B": {func(two *twoAnswers) uint32 { return two.b }, 1, 0},
	} {
		t.Run(by, func(t *testing.T) {
			allWays(t, func(t *testing.T, w way) {
				two := newTwoAnswers(t, w)
				two.ack = taken.ack(two)
				a := two.c.a.meter(t)
				two.say(t, "A", "")
				two.wantServed(t, by)
				two.wantFlows(t, a, taken.flows, taken.own)
			})
		})
	}
}

// threeAnswers has another host D answer a copy of the SYN, too, which P redirects. All hosts
// ask for what they do not know. It returns what acknowledges D's answer, and has P redirect
// segments to D.
func (two *twoAnswers) threeAnswers(t *testing.T, w way) (d uint32, sends func(*testing.T, wire.Segment)) {
	t.Helper()
	c := two.c
	host := c.server(t, "D", addrD)
	host.web = serve(t, host.Host, "D", port)
	p := netip.MustParseAddr("10.77.0.55")
	report := w.report(p, 1<<20)
	report.Others = []netip.Addr{c.a.at}
	check(t, host.dpr.SetPeer(t.Context(), report))
	all := []*server{c.a, c.b, host}
	for _, s := range all {
		for _, o := range all {
			if o != s {
				s.fresh(t, o, 0)
			}
		}
		s.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk), ReportMaxAge: ptr(time.Hour)})
	}
	sends = func(t *testing.T, s wire.Segment) {
		t.Helper()
		two.peer.send(t, host, w.outer(p, addrD).Wrap(s.Bytes()))
	}
	syn := two.segment("S", "")
	syn.Seq--
	sends(t, syn)
	d = two.r.get(t, func(p *wire.Packet) bool {
		return two.mine(p) && p.Has("SA") && p.TCP.Seq+1 != two.b && p.TCP.Seq+1 != two.a
	}).TCP.Seq + 1
	time.Sleep(settles)
	return d, sends
}

// resends sends a segment as a client does until the server's data come.
func (two *twoAnswers) resends(t *testing.T, s wire.Segment, times int) *wire.Packet {
	t.Helper()
	for range times {
		two.send(t, s)
		time.Sleep(3 * settle)
		for _, p := range two.r.Take(two.mine) {
			if p.Has("R") {
				t.Fatalf("a RST: %v", p)
			}
			if len(p.Payload) != 0 {
				return p
			}
		}
	}
	t.Fatalf("no answer after %d times", times)
	return nil
}

// The flow of a copy of the SYN whose answer the client has not taken leads to a host that has
// only a request. It says so, and another one has the connection.
func TestHalfOpenFlowOfOther(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		two := newTwoAnswers(t, w)
		d, toD := two.threeAnswers(t, w)
		two.ack = d
		toD(t, two.segment("A", ""))
		a, b := two.c.a.meter(t), two.c.b.meter(t)
		if p := two.resends(t, two.segment("PA", "who\n"), 3); string(p.Payload) != "D\n" {
			t.Errorf("served by %q", p.Payload)
		}
		wantChange(t, b, dprnl.StatHashMissed, 1)
		got := a.changes(t)
		if got[dprnl.StatRxHashMissed] != 1 || got[dprnl.StatFlowsEnded] != 1 || got[dprnl.StatOwnerFound] != 1 || got[dprnl.StatOwnerUnknown] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A forged acknowledgment does not take the connection from the host whose request it misses.
func TestHalfOpenFlowForged(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		two := newTwoAnswers(t, w)
		two.threeAnswers(t, w)
		b := two.c.b.meter(t)
		two.ack = two.b + 0x1234567
		two.say(t, "A", "")
		time.Sleep(settle)
		wantChange(t, b, dprnl.StatHashMissed, 1)
		two.ack = two.b
		if p := two.resends(t, two.segment("PA", "who\n"), 5); string(p.Payload) != "B\n" {
			t.Errorf("served by %q", p.Payload)
		}
	})
}
