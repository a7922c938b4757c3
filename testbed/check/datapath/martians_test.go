// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A SYN whose source the stack would not believe is not redirected either: the
// serving host cannot ask by which way it came.
//
//	R (any source) ── switch ── A ── E 192.0.2.0/24
//	                     └───── B
func TestMartians(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.Sysctl("net/ipv4/conf/all/rp_filter", "1"))
		behindAnotherLink(t, c.a)
		r := c.raw(t, addrR)
		for name, src := range w.martians() {
			for _, policy := range []dprnl.Policy{dprnl.PolicyLowest, dprnl.PolicyStateless} {
				t.Run(name+"/"+policy.String(), func(t *testing.T) {
					// Drained, A is not among those that the hash picks from.
					c.a.set(t, dprnl.ConfigUpdate{Policy: &policy, State: ptr(dprnl.StateDraining)})
					a, b := c.a.meter(t), c.b.meter(t)
					seen := observe(t, c.b.Host)
					s := wire.Segment{Src: netip.AddrPortFrom(netip.MustParseAddr(src), 4000), Dst: c.a.service(), Flags: "S"}
					r.send(t, c.a, s.Bytes())
					silence(t, seen, func(p *wire.Packet) bool { return p.Tunnelled() })
					a.want(t, counts{dprnl.StatServedLocal: maybe})
					b.want(t, counts{})
					if f := c.a.flows(t); len(f) != 0 {
						t.Errorf("flows %v", f)
					}
				})
			}
		}
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}

// martians are sources that the stack does not believe. IPv6 has no rp_filter.
func (w way) martians() map[string]string {
	all := w.impossible()
	delete(all, "link-local") // whom the stack answers, but only this host's
	all["the host itself"] = w.addr(addrA).String()
	if !w.six() {
		all["by the wrong link"] = "192.0.2.7"
	}
	return all
}
