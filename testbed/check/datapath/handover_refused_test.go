// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A host refuses what it cannot take, and the connection goes to another one: because it
// drains, nothing listens, its server takes no more, or its service is placed by SYNs alone.
func TestHandoverRefused(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		for name, unable := range map[string]func(h *handing){
			"draining":    func(h *handing) { h.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)}) },
			"no listener": func(h *handing) { h.b.web.stop() },
		} {
			t.Run(name, func(t *testing.T) {
				h := newHanding(t, w)
				unchanged(t, h.c, "TcpExtTCPSynRetrans")
				unchanged(t, h.b.Host, "TcpOutRsts")
				h.a.fresh(t, h.d, 1)
				unable(h)
				a, b := h.a.meter(t), h.b.meter(t)
				k := connect(t, h.c, h.a.service())
				k.wantServed(t, "D")
				check(t, k.upload(100_000))
				changed(t, a, dprnl.StatHandoverRefused, 1)
				changed(t, a, dprnl.StatHandoverTaken, 1)
				changed(t, b, dprnl.StatRxHandoverRefused, 1)
				wantChange(t, a, dprnl.StatRedirected, 1)
			})
		}
	})
}

// A connection that B cannot make, which its client can bring about, keeps no other from B. The
// first host takes P's word that it is so, and leaves P alone otherwise.
//
//	C, R ── switch ── A (hands all over)
//	           ├───── B (drops what R sends)
//	           └───── P (the test)
func TestHandoverFailed(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		ctx, cancel := context.WithTimeout(t.Context(), step)
		defer cancel()
		family := map[bool]string{false: "ip", true: "ip6"}[w.six()]
		_, err := h.b.RunInput(ctx, fmt.Sprintf(`table inet drops {
	chain in {
		type filter hook input priority 0;
		%s saddr %v drop
	}
}`, family, w.addr(addrR)), "nft", "-f", "-")
		check(t, err)
		a, b := h.a.meter(t), h.b.meter(t)
		r := h.raw(t, addrR)
		k := r.talk(h.a, 4000)
		k.open(t)
		k.say(t, "PA", "who\n")
		// Before Linux 6.9 the socket is there before the segment is dropped.
		eventually(t, func() error {
			got := b.changes(t)
			if got[dprnl.StatRxHandoverTaken]+got[dprnl.StatRxHandoverFailed] == 0 {
				return errors.New("B has not answered")
			}
			return nil
		})
		failed := b.changes(t)[dprnl.StatRxHandoverFailed]
		changed(t, a, dprnl.StatHandoverRefused, failed)
		if (failed > 0) != kernelSince(6, 9) {
			t.Errorf("B has failed to make %d connections", failed)
		}
		connect(t, h.c, h.a.service()).wantServed(t, "B")

		p := h.silentPeer(t)
		refuse := func(port uint16, flags byte, by string) {
			t.Helper()
			k := r.talk(h.a, port)
			k.open(t)
			k.say(t, "PA", "who\n")
			take := ownerMessage(p.get(t, isHandover))
			m := w.handoverAnswer(take, handoverRefused, addrP, addrA, k.local, k.remote)
			m[5] |= flags
			w.handoverSeal(m, addrP, addrA, k.local, k.remote)
			p.send(t, h.a, w.message(addrP, addrA, m))
			if got := k.hear(t, "PA"); string(got.Payload) != by+"\n" {
				t.Errorf("answer %q, want %s", got.Payload, by)
			}
		}
		refuse(4001, handoverFailed, "A")
		h.a.fresh(t, h.d, 1)
		refuse(4004, handoverFailed, "D")
		check(t, h.a.dpr.DeletePeer(t.Context(), h.d.addr, false))
		refuse(4002, 0, "A")
		k = r.talk(h.a, 4003)
		k.open(t)
		k.say(t, "PA", "who\n")
		if got := k.hear(t, "PA"); string(got.Payload) != "A\n" {
			t.Errorf("answer %q", got.Payload)
		}
		silence(t, p.Endpoint, isHandover)
	})
}

