// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A peer of version 0.1 says nothing when a connection ends, and knows no question
// but who has a connection, which it answers if it has. What it still has goes on,
// what it has not is forgotten, but no connection whose client did not speak of an
// end. It knows no IPv6.
//
//	R (client; and P, a host of version 0.1) ── switch ── A
func TestOlderPeer(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		const soon = 50 * time.Millisecond
		c.redirect(t)
		check(t, c.a.dpr.SetPeer(t.Context(), w.report(addrD, 0)))
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon), TimeoutFin: ptr(soon)})
		p, r := c.raw(t, addrD), c.raw(t, addrR)
		silent, kept, gone := r.talk(c.a, 4000), r.talk(c.a, 4001), r.talk(c.a, 4002)
		for _, k := range []*talk{silent, kept, gone} {
			k.say(t, "S", "")
			k.say(t, "A", "")
		}
		kept.say(t, "FA", "")
		gone.say(t, "FA", "")
		kinds := map[uint16][]byte{}
		answer := func(q *wire.Packet) {
			ask := ownerMessage(q)
			client := clientPort(ask)
			kinds[client] = append(kinds[client], ask[4])
			if client == kept.local.Port() && ask[4] == 1 {
				p.send(t, c.a, w.message(addrD, addrA, ownerClaim(ask)))
			}
		}
		deadline := time.Now().Add(step)
		for len(c.a.flows(t)) > 2 || len(kinds[silent.local.Port()]) < 4 {
			if time.Now().After(deadline) {
				t.Fatalf("flows %v, questions %v", c.a.flows(t), kinds)
			}
			time.Sleep(200 * time.Millisecond)
			_, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			for _, q := range p.Take(func(q *wire.Packet) bool { return ownerMessage(q) != nil }) {
				answer(q)
			}
		}
		// All questions about the silent client were in vain: it stays.
		time.Sleep(1200 * time.Millisecond)
		_, err := c.a.dpr.Expire(t.Context(), 0)
		check(t, err)
		if n := len(c.a.flows(t)); n != 2 {
			t.Errorf("%d flows are left, want 2", n)
		}
		for _, f := range c.a.flows(t) {
			if (f.Client != silent.local || f.State != dprnl.FlowEstablished) && (f.Client != kept.local || f.State != dprnl.FlowFin) {
				t.Errorf("%v is left", f)
			}
		}
		if got := fmt.Sprint(kinds[gone.local.Port()]); got != "[3 1 3 1]" {
			t.Errorf("questions %s about what is gone, want four", got)
		}
		// Again and again, since it may end unheard.
		if got := fmt.Sprint(kinds[kept.local.Port()]); !strings.HasPrefix(got, "[3 1 3") {
			t.Errorf("questions %s about what is kept", got)
		}
		if got := fmt.Sprint(kinds[silent.local.Port()]); got != "[3 1 3 1]" {
			t.Errorf("questions %s about the silent client, want four", got)
		}
	})
}
