// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// peerPort asks which port A uses towards X.
func (k *talk) peerPort(t *testing.T) uint16 {
	t.Helper()
	a, err := netip.ParseAddrPort(strings.TrimSpace(k.ask(t, "peer")))
	check(t, err)
	return a.Port()
}

// A handshake whose segments come again stays one connection, by one port; each packet has
// right checksums. A FIN of either side first, then a connection of the same ports: it has
// the same port towards the backend, whose TIME_WAIT knows what is new.
func TestSpliceStates(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		offload(t, c.x, false) // checksums are whole
		at, r := observe(t, c.x), c.raw(t, addrR)
		a := c.a.meter(t)
		k := r.talk(c.a, 4000)
		syn := k.segment("S", "")
		syn.Options = mssOption(w.mss())
		k.send(t, syn)
		p := k.hear(t, "SA")
		if !p.ChecksumsRight() {
			t.Errorf("%v has a wrong checksum", p)
		}
		in := await(t, at, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.SYN && p.Dst() == w.addr(addrX) })
		if !in.ChecksumsRight() || in.Src() != c.a.at || in.MSS() != w.mss() {
			t.Errorf("X gets %v", in)
		}
		k.send(t, syn)
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.say(t, "A", "")
		port := k.peerPort(t)
		if uint16(in.TCP.SrcPort) != port {
			t.Errorf("the SYN came from port %d, the connection has %d", in.TCP.SrcPort, port)
		}
		c.has(t, "x", 1)
		// The client is first.
		k.say(t, "FA", "")
		k.hear(t, "FA")
		k.say(t, "A", "")
		c.has(t, "x", 0)
		a.want(t, counts{dprnl.StatSpliced: 1, dprnl.StatSynRetransmitted: 1, dprnl.StatSpliceTxPackets: some, dprnl.StatSpliceTxBytes: some,
			dprnl.StatSpliceRxPackets: some, dprnl.StatSpliceRxBytes: some})
		again := r.talk(c.a, 4000)
		again.seq = 500_000_000
		again.reopen(t)
		if got := again.peerPort(t); got != port {
			t.Errorf("the next connection has port %d, want %d", got, port)
		}
		c.has(t, "x", 1)
		// The server is first, and is in TIME_WAIT.
		again.say(t, "PA", "close\n")
		again.hear(t, "FA")
		again.say(t, "FA", "")
		again.hear(t, "A")
		c.has(t, "x", 0)
		third := r.talk(c.a, 4000)
		third.seq = 900_000_000
		third.reopen(t)
		third.wantServed(t, "X")
		if got := c.status(t, "x"); got.Connections != 1 || got.Spliced != 3 {
			t.Errorf("X has %d connections and got %d, want 1 of 3", got.Connections, got.Spliced)
		}
		// A RST of the client ends it, one of the server does.
		third.say(t, "R", "")
		c.has(t, "x", 0)
		fourth := r.talk(c.a, 4001)
		fourth.open(t)
		c.has(t, "x", 1)
		fourth.say(t, "PA", "reset\n")
		fourth.hear(t, "R")
		c.has(t, "x", 0)
	})
}

// Connections are forgotten by their state: half-open ones, those whose ends have closed,
// and reset ones soon; then their packets are the stack's.
func TestSpliceTimeouts(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		const soon = 200 * time.Millisecond
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "X")
		c.a.set(t, dprnl.ConfigUpdate{TimeoutFin: ptr(soon), TimeoutRst: ptr(soon), TimeoutSyn: ptr(soon)})
		time.Sleep(2 * soon)
		k.wantServed(t, "X")
		a := c.a.meter(t)
		k.say(t, "FA", "")
		k.hear(t, "FA")
		k.say(t, "A", "")
		time.Sleep(2 * soon)
		k.say(t, "A", "")
		k.hear(t, "R")
		becomes(t, a, dprnl.StatSpliceExpired, 1)
		// By the sweep, too.
		j := r.talk(c.a, 4001)
		j.say(t, "S", "")
		j.hear(t, "SA")
		eventually(t, func() error {
			if n := c.a.stats(t); n.Get(dprnl.StatSplices) != 0 {
				return fmt.Errorf("%d splices are left", n.Get(dprnl.StatSplices))
			}
			return nil
		})
		c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(soon)})
		i := r.talk(c.a, 4002)
		i.open(t)
		time.Sleep(2 * soon)
		i.say(t, "PA", "who\n")
		i.hear(t, "R")
	})
}

