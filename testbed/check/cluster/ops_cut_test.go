// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"testing"
	"time"
)

// outage is how long a switch takes to boot; by then a host that hears nothing would have
// declared its peers dead (cleanup.dead_after, and the probe).
const outage = 28 * time.Second

// A host is cut off from everybody for a while, as by a cable or a switch that boots. It
// ends no connection that it redirected: TCP goes on when the network is back.
func TestCutOff(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	dprctl(t, "s1", "drain")
	const n = 40
	conns := keepAsking(t, l, n, address(t, "s1"))
	time.Sleep(2 * time.Second)
	redirected := conns.redirected(t, "s1")
	if died := conns.died(); len(died) > 0 || len(redirected) < n*9/10 {
		t.Fatalf("of %d connections %d were redirected and %d ended before anything happened: %q", n, len(redirected), len(died), died)
	}
	before := stats(t, "s1")
	t.Cleanup(func() {
		ctx, cancel := stepContext(t)
		defer cancel()
		if err := l.SetLink(ctx, "s1", true); err != nil {
			t.Error(err)
		}
	})
	if err := l.SetLink(t.Context(), "s1", false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(outage)
	if err := l.SetLink(t.Context(), "s1", true); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	until(t, time.Minute, "the connections go on or end", func() bool {
		return conns.settled(back, redirected) == len(redirected)
	})
	after := stats(t, "s1")
	t.Logf("cut off for %v; %d of %d connections ended, all others were answered again %.1f s later; s1 reset %d flows",
		outage, len(conns.died()), len(redirected), time.Since(back).Seconds(), after["flows_reset"]-before["flows_reset"])
	if died := conns.died(); len(died) > 0 {
		t.Errorf("%d connections ended: %q", len(died), died)
	}
	if after["flows_reset"] != before["flows_reset"] {
		t.Errorf("s1 reset %d flows", after["flows_reset"]-before["flows_reset"])
	}
}
