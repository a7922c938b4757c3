// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/testbed/check/rawip"
	"dpr/userland/dprnl"
)

// seenLife is how long B remembers a handover of which no copy comes, at least
// (kmod/handover_seen.h).
const seenLife = 21 * time.Second

// B cannot remember all handovers that came: it refuses what it has no place for, and its
// client is served elsewhere. B stays in A's rotation, and takes all again once nothing of
// the others can be on its way any more.
//
//	C ── switch ── A (hands all over)
//	        ├───── B (remembers as many as it can)
//	        └───── P (has sent them)
func TestHandoverSeenFull(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		const handovers, clients = 180_000, 20
		h := newHanding(t, w)
		p := h.host(t, "P", netip.Addr{})
		check(t, h.b.dpr.SetPeer(t.Context(), w.reportOf(addrP, 5)))
		h.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		mac, err := h.b.MAC(eth)
		check(t, err)
		client, service := w.addrPort(addrR, 4000), w.addrPort(addrP, port)
		m := make([]byte, handoverLen)
		copy(m, "DPRh")
		m[4], m[6] = handoverTake, 1
		binary.BigEndian.PutUint32(m[12:], handoverKey.ID)
		segment := wire.Segment{Src: client, Dst: service, Flags: "A", Seq: 1, Ack: 1}
		packet := w.message(addrP, addrB, append(append([]byte(nil), m...), segment.Bytes()...))
		at := len(packet) - len(segment.Bytes()) - handoverLen
		n := uint32(0)
		b := h.b.meter(t)
		begun := time.Now()
		check(t, p.Do(func() error {
			s, err := rawip.Open(eth, mac)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Send(handovers, func(room []byte) []byte {
				n++
				binary.BigEndian.PutUint32(m[20:], n)
				w.handoverSeal(m, addrP, addrB, client, service)
				copy(room, packet)
				copy(room[at:], m)
				return room[:len(packet)]
			})
			return err
		}))
		h.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateActive)})
		got := b.changes(t)
		t.Logf("%d handovers came in %v: %d were refused, and for %d there was no place", handovers, time.Since(begun),
			got[dprnl.StatRxHandoverRefused], got[dprnl.StatRxHandoverFull])
		a := h.a.meter(t)
		by := map[string]int{}
		for range clients {
			who, err := connect(t, h.c, h.a.service()).askFor(5*time.Second, "who")
			check(t, err)
			by[who]++
		}
		if by["A"] == 0 || by["A"]+by["B"] != clients {
			t.Errorf("clients were served by %v, want some by A for which B had no place", by)
		}
		changed(t, a, dprnl.StatHandoverRefused, uint64(by["A"]))
		time.Sleep(seenLife)
		for range clients {
			connect(t, h.c, h.a.service()).wantServed(t, "B")
		}
	})
}
