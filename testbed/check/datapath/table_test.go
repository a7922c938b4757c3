// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// With the table full of connections that live, new ones are served by A itself
// and counted; when one has gone there is room again.
//
//	C, R ── switch ── A (max_flows 1, 2, 5)
//	           └───── B
func TestTableFull(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		events := subscribe(t, c.a)
		var kept []*conn
		for _, limit := range []uint32{1, 2, 5} {
			c.a.set(t, dprnl.ConfigUpdate{MaxFlows: &limit})
			for len(kept) < int(limit) {
				k := connect(t, c.c, c.a.service())
				k.wantServed(t, "B")
				kept = append(kept, k)
			}
			a := c.a.meter(t)
			for range 3 {
				connect(t, c.c, c.a.service()).wantServed(t, "A")
			}
			a.want(t, counts{dprnl.StatServedTableFull: 3, dprnl.StatTxPackets: maybe, dprnl.StatTxBytes: maybe})
		}
		events.want(t, dprnl.EventTableFull)
		for _, k := range kept {
			k.wantServed(t, "B")
		}
		check(t, c.a.dpr.DeleteFlow(t.Context(), c.a.flows(t)[0].FlowKey))
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		connect(t, c.c, c.a.service()).wantServed(t, "A")
		// A smaller limit than what there is breaks nothing.
		c.a.set(t, dprnl.ConfigUpdate{MaxFlows: ptr(uint32(1))})
		connect(t, c.c, c.a.service()).wantServed(t, "A")
		if n := len(c.a.flows(t)); n != 5 {
			t.Errorf("%d flows, want 5", n)
		}
	})
}

// A flood of SYNs from everywhere takes the places that are left, and no other:
// connections that live stay, a handshake that is under way is made, new ones are
// served where they come. Of what has shown no more than a SYN the oldest gives way
// when it is 3 s old.
//
//	C, R (flood) ── switch ── A (max_flows 16)
//	                   └───── B
func TestSynFlood(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		// So few that it takes no second on a slow kernel.
		const limit, flood = 16, 40
		c.a.set(t, dprnl.ConfigUpdate{MaxFlows: ptr(uint32(limit))})
		var kept []*conn
		for range 8 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			kept = append(kept, k)
		}
		r := c.raw(t, addrR)
		a := c.a.meter(t)
		spoofed := func(i int) netip.AddrPort {
			return w.addrPort(netip.AddrFrom4([4]byte{10, 77, 0, byte(210 + i%40)}), uint16(1024+i))
		}
		syns := func(from, to int) {
			for i := from; i < to; i++ {
				s := wire.Segment{Src: spoofed(i), Dst: c.a.service(), Flags: "S", Seq: uint32(i)}
				r.send(t, c.a, s.Bytes())
			}
		}
		handled := func(n uint64) {
			eventually(t, func() error {
				got := a.changes(t)
				if done := got[dprnl.StatRedirected] + got[dprnl.StatServedTableFull]; done < n {
					return fmt.Errorf("%d SYNs of %d were handled", done, n)
				}
				return nil
			})
		}
		syns(0, limit-8-1)
		slow := r.talk(c.a, 4000)
		slow.say(t, "S", "")
		slow.hear(t, "SA")
		syns(limit-8-1, flood)
		handled(flood + 1)
		slow.say(t, "A", "")
		slow.wantServed(t, "B")
		connect(t, c.c, c.a.service()).wantServed(t, "A")
		a.want(t, counts{dprnl.StatRedirected: limit - 8, dprnl.StatServedTableFull: flood - (limit - 8 - 1) + 1,
			dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxError: maybe})
		if n := len(c.a.flows(t)); n != limit {
			t.Errorf("%d flows, want %d", n, limit)
		}

		time.Sleep(3500 * time.Millisecond)
		a = c.a.meter(t)
		// One that was sent again is young.
		syns(0, 1)
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatFlowsEvicted: 1, dprnl.StatSynRetransmitted: 1,
			dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxError: maybe})
		for _, f := range c.a.flows(t) {
			// Each CPU has a list of its own.
			if runtime.NumCPU() == 1 && f.Client == spoofed(1) {
				t.Errorf("%v is still there, though the oldest should have gone first", f.Client)
			}
		}
		for _, k := range kept {
			k.wantServed(t, "B")
		}
		slow.wantServed(t, "B")
	})
}
