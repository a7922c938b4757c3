// SPDX-License-Identifier: MIT

package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// Report is all that the bench found. Its JSON form is the file report.json beside
// the page; the figures themselves are in bench.json, see Summary.
type Report struct {
	Kernel string        `json:"kernel"` // the guests' kernel
	Cost   []wire.Cost   `json:"cost"`   // one figure a system, operation, size and unit
	Memory []wire.Memory `json:"memory"`
	HTTP   []HTTP        `json:"http"`
	Moved  []wire.Moved  `json:"moved"`
	Layer7 []Layer7      `json:"l7"`

	// Variants are the figures of Cost's receive and other in other
	// circumstances. There, other of dpr is the whole packet's cost with dpr; in
	// Cost it is what dpr adds.
	Variants []wire.Cost    `json:"variants"`
	Unfit    []wire.Unfit   `json:"unfit"` // tables that the guest's memory does not hold
	Profiles []wire.Profile `json:"profiles"`
	Native   Native         `json:"native"`
	// HTTPUnlimited is HTTP without limits of the servers' links.
	HTTPUnlimited []HTTP    `json:"http_unlimited"`
	Lab           string    `json:"lab,omitempty"` // accelerator of the lab of whole connections
	FastPath      FastPath  `json:"fast_path"`
	Verdicts      []Verdict `json:"verdicts"`
	// Plan is that of the first family; those of the others differ in it alone.
	Plan     wire.Plan       `json:"plan"`
	Families []family.Family `json:"families"`
	Seconds  float64         `json:"seconds"` // that the bench took
}

// Native tells whether and how costs in ns were measured.
type Native struct {
	Measured bool   `json:"measured"`
	How      string `json:"how,omitempty"` // "kvm" or "uml"
	Why      string `json:"why,omitempty"` // why they were not measured
	// Ratios compare dpr with what it is measured beside, round by round.
	Ratios []Ratio `json:"ratios,omitempty"`
}

