// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"strings"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// The targets of the fast path, on the ideal network card, whose packets are merged if they
// can be.
const (
	fastOfTun       = 0.13 // established, of IPVS-TUN
	fastOfKatran    = 0.85 // established, of a program that does what Katran does
	fastOtherAtMost = 120  // instructions that its program adds to a packet of others
)

// fastPath judges the fast path, if it was asked for.
func (j *judgement) fastPath() {
	if j.family != family.V4 || !j.Plan.FastPath {
		return
	}
	j.fastOf(wire.Tun, fastOfTun)
	j.fastOf(wire.Katran, fastOfKatran)
	with, ok1 := find(j.instructions(), j.family, wire.Ideal, wire.XDP, wire.Other, wire.TCPAlone)
	without, ok2 := find(j.instructions(), j.family, wire.Ideal, wire.DPR, wire.Other, wire.TCPAlone)
	j.add("fast path: instructions added to others' packets", orNaN(with.Cost-without.Cost, ok1 && ok2), fastOtherAtMost, false,
		fmt.Sprintf("%.0f to %.0f", without.Cost, with.Cost), j.added(wire.Ideal, wire.XDP, wire.DPR, wire.Other, wire.TCPAlone)...)
}

// fastOf compares what an established packet costs with another system.
func (j *judgement) fastOf(system string, limit float64) {
	cost := func(system string) float64 {
		return orNaN(j.costOn(j.family, wire.Ideal, true, system, wire.Established, j.fastFlows(), j.few()))
	}
	ours, theirs := cost(wire.XDP), cost(system)
	j.add(fmt.Sprintf("fast path: established at %s flows, of %s's", count(j.fastFlows()), strings.ToUpper(system)), ours/theirs, limit, false,
		fmt.Sprintf("%.0f of %.0f instructions", ours, theirs), most(j.spent(wire.Ideal, wire.XDP, wire.Established, "", j.few()))...)
}
