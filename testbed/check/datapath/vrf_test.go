// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A VRF, and its table of routes.
const (
	vrf      = "blue"
	vrfTable = 100
)

// intoVRF puts the link of a server, which has the IPv4 address and its twin, into a VRF.
func (s *server) intoVRF(t *testing.T, addr netip.Addr) {
	t.Helper()
	prefix := netip.PrefixFrom(addr, network.Bits())
	check(t, s.VRF(vrf, vrfTable, eth))
	// Its routes go to the VRF's table when it gets its address. The kernel has taken
	// the IPv6 one away.
	check(t, s.RemoveAddress(eth, prefix))
	addresses(t, s.Host, eth, prefix)
	s.set(t, dprnl.ConfigUpdate{Address: &s.addr})
}

// The hosts' links are in a VRF, so that packets pass the hooks twice, and both
// have the address that the client talks to: what B was handed it must not hand
// back, even if it would redirect, too. The servers are bound to the VRF, so that only who
// looks there finds their sockets.
//
//	C ── switch ── A (VRF; has the shared address)
//	        └───── B (VRF; likewise)
func TestVRF(t *testing.T) {
	// Without mark, what a peer tunnels to an address of this host is its own, unless the
	// peer says that it has the address, too.
	eachWay(t, []way{fragbit4, fragbit64, direct4}, testVRF)
}

func testVRF(t *testing.T, w way) {
	shared := netip.MustParseAddr("198.51.100.1")
	c := bareCluster(t, w)
	for s, addr := range map[*server]netip.Addr{c.a: addrA, c.b: addrB} {
		s.intoVRF(t, addr)
		addresses(t, s.Host, vrf, netip.PrefixFrom(shared, 32))
		s.web = s.serveFor(t, func(fd int) error {
			return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, vrf)
		})
		s.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), State: ptr(dprnl.StateActive)})
	}
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
	route(t, c.c, shared.String()+"/32", addrA.String())
	c.a.report(t, c.b, 0)
	c.b.report(t, c.a, 0)
	// B has more load than A is said to have.
	connect(t, c.c, c.b.service()).wantServed(t, "B")
	a, b := c.a.meter(t), c.b.meter(t)
	k := connect(t, c.c, w.addrPort(shared, port))
	k.wantServed(t, "B")
	check(t, k.upload(100_000))
	check(t, k.download(100_000))
	wantChange(t, a, dprnl.StatRedirected, 1)
	wantChange(t, b, dprnl.StatRedirected, 0)
	wantChange(t, b, dprnl.StatRxSyn, 1)

	// B finds its socket when A asks whether it has the connection, and who has it.
	const soon = 300 * time.Millisecond
	a = c.a.meter(t)
	c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)})
	time.Sleep(soon + settle)
	eventually(t, func() error {
		_, err := c.a.dpr.Expire(t.Context(), 0)
		check(t, err)
		if a.changes(t)[dprnl.StatRxFlowAnswered] == 0 {
			return errors.New("B has not answered")
		}
		return nil
	})
	if n := a.changes(t)[dprnl.StatFlowsEnded]; n != 0 {
		t.Errorf("B says that it has not the connection that it serves")
	}
	c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(time.Minute), Orphans: ptr(dprnl.OrphansAsk)})
	check(t, k.upload(100_000))
	check(t, c.a.dpr.DeleteFlow(t.Context(), c.a.flows(t)[0].FlowKey))
	check(t, k.upload(100_000))
	changed(t, a, dprnl.StatOwnerFound, 1)
	c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansReset)})

	// A host whose link is in a VRF does no handshake for another one.
	for s, peer := range map[*server]*server{c.a: c.b, c.b: c.a} {
		s.takeOver(t)
		peer.others = append(peer.others, w.addr(shared)) // bulk data have no mark
		s.fresh(t, peer, 0)
	}
	k = connect(t, c.c, w.addrPort(shared, port))
	k.wantServed(t, "B")
	check(t, k.upload(100_000))
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateActive), MaxLoad: ptr(uint64(1 << 40))})
	connect(t, c.c, w.addrPort(shared, port)).wantServed(t, "A")
	if got := a.changes(t); got[dprnl.StatHandoverOff] == 0 || got[dprnl.StatHandoverSyn] != 0 {
		t.Errorf("handshakes in a VRF: %v", got)
	}
}

