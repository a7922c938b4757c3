// SPDX-License-Identifier: MIT

package reproduce

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/surge"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

// Records count in the window in which the file ends, the delays' variance is a
// sample's, and a connection is open from connect to the file's end.
func TestAnalyse(t *testing.T) {
	second := time.Second
	saw := &surge.Result{Hosts: []string{"s2", "s1"}, Unfinished: 3, Records: surge.Records{
		{Due: 1 * second, Delay: 1500 * time.Millisecond, Size: 100, Host: 0},                               // ends at 0.5 of the window
		{Due: 2100 * time.Millisecond, Delay: 2200 * time.Millisecond, Lag: 1 * second, Size: 300, Host: 1}, // open from 1.1 to 2.3
		{Due: 0, Delay: second, Size: 1, Host: 1},                                                           // ends before
		{Due: 5 * second, Delay: 2 * second, Size: 1, Host: 1},                                              // ends behind, open from 3 on
	}}
	r, err := analyse(saw, []string{"s1", "s2", "s3"}, 2*second, 4*second, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 2 || r.Unfinished != 3 || !near(r.Rate, 0.5) || !near(r.DelayMean, 1.85) || !near(r.DelayVariance, 0.245) || !near(r.MeanSize, 200) || !near(r.LagMean, 0.5) {
		t.Errorf("got %+v", r)
	}
	for i, want := range []struct {
		served, open []int
	}{{[]int{0, 0, 1, 0}, []int{0, 0, 1, 1}}, {[]int{1, 0, 0, 0}, []int{1, 0, 0, 0}}, {[]int{0, 0, 0, 0}, []int{0, 0, 0, 0}}} {
		if h := r.Hosts[i]; !slices.Equal(h.Served, want.served) || !slices.Equal(h.OpenAt, want.open) {
			t.Errorf("%s: served %v, open %v; want %v, %v", h.Name, h.Served, h.OpenAt, want.served, want.open)
		}
	}
	if want := []float64{1, 0, 1, 0}; !slices.Equal(r.PerInterval, want) {
		t.Errorf("per interval %v, want %v", r.PerInterval, want)
	}
	if _, err := analyse(saw, []string{"s1"}, 0, second, 1); err == nil {
		t.Error("an answer of an unknown host accepted")
	}
	if _, err := analyse(&surge.Result{}, []string{"s1"}, 0, second, 1); err == nil {
		t.Error("a run without files accepted")
	}
}

// The paper's own Table 2 follows from its formula.
func TestIndex(t *testing.T) {
	for name, row := range Paper {
		if got := 1 + (row.P90-row.P10)/2/row.Mean; math.Abs(got-row.Index) > 0.05 {
			t.Errorf("%s: index %.3f of the paper's figures, it has %.2f", name, got, row.Index)
		}
	}
	var v []float64
	for i := range 101 {
		v = append(v, 50+float64(i))
	}
	if got := newTable2(v); !near(got.Mean, 100) || got.P10 != 60 || got.P90 != 140 || !near(got.Index, 1.4) {
		t.Errorf("got %+v", got)
	}
}

// The capacities are what the paper's tables give.
func TestCapacity(t *testing.T) {
	none := Paper[None]
	off := (paperAllUsers/Paper[Random].Rate - Paper[Random].DelayMean + paperAllUsers/Paper[TCP].Rate - Paper[TCP].DelayMean) / 2
	others := 2 * 250 / off
	if least := Paper[TCP].Rate / 3; math.Abs(least-CapacityLeast) > 0.5 {
		t.Errorf("by tcp's rate at least %.1f, not %v", least, CapacityLeast)
	}
	if c := none.Rate - others; math.Abs(c-Capacity) > 1 {
		t.Errorf("by none's rate %.1f, not %v", c, Capacity)
	}
	if delay := (1000 - off*CapacityMost) / (CapacityMost + others); math.Abs(delay/none.DelayMean-1) > 0.01 {
		t.Errorf("a capacity of %v gives a mean delay of %.3f s, not none's %.3f", CapacityMost, delay, none.DelayMean)
	}
}

// Users and capacity shrink alike, to whole users.
func TestModel(t *testing.T) {
	for scale, users := range map[float64]int{1: 1500, 0.24: 360, 0.25: 390, 0.02: 30} {
		m, err := newModel(scale, Defaults().Files, family.Only4)
		if err != nil {
			t.Fatal(err)
		}
		if m.users() != users || !near(m.capacity()/Capacity, float64(users)/1500) {
			t.Errorf("scale %v: %d users, capacity %.2f", scale, m.users(), m.capacity())
		}
		if rate := float64(m.link) / 8 / m.wire; math.Abs(rate/m.capacity()-1) > 1e-3 {
			t.Errorf("scale %v: the link carries %.2f answers per second, want %.2f", scale, rate, m.capacity())
		}
	}
	for _, bad := range []float64{0, -1, 0.001, 1.5} {
		if _, err := newModel(bad, Defaults().Files, family.Only4); err == nil {
			t.Errorf("scale %v accepted", bad)
		}
	}
}

// Every process knows its client's server, and is another one.
func TestPlans(t *testing.T) {
	o := Defaults()
	m, err := newModel(o.Scale, o.Files, o.Family)
	if err != nil {
		t.Fatal(err)
	}
	hosts := []lab.Host{{Address: "10.0.0.1", Address6: "fd00::1"}, {Address: "10.0.0.2", Address6: "fd00::2"}, {Address: "10.0.0.3", Address6: "fd00::3"}}
	one := paperProcesses * m.usersPerProcess
	for mix, want := range map[family.Mix]map[string]int{
		family.Only4: {"10.0.0.1:80": 4 * one, "10.0.0.2:80": one, "10.0.0.3:80": one},
		family.Only6: {"[fd00::1]:80": 4 * one, "[fd00::2]:80": one, "[fd00::3]:80": one},
		family.Both:  {"10.0.0.1:80": 2 * one, "[fd00::1]:80": 2 * one, "10.0.0.2:80": one, "[fd00::3]:80": one},
	} {
		o.Family = mix
		users, seen := map[string]int{}, map[int]bool{}
		for _, client := range m.plans(&o, hosts, 7, time.Second, time.Now()) {
			for _, p := range client {
				if err := p.Validate(); err != nil {
					t.Fatal(err)
				}
				users[p.Target] += p.Users
				seen[p.Process] = true
			}
		}
		if !maps.Equal(users, want) || len(seen) != 30 {
			t.Errorf("%s: users %v of %d processes, want %v", mix, users, len(seen), want)
		}
	}
}

// A full packet has as many bytes on the wire in either family, and less of them are the
// file's in IPv6.
func TestWireBytes(t *testing.T) {
	for f, full := range map[family.Family]int64{family.V4: 1448, family.V6: 1428} {
		bare := bareFrames * (1514 - full)
		if got := wireBytes(full-answerHeader, f); got != 1514+bare {
			t.Errorf("%s: %d bytes for a full packet", f.Name(), got)
		}
		if got := wireBytes(full-answerHeader+1, f); got != 1514+bare+1514-full+1 {
			t.Errorf("%s: %d bytes for a byte more", f.Name(), got)
		}
	}
	links := map[family.Mix]int64{}
	for _, mix := range family.Mixes {
		m, err := newModel(1, Defaults().Files, mix)
		if err != nil {
			t.Fatal(err)
		}
		links[mix] = m.link
	}
	if mean := (links[family.Only4] + links[family.Only6]) / 2; links[family.Only6] <= links[family.Only4] || max(mean-links[family.Both], links[family.Both]-mean) > 1 {
		t.Errorf("links %v", links)
	}
}

func TestParseStat(t *testing.T) {
	a, err := parseStat("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1\n")
	if err != nil {
		t.Fatal(err)
	}
	b, err := parseStat("cpu  20 0 20 140 15 3 2 0 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.since(a); !near(got, 0.25) {
		t.Errorf("%.3f busy, want 0.25", got)
	}
	if _, err := parseStat("intr 1 2 3"); err == nil {
		t.Error("nonsense accepted")
	}
}

func TestOptions(t *testing.T) {
	if o := Defaults(); o.Validate() != nil {
		t.Fatal(o.Validate())
	}
	for name, change := range map[string]func(*Options){
		"seconds": func(o *Options) { o.Seconds = 4 }, "repeat": func(o *Options) { o.Repeat = 0 },
		"policy": func(o *Options) { o.Policies = []string{"nonsense"} }, "twice": func(o *Options) { o.Policies = []string{None, None} },
		"none": func(o *Options) { o.Policies = nil }, "max-load": func(o *Options) { o.SweepSeconds = 0 },
	} {
		o := Defaults()
		change(&o)
		if o.Validate() == nil {
			t.Errorf("bad %s accepted", name)
		}
	}
}

// fake is a report of made-up runs.
func fake(t *testing.T) *Report {
	t.Helper()
	o := Defaults()
	o.Repeat = 3
	m, err := newModel(o.Scale, o.Files, o.Family)
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(&o, m)
	for i, p := range Policies {
		for repeat := range o.Repeat {
			run := &RunResult{DelayMean: float64(10*(10-i) + repeat), Rate: float64(100 + i), Requests: 1000 * (repeat + 1), CPU: CPU{0.5, []float64{.1, .2, .3}}}
			for n := range 100 {
				run.PerInterval = append(run.PerInterval, float64(600+n+50*i))
			}
			run.Table2 = newTable2(run.PerInterval)
			if p.Direct {
				run.Direct = 0.99
			}
			for s := range servers {
				run.Hosts = append(run.Hosts, Host{Name: fmt.Sprintf("s%d", s+1), Served: []int{10, 20, 30 + s}, OpenAt: []int{1, 2, 3}, Rate: 20})
			}
			r.add(p.Name, run)
		}
	}
	r.Sweep = []SweepPoint{{TCP, 0, 3, 1, 0, 1}, {TCP, 8, 2, 1, 0, 1}, {Corrected, 0, 1, 1, 0, 1}}
	r.finish()
	return r
}

// Medians and spreads are of the repeats; the JSON has the names that were agreed.
func TestReport(t *testing.T) {
	r := fake(t)
	p := r.Policies[None]
	if !near(p.DelayMean, 101) || p.Spread["delay_mean_s"] != [2]float64{100, 102} || !near(p.Requests, 2000) {
		t.Errorf("got %+v", p)
	}
	if best := r.best(TCP); best.MaxLoad != 8 {
		t.Errorf("best MaxLoad %d, want 8", best.MaxLoad)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Config   map[string]any
		Policies map[string]map[string]any
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"delay_mean_s", "delay_variance", "requests", "rate", "index", "redirected_share", "repeats"} {
		if _, ok := back.Policies[TCP][key]; !ok {
			t.Errorf("no %s in the JSON", key)
		}
	}
}

// The report is written in all its forms, and its figures are where it says.
func TestWrite(t *testing.T) {
	r, dir := fake(t), t.TempDir()
	r.Config.Family = family.Only6
	r.Simulated = []Simulated{{Policy: FreshLowest, DelayMean: 0.2, Rate: 700}}
	for _, policy := range simPolicies {
		for _, estimate := range simEstimates {
			for _, period := range simPeriods {
				for i, maxLoad := range simMaxLoads {
					r.Periods = append(r.Periods, PeriodPoint{Policy: policy, Estimate: estimate, Period: period, MaxLoad: maxLoad, DelayMean: period + float64((i-2)*(i-2)) + 0.125})
				}
			}
		}
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.html", "report.md"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"0.919", "Table 2", "random", "s1", "dprlab reproduce --scale 0.16", "--family 6 ", "Table 1: performance, IPv6", "run again, IPv6", "tunnels between addresses of IPv6", "delay.png", "sweep.png", "period.png", "maxload.png", "0.625 (4)"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("no %q in %s", want, name)
			}
		}
		for _, p := range Policies {
			for _, figure := range []string{"served-", "histogram-", "open-"} {
				file := figure + p.Name + ".png"
				png, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil || !strings.Contains(string(b), file) || !strings.HasPrefix(string(png), "\x89PNG") {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
	if err := r.print(io.Discard); err != nil {
		t.Error(err)
	}
}

// A processor that was too busy is told of.
func TestBusyMachine(t *testing.T) {
	r := fake(t)
	if s := r.summary(); len(s.After) != 0 {
		t.Errorf("a machine half busy is suspected: %q", s.After)
	}
	r.Policies[None].Repeats[0].CPU.Machine = 0.97
	if s := r.summary(); len(s.After) != 1 || !strings.Contains(s.After[0], "97 %") {
		t.Errorf("a machine 97 %% busy is not: %q", s.After)
	}
}

// The report begins with what was found, and its picture; verdicts come later.
func TestResultFirst(t *testing.T) {
	r := fake(t)
	r.Targets = r.judge()
	sections, err := r.sections(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first := sections[0]
	if !strings.HasPrefix(first.Text[0], "Without redirection a request took ") || !strings.Contains(first.Text[0], "; in the paper ") || len(first.Figures) != 1 || first.Table != nil {
		t.Errorf("%+v", first)
	}
	if !slices.ContainsFunc(sections[1:], func(s section) bool { return s.Title == "Targets" && len(s.Table.Rows) == len(r.Targets) }) {
		t.Error("the targets are not in the report")
	}
	r.Policies = nil
	if s := r.summary(); strings.Contains(fmt.Sprint(s), "redirection a request") {
		t.Errorf("a result without a run: %+v", s)
	}
}

// Verdicts follow the figures; only what is missed needs a reason.
func TestJudge(t *testing.T) {
	r := fake(t)
	set := func(policy string, delay, rate, index float64) {
		p := r.Policies[policy]
		p.DelayMean, p.Rate, p.Index = delay, rate, index
	}
	verdicts := func() map[string]bool {
		met := map[string]bool{}
		for _, v := range r.judge() {
			met[v.What] = v.Met
			if v.Met && v.Why != "" {
				t.Errorf("%s is met and has a reason", v.What)
			}
		}
		return met
	}
	set(None, Paper[None].DelayMean, Paper[None].Rate, 1.2)
	set(Random, Paper[Random].DelayMean, Paper[Random].Rate, 1.16)
	set(TCP, Paper[TCP].DelayMean-0.001, Paper[TCP].Rate+1, 1.08)
	set(Corrected, 0.19, 680, 1.07)
	set(Offer, 0.19, 680, 1.07)
	set(TCPSlow, 0.3, 650, 1.1)
	set(OfferSlow, 0.2, 670, 1.07)
	for what, met := range verdicts() {
		if !met {
			t.Errorf("%s: missed by the paper's own figures and 0.19 s", what)
		}
	}
	set(Random, 0.3, 655, 1.1)
	set(TCP, 0.4, 640, 1.1)
	set(Corrected, 0.35, 650, 1.1)
	set(Offer, 0.36, 650, 1.1)
	set(OfferSlow, 0.23, 650, 1.1)
	r.Simulated = []Simulated{{Policy: FreshLowest, DelayMean: 0.2, Rate: 700}, {Policy: Random, DelayMean: 0.3, Rate: 650}, {Policy: None, DelayMean: 1}}
	v := verdicts()
	for what, want := range map[string]bool{
		"none → tcp: delay ÷ at least": false, "none → tcp: rate × at least": false,
		"random → tcp: delay ÷ at least": false, "tcp: index at most": false,
		"random → tcp: delay ÷, of 95 % of join-shortest-queue's, at least":                false,
		"order none > random > tcp: the lesser ratio of delays at least":                   false,
		"best of ours (tcp-corrected): mean delay below tcp's at MaxLoad 0, %, at least":   false,
		"best of ours (offer-slow): mean delay below tcp-slow's at MaxLoad 0, %, at least": false,
	} {
		if got, ok := v[what]; !ok || got != want {
			t.Errorf("%s: %t, %t, want %t", what, got, ok, want)
		}
	}
}

// A variant without tunnels is none if its packets went in tunnels, or the other's went
// without.
func TestDirectVariants(t *testing.T) {
	for _, tt := range []struct {
		tunnel, direct float64
		met            bool
	}{{0, 0.95, true}, {0, 0.94, false}, {0.01, 1, false}} {
		r := fake(t)
		r.Policies[TCP].Direct, r.Policies[TCPDirect].Direct = tt.tunnel, tt.direct
		for _, v := range r.judge() {
			if strings.HasPrefix(v.What, TCPDirect) && v.Met != tt.met {
				t.Errorf("%+v: %+v", tt, v)
			}
			if strings.HasPrefix(v.What, RandomDirect) && !v.Met {
				t.Errorf("%+v", v)
			}
		}
	}
	for _, p := range Policies {
		if got, want := strings.Join(p.commands(3)[0], " "), map[bool]string{true: "direct", false: "ipip"}[p.Direct]; got != "dprctl config set --forwarding "+want {
			t.Errorf("%s: %s", p.Name, got)
		}
	}
	r := fake(t)
	delete(r.Policies, TCPDirect)
	if s := fmt.Sprint(*r.variants().Table); !strings.Contains(s, "[random-direct hash direct 99 %") || !strings.Contains(s, "[tcp-direct loads direct not measured") {
		t.Error(s)
	}
}

// targets are the names and limits of what the evaluation is to show.
func targets(r *Report) map[string]float64 {
	all := map[string]float64{}
	for _, v := range r.judge() {
		all[v.What] = v.Limit
	}
	return all
}

// The limits are the paper's ratios and ours; they do not move by accident.
func TestTargets(t *testing.T) {
	want := map[string]float64{
		"order none > random > tcp: the lesser ratio of delays at least":                   1,
		"best of ours (offer): mean delay below tcp's at MaxLoad 0, %, at least":           25,
		"best of ours (offer-slow): mean delay below tcp-slow's at MaxLoad 0, %, at least": 25,
		"requests that failed at most":                                                     0,
		"random-direct: part of packets to peers that went without a tunnel at least":      leastDirect,
		"tcp-direct: part of packets to peers that went without a tunnel at least":         leastDirect,
	}
	for _, better := range []string{TCP, Corrected, Offer} {
		want["none → "+better+": delay ÷ at least"] = 3.49
		want["none → "+better+": rate × at least"] = 1.337
		want["random → "+better+": delay ÷ at least"] = 1.41
		want["random → "+better+": rate × at least"] = 1.044
		want[better+": index at most"] = 1.08
	}
	if got := targets(fake(t)); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A policy that did not run leaves as many targets, and those that are about it are
// not measured.
func TestAbsentPolicies(t *testing.T) {
	all := len(targets(fake(t)))
	for name, want := range map[string]int{None: 7, Random: 8, TCP: 8, Corrected: 5, Offer: 5, TCPSlow: 1, RandomDirect: 1, TCPDirect: 1} {
		r := fake(t)
		delete(r.Policies, name)
		n := 0
		for _, v := range r.judge() {
			if strings.HasPrefix(v.Why, "not measured: no run of "+name) {
				n++
				if v.Met || v.Figure != 0 {
					t.Errorf("without %s: %+v", name, v)
				}
			}
		}
		if n != want || len(targets(r)) != all {
			t.Errorf("without %s: %d targets are not measured, want %d; %d targets, want %d", name, n, want, len(targets(r)), all)
		}
	}
	r := fake(t)
	r.Policies = nil
	for _, v := range r.judge() {
		if v.Met || !strings.HasPrefix(v.Why, "not measured") {
			t.Errorf("without a run: %+v", v)
		}
	}
	text := fmt.Sprint(r.summary(), r.targets())
	if strings.Contains(text, "missed") {
		t.Errorf("what was not measured is said to be missed: %s", text)
	}
}

// Failures of all runs count, of whatever policy and repeat.
func TestFailedRequests(t *testing.T) {
	for _, p := range Policies {
		for repeat := range 3 {
			r := fake(t)
			r.Policies[p.Name].Repeats[repeat].Failed = 1
			last := r.judge()
			if v := last[len(last)-1]; v.Met || v.Figure != 1 || v.What != "requests that failed at most" {
				t.Errorf("%s, repeat %d: %+v", p.Name, repeat, v)
			}
		}
	}
}

// What is no number is no figure, and can be written.
func TestFiguresAreNumbers(t *testing.T) {
	r := fake(t)
	r.Policies[TCP].DelayMean = 0
	r.Policies[Random].Rate = math.NaN()
	n := 0
	for _, v := range r.judge() {
		if v.Why == "not measured: the figure is no number" && !v.Met && v.Figure == 0 {
			n++
		}
	}
	if n == 0 {
		t.Error("figures that are no numbers are judged")
	}
	r.Targets = r.judge()
	if _, err := json.Marshal(r.Targets); err != nil {
		t.Error(err)
	}
}

// Too short a run says nothing of the index, nor one without a repeat.
func TestShortRun(t *testing.T) {
	for intervals, measured := range map[int]bool{leastIntervals - 1: false, leastIntervals: true} {
		r := fake(t)
		for repeat := range 3 {
			run := r.Policies[TCP].Repeats[repeat]
			run.PerInterval = run.PerInterval[:intervals]
		}
		if v := one(t, r, TCP+": index at most"); strings.Contains(v.Why, "shorter") == measured || !measured && v.Met {
			t.Errorf("%d intervals: %+v", intervals, v)
		}
	}
	r := fake(t)
	r.Policies[TCP].Repeats = nil
	if v := one(t, r, TCP+": index at most"); v.Met || v.Limit != 1.08 || !strings.Contains(v.Why, "not measured") {
		t.Errorf("%+v", v)
	}
	for _, p := range r.Policies {
		p.Repeats = nil
	}
	if v := one(t, r, "requests that failed at most"); v.Met || v.Why != "not measured: nothing ran" {
		t.Errorf("%+v", v)
	}
	r.Policies = nil
	if v := one(t, r, "order none"); v.Limit != 1 || v.Met {
		t.Errorf("%+v", v)
	}
}

// one finds a target.
func one(t *testing.T, r *Report, what string) Target {
	t.Helper()
	var found []Target
	for _, v := range r.judge() {
		if strings.HasPrefix(v.What, what) {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d targets are called %q", len(found), what)
	}
	return found[0]
}

// With the simulator's figures a target also counts by what is possible at all, and
// one that is missed says what that is.
func TestSimulatedBounds(t *testing.T) {
	r := fake(t)
	set := func(policy string, delay, rate float64) {
		r.Policies[policy].DelayMean, r.Policies[policy].Rate = delay, rate
	}
	set(None, 2, 500)
	set(Random, 0.3, 600)
	set(TCP, 0.25, 630)
	r.Config.OffPerTransfer = 2
	r.Simulated = []Simulated{
		{Policy: FreshLowest, DelayMean: 0.2, Rate: 660}, {Policy: Random, DelayMean: 0.25, Rate: 600}, {Policy: None, DelayMean: 1, Rate: 400},
		{Policy: TCP, DelayMean: 0.4}, {Policy: FreshLowest, MaxLoad: 1, DelayMean: 9}, {Policy: Random, MaxLoad: 1, DelayMean: 9},
	}
	delay := one(t, r, "random → tcp: delay ÷, of 95 % of join-shortest-queue's, at least")
	if !near(delay.Limit, 0.95*1.25) || !near(delay.Figure, 1.2) || !delay.Met {
		t.Errorf("%+v", delay)
	}
	rate := one(t, r, "random → tcp: rate ×, of 95 % of join-shortest-queue's, at least")
	if !near(rate.Limit, 1+0.95*0.1) || !near(rate.Figure, 1.05) || rate.Met || rate.Why != "join-shortest-queue itself: 1.100" {
		t.Errorf("%+v", rate)
	}
	set(TCP, 0.29, 630)
	if v := one(t, r, "random → tcp: delay ÷, of 95 %"); v.Met || v.Why != "join-shortest-queue itself: 1.25" {
		t.Errorf("%+v", v)
	}
	if v := one(t, r, "random → tcp: delay ÷ at least"); v.Met || v.Why != "in the simulator, random to join-shortest-queue with perfect knowledge has 1.25" {
		t.Errorf("%+v", v)
	}
	if v := one(t, r, "none → tcp: rate × at least"); v.Met || !strings.HasPrefix(v.Why, "a closed system's rate is users") ||
		!strings.Contains(v.Why, "at 0.290 s of delay the ratio needs a mean delay of 1.062 s of the other, which has 2.000 s") {
		t.Errorf("%+v", v)
	}
	if v := one(t, r, "best of ours (offer): mean delay below tcp's"); v.Met || v.Why != "in the simulator join-shortest-queue with perfect knowledge is 50 % below tcp here" {
		t.Errorf("%+v", v)
	}
	for _, v := range r.judge() {
		if strings.Contains(v.What, "none") && strings.Contains(v.What, "95 %") {
			t.Errorf("none is compared with what is possible: %+v", v)
		}
	}
	// Without either figure there is no bound.
	all := r.Simulated
	for i := range 2 {
		r.Simulated = slices.Delete(slices.Clone(all), i, i+1)
		for _, v := range r.judge() {
			if strings.Contains(v.What, "95 %") || strings.Contains(v.Why, "in the simulator, random") {
				t.Errorf("without %s: %+v", all[i].Policy, v)
			}
		}
	}
	r.Simulated = all[1:]
	if v := one(t, r, "best of ours (offer): mean"); v.Why != "" {
		t.Errorf("%+v", v)
	}
}

// A limit itself is met.
func TestLimits(t *testing.T) {
	j := judge{Report: fake(t)}
	j.atLeast("a", 2, 2, "why")
	j.atMost("b", 2, 2, "why")
	j.atLeast("c", 2, 1.9, "why")
	j.atMost("d", 2, 2.1, "why")
	for i, want := range []Target{{"a at least", 2, 2, true, ""}, {"b at most", 2, 2, true, ""}, {"c at least", 2, 1.9, false, "why"}, {"d at most", 2, 2.1, false, "why"}} {
		if j.all[i] != want {
			t.Errorf("%+v, want %+v", j.all[i], want)
		}
	}
	r := fake(t)
	r.Policies[TCP].DelayMean, r.Policies[Corrected].DelayMean, r.Policies[Offer].DelayMean, r.Policies[Two].DelayMean = 1, 0.75, 0.75, 2
	if v := one(t, r, "best of ours (tcp-corrected)"); !v.Met || v.Figure != 25 {
		t.Errorf("%+v", v)
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 runs", 1: "1 run", 2: "2 runs"} {
		if got := plural(n, "run"); got != want {
			t.Errorf("%q", got)
		}
	}
}
