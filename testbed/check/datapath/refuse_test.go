// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// choices are the policies that may redirect, each with what makes A redirect to B
// rather than to D, or to either.
var choices = map[string]dprnl.ConfigUpdate{
	"stateless": {Policy: ptr(dprnl.PolicyStateless)},
	"lowest":    {Policy: ptr(dprnl.PolicyLowest)},
	"inverse":   {Policy: ptr(dprnl.PolicyInverse)},
	"two":       {Policy: ptr(dprnl.PolicyTwo)},
	"offer":     {Policy: ptr(dprnl.PolicyOffer), MaxLoad: ptr(uint64(1))},
}

// three is a cluster of three servers, of which A redirects by a policy.
//
//	C, R ── switch ── A
//	           ├───── B (is the first choice)
//	           └───── D
type three struct {
	*cluster
	d *server
}

func newThree(t *testing.T, m dprnl.Marker, u dprnl.ConfigUpdate) *three {
	t.Helper()
	c := newCluster(t, m)
	d := c.server(t, "D", addrD)
	c.know(t, c.a, d)
	d.web = serve(t, d.Host, "D", port)
	x := &three{c, d}
	x.report(t)
	c.a.set(t, u)
	return x
}

// report has the peers report to A: what they have refused before is forgotten.
func (x *three) report(t *testing.T) {
	t.Helper()
	x.a.report(t, x.b, 0)
	x.a.report(t, x.d, 1)
}

// everyChoice runs a test under each policy that redirects, with both markers.
func everyChoice(t *testing.T, f func(t *testing.T, x *three)) {
	for name, u := range choices {
		t.Run(name, func(t *testing.T) {
			bothMarkers(t, func(t *testing.T, m dprnl.Marker) { f(t, newThree(t, m, u)) })
		})
	}
}

// unserved connects n times, each after a report, and fails the test unless hosts
// other than B serve all at once, and B refused some for a reason.
func (x *three) unserved(t *testing.T, n int, why dprnl.Stat) {
	t.Helper()
	a, b := x.a.meter(t), x.b.meter(t)
	for range n {
		x.report(t)
		k := connect(t, x.c, x.a.service())
		if who, err := k.ask("who"); err != nil || who == "B" {
			t.Errorf("served by %q (%v)", who, err)
		}
	}
	refused := b.changes(t)[why]
	if refused == 0 {
		t.Errorf("B: %v did not change", why)
	}
	got := a.changes(t)
	if got[dprnl.StatOfferReturned] != refused {
		t.Errorf("A: %d SYNs came back of %d that B refused", got[dprnl.StatOfferReturned], refused)
	}
	if first := got[dprnl.StatRedirected] + got[dprnl.StatRedirectedHash] + got[dprnl.StatServedHash]; first != uint64(n) {
		t.Errorf("A: %d decisions about %d connections: %v", first, n, got)
	}
	b.want(t, counts{why: some, dprnl.StatTxPackets: refused, dprnl.StatTxBytes: some})
}

// A host without a server sends new connections back, and the client notices
// nothing; until the host's next report it gets none.
func TestRefusedWithoutListener(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		x.b.web.stop()
		x.unserved(t, 16, dprnl.StatRefusedNoListener)
		x.report(t)
		b := x.b.meter(t)
		for range 16 {
			k := connect(t, x.c, x.a.service())
			check(t, k.upload(1000))
			check(t, k.download(1000))
		}
		if n := b.changes(t)[dprnl.StatRefusedNoListener]; n > 1 {
			t.Errorf("B refused %d connections after one report, want one", n)
		}
		x.b.web = serve(t, x.b.Host, "B again", port)
		x.report(t)
		eventually(t, func() error {
			k, err := dial(x.c, x.a.service())
			if err != nil {
				return err
			}
			defer k.Close()
			if who, err := k.ask("who"); who != "B again" {
				return errors.Join(fmt.Errorf("served by %q", who), err)
			}
			return nil
		})
	})
}

// An accept queue that is full is as good as no server.
func TestRefusedByFullQueue(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		x.b.web.stop()
		check(t, x.b.Sysctl("net/core/somaxconn", "0"))
		ln := listen(t, x.b)
		connect(t, x.c, x.b.service()) // the one place
		x.unserved(t, 16, dprnl.StatRefusedFull)
		accepted, err := ln.Accept()
		check(t, err)
		defer accepted.Close()
		x.report(t)
		eventually(t, func() error {
			k := connect(t, x.c, x.a.service())
			if who, err := k.askFor(time.Second, "who"); err == nil {
				return fmt.Errorf("served by %q, want by nobody yet", who)
			}
			return nil
		})
	})
}

