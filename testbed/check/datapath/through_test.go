// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// throughTunnels are the ways on which answers go through the first host, and clients'
// packets in tunnels.
var throughTunnels = throughs[:len(ways)]

// eachThrough runs a test with each of them.
func eachThrough(t *testing.T, f func(t *testing.T, w way)) { eachWay(t, throughTunnels, f) }

// cloud makes the switch drop what servers send from another address than their own, as
// the networks of many clouds do.
func (c *cluster) cloud(t *testing.T, servers ...*server) {
	t.Helper()
	var rules strings.Builder
	rules.WriteString("table netdev cloud {\n")
	for _, s := range servers {
		addr := map[*server]netip.Addr{c.a: addrA, c.b: addrB}[s]
		fmt.Fprintf(&rules, `chain %s {
	type filter hook ingress device "%s" priority 0;
	ip saddr != %v counter drop comment "foreign"
	ip6 saddr != { %v, fe80::/10, :: } counter drop comment "foreign"
}
`, s.Name, s.Name, addr, vnet.Twin(addr))
	}
	rules.WriteString("}\n")
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := c.sw.RunInput(ctx, rules.String(), "nft", "-f", "-")
	check(t, err)
}

// A network that drops foreign sources: answers that go straight to the client do not get
// there, so that no connection begins; those through the first host do. Both directions
// carry 10 MB, and B can stop and begin again.
//
//	C ── switch (drops what A and B send from other addresses than their own) ── A
//	                                                                      └───── B
func TestThroughCloud(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.cloud(t, c.a, c.b)
		direct := func() {
			t.Helper()
			if _, err := dialFor(c.c, c.a.service(), 2*time.Second); !os.IsTimeout(err) {
				t.Errorf("connecting with direct answers: %v, want that it times out", err)
			}
		}
		c.b.set(t, dprnl.ConfigUpdate{Answers: ptr(dprnl.AnswersDirect)})
		direct()
		c.b.set(t, dprnl.ConfigUpdate{Answers: ptr(dprnl.AnswersThrough)})
		a, b := c.a.meter(t), c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(10<<20))
		check(t, k.download(10<<20))
		got, sent := a.changes(t), b.changes(t)
		if got[dprnl.StatRxAnswers] == 0 || got[dprnl.StatRxPackets] < got[dprnl.StatRxAnswers] || sent[dprnl.StatTxAnswers] == 0 ||
			got[dprnl.StatRxBytes] < 10<<20 {
			t.Errorf("A counts %v, B %v", got, sent)
		}
		for _, stat := range []dprnl.Stat{dprnl.StatTxAnswerTooBig, dprnl.StatRxAnswerTooBig, dprnl.StatRxAnswerRefused, dprnl.StatRxAnswerNoRoute, dprnl.StatRxAnswerHops} {
			if n := got[stat] + sent[stat]; n != 0 {
				t.Errorf("%v changed by %d", stat, n)
			}
		}
		if sent[dprnl.StatSynMssLowered] == 0 {
			t.Errorf("B counts %v, want a SYN with a lower MSS", sent)
		}
		c.b.set(t, dprnl.ConfigUpdate{Answers: ptr(dprnl.AnswersDirect)})
		direct()
		c.b.set(t, dprnl.ConfigUpdate{Answers: ptr(dprnl.AnswersThrough)})
		k.wantServed(t, "B")
	})
}

// fromA fails the test unless a packet of A's came to the client as B has sent it, but for
// one hop less.
func (c *cluster) fromA(t *testing.T, at *wire.Endpoint, p *wire.Packet) {
	t.Helper()
	mac, err := c.a.MAC(eth)
	check(t, err)
	if !bytes.Equal(p.Eth.SrcMAC, mac) {
		t.Errorf("%v is from %v, want A's %v", p, p.Eth.SrcMAC, mac)
	}
	if !p.ChecksumsRight() {
		t.Errorf("%v has a wrong checksum", p)
	}
	h := c.headerLen()
	inner := await(t, at, func(q *wire.Packet) bool {
		return q.Tunnelled() && q.Src() == p.Src() && bytes.Equal(q.Inner()[h:], p.Outer()[h:])
	})
	if o := inner.IP[0]; o.Src != c.b.addr || o.Dst != c.a.addr || (c.tunnel == 4 && c.marked() != (o.Flags&reservedBit != 0)) {
		t.Errorf("the outer header of %v is %+v", inner, o)
	}
	was, is := inner.Inner(), p.Outer()
	if c.six() {
		was[7]--
	} else {
		was[8]--
		copy(was[10:12], is[10:12])
	}
	if !bytes.Equal(was, is) {
		t.Errorf("B sent % x\n    got % x", was, is)
	}
}

