// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// addrP is a peer whose part the test plays.
var addrP = netip.MustParseAddr("10.77.0.55")

// offers is a cluster in which A offers every connection to its peers.
//
//	C, R ── switch ── A (offers all it is asked)
//	           ├───── B
//	           └───── D
type offers struct {
	*cluster
	d *server
}

// newOffers makes the cluster, with B and D in A's load table; both take all.
func newOffers(t *testing.T, w way) *offers {
	t.Helper()
	c := newCluster(t, w)
	d := c.server(t, "D", addrD)
	c.know(t, c.a, d)
	d.web = serve(t, d.Host, "D", port)
	c.redirect(t, c.b, d)
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyOffer), MaxLoad: ptr(uint64(1))})
	return &offers{c, d}
}

// refusing makes a server refuse every offer: its sockets are more than MaxLoad,
// and it knows of A that it could redirect to.
func (o *offers) refusing(t *testing.T, s *server) {
	t.Helper()
	s.set(t, dprnl.ConfigUpdate{
		Policy: ptr(dprnl.PolicyOffer), ReportMaxAge: ptr(time.Hour),
		WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(1)),
	})
	s.report(t, o.a, 0)
}

// taking makes a server of the policy take every offer: MaxLoad is out of reach.
func (o *offers) taking(t *testing.T, s *server) {
	t.Helper()
	o.refusing(t, s)
	s.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1_000_000))})
}

// silent adds a peer that says nothing of connections and leaves it alone in A's load table.
func (o *offers) silent(t *testing.T) *raw {
	t.Helper()
	p := o.raw(t, addrP)
	p.echoes(o.way)
	for _, s := range []*server{o.b, o.d} {
		check(t, o.a.dpr.DeletePeer(t.Context(), s.addr, false))
	}
	check(t, o.a.dpr.SetPeer(t.Context(), o.way.report(addrP, 0)))
	return p
}

// back makes what a peer sends that refuses an offer.
func (o *offers) back(from netip.Addr, offer []byte) []byte { return o.way.refusing(from).Wrap(offer) }

// changed waits until a server's counter has changed by n.
func changed(t *testing.T, m *meter, stat dprnl.Stat, n uint64) {
	t.Helper()
	eventually(t, func() error {
		if got := m.changes(t)[stat]; got != n {
			return fmt.Errorf("%s: %v changed by %d, want %d", m.s.Name, stat, got, n)
		}
		return nil
	})
}

// An offer is a redirected SYN without DF; what follows it has DF. Peers take it
// if they know no offers, or are below their MaxLoad.
func TestOfferTaken(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		unchanged(t, o.c, "TcpExtTCPSynRetrans")
		for _, how := range []func(){
			func() { o.b.keep(t); o.d.keep(t) },
			func() { o.taking(t, o.b); o.taking(t, o.d) },
			// Who knows of no other host takes everything.
			func() {
				for _, s := range []*server{o.b, o.d} {
					o.refusing(t, s)
					check(t, s.dpr.DeletePeer(t.Context(), w.own(addrA), false))
				}
			},
		} {
			how()
			link := observe(t, o.a.Host)
			a, b, d := o.a.meter(t), o.b.meter(t), o.d.meter(t)
			by := map[string]int{}
			const n = 12
			for range n {
				k := connect(t, o.c, o.a.service())
				who, err := k.ask("who")
				check(t, err)
				by[who]++
			}
			if by["A"] != 0 || by["B"]+by["D"] != n {
				t.Errorf("served by host: %v, want all by B or D", by)
			}
			a.want(t, counts{dprnl.StatRedirected: n, dprnl.StatOffered: n, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
			if got := b.changes(t)[dprnl.StatRxSyn] + d.changes(t)[dprnl.StatRxSyn]; got != n {
				t.Errorf("%d SYNs came to B and D, want %d", got, n)
			}
			seen := 0
			eventually(t, func() error {
				for _, p := range link.Take((*wire.Packet).Tunnelled) {
					switch {
					case offered(p):
						seen++
					case unlikeOthers(p):
						t.Errorf("like an offer: %v", p)
					}
				}
				if seen != n {
					return fmt.Errorf("%d offers seen, want %d", seen, n)
				}
				return nil
			})
		}
	})
}

