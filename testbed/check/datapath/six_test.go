// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A link-local address means nothing on another host: its clients are served where they
// come, whichever of the host's addresses they use.
//
//	C, R ── switch ── A (redirects all)
//	           └───── B
func TestLinkLocalClient(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		local, err := c.a.LinkLocal(eth)
		check(t, err)
		// By its number: Go takes a link's name to be the same in all namespaces.
		zone, err := c.c.Index(eth)
		check(t, err)
		r := c.raw(t, addrR)
		from := netip.MustParseAddr("fe80::201")
		r.Own(from)
		for i, policy := range []dprnl.Policy{dprnl.PolicyLowest, dprnl.PolicyStateless, dprnl.PolicyStateless} {
			if i == 2 {
				// A knows nothing of the connection when the handshake ends.
				check(t, c.a.Sysctl("net/ipv4/tcp_syncookies", "2"))
			}
			// Drained, A is not among those that the hash picks from.
			c.a.set(t, dprnl.ConfigUpdate{Policy: &policy, State: ptr(dprnl.StateDraining)})
			a := c.a.meter(t)
			connect(t, c.c, netip.AddrPortFrom(local.WithZone(fmt.Sprint(zone)), port)).wantServed(t, "A")
			for _, to := range []netip.Addr{c.a.at, local} {
				k := r.talk(c.a, uint16(4000+2*i))
				k.local, k.remote = netip.AddrPortFrom(from, k.local.Port()), netip.AddrPortFrom(to, port)
				k.open(t)
				k.wantServed(t, "A")
			}
			if got := a.changes(t); got[dprnl.StatRedirected]+got[dprnl.StatRedirectedHash]+got[dprnl.StatTxPackets] != 0 {
				t.Errorf("%v: redirected: %v", policy, got)
			}
		}
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}

// A host whose loopback device is down has no route to itself for what comes in a tunnel of the
// other family, and takes no other: it drops that, and counts it.
//
//	C ── switch ── A
//	        └───── B (its loopback device is down; routes by C)
func TestLoopbackDown(t *testing.T) {
	eachWay(t, []way{fragbit64}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		route(t, c.b.Host, "0.0.0.0/0", addrC.String())
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		check(t, c.b.Down("lo"))
		b := c.b.meter(t)
		if k, err := dialFor(c.c, c.a.service(), time.Second); err == nil {
			t.Errorf("connected to %v", k.RemoteAddr())
		}
		eventually(t, func() error {
			if b.changes(t)[dprnl.StatRxNoMemory] == 0 {
				return errors.New("B has counted nothing")
			}
			return nil
		})
	})
}

// A host whose link has no link-local address finds no client to answer for another host, unless
// it has found it before: the kernel has no address to ask from. `dprctl check` warns of that.
//
//	C ── switch ── A
//	        └───── B
func TestLinkLocalMissing(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.redirect(t, c.b)
		local, err := c.b.LinkLocal(eth)
		check(t, err)
		p := netip.PrefixFrom(local.WithZone(""), 64)
		check(t, c.b.RemoveAddress(eth, p))
		check(t, c.b.Forget(eth))
		if k, err := dialFor(c.c, c.a.service(), 2*time.Second); err == nil {
			k.Close()
			t.Error("connected: then nobody needs to be warned")
		}
		check(t, c.b.Address(eth, p))
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}

// A host has many addresses of IPv6, some of which it prefers no more: connections from
// and to each are redirected, and answered from the one that the client talks to.
//
//	C (many addresses) ── switch ── A (many addresses)
//	                         └───── B
func TestManyAddresses(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		clients, hosts := []netip.Addr{w.addr(addrC)}, []netip.Addr{c.a.at}
		for i := range 3 {
			client, host := netip.MustParseAddr(fmt.Sprintf("fd00:10:77::c%d", i)), netip.MustParseAddr(fmt.Sprintf("fd00:10:77::a%d", i))
			add, addA := c.c.Address, c.a.Address
			if i > 0 {
				add, addA = c.c.Temporary, c.a.Temporary
			}
			check(t, add(eth, netip.PrefixFrom(client, 64)))
			check(t, addA(eth, netip.PrefixFrom(host, 64)))
			clients, hosts = append(clients, client), append(hosts, host)
		}
		for _, from := range clients {
			for _, to := range hosts {
				k, err := dialBy(c.c, netip.AddrPortFrom(to, port), net.Dialer{Timeout: step, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}})
				check(t, err)
				k.wantServed(t, "B")
				if got, err := k.ask("peer"); err != nil || got != k.LocalAddr().String() {
					t.Errorf("B sees %v as %q (%v)", from, got, err)
				}
				check(t, k.upload(10_000))
				check(t, k.Close())
			}
		}
	})
}

