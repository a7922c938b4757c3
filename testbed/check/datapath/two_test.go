// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Of two peers drawn, the better one gets the connection: the worst of three
// never does.
//
//	C ── switch ── A (redirects all)
//	        ├───── B (idle)
//	        └───── D (loaded), E (more loaded)
func TestTwoChoices(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		d.web = serve(t, d.Host, "D", port)
		check(t, d.dpr.SetPeer(t.Context(), w.known(addrA)))
		e := c.raw(t, addrR)
		c.redirect(t, c.b)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyTwo)})
		// A's own sockets are more than its peers' loads.
		c.a.set(t, dprnl.ConfigUpdate{WeightSockets: ptr(uint32(1000))})
		c.a.report(t, c.b, 0)
		check(t, c.a.dpr.SetPeer(t.Context(), w.report(addrR, 2)))
		check(t, c.a.dpr.SetPeer(t.Context(), w.report(addrD, 1)))
		by := map[string]int{}
		const n = 120
		for range n {
			k := connect(t, c.c, c.a.service())
			who, err := k.ask("who")
			check(t, err)
			by[who]++
		}
		// Of three pairs B wins two, D one; 60 and 20 are four deviations off.
		if by["A"] != 0 || by["B"] < n/2 || by["D"] < n/6 {
			t.Errorf("served by host: %v, want about %d by B, %d by D", by, n*2/3, n/3)
		}
		silence(t, e.Endpoint, (*wire.Packet).Tunnelled) // who is worst of three
	})
}
