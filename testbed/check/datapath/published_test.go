// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// publish is how container engines publish a port: DNAT to a server in a network
// namespace behind the host.
const publish = `
table @IP@ publish {
	chain prerouting {
		type nat hook prerouting priority -100
		@IP@ daddr @A@ tcp dport 80 dnat to @BOX@
	}
}`

// A's service has no socket on A: a rule hands its connections to a container. A
// copy of a SYN that A served so goes there too, though the policy would choose B
// by then; and where orphans are asked for, nothing of such a connection is lost.
//
//	R ── switch ── A ── container 172.17.0.2
//	        └───── B
func TestPublishedService(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.b.web = serve(t, c.b.Host, "B", port)
		box := behind(t, c.a)
		forward(t, c.a.Host)
		firewall(t, c.a.Host, w, publish)
		serve(t, box, "box", port)
		c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		c.a.keep(t)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		syn := k.segment("S", "")
		k.send(t, syn)
		k.hear(t, "SA")
		c.redirect(t, c.b)
		seen := observe(t, c.b.Host)
		a := c.a.meter(t)
		r.send(t, c.a, syn.Bytes())
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.wantServed(t, "box")
		a.want(t, counts{dprnl.StatSynOwned: 1})
		silence(t, seen, (*wire.Packet).Tunnelled)
	})
}
