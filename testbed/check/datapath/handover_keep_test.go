// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// A client's data in a segment that has SYN and ACK are none: no socket can begin with it. The
// chosen host is silent; of a request of as many segments as A keeps, each copy of the first
// one is sent on, but the others not with each.
//
//	R ── switch ── A (hands all over)
//	         └──── P (the test; silent)
func TestHandoverCopies(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		const segments, copies = 64, 200
		h := newHanding(t, w)
		p := h.silentPeer(t)
		k := h.raw(t, addrR).talk(h.a, 4000)
		k.say(t, "S", "")
		k.hear(t, "SA")
		a := h.a.meter(t)
		first := k.segment("PA", "w")
		syn := first
		syn.Flags = "SPA"
		k.r.send(t, h.a, syn.Bytes())
		changed(t, a, dprnl.StatHandoverStray, 1)
		silence(t, p.Endpoint, isHandover)

		for i := range segments {
			s := first
			s.Seq = first.Seq + uint32(segments-1-i)
			k.r.send(t, h.a, s.Bytes())
		}
		gather(t, p.Endpoint, segments, isHandover)
		before := a.changes(t)[dprnl.StatTxHandover]
		begun := time.Now()
		for range copies {
			k.r.send(t, h.a, first.Bytes())
		}
		eventually(t, func() error { return atLeast(a.changes(t), dprnl.StatHandoverNoted, copies) })
		most := copies + segments*(1+uint64(time.Since(begun)/(time.Second/9)))
		if n := a.changes(t)[dprnl.StatTxHandover] - before; n < copies || n > most {
			t.Errorf("%d handovers because of %d copies in %v, want at most %d", n, copies, time.Since(begun), most)
		}
		time.Sleep(time.Second / 4)
		// A client that has waited gets all of them sent again.
		p.Take(isHandover)
		k.r.send(t, h.a, first.Bytes())
		gather(t, p.Endpoint, segments, isHandover)
	})
}
