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

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// unserved connects n times, each after a report, and fails the test unless hosts
// other than B serve all at once, and B refused some for a reason. More often, while chance
// or a hash has left B out: a third of all is B's.
func (x *three) unserved(t *testing.T, n int, why dprnl.Stat) {
	t.Helper()
	a, b := x.a.meter(t), x.b.meter(t)
	made := 0
	for ; made < n || made < 10*n && b.changes(t)[why] == 0; made++ {
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
	if first := got[dprnl.StatRedirected] + got[dprnl.StatRedirectedHash] + got[dprnl.StatServedHash]; first != uint64(made) {
		t.Errorf("A: %d decisions about %d connections: %v", first, made, got)
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
		ln := x.fill(t, x.b)
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

// A host that drains sends back what its peers, who may not know yet, redirect to
// it; but what it has answered it keeps.
func TestRefusedByDraining(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		unchanged(t, x.c, "TcpExtTCPSynRetrans")
		kept := x.connection(t, "B")
		x.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		a := x.a.meter(t)
		returned := func() bool { return a.changes(t)[dprnl.StatOfferReturned] > 0 }
		for i := 0; i < 16 || i < 160 && !returned(); i++ { // as in unserved
			x.report(t)
			x.elsewhere(t, 1, "B")
		}
		if !returned() {
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

// B connects to the cluster from an address that its peers do not know. What they
// redirect to it comes back; B stays the first choice for others.
func TestRefusedOwnClient(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		second := netip.MustParseAddr("10.77.0.112")
		addresses(t, x.b.Host, eth, netip.PrefixFrom(second, network.Bits()))
		unchanged(t, x.b.Host, "TcpExtTCPSynRetrans")
		b := x.b.meter(t)
		sentBack := func() bool { return b.changes(t)[dprnl.StatRefusedOwn] > 0 }
		for i := 0; i < 16 || i < 160 && !sentBack(); i++ { // as in unserved
			k, err := dialBy(x.b.Host, x.a.service(), net.Dialer{Timeout: step, LocalAddr: &net.TCPAddr{IP: x.addr(second).AsSlice()}})
			check(t, err)
			if who, err := k.ask("who"); err != nil || who == "B" {
				t.Errorf("served by %q (%v)", who, err)
			}
			k.Close()
		}
		if !sentBack() {
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

// number is the number of a redirected SYN, without the bit that announces packets without
// a tunnel.
func number(p *wire.Packet) uint16 {
	const direct = 0x4000
	outer := p.IP[0]
	if outer.Src.Is6() {
		return uint16(outer.Label) &^ direct
	}
	return uint16(outer.ID) &^ direct
}

// refusal makes what a peer sends that cannot serve a redirected SYN.
func refusal(w way, from netip.Addr, syn []byte) []byte {
	back := w.refusing(from)
	back.ID = 1
	return back.Wrap(syn)
}

// refusing is the outer header in which a peer sends back to A what A sent.
func (w way) refusing(from netip.Addr) wire.Tunnel {
	back := w.outer(from, addrA)
	back.Proto = 0 // that of the inner packet, which is of the tunnel's family
	return back
}

// Each copy of a SYN has a number. A peer can refuse the last one only: it may have
// refused the first and taken the second. Nor can it refuse what is established, or
// a SYN that another one of the client's began.
//
//	R (client; and P, a peer) ── switch ── A
func TestRefusedCopy(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		x := newThree(t, w, choices["lowest"])
		p, r := x.raw(t, addrP), x.raw(t, addrR)
		p.echoes(w)
		check(t, x.a.dpr.SetPeer(t.Context(), w.report(addrP, 0)))
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
		if label := first.IP[0].Label; label > 0xffff {
			t.Errorf("flow label %#x has more than the number", label)
		}
		p.send(t, x.a, refusal(w, addrP, first.Outer()))
		changed(t, a, dprnl.StatOfferLate, 1)
		p.send(t, x.a, refusal(w, addrP, second.Outer()))
		changed(t, a, dprnl.StatOfferReturned, 1)
		k.hear(t, "SA")
		p.send(t, x.a, refusal(w, addrP, second.Outer()))
		changed(t, a, dprnl.StatOfferUnknown, 1)
		k.say(t, "A", "")
		if who := k.ask(t, "who"); who != "B\n" && who != "D\n" {
			t.Errorf("served by %q", who)
		}

		check(t, x.a.dpr.SetPeer(t.Context(), w.report(addrP, 0)))
		k = r.talk(x.a, 4001)
		k.say(t, "S", "")
		first = p.get(t, firm)
		k.say(t, "A", "")
		p.get(t, func(p *wire.Packet) bool { return p.Tunnelled() != w.direct && p.Has("A") })
		p.send(t, x.a, refusal(w, addrP, first.Outer()))
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
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		check(t, c.a.dpr.SetPeer(t.Context(), w.report(addrP, 0)))
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
		forged := w.outer(addrA, addrP)
		forged.DF = true
		for i := range uint16(3) {
			forged.ID = number(syn) + i + 1 | 0x8000
			p.send(t, c.a, refusal(w, addrP, forged.Wrap(syn.Inner())))
		}
		changed(t, a, dprnl.StatOfferUnknown, 3)
		p.send(t, c.a, refusal(w, addrP, syn.Outer()))
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.wantServed(t, "A")
		// Now A has a socket of it.
		p.send(t, c.a, refusal(w, addrP, syn.Outer()))
		changed(t, a, dprnl.StatOfferUnknown, 4)
		k.wantServed(t, "A")
	})
}

// A SYN that is too long to come back is dropped: the next one is shorter. One
// without a number is from a host that takes nothing back: it gets a RST.
//
//	P (a peer) ── switch ── A (has no server)
func TestRefusedLong(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrP)))
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		send := func(number uint16, payload int) {
			s := wire.Segment{Src: w.addrPort(addrR, 4000), Dst: w.addrPort(addrP, port), Flags: "S", Seq: 1, Payload: make([]byte, payload)}
			outer := w.outer(addrP, addrA)
			outer.ID, outer.DF = number, true
			p.send(t, c.a, outer.Wrap(s.Bytes()))
		}
		a := c.a.meter(t)
		send(1, 0)
		back := p.get(t, func(p *wire.Packet) bool { return len(p.IP) == 3 && p.TCP != nil })
		if number(back) != 1 || unlikeOthers(back) {
			t.Errorf("refused by %v", back)
		}
		a.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
		send(1, 536)
		changed(t, a, dprnl.StatRefusedLong, 1)
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == r.addr })
		send(0, 0)
		r.get(t, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.RST })
		a.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatRefusedLong: 1, dprnl.StatRxReset: 1,
			dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
	})
}
