// SPDX-License-Identifier: MIT

package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/kernel"
)

// byCard returns a figure of packets that come by the ideal card.
func byCard(system, op string, gro bool, cost float64) wire.Cost {
	c := redirect(system, op, 1000, 3, cost)
	if c.Device, c.GRO = wire.Ideal, gro; op == wire.Other {
		c.Flows, c.Variant = 0, wire.TCPAlone
	}
	return c
}

// fastExample is the example with the fast path, whose targets are just met.
func fastExample() *Report {
	r := example()
	r.Plan.FastPath, r.FastPath.Kernel = true, "6.12.1"
	r.take(&Findings{Unit: Instructions, Cost: []wire.Cost{
		byCard(wire.None, wire.Other, true, 6000), byCard(wire.DPR, wire.Other, true, 6080), byCard(wire.XDP, wire.Other, true, 6200),
		byCard(wire.Tun, wire.Established, false, 4500), byCard(wire.Tun, wire.Established, true, 5000),
		byCard(wire.DPR, wire.Established, false, 1900), byCard(wire.DPR, wire.Established, true, 2900),
		byCard(wire.XDP, wire.Established, true, 650), byCard(wire.Katran, wire.Established, true, 765),
		byCard(wire.Bounce, wire.Established, true, 140),
		byCard(wire.DPR, wire.Syn, true, 3700), byCard(wire.XDP, wire.Syn, true, 3800),
	}})
	return r
}

// fastVerdicts are those on the fast path.
func fastVerdicts(r *Report) []Verdict {
	return slices.DeleteFunc(r.judge(), func(v Verdict) bool { return !strings.HasPrefix(v.Target, "fast path: ") })
}

func TestFastPathVerdicts(t *testing.T) {
	want := []Verdict{
		{Target: "fast path: established at 1 k flows, of IPVS-TUN's", Limit: 0.13, Detail: "650 of 5000 instructions"},
		{Target: "fast path: established at 1 k flows, of KATRAN-LIKE's", Limit: 0.85, Detail: "650 of 765 instructions"},
		{Target: "fast path: instructions added to others' packets", Limit: 120, Detail: "6080 to 6200"},
	}
	got := fastVerdicts(fastExample())
	if len(got) != len(want) {
		t.Fatalf("%d targets, want %d", len(got), len(want))
	}
	for i, v := range got {
		if v.Family != family.V4 || v.Target != want[i].Target || v.Limit != want[i].Limit || v.Detail != want[i].Detail || v.Outcome != Met {
			t.Errorf("got %+v, want %+v", v, want[i])
		}
	}
	if n := outcomes(fastExample()); n[Met] != 28 || len(n) != 1 {
		t.Errorf("%v", n)
	}
}

// Each figure counts for its own targets, and is missed in them if it is not there.
func TestFastPathFigures(t *testing.T) {
	for _, tt := range []struct {
		system, op string
		gro        bool
		missed     int // targets, if the figure is one per cent worse
		absent     int // targets without it
	}{
		{wire.XDP, wire.Established, true, 2, 2}, {wire.Tun, wire.Established, true, 1, 1}, {wire.Katran, wire.Established, true, 1, 1},
		{wire.XDP, wire.Other, true, 1, 1}, {wire.DPR, wire.Other, true, 1, 1},
		{wire.None, wire.Other, true, 0, 0}, {wire.Tun, wire.Established, false, 0, 0}, {wire.DPR, wire.Established, true, 0, 0},
		{wire.Bounce, wire.Established, true, 0, 0}, {wire.XDP, wire.Syn, true, 0, 0},
	} {
		of := func(c wire.Cost) bool {
			return c.Device == wire.Ideal && c.System == tt.system && c.Op == tt.op && c.GRO == tt.gro
		}
		worse, without := fastExample(), fastExample()
		for _, costs := range [][]wire.Cost{worse.Cost, worse.Variants} {
			for i := range costs {
				if !of(costs[i]) {
					continue
				}
				if tt.system == wire.XDP {
					costs[i].Cost *= 1.01
				} else {
					costs[i].Cost *= 0.99
				}
			}
		}
		without.Cost, without.Variants = slices.DeleteFunc(without.Cost, of), slices.DeleteFunc(without.Variants, of)
		if n := outcomes(worse); n[Missed] != tt.missed || n[NotMeasured] != 0 {
			t.Errorf("%s of %s, worse: %v", tt.op, tt.system, n)
		}
		if n := outcomes(without); n[Missed] != 0 || n[NotMeasured] != tt.absent {
			t.Errorf("without %s of %s: %v", tt.op, tt.system, n)
		}
	}
}

