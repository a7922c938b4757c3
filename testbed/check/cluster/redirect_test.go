// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// A draining host hands every new connection over; the client talks to the
// first host's address alone, and between the hosts there is protocol 4 with
// the marker.
func TestRedirectedConnection(t *testing.T) {
	l := start(t)
	if host := served(t, "c1", "s1"); host != "s1" {
		t.Fatalf("under off, %q served a connection to s1", host)
	}
	policyEverywhere(t, l, "lowest")
	dprctl(t, "s1", "drain")
	before := stats(t, "s1")
	client := capture(t, l, "c1", "ip host "+address(t, "c1"))
	between := capture(t, l, "s1", "ip proto 4")
	host := served(t, "c1", "s1")
	if host != "s2" && host != "s3" {
		t.Errorf("%q served a connection to the draining s1", host)
	}
	pair := fmt.Sprintf("(src host %s and dst host %s) or (src host %[2]s and dst host %[1]s)", address(t, "c1"), address(t, "s1"))
	clientFile, betweenFile := client(), between()
	wantPackets(t, clientFile, pair, true)
	wantPackets(t, clientFile, "not ("+pair+")", false)
	wantPackets(t, betweenFile, "ip proto 4 and ip[6] & 0x80 != 0", true)
	wantPackets(t, betweenFile, "ip proto 4 and ip[6] & 0x80 = 0", false)
	// DF and the marker; from the redirecting host to the one that served, which says
	// when the connection has ended (protocol 253).
	wantPackets(t, betweenFile, fmt.Sprintf("not (ip[6] & 0x40 != 0 and src host %s and dst host %s) and ip[29] != 253", address(t, "s1"), address(t, host)), false)
	after := stats(t, "s1")
	if n := after["redirected"] - before["redirected"]; n != 1 {
		t.Errorf("s1 counts %d redirected connections, want 1", n)
	}
}

// capture captures on a host until the returned function is called, which
// returns the file.
func capture(t *testing.T, l *lab.Lab, host, filter string) func() string {
	t.Helper()
	file := filepath.Join(t.TempDir(), host+".pcap")
	c, err := l.Capture(t.Context(), host, lab.CaptureOptions{File: file, Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		if seen, err := c.Stop(); err != nil || seen.Dropped > 0 {
			t.Fatalf("capture on %s: %+v, %v", host, seen, err)
		}
		return file
	}
}

// wantPackets wants some packets of a capture to match a filter, or none.
func wantPackets(t *testing.T, file, filter string, want bool) {
	t.Helper()
	n, err := drive.CountPackets(t.Context(), file, filter)
	if err != nil {
		t.Fatal(err)
	}
	if (n > 0) != want {
		t.Errorf("%d packets in %s match %q; want some: %t", n, filepath.Base(file), filter, want)
	}
}

// Every policy moves connections, or not, as it says; none loses one.
func TestPolicies(t *testing.T) {
	tests := []struct {
		policy   []string // of dprctl policy set
		redirect bool
	}{
		{[]string{"off"}, false},
		{[]string{"stateless"}, true},
		{[]string{"stateless", "--hash", "port"}, true},
		{[]string{"lowest"}, true},
		{[]string{"lowest", "--estimate", "reported"}, true},
		{[]string{"inverse"}, true},
		{[]string{"lowest", "--marker", "source"}, true},
		{[]string{"lowest", "--max-load", "1000000"}, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.policy), func(t *testing.T) {
			l := start(t)
			policyEverywhere(t, l, test.policy...)
			saw, hosts := underLoad(t, 8*time.Second, uneven, func(context.Context) {})
			if got := total(hosts).Redirected > 0; got != test.redirect {
				t.Errorf("redirected: %t, want %t", got, test.redirect)
			}
			if got := total(hosts).Served; got != saw.Requests {
				t.Errorf("%d connections served for %d requests", got, saw.Requests)
			}
			if test.policy[0] == "stateless" {
				// A third each, whoever was asked, within five standard deviations.
				for i, h := range hosts {
					if share := float64(h.Served) / float64(saw.Requests); math.Abs(share-1.0/3) > 5*math.Sqrt(2.0/9/float64(saw.Requests)) {
						t.Errorf("s%d served %.0f %%, want about a third", i+1, 100*share)
					}
				}
			}
		})
	}
}