func mssOption(n uint16) []layers.TCPOption {
	return []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(n >> 8), byte(n)}}}
}

// All that B's kernel answers goes through A, whichever socket it is from, or none: the
// handshake, data, the answer to a FIN that comes again in TIME_WAIT, RSTs of a socket and
// of none, SYN cookies.
//
//	R ── switch ── A
//	        └───── B
func TestThroughAnswers(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.b.Host, false) // checksums are whole
		at, r := observe(t, c.a.Host), c.raw(t, addrR)
		hear := func(k *talk, flags string) *wire.Packet {
			t.Helper()
			p := k.hear(t, flags)
			c.fromA(t, at, p)
			return p
		}
		k := r.talk(c.a, 4000)
		syn := k.segment("S", "")
		syn.Options = mssOption(w.mss())
		k.send(t, syn)
		if p := hear(k, "SA"); p.MSS() != w.tunnelMSS() {
			t.Errorf("the MSS is %d, want %d", p.MSS(), w.tunnelMSS())
		}
		k.say(t, "A", "")
		k.say(t, "PA", "who\n")
		if p := hear(k, "PA"); string(p.Payload) != "B\n" {
			t.Errorf("answered by %q", p.Payload)
		}
		k.say(t, "PA", "close\n")
		hear(k, "FA")
		fin := k.segment("FA", "")
		for range 2 { // the second is answered in TIME_WAIT
			k.send(t, fin)
			hear(k, "A")
		}
		reset := r.talk(c.a, 4001)
		reset.open(t)
		reset.say(t, "PA", "reset\n")
		hear(reset, "R")
		check(t, c.b.Sysctl("net/ipv4/tcp_syncookies", "2"))
		cookie := r.talk(c.a, 4002)
		cookie.say(t, "S", "")
		hear(cookie, "SA")
		cookie.say(t, "A", "")
		cookie.wantServed(t, "B")
		c.b.web.stop()
		c.a.web.stop()
		cookie.say(t, "PA", "who\n") // its socket is gone
		hear(cookie, "R")
	})
}

// B's segments fit the tunnel from the beginning, whatever the client's MSS: its own link,
// or the way to A, as far as B knows it.
//
//	C ── switch ── A
//	        └─1400─ B
func TestThroughMSS(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.b.SetMTU(eth, narrow))
		b := c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.download(1<<20))
		b.want(t, counts{dprnl.StatRxSyn: 1, dprnl.StatMssLowered: 1, dprnl.StatSynMssLowered: 1, dprnl.StatTxAnswers: some,
			dprnl.StatRxListenerDeferred: maybe})
		// A client whose segments are small needs nothing.
		r := c.raw(t, addrR)
		small := r.talk(c.a, 4000)
		syn := small.segment("S", "")
		syn.Options = mssOption(1000)
		small.send(t, syn)
		small.hear(t, "SA")
		wantChange(t, b, dprnl.StatSynMssLowered, 1)
	})
}