// A target that is missed says where the instructions go: those of packets that come by the
// card, and of others' packets what the program adds.
func TestFastPathProfiles(t *testing.T) {
	r := fastExample()
	profile := func(device, system, op, variant string, packet float64) wire.Profile {
		return wire.Profile{Family: family.V4, Device: device, System: system, Op: op, Variant: variant, Peers: 3, Packet: packet,
			Functions: []wire.Function{{Name: "f", Share: 0.5}}}
	}
	r.Profiles = []wire.Profile{
		profile(wire.Ideal, wire.XDP, wire.Established, "", 800), profile(wire.Ideal, wire.XDP, wire.Other, wire.TCPAlone, 6600),
		profile(wire.Ideal, wire.DPR, wire.Other, wire.TCPAlone, 6400), profile(wire.Inject, wire.DPR, wire.Other, wire.TCPAlone, 2000),
		profile(wire.Inject, wire.XDP, wire.Established, "", 50),
	}
	for _, v := range fastVerdicts(r) {
		if len(v.Profile) > 0 {
			t.Errorf("%s is %s: %v", v.Target, v.Outcome, v.Profile)
		}
	}
	for _, costs := range [][]wire.Cost{r.Cost, r.Variants} {
		for i := range costs {
			if costs[i].System == wire.XDP {
				costs[i].Cost *= 2
			}
		}
	}
	for i, v := range fastVerdicts(r) {
		if want := []float64{400, 400, 100}[i]; len(v.Profile) != 1 || v.Profile[0] != (Spent{"f", want}) {
			t.Errorf("%s is %s: %v, want %g", v.Target, v.Outcome, v.Profile, want)
		}
	}
}

// Where it was not measured that is said; where nobody asked for it nothing is judged.
func TestFastPathNotMeasured(t *testing.T) {
	r := example()
	if v := fastVerdicts(r); len(v) != 0 {
		t.Errorf("nobody asked for it: %+v", v)
	}
	r.Plan.FastPath, r.FastPath = true, FastPath{"6.1.0", "Linux 6.1.0 has none"}
	r.Families = family.All
	for _, v := range fastVerdicts(r) {
		if v.Outcome != NotMeasured || v.Family != family.V4 {
			t.Errorf("%+v", v)
		}
	}
	if n := len(fastVerdicts(r)); n != 3 {
		t.Errorf("%d targets, want 3", n)
	}
	var table strings.Builder
	if err := r.writeTable(&table); err != nil || !strings.Contains(table.String(), "The fast path was not measured: Linux 6.1.0 has none.") {
		t.Errorf("%v\n%s", err, &table)
	}
	if s := r.summary(); s.FastPathKernel != "" {
		t.Errorf("measured on %s", s.FastPathKernel)
	}
}