// FastPath says on which kernel costs on the ideal card were measured, or why they were not.
type FastPath struct {
	Kernel string `json:"kernel,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Ratio is a cost of dpr's in that of another system.
type Ratio struct {
	Family family.Family `json:"family"`
	Op     string        `json:"op"`
	Of     string        `json:"of"`
	Flows  int           `json:"flows"`
	Peers  int           `json:"peers"`
	Median float64       `json:"median"` // of the rounds
	Least  float64       `json:"least"`
	Most   float64       `json:"most"`
}

// planOf returns what is measured of a family.
func (r *Report) planOf(f family.Family) wire.Plan {
	p := r.Plan
	p.Family = f
	p.Moved, p.Connections, p.FastPath = nil, 0, false // guests of their own measure them
	return p
}

// primary tells whether a figure is the one of its operation.
func primary(c wire.Cost) bool {
	return c.Variant == "" || c.Variant == wire.ToEstablished || c.Variant == wire.TCPAlone
}

// take adds what a guest found, the median of its rounds.
func (r *Report) take(f *Findings) {
	costs := medians(f.Cost)
	for _, c := range costs {
		r.Variants = append(r.Variants, c)
		if !primary(c) {
			continue
		}
		if c.Op == wire.Other && c.System != wire.None {
			bare, ok := find(costs, c.Family, c.Device, wire.None, c.Op, c.Variant)
			if !ok {
				continue
			}
			c.Cost -= bare.Cost
		}
		r.Cost = append(r.Cost, c)
	}
	r.Variants = slices.DeleteFunc(r.Variants, func(c wire.Cost) bool { return c.Variant == "" })
	if f.Unit == Instructions {
		r.Memory, r.Unfit, r.Profiles = append(r.Memory, f.Memory...), append(r.Unfit, f.Unfit...), append(r.Profiles, f.Profiles...)
	}
}

// medians returns one figure for all rounds of the same.
func medians(costs []wire.Cost) []wire.Cost {
	var keys []wire.Cost
	values := map[wire.Cost][]float64{}
	for _, c := range costs {
		key := c
		key.Cost, key.Round = 0, 0
		if values[key] == nil {
			keys = append(keys, key)
		}
		values[key] = append(values[key], c.Cost)
	}
	for i, key := range keys {
		keys[i].Cost = median(values[key])
	}
	return keys
}

// median returns the middle of values, of which there is at least one.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// find returns a figure of receive or other.
func find(costs []wire.Cost, f family.Family, device, system, op, variant string) (wire.Cost, bool) {
	i := slices.IndexFunc(costs, func(c wire.Cost) bool {
		return c.Family == f && c.Device == device && c.System == system && c.Op == op && c.Variant == variant
	})
	if i < 0 {
		return wire.Cost{}, false
	}
	return costs[i], true
}

// cost returns a figure of injected packets in instructions.
func (r *Report) cost(f family.Family, system, op string, flows, peers int) (float64, bool) {
	return r.costOn(f, wire.Inject, false, system, op, flows, peers)
}

// costOn is cost for packets that come by a device.
func (r *Report) costOn(f family.Family, device string, gro bool, system, op string, flows, peers int) (float64, bool) {
	i := slices.IndexFunc(r.Cost, func(c wire.Cost) bool {
		return c.Unit == Instructions && c.Family == f && c.Device == device && c.GRO == gro &&
			c.System == system && c.Op == op && c.Flows == flows && c.Peers == peers
	})
	if i < 0 {
		return 0, false
	}
	return r.Cost[i].Cost, true
}

// memoryOf returns what a number of flows takes of a system.
func (r *Report) memoryOf(f family.Family, system string, flows int) (wire.Memory, bool) {
	i := slices.IndexFunc(r.Memory, func(m wire.Memory) bool { return m.Family == f && m.System == system && m.Flows == flows })
	if i < 0 {
		return wire.Memory{}, false
	}
	return r.Memory[i], true
}

// httpOf returns what whole connections did on a path.
func httpOf(all []HTTP, f family.Family, path string) (HTTP, bool) {
	i := slices.IndexFunc(all, func(h HTTP) bool { return h.Family == f && h.Path == path })
	if i < 0 {
		return HTTP{}, false
	}
	return all[i], true
}

// Summary is the form of bench.json: figures, and nothing that explains them.
type Summary struct {
	Kernel string          `json:"kernel"`
	Cost   []SummaryCost   `json:"cost"`
	Memory []SummaryMemory `json:"memory"`
	HTTP   []SummaryHTTP   `json:"http"`
	Moved  []wire.Moved    `json:"moved,omitempty"`
	Layer7 []Layer7        `json:"l7,omitempty"`
	// FastPathKernel is that of costs on the ideal card.
	FastPathKernel string `json:"fast_path_kernel,omitempty"`
}

// SummaryCost is what a packet costs.
type SummaryCost struct {
	Family family.Family `json:"family"`
	System string        `json:"system"`
	Op     string        `json:"op"`
	Flows  int           `json:"flows"`
	Peers  int           `json:"peers"`
	Unit   string        `json:"unit"`
	Device string        `json:"device"`
	GRO    bool          `json:"gro"`
	Cost   float64       `json:"cost"`
}

// SummaryMemory is what a flow takes.
type SummaryMemory struct {
	Family       family.Family `json:"family"`
	System       string        `json:"system"`
	Flows        int           `json:"flows"`
	BytesPerFlow float64       `json:"bytes_per_flow"`
}

// SummaryHTTP is what whole connections did on a path.
type SummaryHTTP struct {
	Family        family.Family `json:"family"`
	Path          string        `json:"path"`
	ConnectionsPS float64       `json:"connections_per_s"`
	DelayMeanMS   float64       `json:"delay_mean_ms"`
}

// summary returns the figures. What was not measured is an empty list.
func (r *Report) summary() Summary {
	s := Summary{Kernel: r.Kernel, Cost: []SummaryCost{}, Memory: []SummaryMemory{}, HTTP: []SummaryHTTP{}}
	for _, c := range r.Cost {
		s.Cost = append(s.Cost, SummaryCost{c.Family, c.System, c.Op, c.Flows, c.Peers, c.Unit, c.Device, c.GRO, c.Cost})
	}
	for _, m := range r.Memory {
		s.Memory = append(s.Memory, SummaryMemory{m.Family, m.System, m.Flows, m.BytesPerFlow})
	}
	for _, h := range r.HTTP {
		s.HTTP = append(s.HTTP, SummaryHTTP{h.Family, h.Path, h.ConnectionsPS, h.DelayMeanMS})
	}
	s.Moved = append(s.Moved, r.Moved...)
	s.Layer7 = append(s.Layer7, r.Layer7...)
	if r.FastPath.Why == "" {
		s.FastPathKernel = r.FastPath.Kernel
	}
	return s
}

// writeJSON writes a file.
func writeJSON(path string, value any) error {
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the bench's figures: %w", err)
	}
	return nil
}
