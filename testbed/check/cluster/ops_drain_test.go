// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Draining a host under load fails no request; it serves no new connection,
// and when its clients have gone elsewhere no connection needs it any more.
func TestDrainUnderLoad(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	// Those of clients that were killed behind a cable that was out, which nobody ends.
	for _, line := range strings.Split(strings.TrimSpace(try(t, "s1", "dprctl", "flows").stdout), "\n")[1:] {
		t.Logf("left from before: %s", line)
		f := strings.Fields(line)
		try(t, "s1", "dprctl", "flows", "del", f[0], f[1])
	}
	// What a client left open for writing is forgotten sooner than by default.
	dprctl(t, "s1", "config", "set", "--timeout-fin", "2s", "--timeout-rst", "1s")
	t.Cleanup(func() {
		dprctl(t, "s1", "apply")
		dprctl(t, "s1", "undrain")
	})
	var taken uint64
	_, hosts := underLoad(t, 14*time.Second, uneven, func(ctx context.Context) {
		if !pause(ctx, 5*time.Second) {
			return
		}
		if _, err := l.Output(ctx, "s1", "dprctl", "drain"); err != nil {
			t.Errorf("drain: %v", err)
			return
		}
		// Connections on their way from peers that have not heard of it yet.
		if !pause(ctx, 2*period) {
			return
		}
		taken = takenOver(t, "s1")
		for _, other := range []string{"s2", "s3"} {
			if p, ok := peerOf(t, other, "s1"); !ok || p.Usable {
				t.Errorf("%s would still choose s1: %+v", other, p)
			}
		}
	})
	if now := takenOver(t, "s1"); taken == 0 || now != taken {
		t.Errorf("s1 had taken %d connections two periods after drain, and %d in the end", taken, now)
	}
	if hosts[0].Redirected == 0 {
		t.Error("s1 redirected nothing")
	}
	begin := time.Now()
	r := try(t, "s1", "dprctl", "drain", "--wait", "--timeout", "40s")
	t.Logf("drain --wait took %v:\n%s", time.Since(begin).Round(time.Second/10), r.stdout)
	if r.status != 0 {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
	if n := stats(t, "s1")["flows"]; n != 0 {
		t.Errorf("%d flows are left:\n%s", n, try(t, "s1", "dprctl", "flows").stdout)
	}
}

// takenOver is how many connections a server has taken to serve: clients' own
// and those that peers handed to it.
func takenOver(t *testing.T, server string) uint64 {
	t.Helper()
	var n uint64
	for name, v := range stats(t, server) {
		if strings.HasPrefix(name, "served_") || name == "rx_syn" {
			n += v
		}
	}
	return n
}

// A host that leaves is out of every load table within one period, long before
// it would be for its silence; undrain brings it back.
func TestLeave(t *testing.T) {
	start(t)
	t.Cleanup(func() { dprctl(t, "s1", "undrain") })
	dprctl(t, "s1", "leave")
	told := time.Now()
	for _, other := range []string{"s2", "s3"} {
		for {
			p, ok := peerOf(t, other, "s1")
			if !ok {
				t.Fatalf("%s does not know s1 any more", other)
			}
			if !p.Listed {
				t.Logf("out of the load table of %s %v after", other, time.Since(told).Round(time.Millisecond))
				break
			}
			// The look takes a while, too; silence would take three periods.
			if time.Since(told) > 2*period {
				t.Fatalf("still in the load table of %s %v after", other, time.Since(told))
			}
		}
	}
	// It stays out while it says that it leaves.
	time.Sleep(3 * period)
	if p, ok := peerOf(t, "s2", "s1"); !ok || p.Listed {
		t.Errorf("after a while: %+v, known %v", p, ok)
	}
	dprctl(t, "s1", "undrain")
	until(t, 10*period, "s1 is back", func() bool {
		p, ok := peerOf(t, "s2", "s1")
		return ok && p.Usable
	})
}