// A link of MTU 1400 between the two servers, which neither of them can see: B hears of it
// from the router, and its socket learns what fits, while the connection lives. A forged
// complaint changes nothing.
//
//	C ── switch ── A
//	        └───── Q ──1400── Q' ── B
func TestThroughPathMtu(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		q := c.router(t, "Q", "10.77.0.1")
		route(t, c.a.Host, "10.78.0.0/24", "10.77.0.1")
		b := configure(t, c.beyond(t, q, "10.77.0.1", narrow, "B", farB), farB, w)
		b.others = append(b.others, w.parse("10.77.0.112")) // or C would be on a link of A's alone
		c.know(t, c.a, b)
		c.redirect(t, b)
		b.web = serve(t, b.Host, "B", port)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		m := b.meter(t)
		forged := wire.Segment{Src: c.a.service(), Dst: w.addrPort(addrC, 9), Flags: "A", Seq: 1, Payload: pattern[:1300]}
		complaint := wire.ICMPError(w.own(addrR), b.addr, wire.TooBig, 1300, wire.Tunnel{Src: b.addr, Dst: c.a.addr, Marked: w.marked(),
			Proto: w.outer(addrA, addrB).Proto}.Wrap(forged.Bytes())[:600])
		r := c.raw(t, addrR)
		mac, err := q.MAC(eth)
		check(t, err)
		check(t, r.Send(mac, complaint))
		time.Sleep(settle)
		if got := routeMTU(t, b.Host, c.a.addr); got != mtu {
			t.Errorf("after a forged complaint the way to A takes %d bytes for B, want %d", got, mtu)
		}
		check(t, k.download(1<<20))
		if got := routeMTU(t, b.Host, c.a.addr); got != narrow {
			t.Errorf("the way to A takes %d bytes for B, want %d", got, narrow)
		}
		if got := m.changes(t); got[dprnl.StatTxAnswerTooBig] == 0 || got[dprnl.StatTxAnswerTooBig] > 200 {
			t.Errorf("%d answers were too big", got[dprnl.StatTxAnswerTooBig])
		}
		// The next one fits from the beginning.
		next := connect(t, c.c, c.a.service())
		m = b.meter(t)
		check(t, next.download(1<<20))
		wantChange(t, m, dprnl.StatTxAnswerTooBig, 0)
	})
}

// A's own link to the client has an MTU of 1400: B, which is not on it, hears of it from
// A. The client does not know, so that what it sends must be small: A's link takes no
// more, either.
//
//	E ──1400── A ── switch
//	           B ─────┘
func TestThroughNarrowClient(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		e := behindAnotherLink(t, c.a)
		check(t, c.a.SetMTU("e1", narrow))
		route(t, e, "10.77.0.0/24", "192.0.2.1")
		route(t, c.b.Host, "192.0.2.0/24", "10.77.0.11")
		c.b.others = append(c.b.others, w.parse("192.0.2.112")) // or A would serve what is behind it
		c.a.report(t, c.b, 0)
		a := c.a.meter(t)
		k := connect(t, e, c.a.service())
		k.wantServed(t, "B")
		check(t, k.download(1<<20))
		if got := a.changes(t); got[dprnl.StatRxAnswerTooBig] == 0 || got[dprnl.StatTxIcmp] == 0 {
			t.Errorf("A counts %v", got)
		}
	})
}

// A link of MTU 1400 on the client's side: the router's complaint goes to A, and from there
// to B.
//
//	C ── Q' ──1400── Q ── switch ── A
//	                         └───── B
func TestThroughPathMtuClient(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		q := c.router(t, "Q", "10.77.0.1")
		client := c.beyond(t, q, "10.77.0.1", narrow, "far", farC)
		for _, s := range []*server{c.a, c.b} {
			route(t, s.Host, "10.79.0.0/24", "10.77.0.1")
		}
		a := c.a.meter(t)
		k := connect(t, client, c.a.service())
		k.wantServed(t, "B")
		check(t, k.download(1<<20))
		check(t, k.upload(1<<20))
		if got := a.changes(t); got[dprnl.StatTxIcmp] == 0 || got[dprnl.StatRxAnswers] == 0 {
			t.Errorf("A counts %v", got)
		}
	})
}

