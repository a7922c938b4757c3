// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Clients on hosts of the cluster. What comes from A itself A serves; a client
// on B is a client like others, but is never handed its own connection.
//
//	switch ── A
//	   ├───── B
//	   └───── D
func TestLocalClients(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		c.know(t, c.a, d)
		c.know(t, c.b, d)
		d.web = serve(t, d.Host, "D", port)
		t.Run("loopback", func(t *testing.T) {
			a := c.a.meter(t)
			connect(t, c.a.Host, w.addrPort(loopback, port)).wantServed(t, "A")
			a.want(t, counts{})
		})
		t.Run("own address", func(t *testing.T) {
			a := c.a.meter(t)
			connect(t, c.a.Host, c.a.service()).wantServed(t, "A")
			a.want(t, counts{})
		})
		t.Run("own address from outside", func(t *testing.T) {
			// As if a bridge or a hairpin brought it back. IPv6 takes it anyway.
			check(t, c.a.Sysctl("net/ipv4/conf/all/accept_local", "1"))
			r := c.raw(t, addrR)
			a := c.a.meter(t)
			s := wire.Segment{Src: w.addrPort(addrA, 4000), Dst: c.a.service(), Flags: "S"}
			r.send(t, c.a, s.Bytes())
			a.want(t, counts{dprnl.StatServedLocal: 1})
		})
		t.Run("peer, the only one", func(t *testing.T) {
			a := c.a.meter(t)
			connect(t, c.b.Host, c.a.service()).wantServed(t, "A")
			if w.client == w.tunnel {
				a.want(t, counts{dprnl.StatServedNoPeer: 1})
			} else { // only B knows all of its addresses
				a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatOfferReturned: 1, dprnl.StatOfferServed: 1,
					dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
			}
		})
		t.Run("peer, one of two", func(t *testing.T) {
			c.a.report(t, d, 0)
			a := c.a.meter(t)
			for range 8 {
				k := connect(t, c.b.Host, c.a.service())
				k.wantServed(t, "D")
				check(t, k.upload(50_000))
				check(t, k.download(50_000))
			}
			want := counts{dprnl.StatRedirected: 8, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some}
			if w.client != w.tunnel {
				want[dprnl.StatOfferReturned] = maybe
			}
			a.want(t, want)
		})
		t.Run("peer, stateless", func(t *testing.T) {
			c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
			served := map[string]int{}
			for range 30 {
				got, err := connect(t, c.b.Host, c.a.service()).ask("who")
				check(t, err)
				served[got]++
			}
			if served["B"] != 0 || served["A"] == 0 || served["D"] == 0 {
				t.Errorf("connections of B by serving host: %v", served)
			}
		})
	})
}
