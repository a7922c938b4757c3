// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// movedPlan is what a guest is to measure of connections that move.
func (r *Report) movedPlan(f family.Family) wire.Plan {
	return wire.Plan{Family: f, Moved: r.Plan.Moved, Connections: r.Plan.Connections}
}

// moved measures how long a host takes to find connections that move to it. The guest's
// clock counts instructions, as for packets, so its times are those of hosts that share a
// processor which does 10⁹ of them a second.
func (o Options) moved(ctx context.Context, r *Report, family family.Family) (err error) {
	c, err := guestConfig(o.Kernel, "", r.movedPlan(family), o.Progress)
	if err != nil {
		return err
	}
	s, err := singlevm.New(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if r.Kernel == "" {
		r.Kernel = s.Kernel.Release
	}
	f, err := measure(ctx, s, family, qemu.Count, o.Progress)
	if err != nil {
		return err
	}
	r.Moved = append(r.Moved, f.Moved...)
	return nil
}

// movedCluster names a cluster and how its hosts ask.
func movedCluster(hosts int, group bool) string {
	if group {
		return fmt.Sprintf("%d hosts, all asked at once", hosts)
	}
	return fmt.Sprintf("%d hosts, each asked alone", hosts)
}

// movedLine says what was found.
func movedLine(m wire.Moved) string {
	return fmt.Sprintf("%s: %d of %d found, %d reset; after %.3f s half of them, 99 %% after %.3f s, all after %.3f s; "+
		"%d segments asked for, %d of them waited and went on, %d dropped (asked just before %d, limits %d), %d sent again; %d questions, %d claims",
		movedCluster(m.Hosts, m.Group), m.Found, m.Connections, m.Reset, m.P50, m.P99, m.Last,
		m.Asked, m.Held, m.Waited+m.Limited, m.Waited, m.Limited, m.Again, m.Questions, m.Claims)
}

// movedOf returns what became of the connections of a cluster.
func (r *Report) movedOf(f family.Family, hosts int, group bool) (wire.Moved, bool) {
	i := slices.IndexFunc(r.Moved, func(m wire.Moved) bool { return m.Family == f && m.Hosts == hosts && m.Group == group })
	if i < 0 {
		return wire.Moved{}, false
	}
	return r.Moved[i], true
}

// moved judges how long it takes until all connections are found.
func (j *judgement) moved() {
	for _, hosts := range j.Plan.Moved {
		for _, group := range wire.AskWays(j.family) {
			j.movedIn(hosts, group)
		}
	}
}

func (j *judgement) movedIn(hosts int, group bool) {
	m, ok := j.movedOf(j.family, hosts, group)
	target := fmt.Sprintf("seconds until %s connections that moved are found, %s", count(j.Plan.Connections), movedCluster(hosts, group))
	if ok && m.Found < m.Connections {
		// There is no such time. What was found is a figure of another kind.
		j.verdicts = append(j.verdicts, Verdict{Family: j.family, Target: target, Limit: movedAtMost, Outcome: Missed,
			Detail: fmt.Sprintf("%d were not found, %d of them reset", m.Connections-m.Found, m.Reset)})
		return
	}
	j.add(target, orNaN(m.Last, ok), movedAtMost, false, fmt.Sprintf("half after %.3f, 99 %% after %.3f", m.P50, m.P99))
}