// Clients of both families use the same service, on one port, and each its own address.
//
//	C ── switch ── A
//	        └───── B
func TestBothFamilies(t *testing.T) {
	for _, w := range []way{fragbit64, plain6, fourInSix} {
		t.Run(w.String(), func(t *testing.T) {
			watchKernel(t)
			c := newCluster(t, w)
			other := netip.AddrPortFrom(ofFamily(10-w.client, addrA), port)
			a, b := c.a.meter(t), c.b.meter(t)
			first, second := connect(t, c.c, c.a.service()), connect(t, c.c, other)
			for _, k := range []*conn{first, second} {
				k.wantServed(t, "B")
				check(t, k.upload(100_000))
				check(t, k.download(100_000))
			}
			a.want(t, counts{dprnl.StatRedirected: 2, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
			b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 2, dprnl.StatMssLowered: 2,
				dprnl.StatRxListenerDeferred: maybe})
			seen := map[netip.AddrPort]bool{}
			for _, f := range c.a.flows(t) {
				seen[f.Service] = f.Peer == c.b.addr
			}
			if len(seen) != 2 || !seen[c.a.service()] || !seen[other] {
				t.Errorf("flows %v", c.a.flows(t))
			}
			check(t, first.Close())
			second.wantServed(t, "B")
		})
	}
}

// B listens for clients of the other family alone: it sends back what comes of this one.
//
//	C ── switch ── A
//	        └───── B (has no server for the way's clients)
func TestOtherFamilyListens(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.a.web = serve(t, c.a.Host, "A", port)
		other := w
		other.client = 10 - w.client
		serveOther := &server{Host: c.b.Host, way: other}
		serveOther.serveFor(t, nil)
		c.redirect(t, c.b)
		unchanged(t, c.c, "TcpExtTCPSynRetrans")
		b := c.b.meter(t)
		connect(t, c.c, c.a.service()).wantServed(t, "A")
		b.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
	})
}

// A client's packets with extension headers are redirected as they are; their TCP header is
// found behind these. What has addresses still to visit is the stack's.
//
//	R ── switch ── A
//	        └───── B
func TestExtensionHeaders(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		seen := observe(t, c.b.Host)
		for i, x := range map[string][]wire.Extension{
			"hop by hop":      {wire.HopByHop()},
			"destination":     {wire.Destination()},
			"atomic fragment": {wire.Atomic(77)},
			"many":            {wire.HopByHop(), wire.Destination(), wire.Atomic(78), wire.Destination(make([]byte, 6)...)},
		} {
			t.Run(i, func(t *testing.T) {
				k := r.talk(c.a, uint16(4000+len(i)))
				say := func(flags, payload string) {
					t.Helper()
					s := k.segment(flags, payload)
					s.Extensions = x
					k.send(t, s)
					p := await(t, seen, func(p *wire.Packet) bool { return p.Tunnelled() && p.TCP != nil })
					// A fragment that is whole may come without its header.
					if p.TCP.Seq != s.Seq || len(x) == 1 && x[0].Type != wire.Atomic(0).Type && !bytes.Equal(p.Inner(), s.Bytes()) {
						t.Errorf("redirected as\n%x, sent as\n%x", p.Inner(), s.Bytes())
					}
				}
				say("S", "")
				k.hear(t, "SA")
				say("A", "")
				say("PA", "who\n")
				if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
					t.Errorf("served by %q", p.Payload)
				}
			})
		}
		for name, x := range map[string]wire.Extension{
			"routing 0": wire.Routing(0, 1, w.addr(addrB)),
			"routing 4": wire.Routing(4, 1, w.addr(addrB), w.addr(addrA)),
		} {
			t.Run(name, func(t *testing.T) {
				a := c.a.meter(t)
				s := r.talk(c.a, 5000).segment("S", "")
				s.Extensions = []wire.Extension{x}
				r.send(t, c.a, s.Bytes())
				silence(t, seen, (*wire.Packet).Tunnelled)
				a.want(t, counts{})
			})
		}
	})
}
