// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Peers that have a tunnel of their own between them (ipip, sit, ip6_tunnel) keep it:
// what it carries is not taken for redirected packets, nor does DPR's traffic
// get into it.
//
//	C ── switch ── A ═══ t0 172.16.0.1
//	        └───── B ═══ t0 172.16.0.2 ── E 172.16.1.2
func TestOtherTunnels(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		const other = 8080
		e := tunnelled(t, c)
		serve(t, c.b.Host, "B", other)
		serve(t, e, "E", other)
		for name, to := range map[string]netip.AddrPort{
			"to the peer":                  netip.MustParseAddrPort("172.16.0.2:8080"),
			"to the peer's service":        netip.MustParseAddrPort("172.16.0.2:80"),
			"to a network behind the peer": netip.MustParseAddrPort("172.16.1.2:8080"),
		} {
			t.Run(name, func(t *testing.T) {
				before, err := c.b.Received("t0")
				check(t, err)
				b := c.b.meter(t)
				conn := connect(t, c.a.Host, w.addrPort(to.Addr(), to.Port()))
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
		t.Run("fragments", func(t *testing.T) {
			before, err := c.b.Received("t0")
			check(t, err)
			b, at := c.b.meter(t), observe(t, e)
			s := wire.Segment{Src: w.addrPort(netip.MustParseAddr("172.16.0.1"), 5000),
				Dst: w.addrPort(netip.MustParseAddr("172.16.1.2"), other), Flags: "A", Payload: pattern[:1200], MayFrag: true}
			// As A's tunnel would send them, but without the option of Linux's IPv6 tunnels.
			r, outer, all := c.raw(t, addrR), w.outer(addrA, addrB), wire.Fragment(s.Bytes(), 512, 99)
			outer.Marked = false
			for _, f := range all {
				r.send(t, c.b, outer.Wrap(f))
			}
			for range all {
				await(t, at, func(p *wire.Packet) bool { return p.Dst() == s.Dst.Addr() && p.IP[0].Fragment() })
			}
			if after, err := c.b.Received("t0"); err != nil || after-before < uint64(len(all)) { // and the end of an earlier connection
				t.Errorf("%d of %d fragments came through the tunnel (%v)", after-before, len(all), err)
			}
			b.want(t, counts{})
		})
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

// A program of the host's that receives protocol 4 or 41 by a raw socket gets what is
// not marked: from a stranger, and, though the marker is the sender's address,
// from a peer.
//
//	R (a stranger, and as A) ── switch ── B (raw socket)
func TestRawTunnel(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		fd := -1
		check(t, c.b.Do(func() (err error) {
			fd, err = unix.Socket(map[int]int{4: unix.AF_INET, 6: unix.AF_INET6}[w.tunnel], unix.SOCK_RAW, int(w.outer(addrA, addrB).Proto))
			return err
		}))
		t.Cleanup(func() { unix.Close(fd) })
		check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, ptr(unix.NsecToTimeval(int64(step)))))
		for name, from := range map[string]netip.Addr{"stranger": addrR, "peer": addrA} {
			t.Run(name, func(t *testing.T) {
				b := c.b.meter(t)
				inner := wire.Datagram(w.addr(addrC), w.parse("172.16.0.2"), layers.IPProtocolUDP, pattern[:100])
				outer := w.outer(from, addrB)
				outer.Marked = false
				r.send(t, c.b, outer.Wrap(inner))
				buf := make([]byte, mtu)
				n, err := unix.Read(fd, buf)
				check(t, err)
				head := 20
				if w.tunnel == 6 {
					head = 0 // IPv6 keeps its header from programs
				}
				if n != head+len(inner) || !bytes.Equal(buf[head:n], inner) {
					t.Errorf("the program got\n%x, want %d bytes of an outer header and\n%x", buf[:n], head, inner)
				}
				b.want(t, counts{})
			})
		}
	})
}

// tunnelled gives A and B a tunnel, and B a network behind it with host E.
func tunnelled(t *testing.T, c *cluster) *vnet.Host {
	t.Helper()
	e, err := vnet.NewHost("E")
	check(t, err)
	t.Cleanup(func() { e.Close() })
	check(t, vnet.Connect(c.b.Host, "e1", e, eth, mtu))
	check(t, c.a.IPIP("t0", c.a.addr, c.b.addr, c.six()))
	check(t, c.b.IPIP("t0", c.b.addr, c.a.addr, c.six()))
	check(t, c.a.Address("t0", c.prefix("172.16.0.1/30")))
	check(t, c.b.Address("t0", c.prefix("172.16.0.2/30")))
	addresses(t, c.b.Host, "e1", netip.MustParsePrefix("172.16.1.1/30"))
	addresses(t, e, eth, netip.MustParsePrefix("172.16.1.2/30"))
	forward(t, c.b.Host)
	check(t, c.a.Route(c.prefix("172.16.1.0/30"), c.parse("172.16.0.2")))
	check(t, e.Route(c.prefix("172.16.0.0/30"), c.parse("172.16.1.1")))
	return e
}