// What B refuses, D gets, at once and whole; A's table knows of D alone.
func TestOfferRefused(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		o.refusing(t, o.b)
		o.taking(t, o.d)
		check(t, o.b.Sysctl("net/ipv4/tcp_syncookies", "2"))
		check(t, o.d.Sysctl("net/ipv4/tcp_syncookies", "2"))
		unchanged(t, o.c, "TcpExtTCPSynRetrans")
		a, b, d := o.a.meter(t), o.b.meter(t), o.d.meter(t)
		const n = 24
		for range n {
			connect(t, o.c, o.a.service()).wantServed(t, "D")
		}
		refused := b.changes(t)[dprnl.StatRefusedLoad]
		// 12 are expected; none, or all, come once in 16 million times.
		if refused == 0 || refused == n {
			t.Errorf("%d of %d refused, want about half", refused, n)
		}
		b.want(t, counts{dprnl.StatRefusedLoad: refused, dprnl.StatTxPackets: refused, dprnl.StatTxBytes: some})
		a.want(t, counts{dprnl.StatRedirected: n, dprnl.StatOffered: n + refused, dprnl.StatOfferReturned: refused,
			dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		d.want(t, counts{dprnl.StatRxSyn: n, dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatMssLowered: n,
			dprnl.StatRxListenerDeferred: maybe})
		flows := o.a.flows(t)
		if len(flows) != n {
			t.Errorf("%d flows, want %d", len(flows), n)
		}
		for _, f := range flows {
			if f.Peer != o.d.addr {
				t.Errorf("flow %v, want it to D", f)
			}
		}
		k := connect(t, o.c, o.a.service())
		check(t, k.upload(300_000))
		check(t, k.download(300_000))
	})
}

// What two peers refused the next one has to take, be it the first again.
func TestOfferRefusedTwice(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		unchanged(t, o.c, "TcpExtTCPSynRetrans")
		want := func(t *testing.T, by ...*server) {
			t.Helper()
			link := observe(t, o.a.Host)
			a := o.a.meter(t)
			var before []*meter
			for _, s := range by {
				before = append(before, s.meter(t))
			}
			const n = 6
			for range n {
				k := connect(t, o.c, o.a.service())
				if who, err := k.ask("who"); err != nil || who == "A" {
					t.Errorf("served by %q, %v", who, err)
				}
			}
			a.want(t, counts{dprnl.StatRedirected: n, dprnl.StatOffered: 2 * n, dprnl.StatOfferReturned: 2 * n,
				dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
			var refused, taken uint64
			for _, b := range before {
				refused, taken = refused+b.changes(t)[dprnl.StatRefusedLoad], taken+b.changes(t)[dprnl.StatRxSyn]
			}
			if refused != 2*n || taken != n {
				t.Errorf("%d refused and %d taken, want %d and %d", refused, taken, 2*n, n)
			}
			gather(t, link, n, firm)
		}
		o.refusing(t, o.b)
		o.refusing(t, o.d)
		t.Run("two peers", func(t *testing.T) { want(t, o.b, o.d) })
		check(t, o.a.dpr.DeletePeer(t.Context(), w.own(addrD), false))
		t.Run("one peer", func(t *testing.T) { want(t, o.b) })
	})
}

// A host that drains refuses, whatever its policy; its peers may not know yet.
func TestOfferDraining(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		o.b.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), State: ptr(dprnl.StateDraining)})
		o.taking(t, o.d)
		b := o.b.meter(t)
		for range 24 {
			connect(t, o.c, o.a.service()).wantServed(t, "D")
		}
		b.want(t, counts{dprnl.StatRefusedDraining: some, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
	})
}

// A refused connection is served where it came if that host's load is below
// MaxLoad by then, or there is no other host.
func TestOfferServedAfterAll(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		for name, why := range map[string]func(o *offers){
			"below MaxLoad": func(o *offers) { o.a.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1_000_000))}) },
			"no peer":       func(o *offers) { check(t, o.a.dpr.DeletePeer(t.Context(), w.own(addrP), false)) },
		} {
			t.Run(name, func(t *testing.T) {
				o := newOffers(t, w)
				p, r := o.silent(t), o.raw(t, addrR)
				a := o.a.meter(t)
				k := r.talk(o.a, 4000)
				k.say(t, "S", "")
				offer := p.get(t, offered)
				why(o)
				p.send(t, o.a, o.back(addrP, offer.Outer()))
				if syn := k.hear(t, "SA"); syn.MSS() != w.mss() {
					t.Errorf("MSS %d, want that of a connection served by A itself", syn.MSS())
				}
				k.say(t, "A", "")
				k.wantServed(t, "A")
				a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatOffered: 1, dprnl.StatOfferReturned: 1, dprnl.StatOfferServed: 1,
					dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
				if n := len(o.a.flows(t)); n != 0 {
					t.Errorf("%d flows, want none", n)
				}
			})
		}
	})
}

