// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"testing"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// loses makes a host drop the nth message between hosts, counted from 0, that a tunnel
// brings it.
func loses(t *testing.T, h *vnet.Host, w way, nth int) {
	t.Helper()
	// The protocol of the inner header: behind an outer one of 20 or 40 bytes.
	match := map[int]string{4: "ip protocol 4 @nh,232,8 253", 6: "ip6 nexthdr 41 @nh,368,8 253"}[w.tunnel]
	passes := ""
	if nth > 0 {
		passes = fmt.Sprintf("%s limit rate 1/day burst %d packets accept", match, nth)
	}
	rules := fmt.Sprintf(`table netdev lossy {
	chain in {
		type filter hook ingress device "%s" priority 0;
		%s
		%s limit rate 1/day burst 1 packets drop
	}
}`, eth, passes, match)
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := h.RunInput(ctx, rules, "nft", "-f", "-")
	check(t, err)
}

// Of a connection any message is lost: the first handover, the second, the first answer. The
// client repeats what was lost, there is one answer, and it is right.
//
//	C ── switch ── A
//	        ├───── B (loses what A sends; or A what B sends)
//	        └───── D
func TestHandoverLost(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		for nth := range 3 {
			for _, answers := range []bool{false, true} {
				h := newHanding(t, w)
				unchanged(t, h.a.Host, "TcpOutRsts")
				unchanged(t, h.b.Host, "TcpOutRsts")
				victim := h.b
				if answers {
					victim = h.a
				}
				loses(t, victim.Host, w, nth)
				b, d := h.b.meter(t), h.d.meter(t)
				for range 3 {
					k := connect(t, h.c, h.a.service())
					k.wantServed(t, "B")
					check(t, k.upload(100_000))
					check(t, k.download(100_000))
				}
				changed(t, b, dprnl.StatRxHandoverTaken, 3)
				changed(t, d, dprnl.StatRxHandoverTaken, 0)
			}
		}
	})
}

// A host that is silent is never passed over, but one that is dead is.
func TestHandoverDead(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p := h.silentPeer(t)
		r := h.raw(t, addrR)
		k := r.talk(h.a, 4000)
		k.open(t)
		s := k.segment("PA", "who\n")
		k.send(t, s)
		first := p.get(t, isHandover)
		k.send(t, s)
		again := p.get(t, isHandover)
		if first.IP[1].Payload[6] != again.IP[1].Payload[6] {
			t.Error("two copies of a segment are two handovers")
		}
		h.a.fresh(t, h.d, 0)
		k.send(t, s)
		p.get(t, isHandover)
		check(t, h.a.dpr.DeletePeer(t.Context(), w.own(addrP), true))
		k.send(t, s)
		answer := r.get(t, func(q *wirePacket) bool { return k.mine(q) && len(q.Payload) > 0 })
		if string(answer.Payload) != "D\n" {
			t.Errorf("answer %q", answer.Payload)
		}
	})
}