// What comes to A as an answer and is none is dropped, and counted by its reason; no client
// hears of it.
//
//	R (any sender, and the client) ── switch ── A (peers: B, D)
//	                                     └───── B
func TestThroughForged(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrD)))
		r := c.raw(t, addrR)
		known := r.talk(c.a, 4000)
		known.open(t)
		known.wantServed(t, "B")
		c.a.keep(t)
		own := r.talk(c.a, 4001)
		own.open(t)
		own.wantServed(t, "A")
		answer := func(change func(*wire.Segment)) []byte {
			s := wire.Segment{Src: c.a.service(), Dst: w.addrPort(addrR, 5000), Flags: "A", Seq: 1, Ack: 1, Payload: pattern[:100]}
			change(&s)
			return s.Bytes()
		}
		same := func(*wire.Segment) {}
		tunnel := w.outer(addrB, addrA)
		of := func(change func(*wire.Tunnel)) wire.Tunnel { o := tunnel; change(&o); return o }
		third := of(func(o *wire.Tunnel) { o.Src = w.own(addrD) })
		for name, tt := range map[string]struct {
			packet []byte
			want   dprnl.Stat
		}{
			"stranger":          {of(func(o *wire.Tunnel) { o.Src = w.own(addrR) }).Wrap(answer(same)), dprnl.StatRxStranger},
			"another port":      {tunnel.Wrap(answer(func(s *wire.Segment) { s.Src = w.addrPort(addrA, 81) })), dprnl.StatRxBadAddress},
			"a third's address": {tunnel.Wrap(answer(func(s *wire.Segment) { s.Src = w.addrPort(addrD, port) })), dprnl.StatRxAnswerRefused},
			"the peer's own":    {tunnel.Wrap(answer(func(s *wire.Segment) { s.Src = w.addrPort(addrB, port) })), dprnl.StatRxAnswerRefused},
			"what A serves":     {tunnel.Wrap(answer(func(s *wire.Segment) { s.Dst = own.local })), dprnl.StatRxAnswerRefused},
			"what B serves":     {third.Wrap(answer(func(s *wire.Segment) { s.Dst = known.local })), dprnl.StatRxAnswerRefused},
			"hop limit":         {tunnel.Wrap(answer(func(s *wire.Segment) { s.TTL = 1 })), dprnl.StatRxAnswerHops},
			"to A":              {tunnel.Wrap(answer(func(s *wire.Segment) { s.Dst = w.addrPort(addrA, 5000) })), dprnl.StatRxAnswerNoRoute},
			"no route":          {tunnel.Wrap(answer(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(w.parse("198.51.100.7"), 5000) })), dprnl.StatRxAnswerNoRoute},
			"SYN":               {tunnel.Wrap(answer(func(s *wire.Segment) { s.Flags = "S" })), dprnl.StatRxBadAddress},
			"header cut":        {tunnel.Wrap(answer(same)[:w.headerLen()+19]), dprnl.StatRxMalformed},
		} {
			t.Run(name, func(t *testing.T) {
				a := c.a.meter(t)
				r.send(t, c.a, tt.packet)
				want := counts{tt.want: 1}
				if !w.marked() || w.tunnel == 6 {
					// It may be from a tunnel of A's own; but one that is an answer by
					// its addresses is not.
					switch tt.want {
					case dprnl.StatRxAnswerHops, dprnl.StatRxAnswerNoRoute:
					default:
						want = counts{}
					}
				}
				eventually(t, func() error {
					if len(want) > 0 && len(a.changes(t)) == 0 {
						return errors.New("not counted")
					}
					return nil
				})
				time.Sleep(settle)
				a.want(t, want)
			})
		}
		if !w.six() {
			t.Run("to a broadcast", func(t *testing.T) {
				a := c.a.meter(t)
				r.send(t, c.a, tunnel.Wrap(answer(func(s *wire.Segment) { s.Dst = netip.MustParseAddrPort("10.77.0.255:5000") })))
				eventually(t, func() error {
					if len(a.changes(t)) == 0 {
						return errors.New("not counted")
					}
					return nil
				})
				a.want(t, counts{dprnl.StatRxAnswerNoRoute: 1})
			})
		}
		if w.tunnel == 4 && w.marked() {
			t.Run("unmarked", func(t *testing.T) {
				a := c.a.meter(t)
				r.send(t, c.a, of(func(o *wire.Tunnel) { o.Marked = false }).Wrap(answer(same)))
				time.Sleep(settle)
				a.want(t, counts{})
			})
		}
		silence(t, r.Endpoint, func(p *wire.Packet) bool {
			return p.TCP != nil && len(p.Payload) == 100 && p.Eth.SrcMAC.String() != r.MAC.String()
		})
		// The like that is right is sent on, with a flow to B and without any.
		a := c.a.meter(t)
		r.send(t, c.a, tunnel.Wrap(answer(same)))
		r.get(t, func(p *wire.Packet) bool {
			return p.TCP != nil && !p.Tunnelled() && len(p.Payload) == 100 && p.TCP.DstPort == 5000
		})
		r.send(t, c.a, tunnel.Wrap(answer(func(s *wire.Segment) { s.Dst = known.local })))
		r.get(t, func(p *wire.Packet) bool {
			return p.TCP != nil && !p.Tunnelled() && len(p.Payload) == 100 && p.TCP.DstPort == 4000
		})
		wantChange(t, a, dprnl.StatRxAnswers, 2)
		own.wantServed(t, "A")
	})
}

