// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

const (
	sourceProbe = 8
	sourceEcho  = 9

	allAnswers = dprnl.AnswerTunnel | dprnl.AnswerOwn | dprnl.AnswerForeign

	// answersCount is longer than answers count.
	answersCount = 1300 * time.Millisecond
)

// answers are those of a peer that have come.
func (s *server) answers(t *testing.T, peer netip.Addr) uint32 {
	t.Helper()
	p, err := s.dpr.Peer(t.Context(), peer)
	check(t, err)
	if !p.Asked {
		t.Errorf("%v was not asked", peer)
	}
	return p.Answers
}

// wantAnswers waits for the answers of a peer.
func (s *server) wantAnswers(t *testing.T, peer netip.Addr, want uint32) {
	t.Helper()
	eventually(t, func() error {
		if got := s.answers(t, peer); got != want {
			return fmt.Errorf("answers %b, want %b", got, want)
		}
		return nil
	})
}

// sourceEchoOf makes an answer to a question: it names who asked and who answers.
func (w way) sourceEchoOf(question []byte, asks, answers netip.Addr, change func([]byte)) []byte {
	b := hostMessage(sourceEcho, 0, netip.AddrPortFrom(w.own(asks), 0), netip.AddrPortFrom(w.own(answers), 0))
	copy(b[8:12], question[8:12])
	change(b)
	seal(b)
	return b
}

// echoBytes is the length of an answer in its packet.
func (w way) echoBytes() uint64 {
	return uint64(w.overhead() + map[int]int{4: 24, 6: 48}[w.tunnel])
}

// past matches messages between hosts that are in no tunnel.
func past(p *wire.Packet) bool { return len(p.IP) == 1 && p.IP[0].Protocol == ownerProtocol }

func asis([]byte) {}

// B answers A through the tunnel, and past it from both its own address and A's.
func TestSourceProbe(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrB, 3)))
		link := observe(t, c.b.Host)
		a, b := c.a.meter(t), c.b.meter(t)
		check(t, c.a.dpr.AskPeer(t.Context(), c.b.addr))
		c.a.wantAnswers(t, c.b.addr, allAnswers)
		a.want(t, counts{dprnl.StatTxOwnerMessages: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: w.probeBytes(), dprnl.StatRxSourceAnswered: 2, dprnl.StatRxEcho: 1})
		b.want(t, counts{dprnl.StatTxOwnerMessages: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: w.echoBytes(), dprnl.StatRxSourceAsked: 1})
		for _, from := range []netip.Addr{c.b.addr, c.a.addr} {
			p := await(t, link, func(p *wire.Packet) bool { return past(p) && p.Src() == from })
			if p.Dst() != c.a.addr || !p.ChecksumsRight() {
				t.Errorf("%v", p)
			}
		}
		// A says nothing of what it takes.
		silence(t, link, (*wire.Packet).Undeliverable)
		if err := c.a.dpr.AskPeer(t.Context(), c.b.addr); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("asked again at once: %v", err)
		}
	})
}

// What a network drops that checks sources, that knows TCP and tunnels only, or that
// swallows tunnels, does not come; the rest does.
func TestSourceProbeDropped(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		ip, next := "ip", "ip protocol"
		if w.tunnel == 6 {
			ip, next = "ip6", "ip6 nexthdr"
		}
		for _, tt := range []struct {
			name, rule string
			want       uint32
		}{
			{"other sources", fmt.Sprintf("%s saddr %v", ip, c.a.addr), dprnl.AnswerTunnel | dprnl.AnswerOwn},
			{"the protocol", next + " 253", dprnl.AnswerTunnel},
			{"tunnels", next + " { 4, 41 }", dprnl.AnswerOwn | dprnl.AnswerForeign},
			{"all", next + " { 4, 41, 253 }", 0},
			{"nothing", next + " 254", allAnswers},
		} {
			check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrB, 3)))
			firewall(t, c.b.Host, w, fmt.Sprintf("table %s checks { chain out { type filter hook output priority 0; %s drop; }; }", ip, tt.rule))
			eventually(t, func() error { return c.a.dpr.AskPeer(t.Context(), c.b.addr) })
			time.Sleep(answersCount)
			if got := c.a.answers(t, c.b.addr); got != tt.want {
				t.Errorf("the network drops %s: answers %b, want %b", tt.name, got, tt.want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), step)
			_, err := c.b.Run(ctx, "nft", "flush", "ruleset")
			cancel()
			check(t, err)
		}
	})
}