// A host that can make no connection at all is left alone until its next report, however low its
// load is. One that it makes shows that it can, but not one of another service.
func TestHandoverFailing(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p, r := h.silentPeer(t), h.raw(t, addrR)
		other := netip.AddrPortFrom(h.a.at, webPort)
		check(t, h.a.dpr.AddService(t.Context(), dprnl.Service{Port: webPort, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}))
		next := uint16(4000)
		ask := func(service netip.AddrPort) *talk {
			t.Helper()
			k := r.talk(h.a, next)
			k.remote = service
			next++
			k.open(t)
			k.say(t, "PA", "who\n")
			return k
		}
		answer := func(service netip.AddrPort, kind, flags byte) *talk {
			t.Helper()
			check(t, h.a.dpr.SetPeer(t.Context(), w.reportOf(addrP, 5)))
			k := ask(service)
			m := w.handoverAnswer(ownerMessage(p.get(t, isHandover)), kind, addrP, addrA, k.local, k.remote)
			m[5] |= flags
			w.handoverSeal(m, addrP, addrA, k.local, k.remote)
			p.send(t, h.a, w.message(addrP, addrA, m))
			return k
		}
		byA := func(k *talk) {
			t.Helper()
			if got := k.hear(t, "PA"); string(got.Payload) != "A\n" {
				t.Errorf("answer %q, want A", got.Payload)
			}
		}
		const row = 16
		fail := func(n int) {
			t.Helper()
			for range n {
				byA(answer(h.a.service(), handoverRefused, handoverFailed))
			}
		}
		a := h.a.meter(t)
		taken := uint64(0)
		take := func(service netip.AddrPort) {
			t.Helper()
			answer(service, handoverTaken, 0)
			taken++
			becomes(t, a, dprnl.StatHandoverTaken, taken)
		}
		left := func() {
			t.Helper()
			byA(ask(h.a.service()))
			silence(t, p.Endpoint, isHandover)
		}
		fail(row - 1)
		take(h.a.service())
		fail(row)
		left()
		fail(1)
		for range row - 1 {
			take(other)
			fail(1)
		}
		left()
		take(other)
	})
}

// All refuse: the host that did the handshake serves, or, if it cannot, resets.
func TestHandoverRefusedByAll(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.a.fresh(t, h.d, 1)
		h.b.web.stop()
		h.d.web.stop()
		a := h.a.meter(t)
		connect(t, h.c, h.a.service()).wantServed(t, "A")
		changed(t, a, dprnl.StatHandoverRefused, 2)
		changed(t, a, dprnl.StatHandoverLocal, 1)
		for stat, n := range map[dprnl.Stat]int{dprnl.StatRedirected: 1, dprnl.StatOfferServed: 1, dprnl.StatServedNoPeer: 0} {
			wantChange(t, a, stat, n)
		}
		h.a.fresh(t, h.b, 0)
		h.a.fresh(t, h.d, 1)
		k := connect(t, h.c, h.a.service())
		h.a.web.deaf()
		k.wantReset(t)
		changed(t, a, dprnl.StatHandoverReset, 1)
	})
}

// flood has A keep as many connections waiting as it may.
func (h *handing) flood(t *testing.T, r *raw, limit uint32) *meter {
	t.Helper()
	const flood = 60
	h.a.set(t, dprnl.ConfigUpdate{MaxFlows: &limit})
	a := h.a.meter(t)
	for i := range flood {
		s := wire.Segment{Src: h.addrPort(addrR, uint16(1024+i)), Dst: h.a.service(), Flags: "S", Seq: uint32(i)}
		r.send(t, h.a, s.Bytes())
	}
	eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverFull, flood-uint64(limit)) })
	return a
}

// With no room left a SYN of IPv6 with extension headers is the stack's, as it came.
func TestHandoverFloodExtensions(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.a.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1 << 40))})
		r := h.raw(t, addrR)
		h.flood(t, r, 16)
		a := h.a.meter(t)
		for i, e := range [][]wire.Extension{{wire.Destination()}, {wire.HopByHop()}, {wire.HopByHop(), wire.Destination()}} {
			k := r.talk(h.a, uint16(4000+i))
			s := k.segment("S", "")
			s.Extensions = e
			k.send(t, s)
			k.hear(t, "SA")
		}
		changed(t, a, dprnl.StatHandoverFull, 3)
	})
}

// In a flood of SYNs what waits is bounded, and honest clients are served.
func TestHandoverFlood(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		const limit = 16
		a := h.flood(t, h.raw(t, addrR), limit)
		if got := a.changes(t)[dprnl.StatHandoverSyn]; got != limit {
			t.Errorf("%d SYNs were answered, want %d", got, limit)
		}
		if _, err := connect(t, h.c, h.a.service()).ask("who"); err != nil {
			t.Error(err)
		}
	})
}

// atLeast is an error while a counter has changed by less than n.
func atLeast(got counts, stat dprnl.Stat, n uint64) error {
	if got[stat] < n {
		return fmt.Errorf("%v changed by %d, want %d or more", stat, got[stat], n)
	}
	return nil
}

// noConnections is an error while a server's program has a connection.
func (s *server) noConnections() error {
	if open := s.web.accepted(); len(open) != 0 {
		return fmt.Errorf("%s has connections of %v", s.Name, open)
	}
	return nil
}
