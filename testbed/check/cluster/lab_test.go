// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// stepTimeout bounds one command on a host.
const stepTimeout = time.Minute

// start gives a test the lab in its first state: policy off, every server
// active, MaxLoad 0, port 80 the one service, all peers usable, whatever an
// earlier test left. The test fails if a kernel complains before it ends.
func start(t *testing.T) *lab.Lab {
	t.Helper()
	l := shared
	for _, s := range l.Servers() {
		dprctl(t, s.Name, "apply")
		dprctl(t, s.Name, "undrain")
		dprctl(t, s.Name, "policy", "set", "off", "--max-load", "0", "--hash", "address-port", "--estimate", "corrected", "--marker", "fragbit")
	}
	if err := drive.Of(l).AwaitPeers(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Check(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// stepContext bounds one command. It is also for clean-up, when the test's own
// context has ended.
func stepContext(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), stepTimeout)
}

// run runs a command on a host that must succeed, and returns its output.
func run(t *testing.T, host string, args ...string) string {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	out, err := shared.Output(ctx, host, args...)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return out
}

// awaitPeers waits until a server could redirect to every other. What is copied to a guest keeps
// it from hearing reports meanwhile.
func awaitPeers(t *testing.T, server string) {
	t.Helper()
	if err := drive.Of(shared).AwaitUsable(t.Context(), server, len(shared.Servers())-1); err != nil {
		t.Fatal(err)
	}
}

// dprctl runs dprctl on a server; it must succeed.
func dprctl(t *testing.T, server string, args ...string) string {
	t.Helper()
	return run(t, server, append([]string{"dprctl"}, args...)...)
}

// result is how a command ended.
type result struct {
	status         int
	stdout, stderr string
}

// try runs a command on a host that may fail.
func try(t *testing.T, host string, args ...string) result {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	var stdout, stderr bytes.Buffer
	status, err := shared.Exec(ctx, host, lab.Cmd{Args: args, Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		t.Fatalf("%s: %s: %v", host, strings.Join(args, " "), err)
	}
	return result{status, stdout.String(), stderr.String()}
}

// decode runs dprctl with --json and decodes what it prints into v.
func decode(t *testing.T, v any, server string, args ...string) {
	t.Helper()
	out := dprctl(t, server, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%s: dprctl %s --json: %v in %.200q", server, strings.Join(args, " "), err, out)
	}
}

// stats are a server's counters by name.
func stats(t *testing.T, server string) map[string]uint64 {
	t.Helper()
	var s map[string]uint64
	decode(t, &s, server, "stats")
	return s
}

// allStats are all servers' counters.
func allStats(t *testing.T) map[string]map[string]uint64 {
	t.Helper()
	all := make(map[string]map[string]uint64)
	for _, s := range shared.Servers() {
		all[s.Name] = stats(t, s.Name)
	}
	return all
}

// logChanges tells which counters changed, to find out why requests failed.
func logChanges(t *testing.T, before, after map[string]map[string]uint64) {
	t.Helper()
	for _, s := range shared.Servers() {
		var changed []string
		for name, n := range after[s.Name] {
			if n != before[s.Name][name] {
				changed = append(changed, fmt.Sprintf("%s %+d", name, int64(n-before[s.Name][name])))
			}
		}
		slices.Sort(changed)
		t.Logf("%s: %s", s.Name, strings.Join(changed, ", "))
	}
}

// address is a host's.
func address(t *testing.T, host string) string {
	t.Helper()
	h, err := shared.Host(host)
	if err != nil {
		t.Fatal(err)
	}
	return h.Address
}

// served asks a host's nginx for its name through a server's address: the name
// of the host that served the connection.
func served(t *testing.T, client, server string) string {
	t.Helper()
	return strings.TrimSpace(run(t, client, "curl", "-sS", "--fail", "--max-time", "20", "http://"+address(t, server)+"/"))
}

// demand is a client's part of a load.
type demand struct {
	client, server string
	users          int
}

// uneven is the split of most tests: two clients know only s1, one only s2.
var uneven = []demand{{"c1", "s1", 10}, {"c2", "s1", 10}, {"c3", "s2", 10}}

// underLoad drives the clients for a while, calls disturb meanwhile, and wants
// every request answered. It returns what the clients saw and what each server
// counted.
func underLoad(t *testing.T, duration time.Duration, demands []demand, disturb func(ctx context.Context)) (*httpload.Result, []drive.Counters) {
	t.Helper()
	clients := make([]drive.Client, len(demands))
	begin := time.Now().Add(time.Second)
	for i, d := range demands {
		clients[i] = drive.Client{Host: d.client, Plan: loadPlan(t, d, begin, duration, uint64(i))}
	}
	before, counted := counters(t), allStats(t)

	ctx, cancel := context.WithDeadline(t.Context(), begin.Add(duration))
	defer cancel()
	disturbed := make(chan struct{})
	go func() {
		defer close(disturbed)
		disturb(ctx)
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	saw, err := drive.Of(shared).Load(t.Context(), []string{self, "load-client"}, clients)
	<-disturbed
	if err != nil {
		t.Fatal(err)
	}
	after := counters(t)
	for i := range after {
		after[i].Served -= before[i].Served
		after[i].Redirected -= before[i].Redirected
	}
	t.Logf("%d requests, %d failed, mean delay %v; served and redirected by host: %v", saw.Requests, saw.Failed, saw.DelayMean(), after)
	if saw.Failed != 0 || saw.Requests < uint64(duration.Seconds()) {
		t.Errorf("%d of %d requests failed: %v %q", saw.Failed, saw.Requests, saw.Failures, saw.Examples)
		logChanges(t, counted, allStats(t))
	}
	return saw, after
}

// loadPlan is what a client does in the tests' load.
func loadPlan(t *testing.T, d demand, begin time.Time, duration time.Duration, seed uint64) httpload.Plan {
	t.Helper()
	sum, err := data.Sum(15000)
	if err != nil {
		t.Fatal(err)
	}
	return httpload.Plan{
		Target:    "http://" + address(t, d.server),
		Documents: []httpload.Document{{Path: "/15k", Size: 15000, SHA256: sum}},
		Users:     d.users, OffMean: 500 * time.Millisecond,
		Start: begin, Duration: duration, Timeout: 20 * time.Second, Seed: seed,
	}
}

func counters(t *testing.T) []drive.Counters {
	t.Helper()
	all, err := drive.Of(shared).ReadCounters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// total adds the counters of all servers up.
func total(all []drive.Counters) drive.Counters {
	var sum drive.Counters
	for _, c := range all {
		sum.Served += c.Served
		sum.Redirected += c.Redirected
	}
	return sum
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
