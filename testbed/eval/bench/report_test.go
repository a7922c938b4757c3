// SPDX-License-Identifier: MIT

package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// redirect returns figures of redirecting.
func redirect(system, op string, flows, peers int, cost float64) wire.Cost {
	return wire.Cost{Family: family.V4, System: system, Op: op, Flows: flows, Peers: peers, Unit: Instructions, Device: wire.Inject, Cost: cost}
}

// variant returns a figure of receive or other.
func variant(system, op, variant string, cost float64) wire.Cost {
	return wire.Cost{Family: family.V4, System: system, Op: op, Peers: 3, Unit: Instructions, Device: wire.Inject, Cost: cost, Variant: variant}
}

// example is a report in which every target is met.
func example() *Report {
	r := &Report{Kernel: "6.1", Families: []family.Family{family.V4}, Plan: wire.Plan{
		Flows: []int{1000, 4_000_000}, Peers: []int{3, 1024}, PeerFlows: 1000, Packets: 10,
	}}
	r.take(&Findings{Unit: Instructions, Cost: []wire.Cost{
		redirect(wire.DPR, wire.Established, 1000, 3, 400), redirect(wire.Tun, wire.Established, 1000, 3, 1000),
		redirect(wire.DPR, wire.Syn, 1000, 3, 450), redirect(wire.Tun, wire.Syn, 1000, 3, 1000),
		redirect(wire.DPR, wire.Established, 4_000_000, 3, 460), redirect(wire.DPR, wire.Syn, 4_000_000, 3, 500),
		redirect(wire.DPR, wire.Established, 1000, 1024, 410), redirect(wire.DPR, wire.Syn, 1000, 1024, 460),
		variant(wire.DPR, wire.Receive, wire.ToEstablished, 700), variant(wire.IPIP, wire.Receive, wire.ToEstablished, 1000),
		variant(wire.None, wire.Receive, wire.ToEstablished, 500),
		variant(wire.None, wire.Other, wire.TCPAlone, 1000), variant(wire.DPR, wire.Other, wire.TCPAlone, 1060),
		variant(wire.None, wire.Other, wire.UDPAlone, 1000), variant(wire.DPR, wire.Other, wire.UDPAlone, 1050),
		variant(wire.None, wire.Other, wire.TCPBeside, 1100), variant(wire.DPR, wire.Other, wire.TCPBeside, 1150),
		variant(wire.None, wire.Other, wire.UDPBeside, 1100), variant(wire.DPR, wire.Other, wire.UDPBeside, 1150),
		variant(wire.None, wire.Other, wire.RSTAlone, 2000), variant(wire.DPR, wire.Other, wire.RSTAlone, 2120),
		variant(wire.None, wire.Other, wire.RSTBeside, 2200), variant(wire.DPR, wire.Other, wire.RSTBeside, 2320),
	}, Memory: []wire.Memory{
		{Family: family.V4, System: wire.DPR, Flows: 4_000_000, BytesPerFlow: 96, SlabPerFlow: 64, FreeAfter: 1 << 20},
		{Family: family.V4, System: wire.Tun, Flows: 4_000_000, BytesPerFlow: 350},
		{Family: family.V4, System: wire.DPR, Flows: 1000, BytesPerFlow: 96}, {Family: family.V4, System: wire.Tun, Flows: 1000, BytesPerFlow: 350},
	}})
	r.HTTP = []HTTP{
		{Family: family.V4, Path: PathDirect, RoundsPS: []float64{100, 200, 1}}, {Family: family.V4, Path: PathDPR, RoundsPS: []float64{96, 192, 9}},
		{Family: family.V4, Path: PathIPVS, RoundsPS: []float64{96, 192, 1}}, {Family: family.V4, Path: PathHAProxy, RoundsPS: []float64{48, 96, 1}},
	}
	r.Plan.Moved, r.Plan.Connections = []int{2, 10}, 10_000
	r.Moved = []wire.Moved{
		{Family: family.V4, Hosts: 2, Connections: 10_000, Found: 10_000, P50: 0.5, P99: 1, Last: 5},
		{Family: family.V4, Hosts: 2, Group: true, Connections: 10_000, Found: 10_000, Last: 1},
		{Family: family.V4, Hosts: 10, Connections: 10_000, Found: 10_000, Last: 1},
		{Family: family.V4, Hosts: 10, Group: true, Connections: 10_000, Found: 10_000, Last: 1},
	}
	return r
}

func outcomes(r *Report) map[string]int {
	n := map[string]int{}
	for _, v := range r.judge() {
		n[v.Outcome]++
	}
	return n
}

func TestAllTargetsMet(t *testing.T) {
	r := example()
	for _, v := range r.judge() {
		if v.Outcome != Met {
			t.Errorf("%s: %s, figure %s, limit %v (%s)", v.Target, v.Outcome, figure(v.Figure), v.Limit, v.Detail)
		}
	}
	if n := outcomes(r)[Met]; n != 25 {
		t.Errorf("%d targets, want 25", n)
	}
}

