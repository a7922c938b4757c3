// SPDX-License-Identifier: MIT

package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// guestMemory is the memory of the measuring guest in MiB: 4,000,000 flows must
// fit it.
const guestMemory = 1024

// guestConfig says what the measuring guest is made of. The module dpr.ko is that
// of source, a checkout's root.
func guestConfig(name, source string, plan wire.Plan, progress io.Writer) (singlevm.Config, error) {
	b, err := json.Marshal(plan)
	if err != nil {
		return singlevm.Config{}, fmt.Errorf("writing the guest's plan: %w", err)
	}
	params := ""
	if plan.PossibleCPUs > 0 {
		params = fmt.Sprintf("possible_cpus=%d", plan.PossibleCPUs)
	}
	packets := kernel.Module{Dir: "testbed/eval/bench/inject", Name: "dprinject"}
	if plan.FastPath {
		packets = kernel.Module{Dir: "testbed/eval/bench/nic", With: []string{packets.Dir}, Name: "dprnic"}
	}
	return singlevm.Config{
		Kernel: name, Params: params, Memory: guestMemory, Init: "./testbed/eval/bench/guest",
		Programs: []string{"/usr/sbin/ipvsadm", "/usr/sbin/nft"},
		Modules: []string{
			"dummy", "ipip", "ip6_tunnel", "nf_defrag_ipv6", "nf_conntrack", "ip_vs", "ip_vs_lc", "nf_tables",
			"veth", "sch_netem",
		},
		Built: []kernel.Module{
			{Root: source, Dir: "kmod", With: []string{"include"}, Name: "dpr"},
			packets,
		},
		Files:    map[string][]byte{wire.PlanPath: b},
		Progress: progress,
	}, nil
}

// measure runs a guest, whose plan has the family, under an accelerator and returns what
// it found.
func measure(ctx context.Context, s *singlevm.VM, family family.Family, accel string, progress io.Writer) (*Findings, error) {
	f := &Findings{Unit: unitOf(accel), Family: family}
	err := s.Run(ctx, accel, func(line []byte) error { return f.add(line, progress) })
	if err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("measuring under %s: %w", accel, err))
	}
	return f, nil
}

// The units of costs.
const (
	Instructions = "instructions"
	Nanoseconds  = "ns"
)

func unitOf(accel string) string {
	if accel == qemu.Count {
		return Instructions
	}
	return Nanoseconds
}

// Findings is what one guest found.
type Findings struct {
	Unit     string
	Family   family.Family
	Cost     []wire.Cost
	Memory   []wire.Memory
	Profiles []wire.Profile
	Unfit    []wire.Unfit
	Absent   []wire.Absent
	Moved    []wire.Moved
}

// absentLine says what is left out.
func absentLine(a wire.Absent) string { return a.System + " is left out: " + a.Why }

// add takes a line from the guest.
func (f *Findings) add(line []byte, progress io.Writer) error {
	var r wire.Record
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("the measuring guest says %.200q: %w", line, err)
	}
	switch {
	case r.Say != "":
		fmt.Fprintln(progress, "          "+r.Say)
	case r.Cost != nil:
		r.Cost.Unit, r.Cost.Family, r.Cost.Round = f.Unit, f.Family, r.Round
		r.Cost.Device = cmp.Or(r.Cost.Device, wire.Inject)
		f.Cost = append(f.Cost, *r.Cost)
	case r.Memory != nil:
		r.Memory.Family = f.Family
		f.Memory = append(f.Memory, *r.Memory)
	case r.Profile != nil:
		r.Profile.Family, r.Profile.Device = f.Family, cmp.Or(r.Profile.Device, wire.Inject)
		f.Profiles = append(f.Profiles, *r.Profile)
	case r.Unfit != nil:
		r.Unfit.Family = f.Family
		f.Unfit = append(f.Unfit, *r.Unfit)
	case r.Absent != nil:
		r.Absent.Family = f.Family
		f.Absent = append(f.Absent, *r.Absent)
		fmt.Fprintln(progress, "          "+absentLine(*r.Absent))
	case r.Moved != nil:
		r.Moved.Family = f.Family
		f.Moved = append(f.Moved, *r.Moved)
		fmt.Fprintln(progress, "          "+movedLine(*r.Moved))
	}
	return nil
}
