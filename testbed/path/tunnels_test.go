// SPDX-License-Identifier: MIT

//go:build lab

package path

import (
	"net/netip"
	"testing"

	"dpr/testbed/path/vnet"
	"dpr/userland/dprnl"
)

// Peers that have a tunnel of their own between them (the ipip module) keep it:
// what it carries is not taken for redirected packets, nor does DPR's traffic
// get into it.
//
//	C ── switch ── A ═══ t0 172.16.0.1
//	        └───── B ═══ t0 172.16.0.2 ── E 172.16.1.2
func TestOtherTunnels(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		const other = 8080
		e := tunnelled(t, c)
		serve(t, c.b.Host, "B", other)
		serve(t, e, "E", other)
		for name, to := range map[string]string{
			"to the peer":                  "172.16.0.2:8080",
			"to the peer's service":        "172.16.0.2:80",
			"to a network behind the peer": "172.16.1.2:8080",
		} {
			t.Run(name, func(t *testing.T) {
				before, err := c.b.Received("t0")
				check(t, err)
				b := c.b.meter(t)
				conn := connect(t, c.a.Host, netip.MustParseAddrPort(to))
				check(t, conn.upload(1<<20))
				check(t, conn.download(1<<20))
				after, err := c.b.Received("t0")
				check(t, err)
				if after-before < 10 {
					t.Errorf("only %d packets came through the tunnel", after-before)
				}
				b.want(t, counts{dprnl.StatServedOff: maybe})
			})
		}
		t.Run("redirected meanwhile", func(t *testing.T) {
			before, err := c.b.Received("t0")
			check(t, err)
			conn := connect(t, c.c, c.a.service())
			conn.wantServed(t, "B")
			check(t, conn.upload(1<<20))
			if after, err := c.b.Received("t0"); err != nil || after > before+4 { // the end of an earlier connection
				t.Errorf("%d redirected packets came through the tunnel (%v)", after-before, err)
			}
		})
	})
}

// tunnelled gives A and B a tunnel, and B a network behind it with host E.
func tunnelled(t *testing.T, c *cluster) *vnet.Host {
	t.Helper()
	e, err := vnet.NewHost("E")
	check(t, err)
	t.Cleanup(func() { e.Close() })
	check(t, vnet.Connect(c.b.Host, "e1", e, eth, mtu))
	check(t, c.a.IPIP("t0", addrA, addrB))
	check(t, c.b.IPIP("t0", addrB, addrA))
	check(t, c.a.Address("t0", netip.MustParsePrefix("172.16.0.1/30")))
	check(t, c.b.Address("t0", netip.MustParsePrefix("172.16.0.2/30")))
	check(t, c.b.Address("e1", netip.MustParsePrefix("172.16.1.1/30")))
	check(t, e.Address(eth, netip.MustParsePrefix("172.16.1.2/30")))
	check(t, c.b.Sysctl("net/ipv4/ip_forward", "1"))
	check(t, c.a.Route(netip.MustParsePrefix("172.16.1.0/30"), netip.MustParseAddr("172.16.0.2")))
	check(t, e.Route(netip.MustParsePrefix("172.16.0.0/30"), netip.MustParseAddr("172.16.1.1")))
	return e
}
