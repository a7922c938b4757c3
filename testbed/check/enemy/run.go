// SPDX-License-Identifier: MIT

package enemy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"dpr/testbed/check/enemy/wire"
	"dpr/testbed/lab"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/singlevm"
)

// PartRaces is the part whose guest is that of package fuzz.
const PartRaces = "races"

// Parts are all parts, in the order in which they are done.
var Parts = []string{wire.Blind, wire.Local, PartRaces}

// Options say what is tried.
type Options struct {
	Kernel  string   // as in singlevm.Config
	CPUs    int      // of the guest, 1 to lab.MaxCPUs
	Seed    uint64   // that all random choices follow from
	Parts   []string // of the variable Parts
	Packets int      // of part blind, of each kind in each state, 1 or more
	Seconds int      // of part races, 1 or more

	Source   string    // the root of the checkout
	Dir      string    // where out/ is
	Stdout   io.Writer // gets the result
	Progress io.Writer // gets a line for each step
}

// Defaults returns the options of "make enemy". Its seed is a new one each time.
func Defaults() Options {
	return Options{
		Kernel: kernel.Default, CPUs: 2, Seed: rand.Uint64() >> 1, Parts: Parts, Packets: 20_000, Seconds: 60,
		Source: ".", Dir: ".", Stdout: io.Discard, Progress: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		kernel.AnyFlag(&o.Kernel, "`VERSION` of the kernel: 6.1 is Debian's, debug has KASAN and lockdep"),
		flags.Number(&o.CPUs, "cpus", flags.From(1, lab.MaxCPUs), "`N` processors of the guest"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`N` that all random choices follow from").As("a new one"),
		flags.Words(&o.Parts, "parts", Parts, "what is tried (`PART,PART…`): {range}").As("all"),
		flags.Number(&o.Packets, "packets", flags.AtLeast(1), "`N` blind packets of each kind to connections of each state"),
		flags.Number(&o.Seconds, "seconds", flags.AtLeast(1), "`N` seconds of races"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// The least that whole parts bring: kinds of packets times states, attempts of the
// local program, and programs that must go on working.
var whole = expected{rows: 96, attempts: 25, controls: 3}

// Run does the parts and writes the result to File. It is an error if the verdict
// is not that it passed.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("enemy: %w", err)
	}
	r := &Result{Seed: o.Seed, Kernel: o.Kernel, Parts: o.Parts}
	if err := o.guests(ctx, r); err != nil {
		return fmt.Errorf("enemy: %w", err)
	}
	if slices.Contains(o.Parts, PartRaces) && ctx.Err() == nil {
		if err := o.races(ctx, r); err != nil {
			return fmt.Errorf("enemy: %s: %w", PartRaces, err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("enemy: %w", ctx.Err())
	}
	r.Verdict, r.Reasons = "passed", r.judge(whole)
	if len(r.Reasons) > 0 {
		r.Verdict = "failed"
	}
	if err := errors.Join(r.write(filepath.Join(o.Dir, File)), r.print(o.Stdout)); err != nil {
		return err
	}
	if len(r.Reasons) > 0 {
		return fmt.Errorf("enemy: %d reasons to fail; the first: %s", len(r.Reasons), r.Reasons[0])
	}
	return nil
}

// guests does the parts that the guest of this package does.
func (o Options) guests(ctx context.Context, r *Result) (err error) {
	var g *singlevm.VM
	var accel string
	for _, part := range []string{wire.Blind, wire.Local} {
		if !slices.Contains(o.Parts, part) {
			continue
		}
		if g == nil {
			if g, err = o.newGuest(ctx); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, g.Close()) }()
			if accel, err = g.Accel(ctx); err != nil {
				return err
			}
			r.Kernel = g.Kernel.Release
		}
		plan, err := json.Marshal(wire.Plan{Part: part, Seed: o.Seed, Packets: o.Packets})
		if err != nil {
			return err
		}
		if err := g.Put(wire.PlanPath, plan); err != nil {
			return err
		}
		err = g.Run(ctx, accel, func(b []byte) error { return r.record(b, part, o.Progress) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A kernel that complains is what this is for.
		if err != nil {
			r.Errors = append(r.Errors, fmt.Sprintf("%s: %v", part, err))
		}
	}
	return nil
}

// newGuest builds the guest of the parts blind and local.
func (o Options) newGuest(ctx context.Context) (*singlevm.VM, error) {
	return singlevm.New(ctx, singlevm.Config{
		Kernel: o.Kernel, Memory: 512, CPUs: o.CPUs, Init: "./testbed/check/enemy/guest", Modules: []string{"veth", "bridge"},
		Built:  []kernel.Module{{Dir: "kmod", With: []string{"include"}, Name: "dpr"}},
		Source: o.Source, Progress: o.Progress,
	})
}

// record takes a line from the guest.
func (r *Result) record(b []byte, part string, progress io.Writer) error {
	var w wire.Record
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("the guest says %.200q: %w", b, err)
	}
	switch {
	case w.Say != "":
		fmt.Fprintf(progress, "          %s: %s\n", part, w.Say)
	case w.Blind != nil:
		a := *w.Blind
		fmt.Fprintf(progress, "          %s: %s: %d of %d, plain %d of %d, %.0f s\n", a.State, a.Kind, a.BrokenDPR, a.Packets, a.BrokenTCP, a.PacketsTCP, a.Seconds)
		r.Blind = append(r.Blind, a)
	case w.Local != nil:
		r.Local = append(r.Local, *w.Local)
	}
	return nil
}
