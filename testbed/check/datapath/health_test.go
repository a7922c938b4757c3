// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// A host without a server redirects what comes to it, whatever its load and
// whatever the hash leaves to it; but not if its policy is to redirect nothing.
func TestServerGone(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		x.a.web.stop()
		x.a.report(t, x.b, 1_000_000)
		x.a.report(t, x.d, 1_000_000)
		x.elsewhere(t, 16, "A")
		x.a.keep(t)
		if k, err := dial(x.c, x.a.service()); !refused(err) {
			t.Errorf("connecting under the policy off: %v %v, want refused", k, err)
		}
	})
}

// The same if A's accept queue is full.
func TestServerFull(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		x.a.keep(t)
		x.fill(t, x.a)
		x.a.set(t, choices["lowest"])
		x.a.report(t, x.b, 1_000_000)
		x.a.report(t, x.d, 1_000_000)
		x.elsewhere(t, 8, "A")
	})
}

// A host that has no route to the peer of its choice serves the connection.
func TestServedWithoutRoute(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		for _, s := range []*server{x.b, x.d} {
			check(t, x.a.dpr.DeletePeer(t.Context(), s.addr, false))
		}
		check(t, x.a.dpr.SetPeer(t.Context(), x.way.report(netip.MustParseAddr("192.0.2.1"), 0)))
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		a := x.a.meter(t)
		// The hash may choose A itself more than eight times in a row.
		for n := 0; n < 8 || a.changes(t)[dprnl.StatServedNoRoute] == 0; n++ {
			if n == 64 {
				t.Fatal("A: served_no_route did not change")
			}
			connect(t, x.c, x.a.service()).wantServed(t, "A")
		}
	})
}

// What a peer reports as down gets nothing there, until it reports otherwise; other
// services do. A peer that can serve nothing is not usable.
func TestReportedDown(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		const other = 81
		for _, s := range []*server{x.a, x.b, x.d} {
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: other}))
			serve(t, s.Host, s.Name, other)
		}
		report := func(down ...uint16) {
			t.Helper()
			u := x.way.report(addrB, 0)
			u.Down = down
			check(t, x.a.dpr.SetPeer(t.Context(), u))
			p, err := x.a.dpr.Peer(t.Context(), u.Address)
			check(t, err)
			if fmt.Sprint(p.Down) != fmt.Sprint(down) {
				t.Errorf("the kernel says that %v are down, want %v", p.Down, down)
			}
			if all := len(down) == 2; p.Usable == all {
				t.Errorf("%v are down, usable %t", down, p.Usable)
			}
		}
		by := func(p uint16, n int) map[string]int {
			t.Helper()
			served := map[string]int{}
			for range n {
				who, err := connect(t, x.c, x.addrPort(addrA, p)).ask("who")
				check(t, err)
				served[who]++
			}
			return served
		}
		report(port)
		b := x.b.meter(t)
		if got := by(port, 12); got["B"] != 0 {
			t.Errorf("port %d is down at B: served by host %v", port, got)
		}
		if n := b.changes(t)[dprnl.StatRefusedNoListener]; n != 0 {
			t.Errorf("B refused %d", n)
		}
		if got := by(other, 24); got["B"] == 0 {
			t.Errorf("port %d is not down at B: served by host %v", other, got)
		}
		report(port, other)
		if got := by(other, 12); got["B"] != 0 {
			t.Errorf("all is down at B: served by host %v", got)
		}
		report()
		if got := by(port, 24); got["B"] == 0 {
			t.Errorf("nothing is down at B: served by host %v", got)
		}
	})
}

// A peer that is barred gets no new connections; those that it has continue.
func TestBarred(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		kept := x.connection(t, "B")
		for _, why := range []dprnl.Barred{dprnl.BarredUnheard, dprnl.BarredSettings} {
			u := x.way.report(addrB, 0)
			u.Barred = why
			check(t, x.a.dpr.SetPeer(t.Context(), u))
			p, err := x.a.dpr.Peer(t.Context(), u.Address)
			check(t, err)
			if p.Barred != why || p.Usable || !p.Listed {
				t.Errorf("%v: the kernel says %+v", why, p)
			}
			x.elsewhere(t, 12, "B")
			kept.wantServed(t, "B")
		}
	})
}

