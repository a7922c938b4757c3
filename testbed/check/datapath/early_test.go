// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A segment of a connection that has had one before is received by the route that
// its socket keeps, as the stack's early demultiplexing receives those without
// tunnel: not if it is for another host, not once routes have changed, and not if
// the operator has it off. Then the outer header's addresses are looked at as a
// first segment's are.
//
//	R ── switch ── A
//	      └─────── B ── E
func TestEarlyRoute(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		behindAnotherLink(t, c.b)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		direct := w.outer(addrA, addrB)
		send := func(tunnel wire.Tunnel, taken bool) {
			t.Helper()
			b := c.b.meter(t)
			s := k.segment("PA", "who\n")
			r.send(t, c.b, tunnel.Wrap(s.Bytes()))
			if taken {
				k.seq = s.Seq + uint32(len(s.Payload))
				eventually(t, func() error {
					if got := b.changes(t)[dprnl.StatRxPackets]; got != 1 {
						return fmt.Errorf("B took %d packets, want 1: %v", got, b.changes(t))
					}
					return nil
				})
				return
			}
			silence(t, r.Endpoint, func(p *wire.Packet) bool { return k.mine(p) && p.TCP.Ack > k.seq })
			b.want(t, counts{})
		}
		send(direct, true)
		send(w.outer(addrA, netip.MustParseAddr("10.77.0.99")), false)

		// From now on what A sends should come by the other link. The route that
		// the socket kept is void, and the next segment's is kept instead.
		check(t, c.b.Route(netip.PrefixFrom(c.a.addr, c.a.addr.BitLen()), w.own(netip.MustParseAddr("192.0.2.7"))))
		send(direct, true)
		if w.client == 6 || w.tunnel == 6 {
			return // the socket keeps no IPv4 route, which rp_filter could show
		}
		check(t, c.b.Sysctl("net/ipv4/conf/all/rp_filter", "1"))
		send(direct, true)
		check(t, c.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		send(direct, false)
		check(t, c.b.Sysctl("net/ipv4/tcp_early_demux", "1"))
		check(t, c.b.Sysctl("net/ipv4/ip_early_demux", "0"))
		send(direct, false)
		check(t, c.b.Sysctl("net/ipv4/ip_early_demux", "1"))
		send(direct, true)
		// Any change of routes, and the kept one is void.
		check(t, c.b.Route(netip.MustParsePrefix("198.51.100.0/24"), netip.MustParseAddr("192.0.2.7")))
		send(direct, false)
	})
}