// A SYN that the client repeats goes to the same peer, which has to take it: a
// refusal that comes after that is too late, as is one of a connection that is
// made.
func TestOfferRepeated(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		p, r := o.silent(t), o.raw(t, addrR)
		a := o.a.meter(t)
		k := r.talk(o.a, 4000)
		syn := k.segment("S", "")
		r.send(t, o.a, syn.Bytes())
		offer := p.get(t, offered).Outer()
		o.a.report(t, o.d, 0)
		r.send(t, o.a, syn.Bytes())
		p.get(t, firm)
		p.send(t, o.a, o.back(addrP, offer))
		changed(t, a, dprnl.StatOfferLate, 1)
		r.send(t, o.a, syn.Bytes())
		p.get(t, firm)
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatOffered: 1, dprnl.StatSynRetransmitted: 2, dprnl.StatOfferLate: 1,
			dprnl.StatTxPackets: 3, dprnl.StatTxBytes: some})

		check(t, o.a.dpr.DeletePeer(t.Context(), w.own(addrD), false))
		k = r.talk(o.a, 4001)
		k.say(t, "S", "")
		offer = p.get(t, offered).Outer()
		k.say(t, "A", "")
		p.get(t, func(p *wire.Packet) bool { return p.Tunnelled() != w.direct && p.Has("A") })
		p.send(t, o.a, o.back(addrP, offer))
		changed(t, a, dprnl.StatOfferLate, 2)
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == r.addr })
		if n := len(o.a.flows(t)); n != 2 {
			t.Errorf("%d flows, want 2", n)
		}
	})
}

// What a peer has answered it does not refuse when it is offered again.
func TestOfferOfOwn(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		r := o.raw(t, addrR)
		check(t, o.a.dpr.DeletePeer(t.Context(), w.own(addrD), false))
		link := observe(t, o.a.Host)
		k := r.talk(o.a, 4000)
		k.say(t, "S", "")
		k.hear(t, "SA")
		o.refusing(t, o.b)
		b := o.b.meter(t)
		r.send(t, o.b, await(t, link, offered).Outer())
		changed(t, b, dprnl.StatRxSyn, 1)
		k.say(t, "A", "")
		k.wantServed(t, "B")
		b.want(t, counts{dprnl.StatRxSyn: 1, dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatMssLowered: maybe})
	})
}

// Data in the SYN is offered with it, if it is little; a large SYN must be taken.
func TestOfferFastOpen(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		check(t, o.c.Sysctl("net/ipv4/tcp_fastopen", "1"))
		for _, s := range []*server{o.b, o.d} {
			check(t, s.Sysctl("net/ipv4/tcp_fastopen", "2"))
			check(t, s.Sysctl("net/ipv4/tcp_fastopen_key", "00112233-44556677-8899aabb-ccddeeff"))
		}
		o.d.web.stop()
		o.d.web = o.d.serveFor(t, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16)
		})
		o.refusing(t, o.b)
		o.taking(t, o.d)
		opened := snmp(t, o.d.Host, "TcpExtTCPFastOpenPassive")
		b := o.b.meter(t)
		const n = 13
		for range n { // the first connection asks for the cookie
			k, err := dialWith(o.c, o.a.service(), func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
			})
			check(t, err)
			k.wantServed(t, "D")
			check(t, k.Close())
		}
		if got := snmp(t, o.d.Host, "TcpExtTCPFastOpenPassive") - opened; got != n-1 {
			t.Errorf("D opened %d connections fast, want %d", got, n-1)
		}
		b.want(t, counts{dprnl.StatRefusedLoad: some, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})

		wantNoneLive(t, o.a) // the last ACK has passed
		p, r := o.silent(t), o.raw(t, addrR)
		a := o.a.meter(t)
		k := r.talk(o.a, 4000)
		most := 536 - w.headerLen() - 20 // what a SYN that can come back may carry
		k.say(t, "S", string(pattern[:most]))
		p.get(t, offered)
		k = r.talk(o.a, 4001)
		k.say(t, "S", string(pattern[:most+1]))
		p.get(t, firm)
		a.want(t, counts{dprnl.StatRedirected: 2, dprnl.StatOffered: 1, dprnl.StatTxPackets: 2, dprnl.StatTxBytes: some})
	})
}

// Connections that were offered are found by those who ask for their owner.
func TestOfferOwner(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.redirect(t, k.b)
		k.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyOffer), MaxLoad: ptr(uint64(1))})
		a := k.a.meter(t)
		var moved []*conn
		for range 6 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "B")
			moved = append(moved, c)
		}
		changed(t, a, dprnl.StatOffered, uint64(len(moved)))
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		for _, c := range moved {
			c.wantServed(t, "B")
		}
		wantChange(t, d, dprnl.StatOwnerFound, len(moved))
	})
}