// connection returns one of the client's that a host serves.
func (x *three) connection(t *testing.T, host string) *conn {
	t.Helper()
	var k *conn
	eventually(t, func() error {
		k = connect(t, x.c, x.a.service())
		if who, err := k.ask("who"); who != host {
			return errors.Join(fmt.Errorf("served by %q", who), err)
		}
		return nil
	})
	return k
}

// elsewhere makes connections, none of which that host may serve.
func (x *three) elsewhere(t *testing.T, times int, host string) {
	t.Helper()
	for range times {
		if who, err := connect(t, x.c, x.a.service()).ask("who"); err != nil || who == host {
			t.Errorf("served by %q (%v)", who, err)
		}
	}
}

// listen opens a listener on a server from which nobody accepts.
func listen(t *testing.T, s *server) net.Listener {
	t.Helper()
	var ln net.Listener
	check(t, s.Do(func() (err error) {
		ln, err = net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	}))
	t.Cleanup(func() { ln.Close() })
	return ln
}

// A host that drains sends back what its peers, who may not know yet, redirect to
// it; but what it has answered it keeps.
func TestRefusedByDraining(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		kept := x.connection(t, "B")
		x.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		a := x.a.meter(t)
		for range 16 {
			x.report(t)
			x.elsewhere(t, 1, "B")
		}
		if a.changes(t)[dprnl.StatOfferReturned] == 0 {
			t.Error("B refused nothing")
		}
		kept.wantServed(t, "B")
	})
}

// A host that none of its peers can serve either answers with a RST, at once.
func TestRefusedByAll(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		for _, s := range []*server{x.a, x.b, x.d} {
			s.web.stop()
		}
		for range 8 {
			x.report(t)
			begin := time.Now()
			if k, err := dial(x.c, x.a.service()); !refused(err) {
				t.Errorf("connecting: %v %v, want refused", k, err)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v", took)
			}
		}
	})
}

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
		x.a.web.stop()
		check(t, x.a.Sysctl("net/core/somaxconn", "0"))
		listen(t, x.a)
		x.a.keep(t)
		connect(t, x.c, x.a.service())
		x.a.set(t, choices["lowest"])
		x.a.report(t, x.b, 1_000_000)
		x.a.report(t, x.d, 1_000_000)
		x.elsewhere(t, 8, "A")
	})
}

// B connects to the cluster from an address that its peers do not know. What they
// redirect to it comes back; B stays the first choice for others.
func TestRefusedOwnClient(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		second := netip.MustParseAddr("10.77.0.112")
		check(t, x.b.Address(eth, netip.PrefixFrom(second, network.Bits())))
		unchanged(t, x.b.Host, "TcpExtTCPSynRetrans")
		b := x.b.meter(t)
		for range 16 {
			k, err := dialBy(x.b.Host, x.a.service(), net.Dialer{Timeout: step, LocalAddr: &net.TCPAddr{IP: second.AsSlice()}})
			check(t, err)
			if who, err := k.ask("who"); err != nil || who == "B" {
				t.Errorf("served by %q (%v)", who, err)
			}
			k.Close()
		}
		if b.changes(t)[dprnl.StatRefusedOwn] == 0 {
			t.Error("B refused nothing")
		}
		eventually(t, func() error {
			if who, err := connect(t, x.c, x.a.service()).ask("who"); who != "B" {
				return errors.Join(fmt.Errorf("served by %q", who), err)
			}
			return nil
		})
	})
}

// A host that has no route to the peer of its choice serves the connection.
func TestServedWithoutRoute(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		for _, s := range []*server{x.b, x.d} {
			check(t, x.a.dpr.DeletePeer(t.Context(), s.addr, false))
		}
		check(t, x.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: netip.MustParseAddr("192.0.2.1"), Metrics: &dprnl.Metrics{}}))
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		a := x.a.meter(t)
		for range 8 {
			connect(t, x.c, x.a.service()).wantServed(t, "A")
		}
		if a.changes(t)[dprnl.StatServedNoRoute] == 0 {
			t.Error("A: served_no_route did not change")
		}
	})
}