// Answers count once, within a second, with the question's number, and from the peer that
// was asked.
//
//	R (stranger; and P, a peer) ── switch ── A, B (a peer)
func TestSourceProbeForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrP, 3)))
		p := c.raw(t, addrP)
		a := c.a.meter(t)
		plain := func(from netip.Addr, message []byte) {
			t.Helper()
			p.send(t, c.a, wire.Datagram(w.own(from), w.own(addrA), ownerProtocol, message))
		}
		asked := func(m *wire.Packet) bool { return ownerMessage(m) != nil && ownerMessage(m)[4] == sourceProbe }
		refused := uint64(0)
		refuse := func(from netip.Addr, message []byte) {
			t.Helper()
			plain(from, message)
			refused++
			changed(t, a, dprnl.StatRxSourceRefused, refused)
		}
		none := make([]byte, 24)
		refuse(addrA, w.sourceEchoOf(none, addrA, addrP, asis)) // nobody was asked

		check(t, c.a.dpr.AskPeer(t.Context(), w.own(addrP)))
		question := ownerMessage(p.get(t, asked))
		if len(question) != 24 || string(question[12:]) != string(none[12:]) {
			t.Errorf("%x asks", question)
		}
		good := w.sourceEchoOf(question, addrA, addrP, asis)
		refuse(addrA, w.sourceEchoOf(question, addrA, addrP, func(b []byte) { b[8]++ }))
		refuse(addrA, w.sourceEchoOf(question, addrA, addrB, asis))
		refuse(addrA, w.sourceEchoOf(question, addrA, addrR, asis))
		refuse(addrR, good)
		// These are no answers, or not whole ones: they are left to the stack.
		plain(addrA, w.sourceEchoOf(question, addrA, addrP, func(b []byte) { b[4] = sourceProbe }))
		plain(addrA, w.sourceEchoOf(question, addrA, addrP, func(b []byte) { b[4] = ownerEcho }))
		plain(addrA, w.sourceEchoOf(question, addrA, addrP, func(b []byte) { b[0]++ }))
		plain(addrA, good[:20])
		plain(addrA, nil)
		broken := append([]byte(nil), good...)
		broken[9]++
		plain(addrA, broken)
		whole := append(append([]byte(nil), good...), none...) // the first fragment has all of the message
		for _, f := range wire.Fragment(wire.Datagram(w.own(addrA), w.own(addrA), ownerProtocol, whole), len(good), 7) {
			p.send(t, c.a, f)
		}
		p.send(t, c.a, wire.Datagram(w.own(addrA), w.own(addrB), ownerProtocol, good)) // not for A
		time.Sleep(settle)
		if got := c.a.answers(t, w.own(addrP)); got != 0 {
			t.Errorf("answers %b before there was one", got)
		}
		p.send(t, c.a, w.message(addrP, addrA, good))
		c.a.wantAnswers(t, w.own(addrP), dprnl.AnswerTunnel)
		plain(addrP, good)
		c.a.wantAnswers(t, w.own(addrP), dprnl.AnswerTunnel|dprnl.AnswerOwn)
		plain(addrA, good)
		c.a.wantAnswers(t, w.own(addrP), allAnswers)
		refuse(addrA, good)
		refuse(addrP, good)
		if got := a.changes(t); got[dprnl.StatRxSourceAnswered] != 2 || got[dprnl.StatRxEcho] != 1 || got[dprnl.StatRxSourceRefused] != refused || got[dprnl.StatRxSourceAsked] != 0 {
			t.Errorf("%v", got)
		}

		// A second later at the soonest.
		eventually(t, func() error { return c.a.dpr.AskPeer(t.Context(), w.own(addrP)) })
		late := ownerMessage(p.get(t, asked))
		refuse(addrA, good) // the last question's
		time.Sleep(answersCount)
		refuse(addrA, w.sourceEchoOf(late, addrA, addrP, asis))
		if got := c.a.answers(t, w.own(addrP)); got != 0 {
			t.Errorf("answers %b, though all were wrong or late", got)
		}
	})
}

