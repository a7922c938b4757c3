// SPDX-License-Identifier: MIT

package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// The targets. Ratios are of figures of the same boot.
const (
	establishedAtMost = 0.40 // of IPVS-TUN
	synAtMost         = 0.45 // of IPVS-TUN
	directAtMost      = 0.45 // established, of IPVS-DR
	flowGrowthAtMost  = 0.15 // from the smallest to the largest table
	peerGrowthAtMost  = 0.05 // from the fewest to the most peers
	receiveAtMost     = 0.70 // of the ipip device
	otherAtMost       = 60   // instructions a packet
	httpOfDirect      = 0.95
	httpOfIPVS        = 1
	httpOfHAProxy     = 2.0
	movedAtMost       = 5 // seconds

	ratioFlows   = 1_000_000 // largest table of the ratios to IPVS-TUN
	fittingFlows = 4_000_000 // that must fit the guest
)

// What a flow may take. One of IPv6 has two addresses of 16 bytes more.
var memoryLimits = map[family.Family]struct {
	most   float64 // bytes
	ofIPVS float64
}{family.V4: {96, 0.28}, family.V6: {160, 0.46}}

// The outcomes of a Verdict.
const (
	Met         = "met"
	Missed      = "missed"
	NotMeasured = "not measured"
)

// Verdict is what became of a target.
type Verdict struct {
	Family  family.Family `json:"family"`
	Target  string        `json:"target"`
	Limit   float64       `json:"limit"`
	Figure  *float64      `json:"figure"` // absent if it was not measured
	Outcome string        `json:"outcome"`
	Detail  string        `json:"detail"`
	// Profile is where the instructions go, if the target was missed.
	Profile []Spent `json:"profile,omitempty"`
}

// Spent is what a function takes of a packet, or takes more of it than without dpr.
type Spent struct {
	Name         string  `json:"name"`
	Instructions float64 `json:"instructions"`
}

// judge returns the verdict on every target, of one family after the other.
func (r *Report) judge() []Verdict {
	var all []Verdict
	for _, f := range r.Families {
		all = append(all, r.judgeFamily(f)...)
	}
	return all
}

func (r *Report) judgeFamily(f family.Family) []Verdict {
	j := &judgement{Report: r, family: f}
	for _, op := range []struct {
		op    string
		limit float64
	}{{wire.Established, establishedAtMost}, {wire.Syn, synAtMost}} {
		for _, flows := range r.Plan.Flows {
			if flows <= ratioFlows {
				j.ratio(wire.DPR, wire.Tun, op.op, flows, op.limit)
			}
		}
	}
	for _, flows := range r.Plan.Flows {
		if flows <= ratioFlows && slices.Contains(r.Plan.Systems, wire.Direct) {
			j.ratio(wire.Direct, wire.DR, wire.Established, flows, directAtMost)
		}
	}
	for _, op := range []string{wire.Established, wire.Syn} {
		j.flowGrowth(op)
	}
	for _, op := range []string{wire.Established, wire.Syn} {
		j.peerGrowth(op)
	}
	j.allMemory()
	j.receive()
	for _, variant := range []string{wire.TCPAlone, wire.UDPAlone, wire.TCPBeside, wire.UDPBeside} {
		j.other(variant, 1)
	}
	for _, variant := range []string{wire.RSTAlone, wire.RSTBeside} {
		j.other(variant, 2)
	}
	j.connections(PathDirect, httpOfDirect)
	j.connections(PathIPVS, httpOfIPVS)
	j.connections(PathHAProxy, httpOfHAProxy)
	j.moved()
	j.fastPath()
	j.layer7()
	j.splices()
	return j.verdicts
}

// judgement collects verdicts.
type judgement struct {
	*Report
	family   family.Family
	verdicts []Verdict
}

// add adds a verdict. The figure is NaN if it was not measured; it must be at
// most the limit, or at least.
func (j *judgement) add(target string, figure, limit float64, least bool, detail string, profile ...Spent) {
	v := Verdict{Family: j.family, Target: target, Limit: limit, Outcome: NotMeasured}
	if !math.IsNaN(figure) && !math.IsInf(figure, 0) {
		v.Figure, v.Detail = &figure, detail
		switch {
		case least && figure >= limit, !least && figure <= limit:
			v.Outcome = Met
		default:
			v.Outcome, v.Profile = Missed, profile
		}
	}
	j.verdicts = append(j.verdicts, v)
}

