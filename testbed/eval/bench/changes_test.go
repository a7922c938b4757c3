// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"strings"
	"testing"

	"dpr/testbed/eval/bench/wire"
)

// compared returns the changes between the values of one figure.
func compared(before, after []float64) change {
	t := newComparison()
	for side, values := range [][]float64{before, after} {
		for _, v := range values {
			t.add(side, &Findings{Cost: []wire.Cost{redirect(wire.DPR, wire.Syn, 1000, 3, v), redirect(wire.None, wire.Syn, 1000, 3, 2*v)}})
		}
	}
	return t.changes()[0]
}

func TestWorse(t *testing.T) {
	tests := []struct {
		old, new []float64
		worse    bool
	}{
		{[]float64{100, 100}, []float64{100, 100}, false},
		{[]float64{100, 100}, []float64{90, 90}, false},
		{[]float64{100, 100}, []float64{100.9, 100.9}, false}, // below the threshold
		{[]float64{100, 100}, []float64{102, 102}, true},
		{[]float64{98, 102}, []float64{101.5, 101.5}, false}, // within the noise
		{[]float64{100, 100}, nil, true},                     // gone
		{nil, []float64{100}, false},                         // new
	}
	for _, tt := range tests {
		if got := compared(tt.old, tt.new).worse(0.01); got != tt.worse {
			t.Errorf("%v to %v: worse %t, want %t", tt.old, tt.new, got, tt.worse)
		}
	}
}

func TestChangesTable(t *testing.T) {
	c := newComparison()
	c.add(0, &Findings{Cost: []wire.Cost{redirect(wire.DPR, wire.Syn, 1000, 3, 100)}, Memory: []wire.Memory{{System: wire.DPR, Flows: 1000, BytesPerFlow: 80}}})
	c.add(1, &Findings{Cost: []wire.Cost{redirect(wire.DPR, wire.Syn, 1000, 3, 110), variant(wire.DPR, wire.Other, wire.TCPAlone, 9)}, Memory: []wire.Memory{{System: wire.DPR, Flows: 1000, BytesPerFlow: 80}}})
	var out strings.Builder
	if err := writeChanges(&out, c.changes(), 0.01); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("got\n%s", &out)
	}
	for i, want := range []string{"DELTA", "+10.00 %", "~", "–"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %q has no %q", lines[i], want)
		}
	}
	if strings.Contains(lines[1], "worse") == strings.Contains(lines[2], "worse") {
		t.Errorf("got\n%s", &out)
	}
	if n := worse(c.changes(), 0.01); n != 1 {
		t.Errorf("%d are worse, want 1", n)
	}
}

func TestCompareRefuses(t *testing.T) {
	for _, tt := range []struct {
		o     CompareOptions
		names string
	}{
		{CompareOptions{Base: "HEAD", Threshold: 0, Rounds: 1}, "--threshold 0: want more than 0"},
		{CompareOptions{Base: "HEAD", Threshold: 0.01, Rounds: 0}, "--rounds 0: want at least 1"},
		{CompareOptions{Base: "no-such-commit", Threshold: 0.01, Rounds: 1}, "no-such-commit"},
		{CompareOptions{Base: "--all", Threshold: 0.01, Rounds: 1}, "--all"},
	} {
		if err := Compare(context.Background(), tt.o); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: error %v does not name %q", tt.o, err, tt.names)
		}
	}
}
