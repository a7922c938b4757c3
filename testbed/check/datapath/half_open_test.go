// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"

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
