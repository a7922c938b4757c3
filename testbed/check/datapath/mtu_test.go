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

// narrow is the MTU of the narrow links.
const narrow = 1400

// Networks behind routers.
var (
	farB = netip.MustParseAddr("10.78.0.12")
	farC = netip.MustParseAddr("10.79.0.101")
)

// router adds a host of the switch that forwards; its address there is .1 or so.
func (c *cluster) router(t *testing.T, name, addr string) *vnet.Host {
	t.Helper()
	h := c.host(t, name, netip.MustParseAddr(addr))
	forward(t, h)
	return h
}

// beyond puts a new host behind a router q of the switch, at addr in a network
// of its own, with another router between so that the link between the two
// routers is nobody's own:
//
//	switch ── q ──(between)── q' ── host
func (c *cluster) beyond(t *testing.T, q *vnet.Host, qAddr string, between int, name string, addr netip.Addr) *vnet.Host {
	t.Helper()
	_, h := c.beyondRouter(t, q, between, name, addr)
	return h
}

// beyondRouter is beyond that returns q', too, whose link to the host is y.
func (c *cluster) beyondRouter(t *testing.T, q *vnet.Host, between int, name string, addr netip.Addr) (router, host *vnet.Host) {
	t.Helper()
	q2, err := vnet.NewHost(name + "-router")
	check(t, err)
	t.Cleanup(func() { q2.Close() })
	h, err := vnet.NewHost(name)
	check(t, err)
	t.Cleanup(func() { h.Close() })
	forward(t, q2)
	check(t, vnet.Connect(q, "x", q2, "x", between))
	check(t, vnet.Connect(q2, "y", h, eth, mtu))
	net := netip.PrefixFrom(addr, 24).Masked()
	gw := net.Addr().Next()
	addresses(t, q, "x", netip.MustParsePrefix("192.168.9.1/30"))
	addresses(t, q2, "x", netip.MustParsePrefix("192.168.9.2/30"))
	addresses(t, q2, "y", netip.PrefixFrom(gw, 24))
	addresses(t, h, eth, netip.PrefixFrom(addr, 24))
	route(t, h, "0.0.0.0/0", gw.String())
	route(t, q2, "0.0.0.0/0", "192.168.9.1")
	route(t, q, net.String(), "192.168.9.2")
	return q2, h
}

// All links are of MTU 1500: the client's full segments fit, since it was told
// of the tunnel's header.
//
//	C ── switch ── A
//	        └───── B
func TestPathMtuPlain(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		seen := observe(t, c.c)
		a, b := c.a.meter(t), c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		if p := await(t, seen, synAck); p.MSS() != w.loweredMSS() {
			t.Errorf("the client is told of an MSS of %d, want %d", p.MSS(), w.loweredMSS())
		}
		check(t, k.upload(2<<20))
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1,
			dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
	})
}

func synAck(p *wire.Packet) bool { return p.Has("SA") }

// behindNarrow adds B behind a router, on a link of MTU 1400, and has A redirect to it.
func (c *cluster) behindNarrow(t *testing.T, q *vnet.Host) *server {
	t.Helper()
	b := configure(t, c.beyond(t, q, "10.77.0.1", narrow, "B", farB), farB, c.way)
	b.others = append(b.others, c.parse("10.77.0.112")) // or C would be on a link of A's alone
	c.know(t, c.a, b)
	c.redirect(t, b)
	b.web = serve(t, b.Host, "B", port)
	return b
}

// A link of MTU 1400 between two servers, which neither of them can see: uploads
// and downloads go through. A hears of it from the router and tells the client.
//
//	C ── switch ── A
//	        └───── Q ──1400── Q' ── B
func TestPathMtuBetweenServers(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		q := c.router(t, "Q", "10.77.0.1")
		route(t, c.a.Host, "10.78.0.0/24", "10.77.0.1")
		b := c.behindNarrow(t, q)

		seen := observe(t, c.c)
		a, bm := c.a.meter(t), b.meter(t)
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		p := await(t, seen, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) })
		if p.NextMTU() != narrow-w.overhead() || p.Src() != c.a.at {
			t.Errorf("the client got %v (next MTU %d), want one of %d from A", p, p.NextMTU(), narrow-w.overhead())
		}
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some,
			dprnl.StatTxTooBig: some, dprnl.StatTxIcmp: some})
		bm.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1, dprnl.StatRxIcmp: some,
			dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
		if tx, rx := a.changes(t)[dprnl.StatTxIcmp], bm.changes(t)[dprnl.StatRxIcmp]; tx != rx {
			t.Errorf("A forwarded %d ICMP errors, B received %d", tx, rx)
		}
	})
}