// TestMissedTargets makes one figure worse at a time and looks for the one verdict
// that must change.
func TestMissedTargets(t *testing.T) {
	worsen := func(system, op string, flows, peers int) func(*Report) {
		return func(r *Report) {
			for i := range r.Cost {
				c := &r.Cost[i]
				if c.System == system && c.Op == op && c.Flows == flows && c.Peers == peers {
					c.Cost *= 1.2
				}
			}
		}
	}
	worsenVariant := func(op, variant string) func(*Report) {
		return func(r *Report) {
			for i := range r.Variants {
				if c := &r.Variants[i]; c.System == wire.DPR && c.Op == op && c.Variant == variant {
					c.Cost *= 1.05
				}
			}
		}
	}
	worsenHTTP := func(path string) func(*Report) {
		return func(r *Report) {
			for i := range r.HTTP {
				if r.HTTP[i].Path == path {
					for j := range r.HTTP[i].RoundsPS {
						r.HTTP[i].RoundsPS[j] *= 1.05
					}
				}
			}
		}
	}
	tests := []struct {
		worsen func(*Report)
		names  string
	}{
		{worsen(wire.DPR, wire.Established, 1000, 3), "established at 1 k flows"},
		{worsen(wire.DPR, wire.Syn, 1000, 3), "syn at 1 k flows"},
		{worsen(wire.DPR, wire.Established, 4_000_000, 3), "established, growth from 1 k to 4 M flows"},
		{worsen(wire.DPR, wire.Syn, 4_000_000, 3), "syn, growth from 1 k to 4 M flows"},
		{worsen(wire.DPR, wire.Established, 1000, 1024), "established, growth from 3 to 1024 peers"},
		{worsen(wire.DPR, wire.Syn, 1000, 1024), "syn, growth from 3 to 1024 peers"},
		{func(r *Report) { r.Memory[0].BytesPerFlow = 97 }, "bytes a flow at 4 M flows"},
		{func(r *Report) { r.Memory[1].BytesPerFlow = 300 }, "bytes a flow at 4 M flows, of IPVS's"},
		{worsenVariant(wire.Receive, wire.ToEstablished), "receive up to an established socket"},
		{worsenVariant(wire.Other, wire.TCPAlone), wire.TCPAlone},
		{worsenVariant(wire.Other, wire.UDPAlone), wire.UDPAlone},
		{worsenVariant(wire.Other, wire.TCPBeside), wire.TCPBeside},
		{worsenVariant(wire.Other, wire.UDPBeside), wire.UDPBeside},
		{worsenVariant(wire.Other, wire.RSTAlone), wire.RSTAlone},
		{worsenVariant(wire.Other, wire.RSTBeside), wire.RSTBeside},
		{worsenHTTP(PathDirect), PathDirect},
		{worsenHTTP(PathIPVS), PathIPVS},
		{worsenHTTP(PathHAProxy), PathHAProxy},
	}
	for _, tt := range tests {
		r := example()
		tt.worsen(r)
		found := false
		for _, v := range r.judge() {
			if v.Outcome == Missed && strings.Contains(v.Target, tt.names) {
				found = true
			}
		}
		if n := outcomes(r)[Missed]; !found || n != 1 {
			t.Errorf("%s: %d targets are missed, that one: %t", tt.names, n, found)
		}
	}
}

// TestNothingMeasured makes sure that what is not measured is never met.
func TestNothingMeasured(t *testing.T) {
	r := &Report{Plan: example().Plan, Families: family.All}
	n := outcomes(r)
	if n[Met] != 0 || n[Missed] != 0 || n[NotMeasured] == 0 {
		t.Errorf("got %v", n)
	}
	r.Verdicts = r.judge()
	if r.allMet() {
		t.Error("all is met")
	}
}

// TestAbsentFigures takes one figure at a time out of a report in which every target
// is met: as many targets as before are judged, and what hangs on it is not measured.
func TestAbsentFigures(t *testing.T) {
	all := len(example().judge())
	without := map[string]func(r *Report){}
	for i, c := range example().Cost {
		without[fmt.Sprintf("cost %d, %s of %s", i, c.Op, c.System)] = func(r *Report) { r.Cost = slices.Delete(r.Cost, i, i+1) }
	}
	for i, c := range example().Variants {
		without[fmt.Sprintf("variant %d, %s", i, c.Variant)] = func(r *Report) { r.Variants = slices.Delete(r.Variants, i, i+1) }
	}
	for i, m := range example().Memory {
		without[fmt.Sprintf("memory of %s at %d", m.System, m.Flows)] = func(r *Report) { r.Memory = slices.Delete(r.Memory, i, i+1) }
	}
	for i, h := range example().HTTP {
		without["connections by "+h.Path] = func(r *Report) { r.HTTP = slices.Delete(r.HTTP, i, i+1) }
	}
	// Figures of others' packets are judged in Variants; those of tunnels that have no
	// part in a target are not here.
	harmless := func(name string) bool {
		return strings.Contains(name, "other of") || strings.Contains(name, "receive of") ||
			name == fmt.Sprintf("variant %d, %s", noTunnel(), wire.ToEstablished)
	}
	for name, take := range without {
		r := example()
		take(r)
		r.Verdicts = r.judge()
		n := outcomes(r)
		if len(r.Verdicts) != all || n[Missed] != 0 {
			t.Errorf("without %s: %d targets, want %d: %v", name, len(r.Verdicts), all, n)
		}
		if (n[NotMeasured] == 0) != harmless(name) || r.allMet() != harmless(name) {
			t.Errorf("without %s: %v, all met: %t", name, n, r.allMet())
		}
	}
}

