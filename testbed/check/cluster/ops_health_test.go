// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/httpload"
)

// policies are all that redirect.
var policies = []string{"lowest", "inverse", "two", "offer", "stateless"}

// everywhere is a client at each server.
var everywhere = []demand{{"c1", "s1", 8}, {"c2", "s2", 8}, {"c3", "s3", 8}}

// eachPolicy runs a test under each policy.
func eachPolicy(t *testing.T, test func(t *testing.T)) {
	for _, p := range policies {
		t.Run(p, func(t *testing.T) {
			l := start(t)
			policyEverywhere(t, l, p)
			test(t)
		})
	}
}

// The server of one host is killed, while the host itself is well. From a second
// later on no request fails, at whichever host it arrives: SYNs that it cannot serve
// come back to the first host, and its own go to peers.
func TestServerKilled(t *testing.T) {
	eachPolicy(t, func(t *testing.T) {
		t.Cleanup(func() { run(t, "s3", "svc", "start", "nginx") })
		run(t, "s3", "svc", "stop", "nginx")
		time.Sleep(time.Second)
		_, hosts := underLoad(t, 6*time.Second, everywhere, func(context.Context) {})
		if hosts[2].Served != 0 || hosts[2].Redirected == 0 {
			t.Errorf("s3: %+v; it has no server", hosts[2])
		}
	})
}

// dropsFirst begins rules that see packets before dpr does.
const dropsFirst = "table ip notunnel { chain in { type filter hook prerouting priority -500;"

// noTunnel drops what hosts redirect to a host before dpr sees it, and counts by the
// first host.
func noTunnel(t *testing.T, from ...string) string {
	t.Helper()
	rules := ""
	for _, server := range from {
		rules += " ip saddr " + address(t, server) + " ip protocol 4 counter drop;"
	}
	return dropsFirst + rules + " }; }"
}

// swallowed tells from which hosts noTunnel has dropped something at s3.
func swallowed(t *testing.T) string {
	t.Helper()
	var some []string
	for line := range strings.Lines(run(t, "s3", "nft", "list", "table", "ip", "notunnel")) {
		if strings.Contains(line, "counter packets") && !strings.Contains(line, "counter packets 0 ") {
			some = append(some, line)
		}
	}
	return strings.Join(some, "")
}

// Under load, the packets that are redirected to one host get lost, while its reports
// arrive. Of the requests that begin once those that redirect to it have noticed none fails; of those
// before, at most those that it was serving.
func TestTunnelDropped(t *testing.T) {
	eachPolicy(t, func(t *testing.T) {
		t.Cleanup(func() { try(t, "s3", "nft", "delete", "table", "ip", "notunnel") })
		// With loads this small, some policies may redirect nothing to s3 in a few
		// seconds. A host that is drained redirects all.
		t.Cleanup(func() { dprctl(t, "s1", "undrain") })
		dprctl(t, "s1", "drain")
		begin := time.Now().Add(time.Second)
		type seen struct {
			result *httpload.Result
			err    error
		}
		ended := make(chan seen, 1)
		// Nobody asks s3, so both others redirect to it.
		clients := plans(t, uneven, begin, 8*time.Second)
		for i := range clients {
			// A SYN comes again after 7 s; by then it goes to another host.
			clients[i].Plan.Timeout = 12 * time.Second
		}
		go func() {
			r, err := driven(t.Context(), shared, clients)
			ended <- seen{r, err}
		}()
		time.Sleep(time.Until(begin.Add(2 * time.Second)))
		run(t, "s3", "nft", noTunnel(t, "s1", "s2"))
		broken := time.Now()
		serving, then := serves(t, "s3"), sockets(t, "s3")
		awaitNotice(t, broken)
		later, err := driven(t.Context(), shared, plans(t, everywhere, time.Now().Add(100*time.Millisecond), 6*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		first := <-ended
		if first.err != nil {
			t.Fatal(first.err)
		}
		t.Logf("while it broke: %d requests, %d failed, the longest took %v; s3 was serving %d", first.result.Requests, first.result.Failed, first.result.DelayQuantile(1).Round(time.Millisecond), serving)
		t.Logf("after that: %d requests, %d failed, the longest took %v", later.Requests, later.Failed, later.DelayQuantile(1).Round(time.Millisecond))
		if later.Failed != 0 || later.Requests == 0 {
			t.Errorf("%d of %d requests failed later: %v %q", later.Failed, later.Requests, later.Failures, later.Examples)
		}
		if first.result.Failed > serving {
			t.Errorf("%d requests failed, but s3 was serving only %d: %v %q; its sockets then:\n%s\nand now:\n%s", first.result.Failed, serving,
				first.result.Failures, first.result.Examples, then, sockets(t, "s3"))
		}
		run(t, "s3", "nft", "delete", "table", "ip", "notunnel")
		until(t, 20*time.Second, "s3 is used again", func() bool { return usable(t, "s1", address(t, "s3")) && usable(t, "s2", address(t, "s3")) })
	})
}

// sockets are those of a server's service.
func sockets(t *testing.T, server string) string {
	t.Helper()
	return run(t, server, "ss", "-Htano", "sport", "=", ":80")
}

// serves returns how many connections a server has. Half-open ones count: their clients have
// its answer, and need a host that knows of it.
func serves(t *testing.T, server string) uint64 {
	t.Helper()
	halfOpen := run(t, server, "ss", "-Htn", "state", "syn-recv", "sport", "=", ":80")
	var load struct {
		Connections uint64 `json:"connections"`
	}
	decode(t, &load, server, "load")
	return load.Connections + uint64(strings.Count(halfOpen, "\n"))
}

// awaitNotice waits until each host that redirects to s3 has noticed that this is in vain
// since broken, and tells how long that took. A host that redirects nothing there has
// nothing to notice, and its clock starts with the first packet that is lost.
func awaitNotice(t *testing.T, broken time.Time) {
	t.Helper()
	lost, done := map[string]time.Time{}, map[string]bool{}
	noticed := 0
	for servers := []string{"s1", "s2"}; len(done) < len(servers); {
		if time.Since(broken) > 20*time.Second {
			t.Fatalf("not noticed %v after; first packets lost at %v, done %v", time.Since(broken), lost, done)
		}
		if len(lost) < len(servers) {
			asked, gone := time.Now(), swallowed(t)
			for _, server := range servers {
				if lost[server].IsZero() && strings.Contains(gone, address(t, server)+" ") {
					lost[server] = asked
				}
			}
		}
		for _, server := range servers {
			if done[server] {
				continue
			}
			first, ok := lost[server]
			if !ok {
				first = broken
			}
			switch {
			case !usable(t, server, address(t, "s3")):
				done[server] = true
				noticed++
				t.Logf("%s noticed %v after it broke, %v after the first packet was lost", server,
					time.Since(broken).Round(10*time.Millisecond), time.Since(first).Round(10*time.Millisecond))
			case !ok && time.Since(broken) > 8*time.Second:
				done[server] = true
			}
		}
	}
	if noticed == 0 {
		t.Error("nobody noticed")
	}
}