// number is the number of a redirected SYN.
func number(p *wire.Packet) uint16 { return p.IP[0].Id }

// refusal makes what a peer sends that cannot serve a redirected SYN.
func refusal(m dprnl.Marker, from netip.Addr, syn *wire.Packet) []byte {
	back := wire.Tunnel{Src: from, Dst: addrA, Marked: m == dprnl.MarkerFragbit}.Wrap(outer(syn))
	back[5] = 1
	return wire.FixChecksum(back)
}

// Each copy of a SYN has a number. A peer can refuse the last one only: it may have
// refused the first and taken the second. Nor can it refuse what is established, or
// a SYN that another one of the client's began.
//
//	R (client; and P, a peer) ── switch ── A
func TestRefusedCopy(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		x := newThree(t, m, choices["lowest"])
		p, r := x.raw(t, addrP), x.raw(t, addrR)
		check(t, x.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrP, Metrics: &dprnl.Metrics{}}))
		x.a.report(t, x.b, 1)
		a := x.a.meter(t)
		k := r.talk(x.a, 4000)
		syn := k.segment("S", "")
		k.send(t, syn)
		first := p.get(t, firm)
		r.send(t, x.a, syn.Bytes())
		second := p.get(t, firm)
		if number(first) == 0 || number(second) == 0 || number(first) == number(second) {
			t.Errorf("numbers %#x and %#x of two copies", number(first), number(second))
		}
		p.send(t, x.a, refusal(m, addrP, first))
		changed(t, a, dprnl.StatOfferLate, 1)
		p.send(t, x.a, refusal(m, addrP, second))
		changed(t, a, dprnl.StatOfferReturned, 1)
		k.hear(t, "SA")
		p.send(t, x.a, refusal(m, addrP, second))
		changed(t, a, dprnl.StatOfferUnknown, 1)
		k.say(t, "A", "")
		if who := k.ask(t, "who"); who != "B\n" && who != "D\n" {
			t.Errorf("served by %q", who)
		}

		check(t, x.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrP, Metrics: &dprnl.Metrics{}}))
		k = r.talk(x.a, 4001)
		k.say(t, "S", "")
		first = p.get(t, firm)
		k.say(t, "A", "")
		p.get(t, func(p *wire.Packet) bool { return p.Tunnelled() && p.Has("A") })
		p.send(t, x.a, refusal(m, addrP, first))
		changed(t, a, dprnl.StatOfferLate, 2)
		again := k.segment("S", "")
		again.Seq += 1000
		r.send(t, x.a, again.Bytes())
		if syn := p.get(t, firm); number(syn) != 0 {
			t.Errorf("number %#x of a SYN of an established connection, want none", number(syn))
		}
	})
}

// The stateless policy keeps nothing of a connection that it redirects. A peer can
// send the SYN back all the same; what has another number is refused.
//
//	R (client; and P, a peer) ── switch ── A
func TestRefusedHash(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		check(t, c.a.dpr.DeletePeer(t.Context(), addrB, true))
		check(t, c.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrP, Metrics: &dprnl.Metrics{}}))
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		a := c.a.meter(t)
		// Half of the ports are P's by the hash.
		hashed := func(port uint16) (*talk, *wire.Packet) {
			for ; ; port++ {
				before := a.changes(t)[dprnl.StatRedirectedHash]
				k := r.talk(c.a, port)
				k.say(t, "S", "")
				eventually(t, func() error {
					now := a.changes(t)
					if now[dprnl.StatRedirectedHash]+now[dprnl.StatServedHash] == 0 {
						return fmt.Errorf("no decision: %v", now)
					}
					return nil
				})
				time.Sleep(settle)
				if a.changes(t)[dprnl.StatRedirectedHash] != before {
					return k, p.get(t, firm)
				}
			}
		}
		k, syn := hashed(4000)
		forged := *syn
		for i := range uint16(3) {
			b := refusal(m, addrP, &forged)
			b[24], b[25] = byte((number(syn)+i+1)>>8)|0x80, byte(number(syn)+i+1)
			p.send(t, c.a, append(b[:20:20], wire.FixChecksum(b[20:])...))
		}
		changed(t, a, dprnl.StatOfferUnknown, 3)
		p.send(t, c.a, refusal(m, addrP, syn))
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.wantServed(t, "A")
		// Now A has a socket of it.
		p.send(t, c.a, refusal(m, addrP, syn))
		changed(t, a, dprnl.StatOfferUnknown, 4)
		k.wantServed(t, "A")
	})
}

