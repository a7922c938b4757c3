// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

type wirePacket = wire.Packet

// Of kmod/handover_msg.h.
const (
	handoverTake    = 1
	handoverTaken   = 2
	handoverRefused = 3
	handoverFailed  = 32 // a bit of byte 5
	handoverLen     = 48
)

// isHandover matches a handover in a tunnel.
func isHandover(p *wire.Packet) bool {
	m := ownerMessage(p)
	return len(m) > handoverLen && string(m[:4]) == "DPRh" && m[4] == handoverTake
}

// isHandoverAnswer matches an answer to one.
func isHandoverAnswer(p *wire.Packet) bool {
	m := ownerMessage(p)
	return len(m) == handoverLen+36 && string(m[:4]) == "DPRh"
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein, 2012).
func sipHash(key [16]byte, text []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	rounds := func(n int) {
		for range n {
			v[0] += v[1]
			v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
			v[0] = bits.RotateLeft64(v[0], 32)
			v[2] += v[3]
			v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
			v[0] += v[3]
			v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
			v[2] += v[1]
			v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	last := append(append([]byte(nil), text[len(text)/8*8:]...), make([]byte, 8)...)[:8]
	last[7] = byte(len(text))
	for i := 0; i+8 <= len(text); i += 8 {
		m := binary.LittleEndian.Uint64(text[i:])
		v[3] ^= m
		rounds(2)
		v[0] ^= m
	}
	m := binary.LittleEndian.Uint64(last)
	v[3] ^= m
	rounds(2)
	v[0] ^= m
	v[2] ^= 0xff
	rounds(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// handoverTuple is a connection as answers and what is authenticated have it.
func handoverTuple(client, service netip.AddrPort) []byte {
	c, s := client.Addr().As16(), service.Addr().As16()
	b := append(append([]byte(nil), c[:]...), s[:]...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, client.Port()), service.Port())
}

// handoverSeal authenticates a message from one host to another, made now.
func (w way) handoverSeal(m []byte, from, to netip.Addr, client, service netip.AddrPort) {
	binary.BigEndian.PutUint32(m[8:], uint32(time.Now().Unix()))
	w.handoverMAC(m, from, to, client, service)
}

// handoverMAC is handoverSeal of a message that says when it was made.
func (w way) handoverMAC(m []byte, from, to netip.Addr, client, service netip.AddrPort) {
	f, o := w.own(from).As16(), w.own(to).As16()
	text := append(append(append(append([]byte(nil), m[:40]...), handoverTuple(client, service)...), f[:]...), o[:]...)
	binary.LittleEndian.PutUint64(m[40:], sipHash(handoverKey.Secret, text))
}

// handoverAnswer makes the answer to a handover.
func (w way) handoverAnswer(take []byte, kind byte, from, to netip.Addr, client, service netip.AddrPort) []byte {
	m := append(append([]byte(nil), take[:handoverLen]...), handoverTuple(client, service)...)
	m[4] = kind
	w.handoverSeal(m, from, to, client, service)
	return m
}

// silentPeer adds a peer that the test plays, and leaves it alone in A's load table.
func (h *handing) silentPeer(t *testing.T) *raw {
	t.Helper()
	p := h.raw(t, addrP)
	check(t, h.a.dpr.DeletePeer(t.Context(), h.b.addr, false))
	check(t, h.a.dpr.SetPeer(t.Context(), h.way.reportOf(addrP, 5)))
	return p
}

// The test plays the chosen host: what it says counts if it has the key, and is about this
// handover. Refused, the connection goes elsewhere, and what comes later changes nothing.
func TestHandoverAnswers(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p := h.silentPeer(t)
		r := h.raw(t, addrR)
		a := h.a.meter(t)
		k := r.talk(h.a, 4000)
		k.open(t)
		s := k.segment("PA", "who\n")
		k.send(t, s)
		take := ownerMessage(p.get(t, isHandover))
		tell := func(m []byte) { p.send(t, h.a, w.message(addrP, addrA, m)) }
		answer := func(kind byte) []byte {
			return w.handoverAnswer(take, kind, addrP, addrA, k.local, k.remote)
		}
		bad := func(change func(m []byte)) {
			m := answer(handoverTaken)
			change(m)
			tell(m)
		}
		seal := func(m []byte) { w.handoverSeal(m, addrP, addrA, k.local, k.remote) }
		bad(func(m []byte) { m[47]++ })                                                        // another key
		bad(func(m []byte) { m[15]++; seal(m) })                                               // of another name
		bad(func(m []byte) { m[4] = handoverRefused })                                         // another answer
		bad(func(m []byte) { m[60]++ })                                                        // about another client
		bad(func(m []byte) { w.handoverSeal(m, addrD, addrA, k.local, k.remote) })             // another host's
		bad(func(m []byte) { m[11] += 60; w.handoverMAC(m, addrP, addrA, k.local, k.remote) }) // made later
		bad(func(m []byte) { m[10]--; w.handoverMAC(m, addrP, addrA, k.local, k.remote) })     // or long ago
		bad(func(m []byte) { m[6]++; seal(m) })                                                // another attempt
		bad(func(m []byte) { m[20]++; seal(m) })                                               // another connection
		tell(answer(handoverTaken)[:handoverLen+35])                                           // short
		want := counts{dprnl.StatRxHandoverForged: 5, dprnl.StatRxHandoverStale: 2, dprnl.StatHandoverLate: 2}
		if !w.marked() {
			want[dprnl.StatRxHandoverForged], want[dprnl.StatRxHandoverStale] = 0, 0
		}
		for stat, n := range want {
			changed(t, a, stat, n)
		}
		changed(t, a, dprnl.StatHandoverTaken, 0)

		h.a.fresh(t, h.d, 0)
		tell(answer(handoverRefused))
		got := r.get(t, func(q *wire.Packet) bool { return k.mine(q) && len(q.Payload) > 0 })
		if string(got.Payload) != "D\n" {
			t.Errorf("answer %q", got.Payload)
		}
		tell(answer(handoverTaken))
		changed(t, a, dprnl.StatHandoverLate, 3)
		changed(t, a, dprnl.StatHandoverTaken, 1)
		changed(t, a, dprnl.StatHandoverRefused, 1)
	})
}

// The test plays a first host: without the key it can make no connection, and what it or
// somebody else has recorded makes no second one.
func TestHandoverForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p := h.raw(t, addrP)
		check(t, h.b.dpr.SetPeer(t.Context(), w.reportOf(addrP, 5)))
		client := w.addrPort(addrR, 4000)
		service := w.addrPort(addrP, port)
		segment := wire.Segment{Src: client, Dst: service, Flags: "PA", Seq: 1001, Ack: 5001, Payload: []byte("reset\n")}
		make1 := func() []byte {
			m := make([]byte, handoverLen)
			copy(m, "DPRh")
			m[4], m[6] = handoverTake, 1
			binary.BigEndian.PutUint32(m[12:], handoverKey.ID)
			binary.BigEndian.PutUint32(m[16:], 1000)
			binary.BigEndian.PutUint32(m[20:], 5000)
			binary.BigEndian.PutUint16(m[32:], 1460)
			w.handoverSeal(m, addrP, addrB, client, service)
			return m
		}
		b := h.b.meter(t)
		tell := func(m []byte) {
			p.send(t, h.b, w.message(addrP, addrB, append(append([]byte(nil), m...), segment.Bytes()...)))
		}
		for i := range 40 { // any byte of what is authenticated
			m := make1()
			m[i] ^= 1
			tell(m)
		}
		time.Sleep(settle)
		if got := b.changes(t); got[dprnl.StatRxHandoverTaken] != 0 || len(h.b.web.accepted()) != 0 {
			t.Errorf("connections by forged handovers: %v", got)
		}
		good := make1()
		tell(good)
		answer := ownerMessage(p.get(t, isHandoverAnswer))
		if answer[4] != handoverTaken {
			t.Errorf("answer %d", answer[4])
		}
		changed(t, b, dprnl.StatRxHandoverTaken, 1)
		// Its server has ended it by a RST: there is no socket any more.
		eventually(t, func() error { return h.b.noConnections() })
		tell(good)
		p.get(t, isHandoverAnswer)
		time.Sleep(settle)
		changed(t, b, dprnl.StatRxHandoverTaken, 1)
	})
}

