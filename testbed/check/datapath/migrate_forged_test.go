// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// handoverBack is the kind of the message that gives a connection back (kmod/handover_msg.h).
const handoverBack = 4

// addrQ is of a second peer that a test plays.
var addrQ = netip.MustParseAddr("10.77.0.16")

// The test plays the host that serves a connection. It gives it back: without the key nothing
// happens, nor does it if another host says so, or if it is about an earlier request. What
// was recorded and is sent again moves nothing.
//
//	R ── switch ── A (the first host)
//	         ├──── P (serves; the test)
//	         ├──── Q (another peer; the test)
//	         └──── D
func TestMigrateForged(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p := h.silentPeer(t)
		q := h.raw(t, addrQ)
		idle := w.reportOf(addrQ, 6)
		idle.State = ptr(dprnl.StateDraining)
		check(t, h.a.dpr.SetPeer(t.Context(), idle))
		r := h.raw(t, addrR)
		a := h.a.meter(t)
		k := r.talk(h.a, 4000)
		k.open(t)
		s := k.segment("PA", "who\n")
		k.send(t, s)
		take := ownerMessage(p.get(t, isHandover))
		p.send(t, h.a, w.message(addrP, addrA, w.handoverAnswer(take, handoverTaken, addrP, addrA, k.local, k.remote)))
		changed(t, a, dprnl.StatHandoverTaken, 1)

		next := s
		next.Seq, next.Ack = s.Seq+4, s.Ack+2 // P has answered two bytes
		back := func(from netip.Addr, seq, ack uint32) []byte {
			m := append([]byte(nil), take[:handoverLen]...)
			m[4], m[6] = handoverBack, 0
			binary.BigEndian.PutUint32(m[16:], seq-1)
			binary.BigEndian.PutUint32(m[20:], ack-1)
			w.handoverSeal(m, from, addrA, k.local, k.remote)
			return m
		}
		tell := func(from netip.Addr, by *raw, m []byte) {
			by.send(t, h.a, w.message(from, addrA, append(append([]byte(nil), m...), next.Bytes()...)))
		}
		for i := range 40 { // any byte of what is authenticated
			m := back(addrP, next.Seq, next.Ack)
			m[i] ^= 1
			tell(addrP, p, m)
		}
		tell(addrQ, q, back(addrQ, next.Seq, next.Ack)) // another host's
		changed(t, a, dprnl.StatRxMigrateRefused, 1)
		tell(addrP, p, back(addrP, s.Seq, s.Ack)) // about the request that it got
		changed(t, a, dprnl.StatRxMigrateRefused, 2)
		changed(t, a, dprnl.StatMigrateBack, 0)

		idle = w.reportOf(addrP, 6)
		idle.State = ptr(dprnl.StateDraining)
		check(t, h.a.dpr.SetPeer(t.Context(), idle))
		h.a.fresh(t, h.d, 0)
		good := back(addrP, next.Seq, next.Ack)
		tell(addrP, p, good)
		answer := r.get(t, func(p *wire.Packet) bool { return k.mine(p) && len(p.Payload) > 0 })
		if string(answer.Payload) != "D\n" || answer.TCP.Seq != next.Ack || answer.TCP.Ack != next.Seq+4 {
			t.Errorf("answer %q, from byte %d on", answer.Payload, answer.TCP.Seq-s.Ack)
		}
		changed(t, a, dprnl.StatMigrateBack, 1)
		eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverTaken, 2) })
		for range 3 {
			tell(addrP, p, good)
		}
		changed(t, a, dprnl.StatRxMigrateRefused, 5)
		time.Sleep(settle)
		changed(t, a, dprnl.StatMigrateBack, 1)
		changed(t, a, dprnl.StatHandoverTaken, 2)
	})
}