// Somebody who knows who talks to whom, but sees none of it, sends segments in both names:
// the connection goes on, and is not forgotten sooner.
func TestSpliceBlind(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		const soon = 200 * time.Millisecond
		c.a.set(t, dprnl.ConfigUpdate{TimeoutFin: ptr(soon), TimeoutRst: ptr(soon)})
		r := c.raw(t, addrR)
		rnd := rand.New(rand.NewPCG(1, 2))
		k := connect(t, c.c, c.a.service())
		peer, err := k.ask("peer")
		check(t, err)
		ours := netip.MustParseAddrPort(peer)
		client := netip.MustParseAddrPort(k.LocalAddr().String())
		ends := []wire.Segment{{Src: client, Dst: c.a.service()}, {Src: w.addrPort(addrX, backendPort), Dst: ours}}
		for _, last := range []string{"FA", "R", "RA", "FPA"} {
			for range 50 {
				for _, s := range ends {
					base := rnd.Uint32()
					for i := range uint32(3) {
						s.Flags, s.Seq, s.Ack = "A", base+i*0x55555555, rnd.Uint32()
						r.send(t, c.a, s.Bytes())
					}
					s.Flags, s.Seq, s.Ack = last, base+0xaaaaaaaa, rnd.Uint32()
					r.send(t, c.a, s.Bytes())
					s.Flags, s.Seq = "S", rnd.Uint32()
					r.send(t, c.a, s.Bytes())
				}
			}
			if got := c.status(t, "x"); got.Connections != 1 {
				t.Errorf("after %s X has %d connections", last, got.Connections)
			}
			time.Sleep(2 * soon)
			k.wantServed(t, "X")
		}
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		// Without an acknowledgment nothing needs to be guessed but where a window is.
		j := r.talk(c.a, 4000)
		j.open(t)
		in := netip.AddrPortFrom(c.a.at, j.peerPort(t))
		for _, s := range []wire.Segment{{Src: j.local, Dst: j.remote, Seq: j.seq}, {Src: w.addrPort(addrX, backendPort), Dst: in, Seq: j.ack}} {
			s.Flags = "F"
			r.send(t, c.a, s.Bytes())
		}
		time.Sleep(2 * soon)
		if got := c.status(t, "x"); got.Connections != 2 {
			t.Errorf("X has %d connections, want 2", got.Connections)
		}
		j.wantServed(t, "X")
		// A SYN during the handshake.
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)})
		i := r.talk(c.a, 4001)
		i.say(t, "S", "")
		i.hear(t, "SA")
		r.send(t, c.a, wire.Segment{Src: i.local, Dst: i.remote, Flags: "S", Seq: i.seq + 1<<30}.Bytes())
		i.say(t, "A", "")
		i.wantServed(t, "X")
		time.Sleep(5 * soon)
		i.wantServed(t, "X")
	})
}

// X answers again, by another number: it sends SYN cookies, or has started anew. That is what
// counts, and what it says of windows.
func TestSpliceAnew(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, tt := range []struct {
			scale uint8 // of the client's window
			past  uint32
			want  uint32 // connections of X after its FIN, so far behind its SYN
		}{{3, 5000, 0}, {3, 8001, 1}, {0, 1000, 0}, {0, 1001, 1}} {
			c, x := bareCluster(t, w), (*raw)(nil)
			c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), TimeoutSyn: ptr(200 * time.Millisecond)})
			c.set(t, c.backend("x", addrX))
			x = c.raw(t, addrX)
			k := c.raw(t, addrR).talk(c.a, 4000)
			s := k.segment("S", "")
			s.Window = 1000
			answer := wire.Segment{}
			if tt.scale > 0 {
				s.Options = []layers.TCPOption{option(layers.TCPOptionKindWindowScale, tt.scale)}
				answer.Options = []layers.TCPOption{option(layers.TCPOptionKindWindowScale, 2)}
			}
			k.send(t, s)
			atX := func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == x.addr }
			syn := x.get(t, atX)
			for i, seq := range []uint32{7000, 9_000_000} {
				s := x.segment(syn, "SA", seq, syn.TCP.Seq+1, nil)
				if i > 0 { // the first is a cookie
					s.Options = answer.Options
				}
				x.send(t, c.a, s.Bytes())
				k.hear(t, "SA")
			}
			say := func(flags, payload string) {
				t.Helper()
				s := k.segment(flags, payload)
				s.Window = 1000
				k.send(t, s)
				x.get(t, atX)
			}
			say("A", "")
			time.Sleep(time.Second)
			say("PA", "hello\n")
			say("FA", "")
			s = x.segment(syn, "FA", 9_000_001+tt.past, k.seq, nil)
			x.send(t, c.a, s.Bytes())
			k.hear(t, "FA")
			if got := c.status(t, "x"); got.Connections != tt.want {
				t.Errorf("scale %d: after a FIN %d behind its SYN X has %d connections, want %d", tt.scale, tt.past, got.Connections, tt.want)
			}
		}
	})
}