// Somebody sends SYNs in a client's name while it is opening a connection: after its own, and
// before it. The client may answer what they bring by a RST. Nothing is left of a SYN once the
// service is placed by SYNs.
func TestHandoverForgedSyn(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		r := h.raw(t, addrR)
		next := uint16(4000)
		begin := func() (k *talk, syn wire.Segment, forged func(n uint32) wire.Segment) {
			k = r.talk(h.a, next)
			next++
			syn = k.segment("S", "")
			return k, syn, func(n uint32) wire.Segment {
				s := syn
				s.Seq += n * 100_000_000
				return s
			}
		}
		answer := func(k *talk, syn wire.Segment) *wire.Packet {
			t.Helper()
			r.send(t, h.a, syn.Bytes())
			return r.get(t, func(p *wire.Packet) bool { return k.mine(p) && p.Has("SA") && p.TCP.Ack == syn.Seq+1 })
		}
		reset := func(k *talk, s wire.Segment) {
			s.Seq, s.Flags = s.Seq+1, "R"
			r.send(t, h.a, s.Bytes())
		}
		goOn := func(k *talk, syn wire.Segment, got *wire.Packet) {
			t.Helper()
			k.seq, k.ack = syn.Seq+1, got.TCP.Seq+1
			k.say(t, "A", "")
			k.wantServed(t, "B")
		}

		k, syn, forged := begin()
		one := answer(k, syn)
		for n := range uint32(3) {
			answer(k, forged(1+n))
		}
		if again := answer(k, syn); again.TCP.Seq != one.TCP.Seq {
			t.Error("two copies of a SYN have different answers")
		}
		goOn(k, syn, one)

		k, syn, forged = begin()
		answer(k, forged(1))
		goOn(k, syn, answer(k, syn))

		k, syn, forged = begin()
		answer(k, forged(1))
		one = answer(k, syn)
		reset(k, forged(1))
		answer(k, forged(2))
		goOn(k, syn, one)

		k, syn, forged = begin()
		one = answer(k, syn)
		answer(k, forged(1))
		reset(k, forged(1))
		goOn(k, syn, one)

		k, syn, _ = begin()
		answer(k, syn)
		check(t, h.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchSyn)}}))
		syn.Seq += 100_000_000
		goOn(k, syn, answer(k, syn))
	})
}