// orNaN is a figure, or NaN if there is none.
func orNaN(figure float64, ok bool) float64 {
	if !ok {
		return math.NaN()
	}
	return figure
}

// at returns a figure of redirecting in instructions, or NaN.
func (j *judgement) at(system, op string, flows, peers int) float64 {
	return orNaN(j.cost(j.family, system, op, flows, peers))
}

// few returns the number of peers that most is measured with.
func (j *judgement) few() int {
	if len(j.Plan.Peers) == 0 {
		return 0
	}
	return j.Plan.Peers[0]
}

// ratio compares a system of ours with one of IPVS.
func (j *judgement) ratio(system, ipvs, op string, flows int, limit float64) {
	ours, theirs := j.at(system, op, flows, j.few()), j.at(ipvs, op, flows, j.few())
	target := fmt.Sprintf("%s at %s flows, of %s's", op, count(flows), strings.ToUpper(ipvs))
	switch system {
	case wire.Direct:
		target = "direct: " + target
	case wire.Splice:
		target = "splice: " + target
	}
	j.add(target, ours/theirs, limit, false, fmt.Sprintf("%.0f of %.0f instructions", ours, theirs), j.top(system, op, "")...)
}

func (j *judgement) flowGrowth(op string) {
	flows := j.Plan.Flows
	if len(flows) < 2 {
		return
	}
	first, last := flows[0], flows[len(flows)-1]
	a, b := j.at(wire.DPR, op, first, j.few()), j.at(wire.DPR, op, last, j.few())
	j.add(fmt.Sprintf("%s, growth from %s to %s flows", op, count(first), count(last)), b/a-1, flowGrowthAtMost, false,
		fmt.Sprintf("%.0f to %.0f instructions", a, b), j.top(wire.DPR, op, "")...)
}

func (j *judgement) peerGrowth(op string) {
	peers := j.Plan.Peers
	if len(peers) < 2 {
		return
	}
	first, last := peers[0], peers[len(peers)-1]
	a, b := j.at(wire.DPR, op, j.Plan.PeerFlows, first), j.at(wire.DPR, op, j.Plan.PeerFlows, last)
	j.add(fmt.Sprintf("%s, growth from %d to %d peers", op, first, last), b/a-1, peerGrowthAtMost, false,
		fmt.Sprintf("%.0f to %.0f instructions", a, b), j.topAt(wire.DPR, op, "", last)...)
}

// allMemory judges the memory of each size of the table. What the guest's memory does
// not hold has no figure to compare with, and the report says so.
func (j *judgement) allMemory() {
	for _, flows := range j.Plan.Flows {
		m, ok := j.memoryOf(j.family, wire.DPR, flows)
		ours := orNaN(m.BytesPerFlow, ok)
		j.add(fmt.Sprintf("bytes a flow at %s flows", count(flows)), ours, memoryLimits[j.family].most, false,
			fmt.Sprintf("%.0f in slabs, %.0f in the table and what else it took", m.SlabPerFlow, m.BytesPerFlow-m.SlabPerFlow))
		if j.fits(wire.Tun, flows) {
			t, ok := j.memoryOf(j.family, wire.Tun, flows)
			theirs := orNaN(t.BytesPerFlow, ok)
			j.add(fmt.Sprintf("bytes a flow at %s flows, of IPVS's", count(flows)), ours/theirs, memoryLimits[j.family].ofIPVS, false,
				fmt.Sprintf("%.1f of %.1f bytes", ours, theirs))
		}
	}
	if slices.Contains(j.Plan.Flows, fittingFlows) {
		m, ok := j.memoryOf(j.family, wire.DPR, fittingFlows)
		j.add(fmt.Sprintf("MiB free with %s flows in a guest of %d MiB", count(fittingFlows), guestMemory),
			orNaN(float64(m.FreeAfter)/(1<<20), ok), 0, true, "all flows are in the table")
	}
}

// fits says whether the guest's memory holds as many flows of a system.
func (j *judgement) fits(system string, flows int) bool {
	return !slices.ContainsFunc(j.Unfit, func(u wire.Unfit) bool { return u.Family == j.family && u.System == system && u.Flows <= flows })
}