// A host answers a peer's question to that peer's own address, whomever the question names,
// and at most once in a quarter of a second. It answers no stranger, and nothing that comes
// past the tunnel.
//
//	R (stranger; and P, a peer) ── switch ── A
func TestSourceProbed(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrP)))
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		a := c.a.meter(t)
		question := hostMessage(sourceProbe, 0x01020304, netip.AddrPortFrom(w.own(addrR), port), netip.AddrPortFrom(w.own(addrB), port))
		want := w.sourceEchoOf(question, addrP, addrA, asis)

		r.send(t, c.a, w.message(addrR, addrA, question))
		p.send(t, c.a, wire.Datagram(w.own(addrP), w.own(addrA), ownerProtocol, question))
		silence(t, r.Endpoint, func(m *wire.Packet) bool { return past(m) || m.Tunnelled() })
		silence(t, p.Endpoint, func(m *wire.Packet) bool { return past(m) || m.Tunnelled() })
		if n := a.changes(t)[dprnl.StatRxSourceAsked]; n != 0 {
			t.Errorf("%d questions answered", n)
		}

		p.send(t, c.a, w.message(addrP, addrA, question))
		tunnelled := p.get(t, func(m *wire.Packet) bool { return ownerMessage(m) != nil })
		if string(ownerMessage(tunnelled)) != string(want) {
			t.Errorf("%x answers, want %x", ownerMessage(tunnelled), want)
		}
		for _, from := range []netip.Addr{addrA, addrP} {
			m := p.get(t, func(m *wire.Packet) bool { return past(m) && m.Src() == w.own(from) })
			if m.Dst() != w.own(addrP) || string(m.IP[0].Payload) != string(want) {
				t.Errorf("%v: %x, want %x", m, m.IP[0].Payload, want)
			}
		}

		const flood = 200
		begin := time.Now()
		for range flood {
			p.send(t, c.a, w.message(addrP, addrA, question))
		}
		eventually(t, func() error {
			if got := a.changes(t); got[dprnl.StatRxSourceAsked]+got[dprnl.StatRxSourceLimited] != flood+1 {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
		got, most := a.changes(t), uint64(time.Since(begin)/(250*time.Millisecond))+2
		if got[dprnl.StatRxSourceAsked] > most || got[dprnl.StatRxSourceLimited] == 0 {
			t.Errorf("%v: want at most %d answered", got, most)
		}
		silence(t, r.Endpoint, func(m *wire.Packet) bool { return past(m) || m.Tunnelled() })
		time.Sleep(300 * time.Millisecond)
		before := got[dprnl.StatRxSourceAsked]
		p.send(t, c.a, w.message(addrP, addrA, question))
		changed(t, a, dprnl.StatRxSourceAsked, before+1)
	})
}

// Only peers are asked that know the question, and to which there is a tunnel.
func TestSourceProbeOlder(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		ask := func(peer netip.Addr, want error) {
			t.Helper()
			if err := c.a.dpr.AskPeer(t.Context(), peer); !errors.Is(err, want) {
				t.Errorf("%v asked: %v, want %v", peer, err, want)
			}
		}
		a := c.a.meter(t)
		ask(w.own(addrR), fs.ErrNotExist)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrP))) // it has not reported
		ask(w.own(addrP), syscall.EOPNOTSUPP)
		older := w.reportOf(addrP, 0)
		older.Protocol, older.Others = 2, nil
		check(t, c.a.dpr.SetPeer(t.Context(), older))
		ask(w.own(addrP), syscall.EOPNOTSUPP)
		other := dprnl.PeerUpdate{Address: ofFamily(10-w.tunnel, addrD), Metrics: &dprnl.Metrics{}, Protocol: 3}
		check(t, c.a.dpr.SetPeer(t.Context(), other))
		ask(other.Address, syscall.EAFNOSUPPORT)
		if n := a.changes(t)[dprnl.StatTxOwnerMessages]; n != 0 {
			t.Errorf("%d messages", n)
		}
		if p, err := c.a.dpr.Peer(t.Context(), w.own(addrP)); err != nil || p.Asked {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
