// SPDX-License-Identifier: MIT

//go:build lab

package main

import (
	"testing"
)

// The attacker breaks what can be broken of plain TCP, and only that: no connection
// that lives, and one in TIME_WAIT, whose place a SYN takes.
func TestPlain(t *testing.T) {
	c, err := newCluster(80)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	stop, err := c.p.serve(t.Context(), c.port)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := &side{c, c.p, c.p}
	b := &blind{enemy: &enemy{}, c: c, next: 10_000, sides: []*side{s}}
	b.plan.Packets, b.plan.Seed = 1000, 7
	broken := map[string]int{}
	for i := range states {
		st := &states[i]
		if st.name == "half-open" {
			continue // it takes a second for each look
		}
		if err := b.notices(t.Context(), st); err != nil {
			t.Fatalf("%s: %v", st.name, err)
		}
		for _, k := range kinds {
			if st.once && k.packets[len(k.packets)-1].flags != syn {
				continue
			}
			why := map[string]int{}
			sent, arrived, n, err := b.one(t.Context(), s, st, k, why)
			if err != nil || sent == 0 || arrived < sent {
				t.Errorf("%s, %s: %d sent, %d arrived, %v", st.name, k.name, sent, arrived, err)
			}
			if broken[st.name] += n; n > 0 && !st.once {
				t.Errorf("%s, %s: %d of %d packets broke a connection: %v", st.name, k.name, n, sent, why)
			}
		}
	}
	if broken["TIME_WAIT"] < enough {
		t.Errorf("SYNs to TIME_WAIT broke %d", broken["TIME_WAIT"])
	}
}