// receive judges the way up to an established socket. What a packet for a closed
// port costs is mostly the RST; the tables have it.
func (j *judgement) receive() {
	device := wire.Device(j.family)
	ours, ok1 := find(j.instructions(), j.family, wire.Inject, wire.DPR, wire.Receive, wire.ToEstablished)
	theirs, ok2 := find(j.instructions(), j.family, wire.Inject, device, wire.Receive, wire.ToEstablished)
	detail := fmt.Sprintf("%.0f of %.0f instructions", ours.Cost, theirs.Cost)
	if bare, ok := find(j.instructions(), j.family, wire.Inject, wire.None, wire.Receive, wire.ToEstablished); ok {
		detail += fmt.Sprintf("; %.0f without a tunnel, so the tunnels alone are %.2f", bare.Cost, (ours.Cost-bare.Cost)/(theirs.Cost-bare.Cost))
	}
	j.add("receive up to an established socket, of the "+device+" device's", orNaN(ours.Cost/theirs.Cost, ok1 && ok2), receiveAtMost, false,
		detail, j.top(wire.DPR, wire.Receive, wire.ToEstablished)...)
}

// other judges what dpr adds to a number of packets that are none of its own, each
// of which passes one of its hooks.
func (j *judgement) other(variant string, packets int) {
	with, ok1 := find(j.instructions(), j.family, wire.Inject, wire.DPR, wire.Other, variant)
	without, ok2 := find(j.instructions(), j.family, wire.Inject, wire.None, wire.Other, variant)
	j.add("instructions added to others' packets: "+variant, orNaN(with.Cost-without.Cost, ok1 && ok2), float64(packets*otherAtMost), false,
		fmt.Sprintf("%.0f to %.0f", without.Cost, with.Cost), j.added(wire.Inject, wire.DPR, wire.None, wire.Other, variant)...)
}

// instructions returns the variants in instructions.
func (j *judgement) instructions() []wire.Cost {
	var costs []wire.Cost
	for _, c := range j.Variants {
		if c.Unit == Instructions {
			costs = append(costs, c)
		}
	}
	return costs
}

// connections judges the median of the rounds' ratios.
func (j *judgement) connections(path string, limit float64) {
	figure, detail := compareRounds(j.HTTP, j.family, PathDPR, path)
	j.add("connections/s through a redirect, of those by "+path, figure, limit, true, detail)
}

// compareRounds returns the median of the rounds' ratios, and how it came about; NaN if one
// of the paths was not measured.
func compareRounds(all []HTTP, f family.Family, ourPath, theirPath string) (float64, string) {
	ours, ok1 := httpOf(all, f, ourPath)
	theirs, ok2 := httpOf(all, f, theirPath)
	var v []float64
	for i := range min(len(ours.RoundsPS), len(theirs.RoundsPS)) {
		v = append(v, ours.RoundsPS[i]/theirs.RoundsPS[i])
	}
	if !ok1 || !ok2 || len(v) == 0 {
		return math.NaN(), ""
	}
	return median(v), fmt.Sprintf("%.1f to %.1f; rounds %.3f to %.3f", ours.ConnectionsPS, theirs.ConnectionsPS, slices.Min(v), slices.Max(v))
}

// topFunctions is how many functions a missed target names.
const topFunctions = 12

// top returns the most expensive functions of an operation.
func (j *judgement) top(system, op, variant string) []Spent {
	return j.topAt(system, op, variant, j.few())
}

func (j *judgement) topAt(system, op, variant string, peers int) []Spent {
	return most(j.spent(wire.Inject, system, op, variant, peers))
}

// added returns the functions that a system adds most to, beyond what they take with another one.
func (j *judgement) added(device, system, beyond, op, variant string) []Spent {
	with, without := j.spent(device, system, op, variant, j.few()), j.spent(device, beyond, op, variant, j.few())
	for name, n := range without {
		if _, ok := with[name]; ok {
			with[name] -= n
		}
	}
	return most(with)
}

// spent returns what each function takes of a packet.
func (j *judgement) spent(device, system, op, variant string, peers int) map[string]float64 {
	all := map[string]float64{}
	for _, p := range j.Profiles {
		if p.Family == j.family && p.Device == device && p.System == system && p.Op == op && p.Variant == variant && p.Peers == peers {
			for _, f := range p.Functions {
				all[f.Name] += f.Share * p.Packet
			}
		}
	}
	return all
}

// most returns the largest of all functions, in order.
func most(all map[string]float64) []Spent {
	var list []Spent
	for name, n := range all {
		list = append(list, Spent{name, n})
	}
	slices.SortFunc(list, func(a, b Spent) int {
		return cmp.Or(cmp.Compare(b.Instructions, a.Instructions), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(topFunctions, len(list))]
}

// count writes a number of flows: "1 k", "4 M".
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%d M", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%d k", n/1000)
	}
	return fmt.Sprint(n)
}
