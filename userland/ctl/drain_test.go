// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/dprnl"
)

func TestStates(t *testing.T) {
	for line, want := range map[string]dprnl.State{"drain": dprnl.StateDraining, "leave": dprnl.StateLeaving, "undrain": dprnl.StateActive} {
		k := healthy()
		if r := dprctl(t, k, line); r.status != ExitOK || r.out != "" || *k.update.State != want {
			t.Errorf("%s: %+v, state %v", line, r, k.update.State)
		}
	}
}

// flows makes counters of flows in the routing table.
func flows(all, live uint64) dprnl.Stats {
	return dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatFlows: all, dprnl.StatFlowsLive: live})
}

// drain --wait ends when neither connections nor flows are left, and not
// before a peer that missed the report has given this host up.
func TestDrainWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := healthy()
		k.config.ReportMaxAge = 50 * time.Millisecond
		steps := []struct {
			served    int
			all, live uint64
		}{{2, 3, 1}, {0, 3, 0}, {1, 0, 0}, {0, 0, 0}}
		i := 0
		k.tick = func(k *kernel) {
			s := steps[min(i, len(steps)-1)]
			k.served, k.stats = s.served, flows(s.all, s.live)
			i++
		}
		begin := time.Now()
		r := dprctl(t, k, "drain --wait --json")
		if d := time.Since(begin); r.status != ExitOK || r.err != "" || d != k.config.ReportMaxAge {
			t.Fatalf("%+v after %v", r, d)
		}
		if !slices.Equal(k.ports, []uint16{80, 443}) || *k.update.State != dprnl.StateDraining {
			t.Errorf("ports %v, state %v", k.ports, *k.update.State)
		}
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		want := []string{
			`{"connections":2,"flows":3,"flows_live":1,"done":false}`, `{"connections":0,"flows":3,"flows_live":0,"done":false}`,
			`{"connections":1,"flows":0,"flows_live":0,"done":false}`, `{"connections":0,"flows":0,"flows_live":0,"done":false}`,
			`{"connections":0,"flows":0,"flows_live":0,"done":true}`,
		}
		if !slices.Equal(lines, want) {
			t.Errorf("got %q", lines)
		}
	})
}

func TestDrainWaitTimeout(t *testing.T) {
	k := healthy()
	k.served, k.stats = 2, flows(3, 1)
	r := dprctl(t, k, "leave --wait --timeout 20ms")
	if r.status != ExitTimeout || !strings.Contains(r.err, "2 connections served here and 3 flows") ||
		!strings.Contains(r.out, "2 connections served here, 3 flows to peers, 1 of them live") {
		t.Errorf("%+v", r)
	}
	if *k.update.State != dprnl.StateLeaving {
		t.Errorf("state %v", *k.update.State)
	}
	k.readErr = errors.New("broken")
	if r := dprctl(t, k, "drain --wait"); r.status != ExitFailure || !strings.Contains(r.err, "broken") {
		t.Errorf("%+v", r)
	}
}

func TestTop(t *testing.T) {
	k := healthy()
	k.stats = dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatServedLowest: 1 << 40, dprnl.StatFlows: 9, dprnl.StatFlowsLive: 7})
	r := dprctl(t, k, "top --once --interval 20ms --json")
	var v topView
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.status != ExitOK {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(v.Hosts) != 3 || !v.Hosts[0].Self || v.Hosts[0].Load != 1 || v.Hosts[1].Estimate != 4 || *v.Hosts[1].Age != 250 ||
		v.Hosts[2].Age != nil || v.Rates.Connections != 0 || v.Flows != 9 || v.FlowsLive != 7 || v.Interval < 20 {
		t.Errorf("%+v", v)
	}
	r = dprctl(t, k, "top --once --interval 1ms")
	for _, want := range []string{"policy lowest", "192.0.2.1 (self)", "192.0.2.3", "never", "250ms", "connections/s: 0.0 arrived"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	if strings.Contains(r.out, "\x1b") {
		t.Errorf("control characters in a pipe: %q", r.out)
	}
}

func TestTopRates(t *testing.T) {
	k := healthy()
	before := sample{at: time.Unix(0, 0), config: k.config, peers: k.peers, stats: dprnl.NewStats(map[dprnl.Stat]uint64{
		dprnl.StatServedLowest: 10, dprnl.StatRedirected: 5, dprnl.StatTxBytes: 100})}
	now := before
	now.at = time.Unix(2, 0)
	now.peers = slices.Clone(k.peers)
	now.peers[0].Redirects += 6
	now.stats = dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatServedLowest: 14, dprnl.StatServedOff: 2, dprnl.StatRedirected: 9,
		dprnl.StatRedirectedHash: 2, dprnl.StatRxSyn: 1, dprnl.StatTxBytes: 50})
	v := viewTop(before, now, now.at)
	if v.Interval != 2000 || v.Rates != (ratesView{Connections: 6, Served: 3, Redirected: 3, Accepted: 0.5, TxBytes: 25}) || v.Hosts[1].Redirects != 3 {
		t.Errorf("%+v", v)
	}
	// A reloaded module counts from 0; no time, no rate.
	if growth(5, 2) != 2 || growth(2, 5) != 3 || perSecond(5, 0) != 0 {
		t.Error("growth or perSecond")
	}
}