// rawAnswered is a connection that X has answered, with the PROXY protocol or without.
func rawAnswered(t *testing.T, w way, proxy bool) *proxied {
	t.Helper()
	var p *proxied
	if proxy {
		p = rawProxied(t, w, wire.Segment{})
	} else {
		c, k, x, syn := rawSpliced(t, w)
		p = &proxied{cluster: c, k: k, x: x, syn: syn, isn: k.seq - 1}
	}
	p.answered(t, wire.Segment{})
	return p
}

// The client does not get X's answer and begins anew, by another number, which X answers: it
// knows nothing of the first. The client gets another connection once it repeats its SYN.
func TestSpliceAnewOther(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, proxy := range []bool{false, true} {
			const soon, later = time.Second, 1 << 20
			p := rawAnswered(t, w, proxy)
			p.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)})
			p.isn += later
			p.k.seq = p.isn
			anew := p.k.segment("S", "")
			p.k.send(t, anew)
			isSYN := func(q *wire.Packet) bool { return p.atX(q) && q.TCP.SYN && q.TCP.Seq == p.isn-p.n }
			p.x.get(t, isSYN)
			a := p.a.meter(t)
			p.say(t, wire.Segment{Flags: "SA", Seq: 9_000_000, Ack: p.isn - p.n + 1})
			becomes(t, a, dprnl.StatSpliceRefused, 1)
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.RST })
			silence(t, p.k.r.Endpoint, p.k.mine)
			p.k.send(t, anew)
			p.syn = p.x.get(t, isSYN)
			p.answered(t, wire.Segment{})
			p.k.say(t, "A", "")
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && !q.TCP.SYN })
			time.Sleep(2 * soon)
			p.k.say(t, "PA", "hello\n")
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && string(q.Payload) == "hello\n" })
			if got := p.status(t, "x"); got.Connections != 1 || got.Spliced != 2 {
				t.Errorf("X has %d connections and got %d, want 1 of 2", got.Connections, got.Spliced)
			}
		}
	})
}

// Somebody makes up SYNs of the client and answers of X during a handshake: only an answer to
// such a SYN ends it.
func TestSpliceAnewForged(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, proxy := range []bool{false, true} {
			p := rawAnswered(t, w, proxy)
			s := p.k.segment("S", "")
			s.Seq = p.isn + 1<<30
			p.k.r.send(t, p.a, s.Bytes())
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.SYN })
			for _, ack := range []uint32{s.Seq - p.n, s.Seq - p.n + 2, s.Seq + 1000, 0} {
				p.say(t, wire.Segment{Flags: "SA", Seq: 9_000_000, Ack: ack})
			}
			p.say(t, wire.Segment{Flags: "S", Seq: 9_000_000})
			time.Sleep(settle)
			if got := p.status(t, "x"); got.Connections != 1 {
				t.Errorf("X has %d connections, want 1", got.Connections)
			}
			p.k.say(t, "A", "")
			p.k.say(t, "PA", "hello\n")
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && string(q.Payload) == "hello\n" })
		}
	})
}

// A raw backend: the test speaks for the client and for X.
//
//	R ── switch ── A
//	        └───── X (raw)
func rawSpliced(t *testing.T, w way) (c *cluster, k *talk, x *raw, syn *wire.Packet) {
	t.Helper()
	c = bareCluster(t, w)
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
	c.set(t, c.backend("x", addrX))
	x = c.raw(t, addrX)
	r := c.raw(t, addrR)
	k = r.talk(c.a, 4000)
	k.say(t, "S", "")
	syn = x.get(t, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.SYN })
	return c, k, x, syn
}

// segment returns one of X for the connection of a packet that it got.
func (x *raw) segment(p *wire.Packet, flags string, seq, ack uint32, payload []byte) wire.Segment {
	return wire.Segment{
		Src: netip.AddrPortFrom(x.addr, uint16(p.TCP.DstPort)), Dst: netip.AddrPortFrom(p.Src(), uint16(p.TCP.SrcPort)),
		Flags: flags, Seq: seq, Ack: ack, Payload: payload,
	}
}

