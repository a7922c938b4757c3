// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/httpload"
)

// peer is what dprctl peers tells of one.
type peer struct {
	Address   string `json:"address"`
	Usable    bool   `json:"usable"`
	Listed    bool   `json:"listed"`
	Live      uint64 `json:"live"`
	Redirects uint64 `json:"redirects"`
}

// peerOf is what a server knows of another; false: nothing.
func peerOf(t *testing.T, server, other string) (peer, bool) {
	t.Helper()
	var all []peer
	decode(t, &all, server, "peers")
	i := slices.IndexFunc(all, func(p peer) bool { return p.Address == address(t, other) })
	if i < 0 {
		return peer{}, false
	}
	return all[i], true
}

// One host is powered off under load. Later than three periods after, no
// connection is redirected to it, and the zone leaves it out; no connections fail but
// those that were redirected to it; dead, it is forgotten.
func TestPowerOff(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	demands := []demand{{"c1", "s1", 10}, {"c2", "s1", 10}, {"c3", "s2", 10}} // s3 gets what others redirect
	begin := time.Now().Add(time.Second)
	const duration = 16 * time.Second
	type seen struct {
		result *httpload.Result
		err    error
	}
	ended := make(chan seen, 1)
	clients := plans(t, demands, begin, duration)
	go func() {
		r, err := driven(t.Context(), l, clients)
		ended <- seen{r, err}
	}()
	time.Sleep(time.Until(begin.Add(5 * time.Second)))
	at, could := powerOff(t, l)
	t.Cleanup(func() { bootAgain(t, l, "s3") })

	time.Sleep(time.Until(at.Add(reports*period + period/2))) // and a report that was on its way
	after := redirects(t)
	if zone := dprctl(t, "s1", "zone", "www.example.org"); strings.Contains(zone, address(t, "s3")) || !strings.Contains(zone, address(t, "s2")) {
		t.Errorf("the zone %v after:\n%s", time.Since(at), zone)
	}
	saw := <-ended
	if saw.err != nil {
		t.Fatal(saw.err)
	}
	// Who has taken it for dead by now has forgotten how many.
	for server, n := range redirects(t) {
		if n != after[server] {
			t.Errorf("%d connections were redirected by %s to s3 later than %d periods after its end", n-after[server], server, reports)
		}
	}
	late := after["s1"] + after["s2"] - could.redirects
	lost := could.live + late
	t.Logf("%d requests, %d failed %v; %d live flows to s3 when it was powered off, %d redirected to it after; delay %v",
		saw.result.Requests, saw.result.Failed, saw.result.Failures, could.live, late, saw.result.DelayMean())
	if could.redirects == 0 {
		t.Error("nothing was redirected to s3 before")
	}
	if saw.result.Failed > lost {
		t.Errorf("%d requests failed, but only %d were redirected to s3: %q", saw.result.Failed, lost, saw.result.Examples)
	}
	// Those that begin now have nothing to do with s3.
	later, err := driven(t.Context(), l, plans(t, demands, time.Now().Add(time.Second), 8*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after that: %d requests, %d failed", later.Requests, later.Failed)
	if later.Requests == 0 || later.Failed != 0 {
		t.Errorf("of %d requests made later %d failed: %q", later.Requests, later.Failed, later.Examples)
	}
	for _, server := range []string{"s1", "s2"} {
		until(t, time.Minute, server+" takes s3 for dead", func() bool {
			_, known := peerOf(t, server, "s3")
			return !known
		})
	}
}

// plans are what clients do.
func plans(t *testing.T, demands []demand, begin time.Time, duration time.Duration) []drive.Client {
	t.Helper()
	clients := make([]drive.Client, len(demands))
	for i, d := range demands {
		clients[i] = drive.Client{Host: d.client, Plan: loadPlan(t, d, begin, duration, uint64(i))}
	}
	return clients
}

// driven drives clients, whatever becomes of servers meanwhile.
func driven(ctx context.Context, l *lab.Lab, clients []drive.Client) (*httpload.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return drive.Of(l).Load(ctx, []string{self, "load-client"}, clients)
}

// reach is what s1 and s2 had redirected to s3.
type reach struct{ live, redirects uint64 }

func powerOff(t *testing.T, l *lab.Lab) (time.Time, reach) {
	t.Helper()
	var r reach
	for _, server := range []string{"s1", "s2"} {
		p, ok := peerOf(t, server, "s3")
		if !ok || !p.Usable {
			t.Fatalf("%s cannot use s3: %+v", server, p)
		}
		r.live += p.Live
		r.redirects += p.Redirects
	}
	if err := l.Poweroff(t.Context(), "s3"); err != nil {
		t.Fatal(err)
	}
	return time.Now(), r
}

// redirects is how many connections s1 and s2 have redirected to s3.
func redirects(t *testing.T) map[string]uint64 {
	t.Helper()
	n := make(map[string]uint64)
	for _, server := range []string{"s1", "s2"} {
		if p, ok := peerOf(t, server, "s3"); ok {
			n[server] = p.Redirects
		}
	}
	return n
}

func bootAgain(t *testing.T, l *lab.Lab, server string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	if err := l.Boot(ctx, server); err != nil {
		t.Error(err)
		return
	}
	if err := drive.Of(l).AwaitPeers(ctx); err != nil {
		t.Error(err)
	}
}