// A SYN that is too long to come back is dropped: the next one is shorter. One
// without a number is from a host that takes nothing back: it gets a RST.
//
//	P (a peer) ── switch ── A (has no server)
func TestRefusedLong(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := bareCluster(t, m)
		check(t, c.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrP}))
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		send := func(number byte, payload int) {
			s := wire.Segment{Src: addrPort(addrR, 4000), Dst: addrPort(addrP, port), Flags: "S", Seq: 1, Payload: make([]byte, payload)}
			b := wire.Tunnel{Src: addrP, Dst: addrA, Marked: m == dprnl.MarkerFragbit}.Wrap(s.Bytes())
			b[5], b[6] = number, b[6]|0x40
			p.send(t, c.a, wire.FixChecksum(b))
		}
		a := c.a.meter(t)
		send(1, 0)
		back := p.get(t, func(p *wire.Packet) bool { return len(p.IP) == 3 && p.TCP != nil })
		if number(back) != 1 || back.IP[0].Flags&layers.IPv4DontFragment == 0 {
			t.Errorf("refused with number %d, flags %v", number(back), back.IP[0].Flags)
		}
		a.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
		send(1, 536)
		changed(t, a, dprnl.StatRefusedLong, 1)
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == addrR })
		send(0, 0)
		r.get(t, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.RST })
		a.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatRefusedLong: 1, dprnl.StatRxReset: 1,
			dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
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
			check(t, x.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrB, Metrics: &dprnl.Metrics{}, Down: down}))
			p, err := x.a.dpr.Peer(t.Context(), addrB)
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
				who, err := connect(t, x.c, addrPort(addrA, p)).ask("who")
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
			check(t, x.a.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: addrB, Metrics: &dprnl.Metrics{}, Barred: why}))
			p, err := x.a.dpr.Peer(t.Context(), addrB)
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
	c := bareCluster(t, dprnl.MarkerFragbit)
	state := func() dprnl.ServiceState {
		t.Helper()
		all, err := c.b.dpr.ServiceStates(t.Context())
		check(t, err)
		if len(all) != 1 || all[0].Port != port {
			t.Fatalf("services %v", all)
		}
		return all[0].State
	}
	want := func(s dprnl.ServiceState, when string) {
		t.Helper()
		if got := state(); got != s {
			t.Errorf("%s: %v, want %v", when, got, s)
		}
	}
	want(dprnl.ServiceNoListener, "no server")
	web := serve(t, c.b.Host, "B", port)
	want(dprnl.ServiceUp, "a server")
	web.stop()
	want(dprnl.ServiceNoListener, "stopped")
	for _, on := range []string{"10.77.0.12:80", "[::]:80"} {
		web = serveOn(t, c.b.Host, "B", on, nil)
		want(dprnl.ServiceUp, "a server on "+on)
		web.stop()
	}
	web = serveOn(t, c.b.Host, "B", "127.0.0.1:80", nil)
	want(dprnl.ServiceNoListener, "a server on the loopback device")
	web.stop()
	web = serveOn(t, c.b.Host, "B", "0.0.0.0:80", func(fd int) error { return unix.BindToDevice(fd, eth) })
	want(dprnl.ServiceUp, "a server bound to a device")
	web.stop()
	check(t, c.b.Sysctl("net/core/somaxconn", "0"))
	listen(t, c.b)
	want(dprnl.ServiceUp, "an accept queue with a place")
	connect(t, c.c, c.b.service())
	eventually(t, func() error {
		if s := state(); s != dprnl.ServiceFull {
			return fmt.Errorf("a full accept queue: %v", s)
		}
		return nil
	})
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
				u := dprnl.PeerUpdate{Address: s.addr, Metrics: &dprnl.Metrics{}, Protocol: 2}
				for _, a := range others {
					u.Others = append(u.Others, netip.MustParseAddr(a))
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
	check(t, s.Address("e1", netip.MustParsePrefix("172.17.0.1/24")))
	check(t, box.Address(eth, netip.MustParsePrefix("172.17.0.2/24")))
	check(t, box.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("172.17.0.1")))
	return box
}
