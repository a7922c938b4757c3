// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"testing"

	"dpr/userland/dprnl"
)

// A client uses the ports of a connection that is in TIME_WAIT at B for a new one.
func TestHandoverTimeWait(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		r := h.raw(t, addrR)
		b := h.b.meter(t)
		for i := range 2 {
			k := r.talk(h.a, 4000)
			k.seq += uint32(i) * 1_000_000
			k.open(t)
			k.wantServed(t, "B")
			k.say(t, "PA", "close\n")
			k.hear(t, "FA")
			k.say(t, "FA", "")
			// Until B says so the flow has the client's SYNs, too.
			eventually(t, func() error {
				if f := h.a.flows(t); len(f) != 1 || f[0].State != dprnl.FlowEnded {
					return fmt.Errorf("flows %v", f)
				}
				return nil
			})
		}
		changed(t, b, dprnl.StatRxHandoverTaken, 2)
	})
}

// The module goes while connections wait: nothing of them is left, and their clients meet the
// stack.
func TestHandoverReload(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		served := connect(t, h.c, h.a.service())
		served.wantServed(t, "B")
		r := h.raw(t, addrR)
		waits := r.talk(h.a, 4000)
		waits.open(t)
		s := waits.segment("PA", "who\n")
		s.Seq++ // what comes before it is missing
		waits.send(t, s)
		half := r.talk(h.a, 4001)
		half.say(t, "S", "")
		half.hear(t, "SA")
		reload(t)
		s.Seq--
		waits.send(t, s)
		waits.hear(t, "R")
	})
}
