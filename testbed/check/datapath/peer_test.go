// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// ways for B to be gone. What A is told of it comes after, as dpr-cleanup would.
var gone = map[string]func(t *testing.T, c *cluster){
	"unplugged": func(t *testing.T, c *cluster) { check(t, c.sw.Unplug(c.b.Host)) },
	"no answer by ARP": func(t *testing.T, c *cluster) {
		check(t, c.sw.Unplug(c.b.Host))
		forgetNeighbours(t, c.a)
	},
	"up and well": func(*testing.T, *cluster) {},
}

// A peer that is gone: from when its reports are old, or it is taken out of the
// load table, new connections avoid it, while the old ones wait for it; once it
// is declared dead they end with a RST, idle clients' too.
//
//	C ── switch ── A
//	        └──✂── B
func TestPeerGone(t *testing.T) {
	for how, goes := range gone {
		t.Run(how, func(t *testing.T) {
			anyForwarding(t, func(t *testing.T, w way) {
				c := newCluster(t, w)
				events := subscribe(t, c.a)
				idle, busy := connect(t, c.c, c.a.service()), connect(t, c.c, c.a.service())
				idle.wantServed(t, "B")
				busy.wantServed(t, "B")
				goes(t, c)

				const most = 50 * time.Millisecond
				c.a.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(most)})
				c.a.report(t, c.b, 0) // the last one, which becomes old
				time.Sleep(2 * most)
				a := c.a.meter(t)
				connect(t, c.c, c.a.service()).wantServed(t, "A")
				a.want(t, counts{dprnl.StatServedNoPeer: 1, dprnl.StatTxPackets: maybe, dprnl.StatTxBytes: maybe})
				expire(t, c.a, dprnl.Expiry{Scanned: 2, Flows: 2, Done: true})
				events.want(t, dprnl.EventPeerStale)

				c.a.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(time.Hour)})
				check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, false))
				connect(t, c.c, c.a.service()).wantServed(t, "A")
				if n := len(c.a.flows(t)); n != 2 {
					t.Errorf("%d flows, want 2", n)
				}

				check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
				a = c.a.meter(t)
				seen := observe(t, c.c)
				// The busy one finds out by itself, the idle one is told.
				busy.wantReset(t)
				expire(t, c.a, dprnl.Expiry{Scanned: 1, Reset: 1, Done: true})
				await(t, seen, func(p *wire.Packet) bool { return p.Has("R") && p.Src() == c.a.at })
				idle.wantReset(t)
				a.want(t, counts{dprnl.StatFlowsReset: 2})
				connect(t, c.c, c.a.service()).wantServed(t, "A")
			})
		})
	}
}

// A peer that rebooted knows nothing of its connections: the client's next
// packet gets a RST from it, and new connections work.
//
//	C ── switch ── A
//	        └───── B (made anew)
func TestPeerRebooted(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, c.sw.Unplug(c.b.Host))
		c.b = c.server(t, "B2", addrB)
		c.know(t, c.a, c.b)
		c.b.web = serve(t, c.b.Host, "B again", port)
		forgetNeighbours(t, c.a)
		b := c.b.meter(t)
		k.wantReset(t)
		// The listener does not know the connection.
		b.want(t, counts{dprnl.StatRxReset: 1, dprnl.StatRxListenerDeferred: maybe})
		connect(t, c.c, c.a.service()).wantServed(t, "B again")
	})
}

// Clean-up comes in steps as large as asked, and the idle clients of a dead peer
// each get a RST that they believe, in whatever state they are.
//
//	C, R ── switch ── A
//	           └───── B
func TestDeadPeerResetsClients(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		syn := r.talk(c.a, 4000)
		syn.say(t, "S", "")
		syn.hear(t, "SA")
		var idle []*conn
		for range 10 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			check(t, k.download(100_000))
			idle = append(idle, k)
		}
		half := connect(t, c.c, c.a.service())
		half.wantServed(t, "B")
		_, err := fmt.Fprintln(half, "wake 3600000") // B does not close meanwhile
		check(t, err)
		check(t, half.CloseWrite())
		wantFlow(t, c.a, dprnl.FlowFin)
		// All that is under way to the clients is acknowledged before B dies.
		time.Sleep(settle)
		check(t, c.sw.Unplug(c.b.Host))
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		a := c.a.meter(t)
		reset, steps := uint32(0), 0
		for done := false; !done; steps++ {
			e, err := c.a.dpr.Expire(t.Context(), 3)
			check(t, err)
			if e.Scanned > 3 {
				t.Fatalf("a step of 3 looked at %d flows", e.Scanned)
			}
			reset, done = reset+e.Reset, e.Done
		}
		if reset != 12 || steps < 4 {
			t.Errorf("%d flows reset in %d steps, want 12 in at least 4", reset, steps)
		}
		rst := syn.hear(t, "R")
		if !rst.Has("A") || rst.TCP.Ack != syn.seq {
			t.Errorf("RST %v for a client that waits for a SYN-ACK, want one that acknowledges %d", rst, syn.seq)
		}
		for _, k := range idle {
			k.wantReset(t)
		}
		a.want(t, counts{dprnl.StatFlowsReset: 12})
		if n := len(c.a.flows(t)); n != 0 {
			t.Errorf("%d flows left", n)
		}
	})
}

// expire takes one step of cleaning up and compares what it did.
func expire(t *testing.T, s *server, want dprnl.Expiry) {
	t.Helper()
	e, err := s.dpr.Expire(t.Context(), 0)
	check(t, err)
	if e != want {
		t.Errorf("cleaning up: %+v, want %+v", e, want)
	}
}

// forgetNeighbours makes a host ask for its neighbours again.
func forgetNeighbours(t *testing.T, s *server) {
	t.Helper()
	check(t, s.Forget(eth))
}
