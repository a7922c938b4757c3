// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// nativePlan is what is measured in ns: dpr and its nearest relative, in turn, at
// the tables that both hold.
func (o Options) nativePlan(p wire.Plan) wire.Plan {
	p.Systems, p.PeerSystems, p.Peers = []string{wire.DPR, wire.Tun}, nil, p.Peers[:1]
	p.Flows = slices.DeleteFunc(slices.Clone(p.Flows), func(n int) bool { return n > ratioFlows })
	if len(p.Flows) == 0 {
		p.Flows = []int{ratioFlows}
	}
	p.PossibleCPUs = 0
	p.Profile, p.Memory, p.Median, p.Rounds = false, false, true, nativeRounds
	return p
}

// native measures packets in ns where a kernel's code runs natively: under KVM if
// that boots a guest here, else in user mode.
func (o Options) native(ctx context.Context, r *Report, family family.Family) error {
	guest, how, err := o.nativeGuest(ctx, o.nativePlan(r.planOf(family)))
	if err != nil {
		return err
	}
	f, err := measure(ctx, guest, family, how, o.Progress)
	if err := errors.Join(err, guest.Close()); err != nil {
		return err
	}
	r.take(f)
	r.Native = Native{Measured: true, How: how, Ratios: append(r.Native.Ratios, ratios(f.Cost)...)}
	if r.Kernel == "" {
		r.Kernel = guest.Kernel.Release
	}
	return nil
}

// nativeGuest returns a guest and the accelerator that it is run under. The caller
// closes it.
func (o Options) nativeGuest(ctx context.Context, p wire.Plan) (*singlevm.VM, string, error) {
	for _, name := range []string{o.Kernel, kernel.UML} {
		c, err := guestConfig(name, "", p, o.Progress)
		if err != nil {
			return nil, "", err
		}
		guest, err := singlevm.New(ctx, c)
		if err != nil {
			return nil, "", err
		}
		if name == kernel.UML {
			return guest, name, nil
		}
		accel, err := guest.Accel(ctx)
		if err == nil && accel == qemu.KVM {
			return guest, accel, nil
		}
		if err := errors.Join(err, guest.Close()); err != nil {
			return nil, "", err
		}
	}
	return nil, "", fmt.Errorf("no guest runs natively")
}

// ratios compares dpr with IPVS-TUN, and its receiving side with the ipip device:
// figures of the same round.
func ratios(costs []wire.Cost) []Ratio {
	type key struct {
		family              family.Family
		system, op, variant string
		flows, peers, round int
	}
	values := map[key]float64{}
	var keys []key
	rounds := 0
	for _, c := range costs {
		k := key{c.Family, c.System, c.Op, c.Variant, c.Flows, c.Peers, c.Round}
		values[k] = c.Cost
		rounds = max(rounds, c.Round)
		if c.System == wire.DPR && c.Round == 1 && primary(c) && c.Op != wire.Other {
			keys = append(keys, k)
		}
	}
	var all []Ratio
	for _, ours := range keys {
		theirs := ours
		if theirs.system = wire.Tun; ours.op == wire.Receive {
			theirs.system = wire.Device(ours.family)
		}
		var v []float64
		for round := 1; round <= rounds; round++ {
			ours.round, theirs.round = round, round
			if a, b := values[ours], values[theirs]; a > 0 && b > 0 {
				v = append(v, a/b)
			}
		}
		if len(v) > 0 {
			all = append(all, Ratio{ours.family, ours.op, theirs.system, ours.flows, ours.peers, median(v), slices.Min(v), slices.Max(v)})
		}
	}
	return all
}
