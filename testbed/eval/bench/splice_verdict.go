// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"

	"dpr/testbed/eval/bench/wire"
)

// The targets of connections to backends.
const (
	spliceAtMost       = 0.60 // a later packet of either end, of IPVS-NAT
	spliceMemoryAtMost = 192  // bytes of a connection
	httpOfSplicing     = 2.0  // of HAProxy that splices, where processors limit
)

// splices judges backends, where they are measured.
func (j *judgement) splices() {
	if !slices.Contains(j.Plan.Systems, wire.Splice) {
		return
	}
	for _, op := range []string{wire.Established, wire.Answer} {
		for _, flows := range j.Plan.Flows {
			if flows <= ratioFlows {
				j.ratio(wire.Splice, wire.NAT, op, flows, spliceAtMost)
			}
		}
	}
	for _, flows := range j.Plan.Flows {
		if !j.fits(wire.Splice, flows) {
			continue
		}
		m, ok := j.memoryOf(j.family, wire.Splice, flows)
		detail := fmt.Sprintf("%.0f in slabs, %.0f in the table and what else it took", m.SlabPerFlow, m.BytesPerFlow-m.SlabPerFlow)
		if t, ok := j.memoryOf(j.family, wire.NAT, flows); ok {
			detail += fmt.Sprintf("; IPVS-NAT %.0f", t.BytesPerFlow)
		}
		j.add(fmt.Sprintf("bytes a splice at %s flows", count(flows)), orNaN(m.BytesPerFlow, ok), spliceMemoryAtMost, false, detail)
	}
	figure, detail := compareRounds(j.HTTPUnlimited, j.family, PathSplice, PathHAProxySplice)
	j.add("connections/s through a splice where processors limit, of those by "+PathHAProxySplice, figure, httpOfSplicing, true, detail)
}
