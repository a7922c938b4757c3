// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A claim counts only from a peer, with the number of the question, and whole;
// everything else is refused and counted.
func TestOwnerForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		// The peer, which says what it likes.
		liar := netip.MustParseAddr("10.77.0.55")
		p, r := k.raw(t, liar), k.raw(t, addrR)
		check(t, k.d.dpr.SetPeer(t.Context(), w.report(liar, 0)))
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		stray.send(t, stray.segment("A", ""))
		question := p.get(t, func(q *wire.Packet) bool { return len(ownerMessage(q)) > 0 })
		ask := ownerMessage(question)
		claim := ownerClaim(ask)
		bad := func(change func(b []byte)) []byte {
			b := append([]byte(nil), claim...)
			change(b)
			return b
		}
		d := k.d.meter(t)
		tell := func(from netip.Addr, message []byte) {
			p.send(t, k.d, w.message(from, addrD, message))
		}
		tell(liar, bad(func(b []byte) { b[8]++; seal(b) }))        // another nonce
		tell(liar, bad(func(b []byte) { b[len(b)-4]++; seal(b) })) // another connection
		tell(liar, bad(func(b []byte) { b[6]++ }))                 // wrong checksum
		tell(liar, bad(func(b []byte) { b[4] = 99; seal(b) }))     // unknown kind
		tell(liar, claim[:len(claim)-1])                           // short
		tell(netip.MustParseAddr("10.77.0.56"), claim)             // a stranger
		time.Sleep(settle)
		if n := len(k.d.flows(t)); n != 0 {
			t.Errorf("%d flows by forged claims", n)
		}
		want := counts{dprnl.StatRxOwnerRefused: 2}
		if w.marked() {
			want[dprnl.StatRxMalformed], want[dprnl.StatRxStranger] = 3, 1
		}
		d.want(t, want)
		tell(liar, claim)
		found(t, d, 1)
		tell(liar, claim) // once is enough
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRxOwnerRefused]; n != 3 {
				return fmt.Errorf("%d claims refused, want 3", n)
			}
			return nil
		})
	})
}

// A connection that a peer claims may have ended before the claim came, and then says
// nothing more: the peer is asked whether it still has it, and its flow goes.
func TestOwnerOfWhatHasEnded(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		k.d.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(50 * time.Millisecond)})
		r := k.raw(t, addrR)
		late := k.lateClaim(t, r)
		d := k.d.meter(t)
		late.claim()
		found(t, d, 1)
		time.Sleep(settle)
		_, err := k.d.dpr.Expire(t.Context(), 0)
		check(t, err)
		still := ownerMessage(late.get(t, func(q *wire.Packet) bool { return ownerMessage(q) != nil }))
		if still[4] != ownerStill {
			t.Fatalf("question %x, want whether it still has the connection", still)
		}
		late.send(t, k.d, w.message(late.at, addrD, ownerAnswer(still, ownerGone)))
		changed(t, d, dprnl.StatFlowsEnded, 1)
		if f := k.d.flows(t); len(f) != 0 {
			t.Errorf("%v is left", f)
		}
	})
}

// lateClaim is a peer that was asked for a connection, and is to claim it late.
type lateClaim struct {
	*raw
	at    netip.Addr
	addr  netip.Addr
	claim func()
}

// lateClaim has D ask such a peer for a connection from r's port 4000.
func (k *takeover) lateClaim(t *testing.T, r *raw) lateClaim {
	t.Helper()
	late := netip.MustParseAddr("10.77.0.55")
	p := k.raw(t, late)
	check(t, k.d.dpr.SetPeer(t.Context(), k.way.report(late, 0)))
	old := r.talk(k.d, 4000)
	old.remote, old.ack = k.a.service(), 77
	old.send(t, old.segment("A", ""))
	ask := ownerMessage(p.get(t, func(q *wire.Packet) bool { return len(ownerMessage(q)) > 0 }))
	return lateClaim{p, late, k.own(late), func() { p.send(t, k.d, k.message(late, addrD, ownerClaim(ask))) }}
}

// A claim that comes when the client has begun a new connection from the same port,
// which has a flow, is refused: that flow stays what it is.
func TestOwnerClaimTooLate(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		k.d.set(t, dprnl.ConfigUpdate{
			Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported), ReportMaxAge: ptr(time.Hour),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
		})
		// The peer that the new connection is redirected to is also who claims the old one.
		r := k.raw(t, addrR)
		late := k.lateClaim(t, r)
		d := k.d.meter(t)
		anew := r.talk(k.d, 4000)
		anew.remote, anew.seq = k.a.service(), 5_000_000
		anew.send(t, anew.segment("S", ""))
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRedirected]; n != 1 {
				return fmt.Errorf("%d connections redirected, want 1", n)
			}
			return nil
		})
		late.claim()
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRxOwnerRefused]; n != 1 {
				return fmt.Errorf("%d claims refused, want 1", n)
			}
			return nil
		})
		flows := k.d.flows(t)
		if len(flows) != 1 || flows[0].Peer != late.addr || flows[0].State != dprnl.FlowSyn {
			t.Errorf("flows %+v, want one of a SYN", flows)
		}
	})
}

// The same where the host serves the new connection itself, and so has a socket
// and no flow.
func TestOwnerClaimOfOwn(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		late := k.lateClaim(t, r)
		anew := r.talk(k.d, 4000)
		anew.remote, anew.seq = k.a.service(), 5_000_000
		anew.open(t)
		d := k.d.meter(t)
		late.claim()
		changed(t, d, dprnl.StatRxOwnerRefused, 1)
		if flows := k.d.flows(t); len(flows) != 0 {
			t.Errorf("flows %+v, want none", flows)
		}
		anew.wantServed(t, "D")
	})
}