// noTunnel is which variant is received without a tunnel: only a detail has it.
func noTunnel() int {
	return slices.IndexFunc(example().Variants, func(c wire.Cost) bool { return c.System == wire.None && c.Op == wire.Receive })
}

// A table that the guest does not hold has nothing to compare with.
func TestUnfitIsNotCompared(t *testing.T) {
	r := example()
	r.Memory = slices.DeleteFunc(r.Memory, func(m wire.Memory) bool { return m.System == wire.Tun && m.Flows > 1000 })
	r.Unfit = []wire.Unfit{{Family: family.V4, System: wire.Tun, Flows: 100_000}}
	if n := outcomes(r); n[Met] != 24 || n[NotMeasured] != 0 {
		t.Errorf("%v", n)
	}
	r.Unfit[0].System = wire.DR
	if n := outcomes(r); n[NotMeasured] != 1 {
		t.Errorf("another system's: %v", n)
	}
}

// Figures that are no numbers are no figures.
func TestFiguresAreNumbers(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, least := range []bool{true, false} {
			j := &judgement{Report: &Report{}}
			j.add("x", bad, 1, least, "detail")
			if v := j.verdicts[0]; v.Outcome != NotMeasured || v.Figure != nil || v.Detail != "" {
				t.Errorf("%v is %s", bad, v.Outcome)
			}
		}
	}
}

// A limit itself is met.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		figure float64
		least  bool
		want   string
	}{{1, true, Met}, {1, false, Met}, {0.9, true, Missed}, {1.1, false, Missed}, {0.9, false, Met}, {1.1, true, Met}} {
		j := &judgement{Report: &Report{}}
		j.add("x", tt.figure, 1, tt.least, "detail", Spent{"f", 1})
		v := j.verdicts[0]
		if v.Outcome != tt.want || *v.Figure != tt.figure || v.Detail != "detail" || v.Limit != 1 || (len(v.Profile) == 1) != (tt.want == Missed) {
			t.Errorf("%+v: %+v", tt, v)
		}
	}
}

// What a report of one size has is not judged by growth, and sizes choose their targets.
func TestTargetsOfSizes(t *testing.T) {
	names := func(p wire.Plan) string {
		var all []string
		for _, v := range (&Report{Plan: p, Families: family.All[:1]}).judge() {
			all = append(all, v.Target)
		}
		return strings.Join(all, "\n")
	}
	one := names(wire.Plan{Flows: []int{1000}, Peers: []int{3}})
	if strings.Contains(one, "growth") || strings.Contains(one, "MiB free") || !strings.Contains(one, "bytes a flow at 1 k flows") {
		t.Error(one)
	}
	large := names(wire.Plan{Flows: []int{1000, ratioFlows, fittingFlows}, Peers: []int{3, 64}})
	for _, want := range []string{"established at 1 M flows, of IPVS-TUN's", "syn, growth from 1 k to 4 M flows", "syn, growth from 3 to 64 peers", "MiB free with 4 M flows"} {
		if !strings.Contains(large, want) {
			t.Errorf("no %q in\n%s", want, large)
		}
	}
	if strings.Contains(large, "at 4 M flows, of IPVS-TUN's") {
		t.Errorf("a ratio is judged where IPVS is not measured:\n%s", large)
	}
	if (&judgement{Report: &Report{}}).few() != 0 {
		t.Error("no number of peers is some")
	}
}