// Figures of the card are apart from those of injected packets wherever both are.
func TestFastPathApart(t *testing.T) {
	r := fastExample()
	if got, ok := r.cost(family.V4, wire.DPR, wire.Established, 1000, 3); got != 400 || !ok {
		t.Errorf("injected: %v, %t", got, ok)
	}
	if got, ok := r.costOn(family.V4, wire.Ideal, false, wire.DPR, wire.Established, 1000, 3); got != 1900 || !ok {
		t.Errorf("by the card, without GRO: %v, %t", got, ok)
	}
	// What is added to others' packets is added to those that come by the same device.
	if got, ok := r.costOn(family.V4, wire.Ideal, true, wire.XDP, wire.Other, 0, 3); got != 200 || !ok {
		t.Errorf("others: %v, %t", got, ok)
	}
	dir := t.TempDir()
	r.Verdicts = r.judge()
	if err := r.writePage(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<h3>established, IPv4, instructions</h3>", "<h3>established, IPv4, instructions, ideal network card</h3>", "1 k flows, 3 peers, GRO",
		"kernel 6.12.1, all in one boot", wire.Katran, wire.Bounce,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	t1, t2 := r.table(family.V4, wire.Inject, wire.Established, Instructions), r.table(family.V4, wire.Ideal, wire.Established, Instructions)
	if len(t1.Rows) != 2 || len(t2.Rows) != 5 || len(t2.Columns) != 2 {
		t.Errorf("%+v\n%+v", t1, t2)
	}
}

// In bench.json each figure says by which device its packets came.
func TestFastPathSummary(t *testing.T) {
	b, err := json.Marshal(fastExample().summary())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"family":4,"system":"dpr","op":"established","flows":1000,"peers":3,"unit":"instructions","device":"inject","gro":false,"cost":400}`,
		`{"family":4,"system":"dpr","op":"established","flows":1000,"peers":3,"unit":"instructions","device":"ideal","gro":false,"cost":1900}`,
		`{"family":4,"system":"dpr-xdp","op":"established","flows":1000,"peers":3,"unit":"instructions","device":"ideal","gro":true,"cost":650}`,
		`"fast_path_kernel":"6.12.1"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
}

func TestHasFastPath(t *testing.T) {
	for release, want := range map[string]bool{
		"6.1.0-57-cloud-amd64": false, "6.10.9": false, "6.11.0": true, "6.12.117+deb12-cloud-amd64": true, "7.3.4+deb13-cloud-amd64": true,
		"5.99": false, "": false, "newest": false,
	} {
		if got := hasFastPath(release); got != want {
			t.Errorf("%q: %t", release, got)
		}
	}
}

// It is part of a whole run, and boots a kernel that has it unless another one is asked for.
func TestFastPathPlan(t *testing.T) {
	for _, tt := range []struct {
		o          Options
		asked      bool
		guest, all string
	}{
		{Options{}, true, fastPathKernel, kernel.Default},
		{Options{Short: true}, false, fastPathKernel, kernel.Default},
		{Options{Parts: []string{PartFastPath}}, true, fastPathKernel, kernel.Default},
		{Options{Kernel: "6.1"}, true, "6.1", "6.1"},
		{Options{Kernel: "newest"}, true, "newest", "newest"},
	} {
		tt.o.complete()
		tt.o.complete()
		p, err := tt.o.plan()
		if err != nil || p.FastPath != tt.asked || tt.o.fastKernel != tt.guest || tt.o.Kernel != tt.all {
			t.Errorf("%+v: %+v, %v", tt.o, p, err)
		}
	}
	p, err := Options{}.plan()
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Plan: p}
	if r.planOf(family.V4).FastPath || r.movedPlan(family.V4).FastPath {
		t.Error("other parts measure it")
	}
	if p := r.fastPathPlan(family.V4); !p.FastPath || p.PeerFlows != peerFlows || !slices.Equal(p.Peers, []int{3}) || p.Packets != packets || !p.Profile || p.Family != family.V4 {
		t.Errorf("%+v", p)
	}
	r.Plan.PeerFlows = 4_000_000
	if n := r.fastFlows(); n != peerFlows {
		t.Errorf("%d flows", n)
	}
}

// The guest that measures it has the card, others what injects packets.
func TestGuestModules(t *testing.T) {
	for fast, want := range map[bool]string{false: "dprinject", true: "dprnic"} {
		c, err := guestConfig("6.12", "", wire.Plan{FastPath: fast}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range c.Built {
			names = append(names, m.Name)
		}
		if !slices.Equal(names, []string{"dpr", want}) {
			t.Errorf("fast path %t: %v", fast, names)
		}
	}
}