// Nor does a client hear of a peer's answer if its connection has neither a flow nor a socket
// on A because a backend has it, or it waits for its host. The host that it was handed to may
// answer before it has said that it takes it.
//
//	R (any peer, and the client) ── switch ── A ── X (a backend)
//	                                    ├──── B, D
//	                                    └──── P (the test)
func TestThroughForgedHeld(t *testing.T) {
	answer := func(r *raw, k *talk, w way, from netip.Addr, n int) {
		s := wire.Segment{Src: k.remote, Dst: k.local, Flags: "A", Seq: k.ack, Ack: k.seq, Payload: pattern[:n]}
		r.send(t, k.via, w.outer(from, addrA).Wrap(s.Bytes()))
	}
	refused := func(t *testing.T, r *raw, k *talk, w way, from netip.Addr) {
		t.Helper()
		a := k.via.meter(t)
		answer(r, k, w, from, 100)
		becomes(t, a, dprnl.StatRxAnswerRefused, 1)
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return k.mine(p) && len(p.Payload) == 100 })
		wantChange(t, a, dprnl.StatRxAnswers, 0)
	}
	t.Run("spliced", func(t *testing.T) {
		eachWay(t, bulk, func(t *testing.T, w way) {
			c := newSpliced(t, w)
			r := c.raw(t, addrR)
			k := r.talk(c.a, 4000)
			k.open(t)
			refused(t, r, k, w, addrB)
			k.wantServed(t, "X")
		})
	})
	t.Run("waiting", func(t *testing.T) {
		eachWay(t, bulk, func(t *testing.T, w way) {
			h := newHanding(t, w)
			p, r := h.silentPeer(t), h.raw(t, addrR)
			k := r.talk(h.a, 4000)
			k.open(t)
			refused(t, r, k, w, addrD)
			k.say(t, "PA", "who\n")
			p.get(t, isHandover)
			refused(t, r, k, w, addrD)
			answer(r, k, w, addrP, 99)
			r.get(t, func(q *wire.Packet) bool { return k.mine(q) && len(q.Payload) == 99 })
		})
	})
}

// An answer that came in fragments is put together, and sent on.
//
//	R (B's tunnel, and the client) ── switch ── A
func TestThroughFragments(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		r := c.raw(t, addrR)
		s := wire.Segment{Src: c.a.service(), Dst: w.addrPort(addrR, 5000), Flags: "A", Seq: 1, Ack: 1, Payload: pattern[:1000], MayFrag: !w.six(), ID: 7}
		a := c.a.meter(t)
		for _, f := range wire.Fragment(s.Bytes(), 512, 99) {
			r.send(t, c.a, w.outer(addrB, addrA).Wrap(f))
		}
		r.get(t, func(p *wire.Packet) bool {
			return p.TCP != nil && !p.Tunnelled() && bytes.Equal(p.Payload, pattern[:1000]) && p.ChecksumsRight()
		})
		wantChange(t, a, dprnl.StatRxAnswers, 1)
		wantChange(t, a, dprnl.StatFragmentsGathered, 1)
	})
}

// Direct are the answers for a first host that knows no better, and those from an address
// that B has, too. A flow that A has lost keeps no answer from the client.
//
//	R ── switch ── A
//	        └───── B
func TestThroughOrDirect(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.a.Host), c.raw(t, addrR)
		from := func(p *wire.Packet, s *server) {
			t.Helper()
			mac, err := s.MAC(eth)
			check(t, err)
			if !bytes.Equal(p.Eth.SrcMAC, mac) {
				t.Errorf("%v is from %v, want from %s", p, p.Eth.SrcMAC, s.Name)
			}
		}
		k := r.talk(c.a, 4000)
		k.open(t)
		k.say(t, "PA", "wake 300\n")
		f := c.a.flows(t)
		if len(f) != 1 {
			t.Fatalf("flows %v", f)
		}
		check(t, c.a.dpr.DeleteFlow(t.Context(), f[0].FlowKey))
		from(k.hear(t, "PA"), c.a)

		older := w.report(addrA, 1<<20)
		older.Protocol = 3
		check(t, c.b.dpr.SetPeer(t.Context(), older))
		b := c.b.meter(t)
		old := r.talk(c.a, 4001)
		old.say(t, "S", "")
		from(old.hear(t, "SA"), c.b)
		wantChange(t, b, dprnl.StatSynMssLowered, 0)

		c.b.report(t, c.a, 1<<20)
		again := r.talk(c.a, 4002)
		again.say(t, "S", "")
		from(again.hear(t, "SA"), c.a)
		shared := netip.MustParseAddr("10.77.0.99")
		for _, s := range []*server{c.a, c.b} {
			check(t, s.Address("lo", netip.PrefixFrom(shared, 32)))
			check(t, s.Address("lo", netip.PrefixFrom(vnet.Twin(shared), 128)))
			s.others = append(s.others, w.addr(shared))
		}
		c.b.report(t, c.a, 1<<20)
		c.a.report(t, c.b, 0)
		both := r.talk(c.a, 4003)
		both.remote = w.addrPort(shared, port)
		both.say(t, "S", "")
		from(both.hear(t, "SA"), c.b)
		at.Take(func(*wire.Packet) bool { return true })
	})
}