// Details say how a figure came about.
func TestDetails(t *testing.T) {
	details := map[string]string{}
	r := example()
	for i := range r.HTTP {
		r.HTTP[i].ConnectionsPS = float64(100 + i)
	}
	limits := map[string]float64{}
	for _, v := range r.judge() {
		details[v.Target], limits[v.Target] = v.Detail, v.Limit
	}
	for target, want := range map[string]string{
		"bytes a flow at 4 M flows":                                 "64 in slabs, 32 in the table and what else it took",
		"MiB free with 4 M flows in a guest of 1024 MiB":            "all flows are in the table",
		"receive up to an established socket, of the ipip device's": "700 of 1000 instructions; 500 without a tunnel, so the tunnels alone are 0.40",
		"connections/s through a redirect, of those by direct":      "101.0 to 100.0; rounds 0.960 to 9.000",
		"syn at 1 k flows, of IPVS-TUN's":                           "450 of 1000 instructions",
		"bytes a flow at 4 M flows, of IPVS's":                      "96.0 of 350.0 bytes",
		"syn, growth from 1 k to 4 M flows":                         "450 to 500 instructions",
		"syn, growth from 3 to 1024 peers":                          "450 to 460 instructions",
	} {
		if got, ok := details[target]; got != want && ok || !ok && !strings.HasPrefix(target, "MiB") {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if limits["instructions added to others' packets: "+wire.RSTAlone] != 120 || limits["instructions added to others' packets: "+wire.TCPAlone] != 60 {
		t.Errorf("limits %v", limits)
	}
	r.Variants = slices.DeleteFunc(r.Variants, func(c wire.Cost) bool { return c.System == wire.None && c.Op == wire.Receive })
	for _, v := range r.judge() {
		if strings.HasPrefix(v.Target, "receive") && v.Detail != "700 of 1000 instructions" {
			t.Errorf("without a bare kernel: %q", v.Detail)
		}
	}
}

// Free memory is told in MiB, and a guest that has none left has missed.
func TestFreeMemory(t *testing.T) {
	for free, want := range map[int64]string{3 << 20: Met, 0: Met, -1 << 20: Missed} {
		r := example()
		r.Memory[0].FreeAfter = free
		for _, v := range r.judge() {
			if strings.HasPrefix(v.Target, "MiB free") && (v.Outcome != want || *v.Figure != float64(free>>20) || v.Limit != 0) {
				t.Errorf("%d: %+v", free, v)
			}
		}
	}
}

// Figures of another unit are none of the targets'.
func TestOnlyInstructions(t *testing.T) {
	r := example()
	for i := range r.Variants {
		r.Variants[i].Unit = "ns"
	}
	for _, v := range r.judge() {
		if (strings.HasPrefix(v.Target, "receive") || strings.HasPrefix(v.Target, "instructions added")) && v.Outcome != NotMeasured {
			t.Errorf("%s is %s", v.Target, v.Outcome)
		}
	}
}

// Rounds are compared one by one; without any there is no figure.
func TestConnectionsByRounds(t *testing.T) {
	last := func(r *Report) Verdict {
		j := &judgement{Report: r, family: family.V4}
		j.connections(PathDirect, httpOfDirect)
		return j.verdicts[0]
	}
	for name, paths := range map[string][]HTTP{
		"no rounds":      {{Family: family.V4, Path: PathDPR}, {Family: family.V4, Path: PathDirect}},
		"none of dpr":    {{Family: family.V4, Path: PathDirect, RoundsPS: []float64{1}}},
		"none of direct": {{Family: family.V4, Path: PathDPR, RoundsPS: []float64{1}}},
		"nothing":        nil,
	} {
		if v := last(&Report{HTTP: paths}); v.Outcome != NotMeasured {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v := last(&Report{HTTP: []HTTP{{Family: family.V4, Path: PathDPR, RoundsPS: []float64{2, 3, 9}}, {Family: family.V4, Path: PathDirect, RoundsPS: []float64{1, 1}}}}); *v.Figure != 2.5 {
		t.Errorf("%+v", v)
	}
}

// A profile is that of its operation alone.
func TestSpentIsOfOneOperation(t *testing.T) {
	r := &Report{}
	for i := range 64 {
		p := wire.Profile{Family: family.V4, Device: "d", System: "a", Op: "b", Variant: "c", Peers: 1, Packet: 100, Functions: []wire.Function{{Name: fmt.Sprint("f", i), Share: 0.5}}}
		if i&1 > 0 {
			p.System = "x"
		}
		if i&2 > 0 {
			p.Op = "x"
		}
		if i&4 > 0 {
			p.Variant = "x"
		}
		if i&8 > 0 {
			p.Peers = 2
		}
		if i&16 > 0 {
			p.Family = family.V6
		}
		if i&32 > 0 {
			p.Device = "x"
		}
		r.Profiles = append(r.Profiles, p)
	}
	j := &judgement{Report: r, family: family.V4}
	if got := j.spent("d", "a", "b", "c", 1); len(got) != 1 || got["f0"] != 50 {
		t.Errorf("%v", got)
	}
	all := map[string]float64{}
	for i := range 2 * topFunctions {
		all[fmt.Sprint("f", i)] = float64(i / 2)
	}
	list := most(all)
	if len(list) != topFunctions || list[0] != (Spent{"f22", 11}) || list[1] != (Spent{"f23", 11}) || list[11] != (Spent{"f13", 6}) {
		t.Errorf("%v", list)
	}
}

// A table as large as one that does not fit does not either.
func TestFits(t *testing.T) {
	j := &judgement{family: family.V4, Report: &Report{Unfit: []wire.Unfit{{Family: family.V4, System: wire.Tun, Flows: 1000}}}}
	if !j.fits(wire.Tun, 999) || j.fits(wire.Tun, 1000) || j.fits(wire.Tun, 1001) || !j.fits(wire.DPR, 1000) || !(&judgement{family: family.V6, Report: j.Report}).fits(wire.Tun, 1000) {
		t.Error("what fits is not told from what does not")
	}
}

// Without targets none is met.
func TestNoTargets(t *testing.T) {
	if (&Report{}).allMet() {
		t.Error("nothing was judged, and all is met")
	}
}

func TestMissedTargetHasProfile(t *testing.T) {
	r := example()
	r.Profiles = []wire.Profile{{Family: family.V4, Device: wire.Inject, System: wire.DPR, Op: wire.Syn, Peers: 3, Functions: []wire.Function{{Name: "f", Share: 1}}}}
	r.Cost[2].Cost = 1000
	for _, v := range r.judge() {
		if got, want := len(v.Profile) > 0, v.Outcome == Missed; got != want {
			t.Errorf("%s is %s, profile: %t", v.Target, v.Outcome, got)
		}
	}
}

// TestOtherIsWhatDPRAdds checks the one figure that is not taken as it is.
func TestOtherIsWhatDPRAdds(t *testing.T) {
	r := example()
	if got, ok := r.cost(family.V4, wire.DPR, wire.Other, 0, 3); got != 60 || !ok {
		t.Errorf("got %v, %t; want 60", got, ok)
	}
	if got, ok := r.cost(family.V4, wire.None, wire.Other, 0, 3); got != 1000 || !ok {
		t.Errorf("bare kernel: got %v, %t; want 1000", got, ok)
	}
}

// TestAddedProfile looks for what dpr adds to others' packets.
func TestAddedProfile(t *testing.T) {
	r := example()
	profile := func(system string, packet float64, f ...wire.Function) wire.Profile {
		return wire.Profile{Family: family.V4, Device: wire.Inject, System: system, Op: wire.Other, Variant: wire.TCPAlone, Peers: 3, Packet: packet, Functions: f}
	}
	r.Profiles = []wire.Profile{
		profile(wire.None, 1000, wire.Function{Name: "stack", Share: 0.5}, wire.Function{Name: "gone", Share: 0.1}),
		profile(wire.DPR, 1100, wire.Function{Name: "stack", Share: 0.5}, wire.Function{Name: "hook", Share: 0.1}),
	}
	got := (&judgement{Report: r, family: family.V4}).added(wire.Inject, wire.DPR, wire.None, wire.Other, wire.TCPAlone)
	if len(got) != 2 || got[0].Name != "hook" || math.Abs(got[0].Instructions-110) > 0.01 || got[1].Name != "stack" || math.Abs(got[1].Instructions-50) > 0.01 {
		t.Errorf("got %v, want hook 110 and stack 50", got)
	}
}

func TestMedians(t *testing.T) {
	a, b := redirect("a", wire.Syn, 1, 1, 0), redirect("b", wire.Syn, 1, 1, 5)
	var costs []wire.Cost
	for i, v := range []float64{9, 1, 3} {
		a.Cost, a.Round = v, i
		costs = append(costs, a, b)
	}
	got := medians(costs)
	if len(got) != 2 || got[0].Cost != 3 || got[1].Cost != 5 {
		t.Errorf("got %v", got)
	}
	if m := median([]float64{4, 1, 2, 3}); m != 2.5 {
		t.Errorf("median of four: %v", m)
	}
}

func TestRatios(t *testing.T) {
	var costs []wire.Cost
	for round, v := range []float64{300, 100, 200} {
		for _, c := range []wire.Cost{
			redirect(wire.DPR, wire.Syn, 1000, 3, v), redirect(wire.Tun, wire.Syn, 1000, 3, 1000),
			variant(wire.DPR, wire.Receive, wire.ToEstablished, v), variant(wire.IPIP, wire.Receive, wire.ToEstablished, 2*v),
			variant(wire.DPR, wire.Receive, wire.ToClosed, v), variant(wire.DPR, wire.Other, wire.TCPAlone, v),
			redirect(wire.DPR, wire.Syn, 5000, 3, v),
		} {
			c.Round = round + 1
			costs = append(costs, c)
		}
	}
	got := ratios(costs)
	want := []Ratio{
		{family.V4, wire.Syn, wire.Tun, 1000, 3, 0.2, 0.1, 0.3},
		{family.V4, wire.Receive, wire.IPIP, 0, 3, 0.5, 0.5, 0.5},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestShape reads bench.json as others do.
func TestShape(t *testing.T) {
	dir := t.TempDir()
	r := example()
	r.Verdicts = r.judge()
	file := filepath.Join(dir, "bench.json")
	if err := errors.Join(writeJSON(file, r.summary()), r.writePage(filepath.Join(dir, "bench"))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kernel *string
		Cost   []struct {
			System, Op, Unit, Device *string
			Flows, Peers             *int
			Family                   *int
			GRO                      *bool
			Cost                     *float64
		}
		Memory []struct {
			System       *string
			Family       *int
			Flows        *int
			BytesPerFlow *float64 `json:"bytes_per_flow"`
		}
		HTTP []struct {
			Path          *string
			Family        *int
			ConnectionsPS *float64 `json:"connections_per_s"`
			DelayMeanMS   *float64 `json:"delay_mean_ms"`
		}
		Moved []wire.Moved
	}
	strict := json.NewDecoder(bytes.NewReader(b))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Kernel == nil || len(got.Cost) == 0 || len(got.Memory) == 0 || len(got.HTTP) != 4 || !slices.Equal(got.Moved, r.Moved) {
		t.Fatalf("something is missing in %s", b)
	}
	seen := map[string]bool{}
	for _, c := range got.Cost {
		if c.System == nil || c.Family == nil || *c.Family != 4 || c.Op == nil || c.Unit == nil || c.Flows == nil || c.Peers == nil || c.Cost == nil ||
			c.Device == nil || *c.Device != wire.Inject || c.GRO == nil || *c.GRO {
			t.Fatalf("a cost lacks something: %s", b)
		}
		key, err := json.Marshal([]any{c.Family, c.System, c.Op, c.Unit, c.Flows, c.Peers})
		if err != nil || seen[string(key)] {
			t.Errorf("%s twice (%v)", key, err)
		}
		seen[string(key)] = true
	}
	if m := got.Memory[0]; m.System == nil || m.Family == nil || m.Flows == nil || m.BytesPerFlow == nil {
		t.Errorf("memory lacks something: %s", b)
	}
	if h := got.HTTP[0]; h.Path == nil || h.Family == nil || h.ConnectionsPS == nil || h.DelayMeanMS == nil {
		t.Errorf("http lacks something: %s", b)
	}
	page, err := os.ReadFile(filepath.Join(dir, "bench", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"flows.svg", "peers.svg", "memory.svg", "http.svg", "established at 1 k flows", "met", "10000 connections at once"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, name := range []string{"flows.svg", "peers.svg", "memory.svg", "http.svg", "report.json"} {
		if fi, err := os.Stat(filepath.Join(dir, "bench", name)); err != nil || fi.Size() < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFindingsAdd(t *testing.T) {
	var progress strings.Builder
	f := &Findings{Unit: Instructions, Family: family.V6}
	for _, line := range []string{
		`{"round":2,"cost":{"system":"dpr","op":"syn","flows":5,"peers":3,"cost":7}}`,
		`{"say":"hello"}`, `{"memory":{"system":"dpr","flows":1,"bytes_per_flow":2}}`,
		`{"unfit":{"system":"x","flows":1}}`, `{"profile":{"system":"dpr","op":"syn"}}`,
		`{"moved":{"hosts":2,"connections":9,"found":8,"last_s":1.5}}`,
	} {
		if err := f.add([]byte(line), &progress); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(f.Cost) != 1 || f.Cost[0].Unit != Instructions || f.Cost[0].Round != 2 || f.Cost[0].Device != wire.Inject || len(f.Memory) != 1 ||
		len(f.Unfit) != 1 || len(f.Profiles) != 1 || !strings.Contains(progress.String(), "hello") ||
		len(f.Moved) != 1 || f.Moved[0].Family != family.V6 || !strings.Contains(progress.String(), "8 of 9 found") {
		t.Errorf("got %+v", f)
	}
	if f.Cost[0].Family != family.V6 || f.Memory[0].Family != family.V6 || f.Unfit[0].Family != family.V6 || f.Profiles[0].Family != family.V6 || f.Profiles[0].Device != wire.Inject {
		t.Errorf("of another family: %+v", f)
	}
	if err := f.add([]byte(`{"cost":"much"}`), &progress); err == nil {
		t.Error("a cost that is no number accepted")
	}
}

func TestPlan(t *testing.T) {
	p, err := Options{Flows: DefaultFlows, Peers: DefaultPeers}.plan()
	if err != nil || p.PeerFlows != 100_000 || len(p.Systems) != 7 {
		t.Errorf("got %+v, %v", p, err)
	}
	p, err = Options{Flows: ShortFlows, Peers: ShortPeers, PossibleCPUs: 512, Serving: true}.plan()
	if err != nil || p.PossibleCPUs != 512 || !p.Serving {
		t.Errorf("a large machine: got %+v, %v", p, err)
	}
	p, err = Options{Flows: []int{500_000}, Peers: ShortPeers, Short: true}.plan()
	if err != nil || p.PeerFlows != 500_000 || len(p.Systems) != 2 {
		t.Errorf("short: got %+v, %v", p, err)
	}
	for _, o := range []Options{Defaults(), {Short: true}} {
		p, err := o.plan()
		o.complete()
		if want := map[bool]family.Mix{true: family.Only4, false: family.Both}[o.Short]; o.Family != want || p.Family != family.V4 {
			t.Errorf("short %t: family %s, %d", o.Short, o.Family, p.Family)
		}
		if err != nil || len(o.Parts) == 0 || !slices.Equal(p.Flows, o.Flows) || !slices.Equal(p.Peers, o.Peers) || (len(p.Flows) == len(ShortFlows)) != o.Short {
			t.Errorf("sizes left out: got %+v, %v", p, err)
		}
	}
	for _, tt := range []struct {
		o     Options
		names string
	}{
		{Options{Family: "5"}, "--family 5: want 4, 6, both"},
		{Options{Parts: []string{"all"}}, "--parts all: want some of count, native, http, moved"},
		{Options{Flows: []int{0}, Peers: []int{3}}, "--flows 0: want 1 to 8000000"},
		{Options{Flows: []int{9, 8}, Peers: []int{3}}, "--flows 9,8: want rising"},
		{Options{Flows: []int{MaxFlows + 1}, Peers: []int{3}}, "--flows 8000001"},
		{Options{Flows: []int{1}, Peers: []int{-3}}, "--peers -3: want 1 to 4096"},
		{Options{Flows: []int{1}, Peers: []int{5000}}, "--peers 5000"},
		{Options{Hosts: []int{1}}, "--hosts 1: want 2 to 4097"},
		{Options{Hosts: []int{9, 8}}, "--hosts 9,8: want rising"},
		{Options{Connections: 20_001}, "--connections 20001: want 0 to 20000"},
		{Options{Flows: []int{1}, Peers: []int{3}, PossibleCPUs: -1}, "--possible-cpus -1: want 0 to 512"},
		{Options{Flows: []int{1}, Peers: []int{3}, PossibleCPUs: 513}, "--possible-cpus 513"},
	} {
		if _, err := tt.o.plan(); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: error %v does not name %q", tt.o, err, tt.names)
		}
	}
}

// Connections that move are measured by a guest of their own, and only if they are asked for.
func TestMovedPlan(t *testing.T) {
	p, err := Options{}.plan()
	if err != nil || !slices.Equal(p.Moved, DefaultHosts) || p.Connections != DefaultMoved {
		t.Errorf("got %+v, %v", p, err)
	}
	r := &Report{Plan: p}
	if p := r.planOf(family.V6); len(p.Moved) > 0 || p.Family != family.V6 {
		t.Errorf("packets and more: %+v", p)
	}
	if p := r.movedPlan(family.V6); !slices.Equal(p.Moved, DefaultHosts) || p.Family != family.V6 || p.Host || len(p.Systems) > 0 {
		t.Errorf("moved and more: %+v", p)
	}
	p, err = Options{Hosts: []int{3}, Connections: 5, Parts: []string{PartMoved}}.plan()
	if err != nil || !slices.Equal(p.Moved, []int{3}) || p.Connections != 5 {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err := (Options{Parts: []string{PartCount}}).plan(); err != nil || len(p.Moved) > 0 {
		t.Errorf("nobody asked for them: %+v, %v", p, err)
	}
}

// A target is missed if connections were not found, or too late.
func TestMovedVerdicts(t *testing.T) {
	for _, tt := range []struct {
		change  func(*wire.Moved)
		outcome string
		detail  string
	}{
		{func(*wire.Moved) {}, Met, "half after 0.500, 99 % after 1.000"},
		{func(m *wire.Moved) { m.Last = 5.001 }, Missed, "half after 0.500"},
		{func(m *wire.Moved) { m.Found, m.Reset = 9_997, 2 }, Missed, "3 were not found, 2 of them reset"},
		{func(m *wire.Moved) { m.Hosts = 3 }, NotMeasured, ""},
		{func(m *wire.Moved) { m.Family = family.V6 }, NotMeasured, ""},
		{func(m *wire.Moved) { m.Group = true }, NotMeasured, ""},
	} {
		r := example()
		tt.change(&r.Moved[0])
		for _, v := range r.judge() {
			if strings.HasSuffix(v.Target, "moved are found, 2 hosts, each asked alone") && (v.Outcome != tt.outcome || !strings.Contains(v.Detail, tt.detail)) {
				t.Errorf("%+v; want %s, %q", v, tt.outcome, tt.detail)
			}
		}
	}
}

// Figures of the other family change no verdict, and are judged by its own limits.
func TestFamiliesApart(t *testing.T) {
	r, six := example(), example()
	for i := range six.Cost {
		c := six.Cost[i]
		c.Family, c.Cost = family.V6, 2*c.Cost
		if c.System == wire.IPIP {
			c.System = wire.TNL6
		}
		r.Cost = append(r.Cost, c)
	}
	for i := range six.Variants {
		c := six.Variants[i]
		c.Family = family.V6
		if c.System == wire.IPIP {
			c.System = wire.TNL6
		}
		r.Variants = append(r.Variants, c)
	}
	for i := range six.Memory {
		m := six.Memory[i]
		if m.Family = family.V6; m.System == wire.DPR {
			m.BytesPerFlow = 160
		}
		r.Memory = append(r.Memory, m)
	}
	for i := range six.HTTP {
		h := six.HTTP[i]
		h.Family = family.V6
		r.HTTP = append(r.HTTP, h)
	}
	for _, m := range six.Moved {
		m.Family = family.V6
		r.Moved = append(r.Moved, m)
	}
	r.Families = family.All
	all := r.judge()
	if len(all) != 48 {
		t.Fatalf("%d targets, want 48", len(all))
	}
	for i, v := range all {
		f := family.V4
		if i >= 25 { // two more than IPv6, which has no question to all
			f = family.V6
		}
		if v.Family != f || v.Outcome != Met {
			t.Errorf("%s of %s: %s, figure %s (%s)", v.Target, v.Family.Name(), v.Outcome, figure(v.Figure), v.Detail)
		}
		if strings.HasPrefix(v.Target, "bytes a flow at 1 k flows") && !strings.Contains(v.Target, "IPVS") && v.Limit != memoryLimits[f].most {
			t.Errorf("%s of %s: limit %v", v.Target, f.Name(), v.Limit)
		}
	}
	for f, want := range map[family.Family]string{family.V4: "400", family.V6: "800"} {
		if table := r.table(f, wire.Inject, wire.Established, Instructions); table.Rows[0].System != wire.DPR || table.Rows[0].Cells[0] != want {
			t.Errorf("%s: %+v, want %s first", f.Name(), table, want)
		}
	}
	for name, worsen := range map[string]func(*Report){
		"costs": func(r *Report) {
			for i := range r.Cost {
				if c := &r.Cost[i]; c.Family == family.V6 && c.System == wire.DPR {
					c.Cost *= 10
				}
			}
		},
		"variants": func(r *Report) {
			for i := range r.Variants {
				if c := &r.Variants[i]; c.Family == family.V6 && c.System == wire.DPR {
					c.Cost *= 10
				}
			}
		},
		"connections": func(r *Report) {
			for i := range r.HTTP {
				if h := &r.HTTP[i]; h.Family == family.V6 && h.Path == PathDPR {
					h.RoundsPS = []float64{1, 1, 1}
				}
			}
		},
		"moved": func(r *Report) {
			for i := range r.Moved {
				if m := &r.Moved[i]; m.Family == family.V6 {
					m.Last = 6
				}
			}
		},
		"memory": func(r *Report) {
			for i := range r.Memory {
				if m := &r.Memory[i]; m.Family == family.V6 && m.System == wire.DPR {
					m.BytesPerFlow = 1000
				}
			}
		},
	} {
		worse := *r
		worse.Cost, worse.Variants, worse.HTTP = slices.Clone(r.Cost), slices.Clone(r.Variants), slices.Clone(r.HTTP)
		worse.Memory, worse.Moved = slices.Clone(r.Memory), slices.Clone(r.Moved)
		worsen(&worse)
		of := map[family.Family]int{}
		for _, v := range worse.judge() {
			if v.Outcome == Missed {
				of[v.Family]++
			}
		}
		if of[family.V4] != 0 || of[family.V6] < 2 {
			t.Errorf("worse %s of IPv6: missed by family %v", name, of)
		}
	}
	// An IPv4 flow has the size of one of IPv6.
	r.Memory[0].BytesPerFlow, r.Memory[2].BytesPerFlow = 160, 160
	missed := 0
	for _, v := range r.judge() {
		if v.Outcome == Missed {
			missed++
			if v.Family != family.V4 {
				t.Errorf("%s of %s is missed", v.Target, v.Family.Name())
			}
		}
	}
	if missed != 4 {
		t.Errorf("%d targets are missed, want the four of memory", missed)
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
	for _, want := range []string{"flows.svg", "flows-ipv6.svg", "http-ipv6.svg", "established, IPv6, instructions", "receive, IPv4, instructions", "of the ip6tnl device"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	var table strings.Builder
	if err := r.writeTable(&table); err != nil || !strings.Contains(table.String(), "IPv6") || !strings.Contains(table.String(), "IPv4") {
		t.Errorf("%v, families are not in\n%s", err, &table)
	}
}

// What is asked of IPVS and HAProxy has addresses of the family, in brackets.
func TestHTTPPaths(t *testing.T) {
	servers := []lab.Host{{Name: "s2", Address: "10.0.0.2", Address6: "fd00::2"}}
	for f, want := range map[family.Family][2]string{
		family.V4: {"-A -t 10.77.0.99:80 -s lc\n-a -t 10.77.0.99:80 -r 10.0.0.2:80 -i\n", "\tserver s2 10.0.0.2:80\n"},
		family.V6: {"-A -t [fd77::99]:80 -s lc\n-a -t [fd77::99]:80 -r [fd00::2]:80 -i\n", "\tserver s2 [fd00::2]:80\n"},
	} {
		if got := ipvsRules(servers, f, 80, "-i"); got != want[0] {
			t.Errorf("got %q, want %q", got, want[0])
		}
		nat := strings.NewReplacer("]:80 -s", "]:82 -s", "99:80 ", "99:82 ", "[fd77::99]:80 ", "[fd77::99]:82 ", " -i", " -m").Replace(want[0])
		if got := ipvsRules(servers, f, 82, "-m"); got != nat {
			t.Errorf("got %q, want %q", got, nat)
		}
		if got := haproxyConfig(servers, f); !strings.Contains(got, want[1]) || !strings.Contains(got, "bind "+map[family.Family]string{family.V4: "0.0.0.0:81", family.V6: "[::]:81"}[f]) {
			t.Errorf("no %q in\n%s", want[1], got)
		}
		setUp := before(append(servers, servers...), f) + behind(f)
		if strings.Contains(setUp, "10.") == (f == family.V6) || strings.Contains(setUp, "fd00::") == (f == family.V4) {
			t.Errorf("%s: addresses of the other family in\n%s", f.Name(), setUp)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 1000: "1 k", 1500: "1500", 100_000: "100 k", 1_000_000: "1 M", 1_500_000: "1500 k"} {
		if got := count(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestFigure(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{{0.4, "0.400"}, {-0.01, "-0.010"}, {1234.56, "1234.6"}} {
		if got := figure(&tt.v); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := figure(nil); got != "–" {
		t.Errorf("nothing is %q", got)
	}
	if !math.IsNaN(orNaN(3, false)) {
		t.Error("a figure that is not there is a number")
	}
}

func TestCheckWay(t *testing.T) {
	dpr, direct := httpPath{name: PathDPR}, httpPath{name: PathDirect}
	before := []drive.Counters{{}, {Served: 1}, {Served: 2}}
	tests := []struct {
		path   httpPath
		after  []drive.Counters
		result httpload.Result
		ok     bool
	}{
		{direct, []drive.Counters{{}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 10}, true},
		{dpr, []drive.Counters{{Redirected: 10}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 10}, true},
		{dpr, []drive.Counters{{Redirected: 9}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 10}, false},
		{direct, []drive.Counters{{Redirected: 1}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 10}, false},
		{direct, []drive.Counters{{Served: 1}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 11}, false},
		{direct, []drive.Counters{{}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 11}, false},
		{direct, []drive.Counters{{}, {Served: 6}, {Served: 7}}, httpload.Result{Requests: 10, Failed: 1}, false},
	}
	for _, tt := range tests {
		if err := checkWay(tt.path, before, tt.after, &tt.result); (err == nil) != tt.ok {
			t.Errorf("%s, %v: %v", tt.path.name, tt.after, err)
		}
	}
}
