// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// hashed is a connection of R whose SYN A has sent to P by the hash, without a flow. P
// does not answer for now.
//
//	R (client; and P, a peer) ── switch ── A
//	                                ├───── B
type hashed struct {
	*cluster
	r, p *raw
	k    *talk
	syn  wire.Segment
}

// late is the number in P's SYN-ACK, which is late, as a client acknowledges it.
const late = 77_000_001

func newHashed(t *testing.T, w way, u dprnl.ConfigUpdate) *hashed {
	t.Helper()
	c := newCluster(t, w)
	check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
	h := &hashed{cluster: c, r: c.raw(t, addrR), p: c.raw(t, addrP)}
	check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrP, 2)))
	u.Policy = ptr(dprnl.PolicyStateless)
	c.a.set(t, u)
	a := c.a.meter(t)
	redirected := false
	for at := uint16(4000); !redirected; at++ {
		h.k = h.r.talk(c.a, at)
		h.syn = h.k.segment("S", "")
		served := a.changes(t)[dprnl.StatServedHash]
		h.k.send(t, h.syn)
		eventually(t, func() error {
			got := a.changes(t)
			redirected = got[dprnl.StatRedirectedHash] > 0
			if !redirected && got[dprnl.StatServedHash] == served {
				return errors.New("the SYN has not come")
			}
			return nil
		})
	}
	h.atP(t, "S")
	if flows := c.a.flows(t); len(flows) != 0 {
		t.Fatalf("flows %v, want none", flows)
	}
	return h
}

// atP waits for a segment of the connection that A has sent to P, in a tunnel or not.
func (h *hashed) atP(t *testing.T, flags string) *wire.Packet {
	t.Helper()
	return h.k.at(t, h.p.Endpoint, flags)
}

// down has P report that its server does not listen: the hash would choose P still.
func (h *hashed) down(t *testing.T) {
	t.Helper()
	u := h.reportOf(addrP, 2)
	u.Down = []uint16{port}
	check(t, h.a.dpr.SetPeer(t.Context(), u))
}

// The client repeats its SYN when its host cannot take it any more, so A answers it; but
// the other host's answer is there first. What acknowledges that one goes to that host by
// the hash: A's half-open connection is no reason for a RST. If A's answer is the first
// the connection is A's.
func TestStatelessAnsweredTwice(t *testing.T) {
	for _, orphans := range []dprnl.Orphans{dprnl.OrphansReset, dprnl.OrphansAsk} {
		t.Run(orphans.String(), func(t *testing.T) {
			anyForwarding(t, func(t *testing.T, w way) {
				h := newHashed(t, w, dprnl.ConfigUpdate{Orphans: ptr(orphans)})
				h.down(t)
				h.k.send(t, h.syn)
				h.k.hear(t, "SA")
				own := h.k.ack

				h.k.ack = late
				for _, s := range []wire.Segment{h.k.segment("A", ""), h.k.segment("PA", "who\n")} {
					h.r.send(t, h.a, s.Bytes())
					if p := h.atP(t, s.Flags); p.TCP.Ack != late {
						t.Errorf("P gets %v", p)
					}
				}
				silence(t, h.r.Endpoint, func(p *wire.Packet) bool { return h.k.mine(p) && p.Has("R") })

				h.k.ack = own
				h.k.say(t, "A", "")
				h.k.wantServed(t, "A")
			})
		})
	}
}

// What the policy cannot keep: the hosts that the hash picks from are others when the
// client repeats its SYN, so it goes to B, and gets a flow. Then P's answer, too, is on
// its way. If it is the first, what acknowledges it goes to B, which has not sent it, and
// answers with a RST, as TCP does in SYN-RECEIVED (RFC 9293, 3.10.7.4).
func TestStatelessMovedTwice(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHashed(t, w, dprnl.ConfigUpdate{})
		h.a.report(t, h.b, 0)
		check(t, h.a.dpr.DeletePeer(t.Context(), w.own(addrP), false))
		// The hash picks from two hosts, as before, and B has P's place.
		h.k.send(t, h.syn)
		h.k.hear(t, "SA")
		if flows := h.a.flows(t); len(flows) != 1 || flows[0].Peer != h.b.addr {
			t.Fatalf("flows %v, want one to B", flows)
		}
		h.k.ack = late
		h.k.say(t, "A", "")
		r := h.k.hear(t, "R")
		if r.TCP.Seq != late {
			t.Errorf("%v, want a RST of the other answer", r)
		}
	})
}