// A host that has left B's load table goes on with its connections: answers from each of its
// addresses go through it.
//
//	R ── switch ── A (and another address)
//	        └───── B
func TestThroughUnlisted(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.b.Host, false) // checksums are whole
		at, k := observe(t, c.a.Host), c.another(t).talk(c.a, 4000)
		k.remote = w.addrPort(addrOther, port)
		check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, false))
		k.say(t, "S", "")
		c.fromA(t, at, k.hear(t, "SA"))
		k.say(t, "A", "")
		k.say(t, "PA", "who\n")
		p := k.hear(t, "PA")
		c.fromA(t, at, p)
		if string(p.Payload) != "B\n" {
			t.Errorf("answered by %q", p.Payload)
		}
	})
}

// Another host takes over the address of one that has left, which B has found there: answers go
// through the new one.
//
//	R ── switch ── A (another address, at first)
//	        ├───── B
//	        └───── D (that address, later)
func TestThroughMoved(t *testing.T) {
	eachThrough(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at := netip.MustParseAddr("10.77.0.55")
		r := c.another(t)
		d := c.raw(t, at)
		check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, false))
		k := r.talk(c.a, 4000)
		k.remote = w.addrPort(addrOther, port)
		k.say(t, "S", "")
		k.hear(t, "SA") // through A, which B remembers
		report := w.report(at, 1<<20)
		report.Others = append(report.Others, c.addr(addrOther))
		check(t, c.b.dpr.SetPeer(t.Context(), report))
		time.Sleep(1100 * time.Millisecond)
		for p := uint16(4001); p < 4009; p++ { // on each of B's CPUs
			k := r.talk(c.a, p)
			k.remote = w.addrPort(addrOther, port)
			d.send(t, c.b, w.outer(at, addrB).Wrap(k.segment("S", "").Bytes()))
			answer := d.get(t, func(p *wire.Packet) bool {
				return p.Has("SA") && uint16(p.TCP.DstPort) == k.local.Port()
			})
			if !answer.Tunnelled() || answer.IP[0].Dst != w.own(at) {
				t.Errorf("%v, want it in a tunnel to D", answer)
			}
		}
	})
}

// addrOther is an address of A's beside its own.
var addrOther = netip.MustParseAddr("10.77.0.98")

// another gives A another address, which B knows of, and returns a client.
func (c *cluster) another(t *testing.T) *raw {
	t.Helper()
	check(t, c.a.Address("lo", netip.PrefixFrom(addrOther, 32)))
	check(t, c.a.Address("lo", netip.PrefixFrom(vnet.Twin(addrOther), 128)))
	c.a.others = append(c.a.others, c.addr(addrOther))
	c.b.report(t, c.a, 1<<20)
	return c.raw(t, addrR)
}

// Connections live on while the answers' way changes, and none fails.
//
//	C ── switch ── A
//	        └───── B
func TestThroughSwitchUnderLoad(t *testing.T) {
	eachWay(t, []way{throughTunnels[0], throughTunnels[3]}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		k := connect(t, c.c, c.a.service())
		l := startLoad(t, c.c, c.a.service(), 4)
		for i := range 20 {
			c.b.set(t, dprnl.ConfigUpdate{Answers: ptr(dprnl.Answers(i % 2))})
			l.more(t, 5)
			check(t, k.download(100_000))
		}
		l.stop()
		if n := l.failed.Load(); n != 0 {
			t.Errorf("%d connections failed", n)
		}
	})
}