// A's own link to the other servers has an MTU of 1400.
//
//	C ── switch ── A ──1400── B
func TestPathMtuOwnLink(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		h := behindAnotherLink(t, c.a)
		check(t, c.a.SetMTU("e1", narrow))
		b := configure(t, h, netip.MustParseAddr("192.0.2.7"), w)
		check(t, c.sw.Plug(h, "e2", mtu)) // its own way to clients
		addresses(t, h, "e2", netip.MustParsePrefix("10.77.0.12/24"))
		b.others = append(b.others, w.addr(addrB))
		c.know(t, c.a, b)
		c.redirect(t, b)
		b.web = serve(t, b.Host, "B", port)

		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxTooBig: some})
	})
}

// A link of MTU 1400 on the client's side: the router's complaint about B's
// packets goes to A, whose address they bear, and from there to B.
//
//	C ── Q' ──1400── Q ── switch ── A
//	                         └───── B
func TestPathMtuClient(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		q := c.router(t, "Q", "10.77.0.1")
		client := c.beyond(t, q, "10.77.0.1", narrow, "far", farC)
		for _, s := range []*server{c.a, c.b} {
			route(t, s.Host, "10.79.0.0/24", "10.77.0.1")
		}
		a, b := c.a.meter(t), c.b.meter(t)
		k := connect(t, client, c.a.service())
		k.wantServed(t, "B")
		check(t, k.download(1<<20))
		check(t, k.upload(1<<20))
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxIcmp: some})
		b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1, dprnl.StatRxIcmp: some,
			dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
	})
}

// What is too large for the tunnel all the same: with DF, and with IPv6, the client is told;
// without it the packet is fragmented before it is encapsulated, so that the
// outer packets never are.
//
//	R ── switch ── A
//	        └───── B
func TestTooBig(t *testing.T) {
	onlyTunnels(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		seen := observe(t, c.b.Host)
		n := 1497 - int(w.bytes(10)) // makes a packet of 1497 bytes
		big := k.segment("PA", fmt.Sprintf("recv %d\n%s", n, pattern[:n]))
		t.Run("DF", func(t *testing.T) {
			a := c.a.meter(t)
			r.send(t, c.a, big.Bytes())
			p := r.get(t, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) })
			if p.NextMTU() != mtu-w.overhead() || p.Src() != c.a.at {
				t.Errorf("got %v (next MTU %d)", p, p.NextMTU())
			}
			a.want(t, counts{dprnl.StatTxTooBig: 1})
		})
		if w.six() {
			return // where only hosts fragment
		}
		t.Run("no DF", func(t *testing.T) {
			a, b := c.a.meter(t), c.b.meter(t)
			big.MayFrag, big.ID = true, 77
			k.send(t, big)
			if p := k.hear(t, "PA"); string(p.Payload) != "ok\n" {
				t.Errorf("answer %q", p.Payload)
			}
			a.want(t, counts{dprnl.StatTxFragmented: 1, dprnl.StatTxPackets: 2, dprnl.StatTxBytes: 1497 + 20})
			b.want(t, counts{dprnl.StatRxFragments: 1, dprnl.StatFragmentsGathered: 1, dprnl.StatRxPackets: 1, dprnl.StatRxBytes: 1497})
			for _, p := range seen.Take((*wire.Packet).Tunnelled) {
				if outer := p.IP[0]; outer.Fragment() || outer.Length > mtu {
					t.Errorf("outer packet %v", p)
				}
			}
		})
	})
}