// The state of a service is that of its listener, wherever this is bound.
func TestServiceStates(t *testing.T) {
	allWays(t, testServiceStates)
}

func testServiceStates(t *testing.T, w way) {
	c := bareCluster(t, w)
	want := func(s dprnl.ServiceState, when string) {
		t.Helper()
		if got := c.b.serviceState(t); got != s {
			t.Errorf("%s: %v, want %v", when, got, s)
		}
	}
	want(dprnl.ServiceNoListener, "no server")
	web := serve(t, c.b.Host, "B", port)
	want(dprnl.ServiceUp, "a server")
	web.stop()
	want(dprnl.ServiceNoListener, "stopped")
	for _, on := range []string{w.addrPort(addrB, port).String(), "[::]:80"} {
		web = serveOn(t, c.b.Host, "B", on, nil)
		want(dprnl.ServiceUp, "a server on "+on)
		web.stop()
	}
	web = serveOn(t, c.b.Host, "B", w.addrPort(loopback, port).String(), nil)
	want(dprnl.ServiceNoListener, "a server on the loopback device")
	web.stop()
	web = c.b.serveFor(t, func(fd int) error { return unix.BindToDevice(fd, eth) })
	want(dprnl.ServiceUp, "a server bound to a device")
	web.stop()
	check(t, c.b.Sysctl("net/core/somaxconn", "0"))
	listen(t, c.b)
	want(dprnl.ServiceUp, "an accept queue with a place")
	connect(t, c.c, c.b.service())
	awaitFull(t, c.b)
}

// Clients that only A can reach, in a container or by a VPN, are served there; a peer
// that is on their link, too, can serve them. Of a peer of an older version nothing is
// known.
//
//	C ── switch ── A ── box 172.17.0.2
//	        ├───── B
//	        └───── D
func TestClientBehind(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		box := behind(t, x.a)
		report := func(others ...string) {
			t.Helper()
			for _, s := range []*server{x.b, x.d} {
				u := x.reportOf(s.addr, 2)
				u.Others = slices.Clone(s.others)
				for _, a := range others {
					u.Others = append(u.Others, x.parse(a))
				}
				check(t, x.a.dpr.SetPeer(t.Context(), u))
			}
		}
		for _, others := range [][]string{nil, {"172.17.0.1", "172.18.0.1"}} {
			report(others...)
			a := x.a.meter(t)
			for range 12 {
				connect(t, box, x.a.service()).wantServed(t, "A")
			}
			if a.changes(t)[dprnl.StatServedBehind] == 0 {
				t.Errorf("others %v: A: served_behind did not change", others)
			}
			served := map[string]int{}
			for range 12 {
				who, err := connect(t, x.c, x.a.service()).ask("who")
				check(t, err)
				served[who]++
			}
			if served["A"] == 12 {
				t.Errorf("others %v: other clients are served by A alone", others)
			}
		}
		report("172.17.0.3")
		a := x.a.meter(t)
		for range 12 {
			if k, err := dialFor(box, x.a.service(), 100*time.Millisecond); err == nil {
				k.Close()
			}
		}
		if got := a.changes(t); got[dprnl.StatServedBehind] != 0 || got[dprnl.StatRedirected]+got[dprnl.StatRedirectedHash] == 0 {
			t.Errorf("peers on the client's link: %v", got)
		}
	})
}

// behind makes a host on a link of a server's own.
func behind(t *testing.T, s *server) *vnet.Host {
	t.Helper()
	box, err := vnet.NewHost("box")
	check(t, err)
	t.Cleanup(func() { box.Close() })
	check(t, vnet.Connect(s.Host, "e1", box, eth, mtu))
	addresses(t, s.Host, "e1", netip.MustParsePrefix("172.17.0.1/24"))
	addresses(t, box, eth, netip.MustParsePrefix("172.17.0.2/24"))
	route(t, box, "0.0.0.0/0", "172.17.0.1")
	return box
}
