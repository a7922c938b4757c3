// SPDX-License-Identifier: MIT

package enemy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"dpr/testbed/check/enemy/wire"
	"dpr/testbed/lab"
)

// PartRaces is the part whose guest is that of package fuzz.
const PartRaces = "races"

// Parts are all parts, in the order in which they are done.
var Parts = []string{wire.Blind, wire.Local, PartRaces}

// Options say what is tried.
type Options struct {
	Kernel  string // as in lab.SoloConfig
	CPUs    int    // of the guest
	Seed    uint64
	Parts   []string
	Packets int // of part blind, of each kind in each state
	Seconds int // of part races

	Source   string    // the root of the checkout
	Dir      string    // where out/ is
	Stdout   io.Writer // gets the result
	Progress io.Writer // gets a line for each step
}

// The least that whole parts bring: kinds of packets times states, attempts of the
// local program, and programs that must go on working.
var whole = expected{rows: 96, attempts: 25, controls: 3}

// Run does the parts and writes the result to File. It is an error if the verdict
// is not that it passed.
func Run(ctx context.Context, o Options) error {
	for _, part := range o.Parts {
		if !slices.Contains(Parts, part) {
			return fmt.Errorf("enemy: no part is called %q; there are %s", part, strings.Join(Parts, ", "))
		}
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
	var g *lab.Solo
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
func (o Options) newGuest(ctx context.Context) (*lab.Solo, error) {
	return lab.NewSolo(ctx, lab.SoloConfig{
		Kernel: o.Kernel, Memory: 512, CPUs: o.CPUs, Init: "./testbed/check/enemy/guest", Modules: []string{"veth", "bridge"},
		Built:  []lab.SoloModule{{Dir: "kmod", With: []string{"include"}, Name: "dpr"}},
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
