// SPDX-License-Identifier: MIT

//go:build lab

package path

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"dpr/testbed/path/wire"
	"dpr/userland/dprnl"
)

// With the table full of connections that live, new ones are served by A itself
// and counted; when one has gone there is room again.
//
//	C, R ── switch ── A (max_flows 1, 2, 5)
//	           └───── B
func TestTableFull(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
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

// A flood of SYNs from everywhere pushes out only what has shown no more than a
// SYN, the oldest first; connections that live stay, and new ones are made.
//
//	C, R (flood) ── switch ── A (max_flows 64)
//	                   └───── B
func TestSynFloodEviction(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		const limit, flood = 64, 1000
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
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(210 + i%40)}), uint16(1024+i))
		}
		for i := range flood {
			s := wire.Segment{Src: spoofed(i), Dst: c.a.service(), Flags: "S", Seq: uint32(i)}
			r.send(t, c.a, s.Bytes())
		}
		// The last ones may still be on their way.
		eventually(t, func() error {
			if n := a.changes(t)[dprnl.StatRedirected]; n < flood {
				return fmt.Errorf("%d SYNs redirected of %d", n, flood)
			}
			return nil
		})
		a.want(t, counts{dprnl.StatRedirected: flood, dprnl.StatFlowsEvicted: flood - (limit - 8),
			dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxError: maybe})
		flows := c.a.flows(t)
		if len(flows) != limit {
			t.Errorf("%d flows, want %d", len(flows), limit)
		}
		newest := map[netip.AddrPort]bool{}
		for i := flood - (limit - 8); i < flood; i++ {
			newest[spoofed(i)] = true
		}
		for _, f := range flows {
			// Each CPU has a list of its own.
			if runtime.NumCPU() == 1 && f.State == dprnl.FlowSyn && !newest[f.Client] {
				t.Errorf("%v is still there, though older ones should have gone first", f.Client)
			}
		}
		for _, k := range kept {
			k.wantServed(t, "B")
		}
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}