// ICMP errors about what A has translated go to who sent it, and quote what that sent,
// with right checksums; forged ones about nothing do not.
func TestSpliceICMP(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c, k, x, syn := rawSpliced(t, w)
		a := c.a.meter(t)
		router := w.parse("10.77.0.99")
		for i, e := range []wire.Error{wire.TooBig, wire.Unreachable, wire.TimeExceeded, wire.ParameterProblem} {
			// About the client's packet, on the way to X.
			quote := syn.Outer()
			if i%2 == 1 {
				quote = quote[:w.headerLen()+8]
			}
			x.send(t, c.a, wire.ICMPError(router, c.a.at, e, 1400, quote))
			p := k.r.get(t, func(p *wire.Packet) bool { return p.Reports(e) })
			wantQuote(t, p, c.a.at, k.local, k.remote, e)
			sent := k.segment("S", "")
			sent.Seq = syn.TCP.Seq
			if i%2 == 0 && !bytes.Equal(p.Payload[w.headerLen():], sent.Bytes()[w.headerLen():]) {
				t.Errorf("the error quotes % x, want % x", p.Payload[w.headerLen():], sent.Bytes()[w.headerLen():])
			}
		}
		answer := x.segment(syn, "SA", 7000, syn.TCP.Seq+1, nil).Bytes()
		x.send(t, c.a, answer)
		got := k.hear(t, "SA")
		if !got.ChecksumsRight() || got.TCP.Seq != 7000 {
			t.Errorf("the client gets %v", got)
		}
		k.r.send(t, c.a, wire.ICMPError(router, c.a.at, wire.TooBig, 1400, got.Outer()))
		p := x.get(t, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) })
		wantQuote(t, p, c.a.at, netip.AddrPortFrom(x.addr, uint16(syn.TCP.DstPort)), netip.AddrPortFrom(c.a.at, uint16(syn.TCP.SrcPort)), wire.TooBig)
		if !bytes.Equal(p.Payload[w.headerLen():], answer[w.headerLen():]) {
			t.Errorf("the error quotes % x, want % x", p.Payload[w.headerLen():], answer[w.headerLen():])
		}
		becomes(t, a, dprnl.StatSpliceIcmp, 5)
		// About a connection that there is not.
		other := wire.Segment{Src: c.a.service(), Dst: netip.AddrPortFrom(k.local.Addr(), 9), Flags: "A"}
		k.r.send(t, c.a, wire.ICMPError(router, c.a.at, wire.TooBig, 1400, other.Bytes()))
		silence(t, x.Endpoint, func(p *wire.Packet) bool { return p.ICMP != nil && !p.Discovery() })
		// With a wrong checksum.
		bad := wire.ICMPError(router, c.a.at, wire.TooBig, 1400, got.Outer())
		bad[len(bad)-1] ^= 1
		k.r.send(t, c.a, bad)
		silence(t, x.Endpoint, func(p *wire.Packet) bool { return p.ICMP != nil && !p.Discovery() })
	})
}

// wantQuote fails the test unless an error is from A, for who sent the quoted segment.
func wantQuote(t *testing.T, p *wire.Packet, from netip.Addr, src, dst netip.AddrPort, e wire.Error) {
	t.Helper()
	b := p.Payload
	six := from.Is6()
	h, at := 20, 12
	if six {
		h, at = 40, 8
	}
	if len(b) < h+8 {
		t.Fatalf("%v quotes %d bytes", p, len(b))
	}
	n := from.BitLen() / 8
	qs, _ := netip.AddrFromSlice(b[at : at+n])
	qd, _ := netip.AddrFromSlice(b[at+n : at+2*n])
	ports := [2]uint16{uint16(b[h])<<8 | uint16(b[h+1]), uint16(b[h+2])<<8 | uint16(b[h+3])}
	if p.Src() != from || p.Dst() != src.Addr() || qs != src.Addr() || qd != dst.Addr() || ports != [2]uint16{src.Port(), dst.Port()} {
		t.Errorf("%v quotes %v:%d to %v:%d, want %v to %v", p, qs, ports[0], qd, ports[1], src, dst)
	}
	if !p.ChecksumsRight() {
		t.Errorf("%v has a wrong checksum", p)
	}
	if e == wire.TooBig && p.NextMTU() != 1400 {
		t.Errorf("%v says %d bytes", p, p.NextMTU())
	}
}

// Packets whose hop limit is spent, or with options, go no further; the others lose one hop.
func TestSpliceHops(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c, k, x, syn := rawSpliced(t, w)
		x.send(t, c.a, x.segment(syn, "SA", 7000, syn.TCP.Seq+1, nil).Bytes())
		k.hear(t, "SA")
		a := c.a.meter(t)
		s := k.segment("A", "")
		s.TTL = 1
		k.r.send(t, c.a, s.Bytes())
		becomes(t, a, dprnl.StatSpliceHops, 1)
		s.TTL = 2
		k.r.send(t, c.a, s.Bytes())
		p := x.get(t, func(p *wire.Packet) bool { return p.Has("A") })
		if hops := hopsOf(p); hops != 1 {
			t.Errorf("%v has %d hops left, want 1", p, hops)
		}
		s = x.segment(syn, "A", 7001, syn.TCP.Seq+1, []byte("x"))
		s.TTL = 1
		x.send(t, c.a, s.Bytes())
		becomes(t, a, dprnl.StatSpliceHops, 2)
		silence(t, k.r.Endpoint, k.mine)
	})
}

