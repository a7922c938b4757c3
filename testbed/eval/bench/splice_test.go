// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// spliced is a report with backends alone, all of whose targets are met.
func spliced() *Report {
	r := &Report{Families: []family.Family{family.V4}, Plan: wire.Plan{
		Systems: []string{wire.NAT, wire.Splice}, Flows: []int{100_000, ratioFlows, fittingFlows}, Peers: []int{3},
	}}
	for _, op := range []string{wire.Established, wire.Answer} {
		for _, flows := range []int{100_000, ratioFlows} {
			r.Cost = append(r.Cost, redirect(wire.Splice, op, flows, 3, 600), redirect(wire.NAT, op, flows, 3, 1000))
		}
	}
	r.Memory = []wire.Memory{
		{Family: family.V4, System: wire.Splice, Flows: 100_000, BytesPerFlow: 192, SlabPerFlow: 180},
		{Family: family.V4, System: wire.Splice, Flows: ratioFlows, BytesPerFlow: 190, SlabPerFlow: 180},
		{Family: family.V4, System: wire.NAT, Flows: ratioFlows, BytesPerFlow: 350},
	}
	r.Unfit = []wire.Unfit{{Family: family.V4, System: wire.Splice, Flows: fittingFlows}}
	r.HTTPUnlimited = []HTTP{
		{Family: family.V4, Path: PathSplice, ConnectionsPS: 300, RoundsPS: []float64{200, 400}},
		{Family: family.V4, Path: PathHAProxySplice, ConnectionsPS: 150, RoundsPS: []float64{100, 200}},
	}
	return r
}

// spliceVerdicts are those of backends.
func spliceVerdicts(r *Report) map[string]Verdict {
	all := map[string]Verdict{}
	for _, v := range r.judge() {
		if strings.Contains(v.Target, "splice") {
			all[v.Target] = v
		}
	}
	return all
}

func TestSpliceTargets(t *testing.T) {
	all := spliceVerdicts(spliced())
	if len(all) != 7 {
		t.Errorf("%d targets, want 7: %v", len(all), all)
	}
	for target, v := range all {
		if v.Outcome != Met {
			t.Errorf("%s: %s, figure %s", target, v.Outcome, figure(v.Figure))
		}
	}
	for target, want := range map[string]string{
		"splice: answer at 1 M flows, of IPVS-NAT's":                                        "600 of 1000 instructions",
		"bytes a splice at 1 M flows":                                                       "180 in slabs, 10 in the table and what else it took; IPVS-NAT 350",
		"bytes a splice at 100 k flows":                                                     "180 in slabs, 12 in the table and what else it took",
		"connections/s through a splice where processors limit, of those by haproxy-splice": "300.0 to 150.0; rounds 2.000 to 2.000",
	} {
		if got := all[target].Detail; got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	r := spliced()
	r.Plan.Systems = r.Plan.Systems[:1]
	if all := spliceVerdicts(r); len(all) != 0 {
		t.Errorf("they are not measured, and judged: %v", all)
	}
}

// Each figure that is worse misses its target, and one that is not there is not measured.
func TestSpliceMisses(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*Report)
		target  string
		outcome string
	}{
		"answers cost more":      {func(r *Report) { r.Cost[4].Cost++ }, "splice: answer at 100 k flows, of IPVS-NAT's", Missed},
		"packets cost more":      {func(r *Report) { r.Cost[2].Cost++ }, "splice: established at 1 M flows, of IPVS-NAT's", Missed},
		"no packet of IPVS's":    {func(r *Report) { r.Cost[1].System = wire.Tun }, "splice: established at 100 k flows, of IPVS-NAT's", NotMeasured},
		"more memory":            {func(r *Report) { r.Memory[0].BytesPerFlow = 193 }, "bytes a splice at 100 k flows", Missed},
		"no memory":              {func(r *Report) { r.Memory[1].System = wire.SpliceProxy }, "bytes a splice at 1 M flows", NotMeasured},
		"fewer connections":      {func(r *Report) { r.HTTPUnlimited[0].RoundsPS[0] = 190 }, "connections/s through a splice where processors limit, of those by haproxy-splice", Missed},
		"limits of links":        {func(r *Report) { r.HTTP, r.HTTPUnlimited = r.HTTPUnlimited, nil }, "connections/s through a splice where processors limit, of those by haproxy-splice", NotMeasured},
		"that table would fit":   {func(r *Report) { r.Unfit = nil }, "bytes a splice at 4 M flows", NotMeasured},
		"those of other systems": {func(r *Report) { r.Unfit[0].System = wire.Tun }, "bytes a splice at 4 M flows", NotMeasured},
	} {
		r := spliced()
		tt.change(r)
		all := spliceVerdicts(r)
		if v, ok := all[tt.target]; !ok || v.Outcome != tt.outcome {
			t.Errorf("%s: %q is %q, want %q", name, tt.target, v.Outcome, tt.outcome)
		}
		for target, v := range all {
			if target != tt.target && v.Outcome != Met {
				t.Errorf("%s: %q is %q", name, target, v.Outcome)
			}
		}
	}
}

// Figures of backends are in bench.json under their names, and the page has a table of answers.
func TestSpliceFigures(t *testing.T) {
	r := spliced()
	s := r.summary()
	if len(s.Cost) != 8 || s.Cost[0].System != "splice" || s.Cost[5].Op != "answer" || s.Memory[0].System != "splice" {
		t.Errorf("%+v", s)
	}
	for _, table := range r.tables() {
		if table.Op == wire.Answer && len(table.Rows) == 2 && table.Rows[0].Cells[0] == "600" {
			return
		}
	}
	t.Error("no table of answers")
}

// A module without backends leaves them out of a comparison: that is no change for the worse.
func TestSpliceAbsent(t *testing.T) {
	var progress strings.Builder
	older, newer := &Findings{Unit: Instructions, Family: family.V4}, &Findings{Unit: Instructions, Family: family.V4}
	if err := older.add([]byte(`{"absent":{"system":"splice","why":"this module has no backends"}}`), &progress); err != nil {
		t.Fatal(err)
	}
	if len(older.Absent) != 1 || older.Absent[0].Family != family.V4 || !strings.Contains(progress.String(), "splice is left out: this module has no backends") {
		t.Errorf("%+v, %q", older.Absent, &progress)
	}
	newer.Cost = []wire.Cost{redirect(wire.Splice, wire.Answer, 1000, 3, 5), redirect(wire.NAT, wire.Answer, 1000, 3, 5)}
	c := newComparison()
	c.add(0, older)
	c.add(1, newer)
	if all := c.changes(); len(all) != 1 || worse(all, 0.01) != 0 || !strings.Contains(all[0].name, "splice answer") {
		t.Errorf("%+v", all)
	}
}
