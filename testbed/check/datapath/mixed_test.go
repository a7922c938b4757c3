// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A peer gets only the connections that it can serve: those of IPv6 if it knows them, and
// of either family if it has an address of that.
//
//	C ── switch ── A
//	        ├───── B (knows less, or has fewer addresses)
//	        └───── D
func TestMixedCluster(t *testing.T) {
	four, six := netip.AddrPortFrom(addrA, port), netip.AddrPortFrom(vnet.Twin(addrA), port)
	for name, x := range map[string]struct {
		tunnel   int
		protocol uint32
		others   bool           // B reports its address of the other family
		never    netip.AddrPort // of which B gets nothing
		some     netip.AddrPort // of which B gets its share
	}{
		"protocol 1":                   {4, 1, false, six, four},
		"protocol 2":                   {4, 2, true, six, four},
		"protocol 3, but no IPv6":      {4, 3, false, six, four},
		"protocol 3, IPv6 but no IPv4": {6, 3, false, four, six},
	} {
		t.Run(name, func(t *testing.T) {
			for choice, u := range choices {
				t.Run(choice, func(t *testing.T) {
					watchKernel(t)
					w := fragbit64
					if x.tunnel == 6 {
						w = plain6
					}
					c := newThree(t, w, u)
					served := func(to netip.AddrPort) map[string]int {
						t.Helper()
						by := map[string]int{}
						for range 24 {
							b := w.report(addrB, 0)
							if b.Protocol = x.protocol; !x.others {
								b.Others = nil
							}
							check(t, c.a.dpr.SetPeer(t.Context(), b))
							c.a.report(t, c.d, 1)
							who, err := connect(t, c.c, to).ask("who")
							check(t, err)
							by[who]++
						}
						return by
					}
					if by := served(x.never); by["B"] != 0 || by["D"] == 0 {
						t.Errorf("connections to %v are served by %v, want none by B", x.never, by)
					}
					if by := served(x.some); by["B"] == 0 {
						t.Errorf("connections to %v are served by %v, want some by B", x.some, by)
					}
				})
			}
		})
	}
}

// Between hosts whose own addresses are of different families there is no tunnel: neither
// gives the other anything.
//
//	C ── switch ── A
//	        └───── B (its own address is of the other family)
func TestPeerOfOtherFamily(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		other := w
		other.tunnel = 10 - w.tunnel
		u := other.report(addrB, 0)
		u.Protocol, u.Others = 3, []netip.Addr{w.own(addrB)}
		for range 2 { // a report does not change it
			check(t, c.a.dpr.SetPeer(t.Context(), u))
			p, err := c.a.dpr.Peer(t.Context(), u.Address)
			check(t, err)
			if p.Barred != dprnl.BarredFamily || p.Usable {
				t.Errorf("the kernel says %+v", p)
			}
		}
		for _, policy := range []dprnl.Policy{dprnl.PolicyLowest, dprnl.PolicyStateless, dprnl.PolicyInverse, dprnl.PolicyTwo} {
			c.a.set(t, dprnl.ConfigUpdate{Policy: &policy})
			for range 8 {
				connect(t, c.c, c.a.service()).wantServed(t, "A")
			}
		}
		// By its other address it is another peer, and usable.
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
		c.a.report(t, c.b, 0)
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}

// leastLink is the MTU that every link of IPv6 has at least.
const leastLink = 1280

// Where the way to a peer is as narrow as may be, the client cannot be told of less: what
// the tunnel adds is fragmented (RFC 2473, section 7.1), and put together there.
//
//	C ── switch ── A ──1280── B
func TestTunnelOfLeastMTU(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		h := behindAnotherLink(t, c.a)
		check(t, c.a.SetMTU("e1", leastLink))
		check(t, h.SetMTU(eth, leastLink))
		b := configure(t, h, netip.MustParseAddr("192.0.2.7"), w)
		check(t, c.sw.Plug(h, "e2", mtu)) // its own way to clients
		addresses(t, h, "e2", netip.MustParsePrefix("10.77.0.12/24"))
		b.others = append(b.others, w.addr(addrB))
		c.know(t, c.a, b)
		c.redirect(t, b)
		b.web = serve(t, b.Host, "B", port)

		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))

		r := c.raw(t, addrR)
		talk := r.talk(c.a, 4000)
		talk.open(t)
		most := leastLink - w.overhead()
		if w.six() || w.direct {
			most = leastLink // the tunnel's header does not fit any more, or there is none
		}
		n := most - int(w.bytes(10))
		talk.say(t, "PA", fmt.Sprintf("recv %d\n%s", n, pattern[:n]))
		if p := talk.hear(t, "PA"); string(p.Payload) != "ok\n" {
			t.Errorf("answer %q", p.Payload)
		}
		a := c.a.meter(t)
		big := talk.segment("PA", string(pattern[:n+20]))
		r.send(t, c.a, big.Bytes())
		if p := r.get(t, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) }); p.NextMTU() != most {
			t.Errorf("told of an MTU of %d, want %d", p.NextMTU(), most)
		}
		if a.changes(t)[dprnl.StatTxTooBig] == 0 {
			t.Error("tx_too_big did not change")
		}
	})
}