func hopsOf(p *wire.Packet) int {
	b := p.Outer()
	if p.Src().Is6() {
		return int(b[7])
	}
	return int(b[8])
}

// A backend's segments with extension headers, which routers act on, are dropped: this host
// answers none of them, and the connection goes on.
func TestSpliceExtensions(t *testing.T) {
	eachWay(t, []way{plain6}, func(t *testing.T, w way) {
		c, k, x, syn := rawSpliced(t, w)
		x.send(t, c.a, x.segment(syn, "SA", 7000, syn.TCP.Seq+1, nil).Bytes())
		k.hear(t, "SA")
		k.say(t, "A", "")
		x.get(t, func(p *wire.Packet) bool { return p.Has("A") })
		for i, h := range []wire.Extension{wire.HopByHop(), wire.Destination(), wire.Atomic(77)} {
			a := c.a.meter(t)
			s := x.segment(syn, "PA", 7001, syn.TCP.Seq+1, []byte("lost"))
			s.Extensions = []wire.Extension{h}
			x.send(t, c.a, s.Bytes())
			becomes(t, a, dprnl.StatSpliceRefused, 1)
			silence(t, x.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil })
			silence(t, k.r.Endpoint, k.mine)
			s = x.segment(syn, "PA", 7001+uint32(i), syn.TCP.Seq+1, []byte("x"))
			x.send(t, c.a, s.Bytes())
			k.hear(t, "PA")
		}
	})
}

// A link of MTU 1400 that neither end can see: on the backend's side, on the client's side.
//
//	C ── switch ── A
//	        └───── Q ──1400── Q' ── X
func TestSplicePathMtu(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
		q := c.router(t, "Q", "10.77.0.1")
		far := c.beyond(t, q, "10.77.0.1", narrow, "X", farB)
		route(t, c.a.Host, "10.78.0.0/24", "10.77.0.1")
		serve(t, far, "X", backendPort)
		c.set(t, c.backend("x", farB))
		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		if got := a.changes(t); got[dprnl.StatSpliceIcmp] == 0 {
			t.Errorf("A counts %v, want ICMP errors passed on", got)
		}
	})
}

// A's own link is the narrow one: A itself tells who sends too much.
//
//	E ──1400── A ── switch ── X
func TestSpliceTooBig(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		e := behindAnotherLink(t, c.a)
		check(t, c.a.SetMTU("e1", narrow))
		route(t, e, "10.77.0.0/24", "192.0.2.1")
		a := c.a.meter(t)
		k := connect(t, e, c.a.service())
		k.wantServed(t, "X")
		check(t, k.download(1<<20))
		if got := a.changes(t); got[dprnl.StatTxTooBig] == 0 {
			t.Errorf("A counts %v, want packets that were too big", got)
		}
	})
}

// Each connection has a port of its own, whatever their number, and other connections of A
// to X are not touched.
func TestSplicePorts(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(61000)), SpliceLastPort: ptr(uint32(61031))})
		at := netip.AddrPortFrom(c.a.at, 61007)
		own, err := dialWith(c.a.Host, w.addrPort(addrX, backendPort), func(fd int) error { return unix.Bind(fd, sockaddr(at)) })
		check(t, err)
		defer own.Close()
		seen := map[string]bool{}
		for range 31 {
			k := connect(t, c.c, c.a.service())
			peer, err := k.ask("peer")
			check(t, err)
			a, err := netip.ParseAddrPort(peer)
			check(t, err)
			if seen[peer] || a.Port() < 61000 || a.Port() > 61031 || a.Port() == 61007 {
				t.Errorf("a connection comes from %s", peer)
			}
			seen[peer] = true
		}
		own.wantServed(t, "X")
		a := c.a.meter(t)
		if _, err := dial(c.c, c.a.service()); !refused(err) {
			t.Errorf("without a port: %v, want refused", err)
		}
		becomes(t, a, dprnl.StatSpliceNoPort, 1)
		if got, err := own.ask("peer"); err != nil || got != at.String() {
			t.Errorf("A's own connection comes from %q (%v)", got, err)
		}
	})
}
