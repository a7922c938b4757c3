// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
)

// cluster is a kernel with one peer of each kind.
func cluster() *kernel {
	k := healthy()
	k.config.ReportMaxAge = 3 * time.Second
	a := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	now := healthyNow
	k.peers = []dprnl.Peer{
		{Address: a(2), Reported: true, Listed: true, Usable: true, Age: 400 * time.Millisecond, Flows: 7},
		{Address: a(3), Reported: true, Listed: true, Age: 20 * time.Second},
		{Address: a(4), Reported: true, Listed: true, Barred: dprnl.BarredUnheard, Age: time.Second},
		{Address: a(5), Reported: true, Listed: true, Barred: dprnl.BarredLost, Age: time.Second, Down: []uint16{80, 443}},
		{Address: a(6), Reported: true, State: dprnl.StateLeaving, Age: time.Minute},
		{Address: a(7)},
	}
	good := receive.HostStatus{Protocol: 2, Version: "0.3.0", Key: "0a1b2c3d", Hears: 5, Clock: 0.0124, Period: 2.9, Received: now.Add(-400 * time.Millisecond)}
	host := func(i byte, change func(*receive.HostStatus)) receive.HostStatus {
		h := good
		h.Address = a(i)
		if change != nil {
			change(&h)
		}
		return h
	}
	k.reports.Hosts = []receive.HostStatus{
		host(6, func(h *receive.HostStatus) { h.Period = 3 }),
		host(2, func(h *receive.HostStatus) { h.Refused, h.RefusedAt = "replayed", now.Add(-time.Minute) }), // long ago
		host(4, func(h *receive.HostStatus) { h.Barred, h.Since = dprnl.BarredUnheard, now.Add(-90*time.Second) }),
		host(5, func(h *receive.HostStatus) {
			h.Barred, h.Since, h.Protocol, h.Version, h.Hears = dprnl.BarredSettings, now.Add(-2*time.Second), 1, "", 0
		}),
		{Address: a(8), Refused: "unknown_key", RefusedAt: now.Add(-time.Second)},
	}
	return k
}

func TestCluster(t *testing.T) {
	r := dprctl(t, cluster(), "status --cluster")
	const want = `HOST       STATE    AGE    USABLE     VERSION  CLOCK  KEY       HEARS  FLOWS  TROUBLE
192.0.2.1  active   -      this host  VERSION  -      -         3      0      
192.0.2.2  active   400ms  yes        0.3.0    +12ms  0a1b2c3d  5      7      
192.0.2.3  active   20s    no         -        -      -         -      0      silent for 20s
192.0.2.4  active   1s     no         0.3.0    +12ms  0a1b2c3d  5      0      has not heard this host for 1m30s
192.0.2.5  active   1s     no         -        +12ms  0a1b2c3d  -      0      what is redirected to it does not arrive; cannot serve port 80,443; has had another marker for 2s
192.0.2.6  leaving  1m0s   no         0.3.0    +12ms  0a1b2c3d  5      0      reports every 3s only: report_max_age here is 3s
192.0.2.7  -        -      no         -        -      -         -      0      
192.0.2.8  -        -      no         -        -      -         -      0      its report was refused 1s ago: unknown key
`
	normal := func(s string) string {
		s = regexp.MustCompile(`this host  \S+ +`).ReplaceAllString(s, "this host  VERSION  ")
		var lines []string
		for _, l := range strings.Split(s, "\n") {
			lines = append(lines, strings.Join(strings.Fields(l), " "))
		}
		return strings.Join(lines, "\n")
	}
	if r.status != ExitOK || normal(r.out) != normal(want) {
		t.Errorf("status %d\n%s\nwant\n%s%s", r.status, r.out, want, r.err)
	}
	var v clusterView
	j := dprctl(t, cluster(), "status --cluster --json")
	if err := json.Unmarshal([]byte(j.out), &v); err != nil || len(v.Hosts) != 8 || !v.Hosts[0].Own || *v.Hosts[0].Hears != 3 ||
		*v.Hosts[1].Clock != 12 || *v.Hosts[1].Age != 400 || v.Hosts[1].Clock == nil || v.Hosts[4].Hears != nil || v.Hosts[2].Troubles == nil {
		t.Errorf("%v: %s", err, j.out)
	}
	if !slices.IsSortedFunc(v.Hosts[1:], func(a, b hostView) int { return a.Address.Compare(b.Address) }) {
		t.Errorf("%s", j.out)
	}
}

// Without dpr-receive the kernel's part is shown, and that it is missing.
func TestClusterWithoutReceiver(t *testing.T) {
	k := cluster()
	k.reports, k.reportsErr = receive.Status{}, fs.ErrNotExist
	if r := dprctl(t, k, "status --cluster"); r.status != ExitOK || !strings.Contains(r.out, "dpr-receive does not answer") || !strings.Contains(r.out, "192.0.2.7") {
		t.Errorf("status %d\n%s%s", r.status, r.out, r.err)
	}
	k.reportsErr = errors.New("broken")
	if r := dprctl(t, k, "status --cluster"); r.status != ExitFailure || !strings.Contains(r.err, "broken") {
		t.Errorf("status %d\n%s", r.status, r.err)
	}
	k = cluster()
	k.readErr = errors.New("no kernel")
	if r := dprctl(t, k, "status --cluster"); r.status != ExitFailure || !strings.Contains(r.err, "no kernel") {
		t.Errorf("status %d\n%s", r.status, r.err)
	}
}
