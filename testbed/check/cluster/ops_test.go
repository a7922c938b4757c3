// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// period is how often the lab's hosts report, and reports is how many periods
// a report counts for: the defaults of dpr.toml.
const (
	period  = time.Second
	reports = 3
)

// longRun is set for the tests' full durations instead of short ones.
const longRun = "DPR_LAB_LONG"

// long returns how long a disturbance lasts.
func long(short, full time.Duration) time.Duration {
	if os.Getenv(longRun) != "" {
		return full
	}
	return short
}

// Killing the processes at random, now on this host and now on that, breaks no
// connection. With DPR_LAB_LONG set it goes on for two minutes.
func TestRandomKills(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := make(map[string]int)
	duration := long(25*time.Second, 2*time.Minute)
	_, hosts := underLoad(t, duration, uneven, func(ctx context.Context) {
		names := []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"}
		for n := 0; pause(ctx, time.Duration(200+random.IntN(600))*time.Millisecond); n++ {
			server := l.Servers()[random.IntN(len(l.Servers()))].Name
			name := names[n%len(names)]
			if killed(ctx, t, l, server, name) {
				kills[name]++
			}
		}
	})
	t.Logf("killed %v", kills)
	for _, name := range []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		if kills[name] == 0 {
			t.Errorf("%s was never killed", name)
		}
	}
	if total(hosts).Redirected == 0 {
		t.Error("nothing was redirected")
	}
	start(t) // each comes back, and with it what it is for
}

// A report that was captured is of no use, also to a dpr-receive that was
// killed since: every one that is sent again is refused and counted.
func TestReplayToRestartedReceiver(t *testing.T) {
	l := start(t)
	file := capture(t, l, "s1", "udp and dst port "+reportPort(t, "s1")+" and src host "+address(t, "s2"))
	time.Sleep(3 * period)
	captured := payloads(t, file())
	if len(captured) < 2 {
		t.Fatalf("%d reports captured", len(captured))
	}
	// From now on s2 itself says nothing: what comes is replayed.
	run(t, "s2", "svc", "stop", "dpr-broadcast")
	t.Cleanup(func() { run(t, "s2", "svc", "start", "dpr-broadcast") })
	old := strings.TrimSpace(run(t, "s1", "svc", "pid", "dpr-receive"))
	run(t, "s1", "kill", "-9", old)
	until(t, 20*time.Second, "dpr-receive is back", func() bool {
		r := try(t, "s1", "dprctl", "reports", "--json")
		return r.status == 0 && strings.TrimSpace(run(t, "s1", "svc", "pid", "dpr-receive")) != old
	})
	before := refusals(t, "s1")
	for range 3 {
		replay(t, l, "c1", "s2", "s1", captured)
	}
	until(t, 20*time.Second, "the replayed reports are counted", func() bool {
		after := refusals(t, "s1")
		// On a busy machine the last of them are too old.
		replayed, old := after["replayed"]-before["replayed"], after["clock"]-before["clock"]
		return replayed > 0 && replayed+old >= uint64(3*len(captured))
	})
	after := refusals(t, "s1")
	t.Logf("before %v, after %v", before, after)
	// What it said itself counts for report_max_age; what is replayed meanwhile
	// must not make that longer.
	until(t, 10*time.Second, "the replayed reports do not keep the silent s2 in use", func() bool {
		replay(t, l, "c1", "s2", "s1", captured)
		return !usable(t, "s1", address(t, "s2"))
	})
}

// usable says whether a server would redirect to a peer.
func usable(t *testing.T, server, peer string) bool {
	t.Helper()
	var peers []struct {
		Address string `json:"address"`
		Usable  bool   `json:"usable"`
	}
	decode(t, &peers, server, "peers")
	for _, p := range peers {
		if p.Address == peer {
			return p.Usable
		}
	}
	return false
}

// refusals are the counts of a server's dpr-receive.
func refusals(t *testing.T, server string) map[string]uint64 {
	t.Helper()
	var s struct {
		Counts map[string]uint64 `json:"counts"`
	}
	decode(t, &s, server, "reports")
	return s.Counts
}

// until waits for ok.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// background runs a command on a server until the test ends, which must
// not end by itself before.
func background(t *testing.T, l *lab.Lab, server string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan string, 1)
	var said strings.Builder
	go func() {
		status, err := l.Exec(ctx, server, lab.Cmd{Args: args, Stdout: &said, Stderr: &said})
		verdict := ""
		if ctx.Err() == nil {
			verdict = fmt.Sprintf("%s ended on %s: status %d, %v\n%s", args[0], server, status, err, said.String())
		}
		done <- verdict
	}()
	t.Cleanup(func() {
		cancel()
		if verdict := <-done; verdict != "" {
			t.Error(verdict)
		}
	})
}
