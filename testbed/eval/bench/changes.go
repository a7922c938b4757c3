// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"dpr/testbed/eval/bench/wire"
)

// comparison collects the figures of two modules.
type comparison struct {
	names  []string
	values [2]map[string][]float64
}

func newComparison() *comparison {
	return &comparison{values: [2]map[string][]float64{{}, {}}}
}

// add takes what a guest found with one of the modules.
func (t *comparison) add(side int, f *Findings) {
	for _, c := range f.Cost {
		if c.System != wire.DPR && c.System != wire.Splice {
			continue // the same on both sides
		}
		name := fmt.Sprintf("%s: %s %s", c.Family.Name(), c.System, c.Op)
		if c.Variant != "" {
			name += ", " + c.Variant
		} else {
			name += fmt.Sprintf(", %s flows, %d peers", count(c.Flows), c.Peers)
		}
		t.one(side, name+" ("+c.Unit+")", c.Cost)
	}
	for _, m := range f.Memory {
		t.one(side, fmt.Sprintf("%s: %s memory, %s flows (bytes a flow)", m.Family.Name(), m.System, count(m.Flows)), m.BytesPerFlow)
	}
}

func (t *comparison) one(side int, name string, v float64) {
	if !slices.Contains(t.names, name) {
		t.names = append(t.names, name)
	}
	t.values[side][name] = append(t.values[side][name], v)
}

// change is a figure of both modules.
type change struct {
	name     string
	old, new sample
}

// sample is the median of a figure's values and how far they are from it at most,
// relative to it. It is empty if there is no value.
type sample struct {
	n      int
	median float64
	spread float64
}

func newSample(values []float64) sample {
	if len(values) == 0 {
		return sample{}
	}
	s := sample{n: len(values), median: median(values)}
	if s.median != 0 {
		s.spread = max(slices.Max(values)-s.median, s.median-slices.Min(values)) / s.median
	}
	return s
}

func (s sample) String() string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ± %.1f %%", s.median, 100*s.spread)
}

// changes returns all figures in the order in which they came.
func (t *comparison) changes() []change {
	var all []change
	for _, name := range t.names {
		all = append(all, change{name, newSample(t.values[0][name]), newSample(t.values[1][name])})
	}
	return all
}

// delta is the relative change; ok is false if a side has no figure.
func (c change) delta() (_ float64, ok bool) {
	if c.old.n == 0 || c.new.n == 0 || c.old.median == 0 {
		return 0, false
	}
	return c.new.median/c.old.median - 1, true
}

// worse tells whether the figure grew by more than the threshold and by more than
// the values differ among themselves. A figure that is gone is worse, too.
func (c change) worse(threshold float64) bool {
	if c.new.n == 0 {
		return true
	}
	d, ok := c.delta()
	return ok && d > threshold && d > c.old.spread+c.new.spread
}

func worse(changes []change, threshold float64) int {
	n := 0
	for _, c := range changes {
		if c.worse(threshold) {
			n++
		}
	}
	return n
}

// writeChanges prints the figures of both, and the change where it is larger than
// what the values differ among themselves.
func writeChanges(w io.Writer, changes []change, threshold float64) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tOLD\tNEW\tDELTA\t")
	for _, c := range changes {
		text, mark := "~", ""
		if d, ok := c.delta(); ok && max(d, -d) > c.old.spread+c.new.spread {
			text = fmt.Sprintf("%+.2f %%", 100*d)
		}
		if c.worse(threshold) {
			mark = "worse"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.name, c.old, c.new, text, mark)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the changes: %w", err)
	}
	return nil
}
