// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"context"
	"testing"
	"time"

	"dpr/testbed/lab/drive"
)

// withdrawLimit is how long a host that drains may still be announced.
const withdrawLimit = 2 * time.Second

// reloadLimit is how long a host may be no next hop when its BIRD reads its file again.
const reloadLimit = 3 * time.Second

// active puts all servers into their first state.
func active(t *testing.T, orphans string) {
	t.Helper()
	for _, s := range shared.Servers() {
		run(t, s.Name, "dprctl", "apply")
		run(t, s.Name, "dprctl", "undrain")
		run(t, s.Name, "dprctl", "policy", "set", "lowest", "--max-load", "0")
		run(t, s.Name, "dprctl", "config", "set", "--orphans", orphans)
	}
	if err := drive.Of(shared).AwaitPeers(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What dpr-announce.service runs has the router forget a host that drains, leaves, has
// no web server or no module, and use it again afterwards. BIRD that was started anew, or read its
// file again, announces the host again by itself.
func TestAnnounce(t *testing.T) {
	active(t, "ask")
	start(t, "s1", "s2", "s3")
	for _, c := range []struct{ what, harm, fix string }{
		{"drain", "dprctl drain", "dprctl undrain"},
		{"leave", "dprctl leave", "dprctl undrain"},
		{"the web server ends", "svc stop nginx", "svc start nginx"},
		{"dprctl ready ends", "kill $(cat /run/ready.pid)", "exec " + announceCommand(t) + " >/run/ready.log 2>&1 & echo $! >/run/ready.pid"},
	} {
		run(t, "s1", "sh", "-c", c.harm)
		gone := until(t, time.Minute, c.what+": withdrawn", func() bool { return hasNextHops(t, "s2", "s3") })
		run(t, "s1", "sh", "-c", c.fix)
		back := until(t, time.Minute, c.what+": announced again", func() bool { return hasNextHops(t, "s1", "s2", "s3") })
		t.Logf("%s: withdrawn after %v, announced again after %v", c.what, gone.Round(time.Millisecond), back.Round(time.Millisecond))
		if gone > withdrawLimit {
			t.Errorf("%s: withdrawn after %v only", c.what, gone)
		}
	}
	// "dprctl ready" has just run its command.
	run(t, "s1", "sh", "-c", "birdc configure >/dev/null")
	var missing time.Duration
	for begun := time.Now(); time.Since(begun) < 6*time.Second; time.Sleep(50 * time.Millisecond) {
		if !hasNextHops(t, "s1", "s2", "s3") {
			missing = time.Since(begun)
		}
	}
	t.Logf("BIRD reads its file again: announced again after %v", missing.Round(time.Millisecond))
	if missing > reloadLimit {
		t.Errorf("BIRD reads its file again: announced again after %v only", missing)
	}
	run(t, "s1", "sh", "-c", "birdc down >/dev/null; sleep 1; bird -c /etc/bird/bird.conf -s /run/bird/bird.ctl -P /run/bird/bird.pid 2>>/run/bird/log")
	back := until(t, time.Minute, "BIRD is started anew: announced again", func() bool { return hasNextHops(t, "s1", "s2", "s3") })
	t.Logf("BIRD is started anew: announced again after %v", back.Round(time.Millisecond))
}

// Connections outlive changes of the routes: one host more, one that drains, one that
// is powered off. Those that the last one served are lost, and no others.
func TestRoutesChange(t *testing.T) {
	broke := routesChange(t, "ask", downloads)
	if broke > 0 {
		t.Errorf("%d connections broke", broke)
	}
}

// The same without questions: it says what they are good for, and that the test
// would notice.
func TestRoutesChangeReset(t *testing.T) {
	n := min(downloads, defaultConnections)
	if broke := routesChange(t, "reset", n); broke < n/4 {
		t.Errorf("only %d of %d connections broke: the router does not move connections", broke, n)
	}
}

// routesChange runs the changes and returns how many connections broke that
// should not.
func routesChange(t *testing.T, orphans string, n int) int {
	active(t, orphans)
	start(t, "s1", "s2", "s3")
	counted := newLedger(t)
	phases := []string{"before", "s4 joins", "s1 drains", "s2 dies"}
	begun := time.Now()
	c := connect(t, n, len(phases), virtual4, virtual6)
	t.Logf("%d downloads and %d that ask are open after %.1f s", n, len(c.conns)-n, time.Since(begun).Seconds())
	time.Sleep(10 * time.Second)

	counted.close(t)
	c.phase.Store(1)
	announce(t, "s4")
	took := until(t, 20*time.Second, "s4 is announced", func() bool { return hasNextHops(t, "s1", "s2", "s3", "s4") })
	t.Logf("s4 joins: a next hop after %.1f s", took.Seconds())
	time.Sleep(15 * time.Second)

	counted.close(t)
	c.phase.Store(2)
	run(t, "s1", "dprctl", "drain")
	took = until(t, 20*time.Second, "s1 is withdrawn", func() bool { return hasNextHops(t, "s2", "s3", "s4") })
	t.Logf("s1 drains: no next hop after %.1f s", took.Seconds())
	time.Sleep(15 * time.Second)

	counted.close(t, "s2")
	c.phase.Store(3)
	off := time.Now()
	if err := shared.Poweroff(t.Context(), "s2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Only hosts that do not drain are waited for.
		run(t, "s1", "dprctl", "undrain")
		bootAgain(t, "s2")
	})
	took = until(t, 30*time.Second, "s2 is withdrawn", func() bool { return hasNextHops(t, "s3", "s4") })
	last := time.Now()
	t.Logf("s2 dies: no next hop after %.1f s", took.Seconds())
	c.drop("s2")
	until(t, lasts+2*silence, "all downloads end", func() bool { return c.open.Load() == 0 })
	c.stop()
	counted.close(t)
	return judge(t, c, phases, orphans, "s2", off, last, counted.phases)
}

// bootAgain starts a server that is off.
func bootAgain(t *testing.T, server string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	if err := shared.Boot(ctx, server); err != nil {
		t.Error(err)
		return
	}
	if err := drive.Of(shared).AwaitPeers(ctx); err != nil {
		t.Error(err)
	}
}
