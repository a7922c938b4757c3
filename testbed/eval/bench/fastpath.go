// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// PartFastPath is packets by the fast path, and beside it, on an ideal network card.
const PartFastPath = "fastpath"

// fastPathKernel is the series of the kernel that is measured if none is asked for: the
// default one has no fast path.
const fastPathKernel = "6.12"

// hasFastPath tells whether a kernel can have the fast path, by its release: Linux 6.11 or
// later.
func hasFastPath(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 11
}

// fastFlows is the size of the tables with which it is measured. Each system's fits the
// guest's memory.
func (r *Report) fastFlows() int { return min(r.Plan.PeerFlows, peerFlows) }

// fastPathPlan is what a guest is to measure of the fast path.
func (r *Report) fastPathPlan(f family.Family) wire.Plan {
	return wire.Plan{Family: f, FastPath: true, Peers: r.Plan.Peers[:1], PeerFlows: r.fastFlows(), Packets: r.Plan.Packets, Profile: r.Plan.Profile}
}

// fastPath measures packets by the fast path. On a kernel without it nothing is measured,
// which the report says.
func (o Options) fastPath(ctx context.Context, r *Report, f family.Family) (err error) {
	if f != family.V4 {
		return nil // what it is compared with balances IPv4 alone
	}
	root, err := checkout.Root("")
	if err != nil {
		return err
	}
	k, err := kernel.Choose(ctx, o.fastKernel, root, progress.New(o.Progress))
	if err != nil {
		return err
	}
	r.FastPath.Kernel = k.Release
	if !hasFastPath(k.Release) {
		r.FastPath.Why = fmt.Sprintf("Linux %s has none, it needs 6.11 or later", k.Release)
		fmt.Fprintf(o.Progress, "the fast path is not measured: %s\n", r.FastPath.Why)
		return nil
	}
	c, err := guestConfig(o.fastKernel, "", r.fastPathPlan(f), o.Progress)
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
	found, err := measure(ctx, s, f, qemu.Count, o.Progress)
	if err != nil {
		return err
	}
	r.take(found)
	return nil
}
