// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"

	"dpr/userland/dprnl"
)

// Connections that run go on, each on its host, whatever is changed meanwhile.
//
//	C ── switch ── A
//	        ├───── B
//	        └───── D (comes and goes)
func TestPolicySwitchKeepsConnections(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		d.web = serve(t, d.Host, "D", port)
		check(t, d.dpr.SetPeer(t.Context(), w.known(addrA)))
		unchanged(t, c.c, "TcpEstabResets", "TcpExtTCPSynRetrans")
		set := func(u dprnl.ConfigUpdate) func() { return func() { c.a.set(t, u) } }
		steps := []struct {
			name string
			do   func()
		}{
			{"lowest", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})},
			{"off", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyOff)})},
			{"stateless", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})},
			{"other hash", set(dprnl.ConfigUpdate{Hash: ptr(dprnl.HashPort)})},
			{"peer added", func() { c.a.report(t, d, 0) }},
			{"inverse", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyInverse)})},
			{"stateless again", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})},
			{"peer removed", func() { check(t, c.a.dpr.DeletePeer(t.Context(), d.addr, false)) }},
			{"first hash", set(dprnl.ConfigUpdate{Hash: ptr(dprnl.HashAddressPort)})},
			{"drained", set(dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})},
			{"undrained", set(dprnl.ConfigUpdate{State: ptr(dprnl.StateActive)})},
			{"peer back", func() { c.a.report(t, d, 0) }},
			{"estimate", set(dprnl.ConfigUpdate{Estimate: ptr(dprnl.EstimateCorrected), MaxLoad: ptr(uint64(1))})},
			{"cleaned up", func() { _, err := c.a.dpr.Expire(t.Context(), 0); check(t, err) }},
			{"service deleted", func() { check(t, c.a.dpr.DeleteService(t.Context(), dprnl.Service{Port: port})) }},
			{"service added", func() { check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: port})) }},
			{"off again", set(dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyOff)})},
		}
		type held struct {
			k     *conn
			by    string
			since string
		}
		var all []held
		for _, s := range steps {
			s.do()
			for range 6 {
				k := connect(t, c.c, c.a.service())
				by, err := k.ask("who")
				check(t, err)
				all = append(all, held{k, by, s.name})
			}
			for _, h := range all {
				if by, err := h.k.ask("who"); err != nil || by != h.by {
					t.Fatalf("after %q the connection made under %q was served by %q (%v), before by %q", s.name, h.since, by, err, h.by)
				}
			}
		}
	})
}

// The other marker can be chosen under connections: on all hosts the receiving
// side takes both for a while, since packets from a peer need no mark with
// "source", and marked ones are taken whatever the marker.
//
//	C ── switch ── A
//	        └───── B
func TestMarkerSwitch(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		k := connect(t, c.c, c.a.service())
		other := dprnl.MarkerFragbit + dprnl.MarkerSource - w.marker
		// To "source" the receivers go first, from it the senders do.
		order := []*server{c.b, c.a}
		if other == dprnl.MarkerFragbit {
			order = []*server{c.a, c.b}
		}
		for _, s := range order {
			s.set(t, dprnl.ConfigUpdate{Marker: &other})
			k.wantServed(t, "B")
			connect(t, c.c, c.a.service()).wantServed(t, "B")
		}
		check(t, k.upload(100_000))
	})
}