// A's link is in a VRF, and so is its route to B, on which is a link of MTU 1400: A hears of that
// from the router, and tells the client.
//
//	C ── switch ── A (VRF)
//	        └───── Q ──1400── Q' ── B
func TestVRFPathMtu(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.a.intoVRF(t, addrA)
		q := c.router(t, "Q", "10.77.0.1")
		to, via := netip.MustParsePrefix("10.78.0.0/24"), netip.MustParseAddr("10.77.0.1")
		check(t, c.a.RouteIn(vrfTable, to, via))
		check(t, c.a.RouteIn(vrfTable, vnet.TwinPrefix(to), vnet.Twin(via)))
		c.behindNarrow(t, q)

		seen := observe(t, c.c)
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(1<<20))
		p := await(t, seen, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) })
		if p.NextMTU() != narrow-w.overhead() || p.Src() != c.a.at {
			t.Errorf("the client got %v (next MTU %d), want one of %d from A", p, p.NextMTU(), narrow-w.overhead())
		}
		k.wantServed(t, "B")
	})
}

// The hosts' links are in a VRF: B answers there what A has redirected and has no socket, and A
// ends there the connections of a dead peer.
//
//	R ── switch ── A (VRF)
//	        └───── B (VRF)
func TestVRFReset(t *testing.T) {
	eachWay(t, []way{fragbit4, fragbit64}, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.a.intoVRF(t, addrA)
		c.b.intoVRF(t, addrB)
		c.b.serveFor(t, func(fd int) error {
			return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, vrf)
		})
		c.redirect(t, c.b)
		r := c.raw(t, addrR)
		b := c.b.meter(t)
		stray := wire.Segment{Src: w.addrPort(addrR, 4999), Dst: c.a.service(), Flags: "A", Seq: 1, Ack: 77}
		r.send(t, c.b, w.outer(addrA, addrB).Wrap(stray.Bytes()))
		p := r.get(t, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.RST && uint16(p.TCP.DstPort) == 4999 })
		if p.Src() != c.a.at || p.TCP.Seq != 77 {
			t.Errorf("%v, want a RST of 77 from A's address", p)
		}
		changed(t, b, dprnl.StatRxReset, 1)

		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		eventually(t, func() error {
			_, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			if n := len(c.a.flows(t)); n != 0 {
				return fmt.Errorf("%d flows", n)
			}
			return nil
		})
		k.hear(t, "R")
	})
}

// A's own address is on its loopback device, and moves into the VRF that A's link comes into. A ends
// the connections of a dead peer there.
//
//	R ── switch ── A (VRF)
//	        └───── B
func TestVRFMoved(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		own := netip.MustParsePrefix("10.77.0.31/32")
		c := newCluster(t, w)
		addresses(t, c.a.Host, "lo", own)
		c.a.addr = w.own(own.Addr())
		c.a.set(t, dprnl.ConfigUpdate{Address: &c.a.addr})
		c.know(t, c.a, c.b)
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")

		c.a.intoVRF(t, addrA)
		for _, p := range []netip.Prefix{own, vnet.TwinPrefix(own)} {
			check(t, c.a.RemoveAddress("lo", p))
		}
		addresses(t, c.a.Host, vrf, own)
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		for done := false; !done; {
			e, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			done = e.Done
		}
		k.hear(t, "R")
	})
}

// A finds out which VRF its own address is in without asking all its devices for each RST of a dead
// peer's connections, also if the last of them has the address.
//
//	R ── switch ── A (hundreds of devices)
func TestManyDevices(t *testing.T) {
	eachWay(t, []way{plain6}, func(t *testing.T, w way) {
		const devices, flows, rounds, most = 600, 400, 3, 2
		peer, own := netip.MustParseAddr("10.77.0.120"), netip.MustParseAddr("10.77.0.31")
		c := newCluster(t, w)
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, false))
		last, err := c.a.Dummies(devices)
		check(t, err)
		addresses(t, c.a.Host, last, netip.PrefixFrom(own, 32))
		r := c.raw(t, addrR)
		// took is how long the RSTs of all flows take if A's own address is this one.
		took := func(addr netip.Addr) time.Duration {
			t.Helper()
			c.a.set(t, dprnl.ConfigUpdate{Address: ptr(w.own(addr))})
			least := time.Hour
			for range rounds {
				check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(peer, 5)))
				for i := range uint16(flows) {
					r.talk(c.a, 4000+i).say(t, "S", "")
				}
				eventually(t, func() error {
					st := c.a.stats(t)
					if n := st.Get(dprnl.StatFlows); n != flows {
						return fmt.Errorf("%d flows", n)
					}
					return nil
				})
				check(t, c.a.dpr.DeletePeer(t.Context(), w.own(peer), true))
				reset, begun := uint32(0), time.Now()
				for done := false; !done; {
					e, err := c.a.dpr.Expire(t.Context(), 0)
					check(t, err)
					reset, done = reset+e.Reset, e.Done
				}
				least = min(least, time.Since(begun))
				if reset != flows {
					t.Fatalf("%d flows of a dead peer ended, want %d", reset, flows)
				}
			}
			return least
		}
		first := took(addrA)
		if of := took(own); of > most*first {
			t.Errorf("%d RSTs took %v with the address on the last of %d devices, %v on one of the first", flows, of, devices, first)
		}
	})
}
