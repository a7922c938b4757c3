// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
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
			})
		}
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
		h.a.fresh(t, h.b, 0)
		h.a.fresh(t, h.d, 1)
		k := connect(t, h.c, h.a.service())
		h.a.web.deaf()
		k.wantReset(t)
		changed(t, a, dprnl.StatHandoverReset, 1)
	})
}

// In a flood of SYNs what waits is bounded, and honest clients are served.
func TestHandoverFlood(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		const limit, flood = 16, 60
		h.a.set(t, dprnl.ConfigUpdate{MaxFlows: ptr(uint32(limit))})
		r := h.raw(t, addrR)
		a := h.a.meter(t)
		for i := range flood {
			s := wire.Segment{Src: w.addrPort(addrR, uint16(1024+i)), Dst: h.a.service(), Flags: "S", Seq: uint32(i)}
			r.send(t, h.a, s.Bytes())
		}
		eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverFull, flood-limit) })
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
