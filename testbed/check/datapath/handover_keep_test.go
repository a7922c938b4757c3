// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/testbed/check/rawip"
	"dpr/userland/dprnl"
)

// A client's data in a segment that has SYN and ACK are none: no socket can begin with it. The
// chosen host is silent; of a request of as many segments as A keeps, each copy of the first
// one is sent on, but the others not with each.
//
//	R ── switch ── A (hands all over)
//	         └──── P (the test; silent)
func TestHandoverCopies(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		const segments, copies = 64, 200
		h := newHanding(t, w)
		p := h.silentPeer(t)
		k := h.raw(t, addrR).talk(h.a, 4000)
		k.say(t, "S", "")
		k.hear(t, "SA")
		a := h.a.meter(t)
		first := k.segment("PA", "w")
		syn := first
		syn.Flags = "SPA"
		k.r.send(t, h.a, syn.Bytes())
		changed(t, a, dprnl.StatHandoverStray, 1)
		silence(t, p.Endpoint, isHandover)

		for i := range segments {
			s := first
			s.Seq = first.Seq + uint32(segments-1-i)
			k.r.send(t, h.a, s.Bytes())
		}
		gather(t, p.Endpoint, segments, isHandover)
		before := a.changes(t)[dprnl.StatTxHandover]
		begun := time.Now()
		for range copies {
			k.r.send(t, h.a, first.Bytes())
		}
		eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverNoted, copies) })
		most := copies + segments*(1+uint64(time.Since(begun)/(time.Second/9)))
		if n := a.changes(t)[dprnl.StatTxHandover] - before; n < copies || n > most {
			t.Errorf("%d handovers because of %d copies in %v, want at most %d", n, copies, time.Since(begun), most)
		}
		time.Sleep(time.Second / 4)
		// A client that has waited gets all of them sent again. (A sends the first by itself, too.)
		p.Take(isHandover)
		k.r.send(t, h.a, first.Bytes())
		seen := map[uint32]bool{}
		eventually(t, func() error {
			for _, q := range p.Take(isHandover) {
				seen[binary.BigEndian.Uint32(ownerMessage(q)[handoverLen+w.headerLen()+4:])] = true
			}
			if len(seen) < segments {
				return fmt.Errorf("%d of %d segments", len(seen), segments)
			}
			return nil
		})
	})
}

// gap makes a handshake whose last segment is not the acknowledgment, but data without the first
// two bytes of "who", and returns that segment.
func (k *talk) gap(t *testing.T) wire.Segment {
	t.Helper()
	k.say(t, "S", "")
	k.hear(t, "SA")
	s := k.segment("PA", "o\n")
	s.Seq += 2
	k.r.send(t, k.via, s.Bytes())
	return s
}

// isHandover matches handovers of this connection.
func (k *talk) isHandover(p *wire.Packet) bool {
	at := handoverLen + 20
	if k.local.Addr().Is6() {
		at += 20
	}
	m := ownerMessage(p)
	return isHandover(p) && len(m) > at+1 && binary.BigEndian.Uint16(m[at:]) == k.local.Port()
}

// No socket can begin with data whose first byte is missing: no host gets them before it comes. If
// it does not the connection ends, and soon.
//
//	R ── switch ── A (hands all over)
//	         └──── P (the test)
func TestHandoverGap(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p, r := h.silentPeer(t), h.raw(t, addrR)
		a := h.a.meter(t)
		k := r.talk(h.a, 4000)
		k.gap(t)
		changed(t, a, dprnl.StatHandoverKept, 1)
		time.Sleep(3 * time.Second / 2)
		silence(t, p.Endpoint, k.isHandover)
		k.say(t, "PA", "wh")
		gather(t, p.Endpoint, 2, k.isHandover)

		k = r.talk(h.a, 4001)
		begun := time.Now()
		k.gap(t)
		k.hear(t, "R")
		if took := time.Since(begun); took < 7*time.Second || took > 15*time.Second {
			t.Errorf("the connection was given up after %v", took)
		}

		// As many segments as are kept, before the first one.
		k = r.talk(h.a, 4002)
		s := k.gap(t)
		for range 70 {
			s.Seq++
			r.send(t, h.a, s.Bytes())
		}
		silence(t, p.Endpoint, k.isHandover)
		k.seq = s.Seq - 72
		k.say(t, "PA", "w")
		gather(t, p.Endpoint, 64, k.isHandover)
	})
}

// Connections without their first byte give way to others in a flood.
func TestHandoverGapsGiveWay(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		const limit = 16
		h := newHanding(t, w)
		r := h.raw(t, addrR)
		h.a.set(t, dprnl.ConfigUpdate{MaxFlows: ptr(uint32(limit))})
		for i := range limit {
			r.talk(h.a, uint16(4000+i)).gap(t)
		}
		time.Sleep(7 * time.Second / 2)
		a := h.a.meter(t)
		for i := range 60 {
			r.talk(h.a, uint16(5000+i)).say(t, "S", "")
		}
		eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverEvicted, 1) })
	})
}

// All of them have half of the memory: what others ask for is seen, and placed by that.
//
//	C ───── switch ── A
//	F (many) ─┤├───── B (/B)
//	          └────── D (all else)
func TestHandoverGaps(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		const clients, each = 720, 64
		h := newHanding(t, w)
		h.a.fresh(t, h.d, 0)
		check(t, h.a.dpr.SetRuleset(t.Context(), dprnl.Service{Port: port}, dprnl.Ruleset{
			Default: "D",
			Groups:  []dprnl.Group{{Name: "B", Hosts: []netip.Addr{h.b.addr}}, {Name: "D", Hosts: []netip.Addr{h.d.addr}}},
			Matches: []dprnl.Match{{Group: "B", Path: "/B"}},
		}))
		r, f := h.raw(t, addrR), h.host(t, "F", netip.Addr{})
		mac, err := h.a.MAC(eth)
		check(t, err)
		var all []*talk
		for i := range clients {
			k := r.talk(h.a, uint16(4000+i))
			k.say(t, "S", "")
			k.hear(t, "SA")
			all = append(all, k)
		}
		a := h.a.meter(t)
		begun, n := time.Now(), 0
		check(t, f.Do(func() error {
			s, err := rawip.Open(eth, mac)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Send(clients*each, func(room []byte) []byte {
				k := all[n/each]
				n++
				return rawip.TCPData(room, k.local, k.remote, 0x18, k.seq+uint32(n%each)+1, k.ack)
			})
			return err
		}))
		k := connect(t, h.c, h.a.service())
		by, err := k.askFor(3*time.Second, "who /B HTTP/1.1\r")
		kept, took := a.changes(t)[dprnl.StatHandoverKept], time.Since(begun)
		t.Logf("after %v: %d of %d segments were kept", took, kept, n)
		if err != nil || by != "B" {
			t.Errorf("served by %q (%v), want B", by, err)
		}
		// All of the memory is enough for three quarters of them, or more.
		if took < 7*time.Second && kept > clients*each*6/10 {
			t.Errorf("%d segments of clients that leave out their first byte were kept", kept)
		}
	})
}
