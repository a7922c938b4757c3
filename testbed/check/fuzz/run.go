// SPDX-License-Identifier: MIT

package fuzz

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/check/result"
	"dpr/testbed/lab"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/singlevm"
)

// Parts are all parts, in the order in which they are done.
var Parts = []string{Userland, wire.Netlink, wire.Packets, wire.Faults, wire.Races, wire.Flooding}

// Options say what is tried.
type Options struct {
	Kernel   string // as in singlevm.Config
	CPUs     int    // of the guest, unless its kernel runs in user mode, 1 to lab.MaxCPUs
	Seed     uint64 // that all random choices follow from
	Parts    []string
	Messages int           // of the part netlink, 1 or more
	Packets  int           // of the part packets, 1 or more
	Steps    int           // of each operation of a pair in the part races, 1 or more
	Flood    int           // packets of each attack in the part flood, 1 or more
	Limit    time.Duration // of the parts netlink and packets each, 1 s or more
	NoLeaks  bool          // do not look for lost memory, and be faster
	Seconds  int           // of each target in the part userland, 1 or more; of Cross

	Source   string    // the root of the checkout
	Dir      string    // where out/ is
	Stdout   io.Writer // gets a line for each part
	Progress io.Writer // gets a line for each step
}

// Defaults returns the options of "make fuzz". Its seed is a new one each time.
func Defaults() Options {
	return Options{
		Kernel: kernel.UMLDebug, CPUs: 1, Seed: rand.Uint64() >> 1, Parts: Parts, Messages: 500_000, Packets: 5_000_000,
		Steps: 50, Flood: 20_000, Limit: 10 * time.Minute, Seconds: 60, Source: ".", Dir: ".", Stdout: io.Discard, Progress: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		kernel.AnyFlag(&o.Kernel, "`VERSION` of the kernel: "+kernel.UMLDebug+" has checkers and runs natively; 6.1 is Debian's"),
		flags.Number(&o.CPUs, "cpus", flags.From(1, lab.MaxCPUs), "`N` processors of the guest; in user mode it has one"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`N` that all random choices follow from").As("a new one"),
		flags.Words(&o.Parts, "parts", Parts, "what is tried (`PART,PART…`): {range}").As("all"),
		flags.Number(&o.Seconds, "seconds", flags.AtLeast(1), "`N` seconds for each target in user space"),
		flags.Number(&o.Messages, "messages", flags.AtLeast(1), "`N` netlink messages"),
		flags.Number(&o.Packets, "packets", flags.AtLeast(1), "`N` packets"),
		flags.Duration(&o.Limit, "limit", flags.AtLeast(time.Second), "`TIME` that messages, and that packets, may take"),
		flags.Bool(&o.NoLeaks, "no-leaks", "do not look for lost memory, and be faster"),
		flags.Number(&o.Steps, "steps", flags.AtLeast(1), "`N` times that each operation of a pair is done"),
		flags.Number(&o.Flood, "flood", flags.AtLeast(1), "`N` packets of each flood"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Cross does part Crossing alone. What failed is in the result.
func Cross(ctx context.Context, o Options) (p result.Part, err error) {
	o.Parts = []string{wire.Crossing}
	r := &runner{Options: o}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.part(ctx, wire.Crossing)
}

// Run does the parts, and writes what came of each to result.File. It is an
// error if one failed; the others are done all the same.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("fuzz: %w", err)
	}
	var failed []string
	r := &runner{Options: o}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, part := range o.Parts {
		file := filepath.Join(o.Dir, result.File)
		if err := result.Begin(file, part, o.Seed); err != nil {
			return err
		}
		p, err := r.part(ctx, part)
		if err != nil {
			err = fmt.Errorf("fuzz: %s: %w", part, err)
			return errors.Join(err, result.Write(file, part, result.Part{Seed: o.Seed, Began: time.Now(), Failures: []string{err.Error()}}))
		}
		if err := result.Write(file, part, p); err != nil {
			return err
		}
		verdict := "passed"
		if !p.Passed() {
			verdict = "FAILED"
			failed = append(failed, fmt.Sprintf("%s, seed %d: %d failures; the first: %.1000s", part, o.Seed, len(p.Failures), p.Failures[0]))
		}
		results, err := json.Marshal(p.Results)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.Stdout, "fuzz: %-8s %s in %.0f s, seed %d, kernel %s: %s\n", part, verdict, p.Seconds, o.Seed, cmp.Or(p.Kernel, "none"), results)
		for _, why := range p.Failures {
			fmt.Fprintln(o.Stdout, "      "+why)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("fuzz: failed: %s", strings.Join(failed, "\n"))
	}
	return nil
}

// runner does parts.
type runner struct {
	Options
	guest *singlevm.VM // nil before the first part that needs one
	accel string
}

func (r *runner) close() error {
	if r.guest == nil {
		return nil
	}
	return r.guest.Close()
}

// boot makes the guest ready for a part.
func (r *runner) boot(ctx context.Context, part string) (err error) {
	if r.guest == nil {
		if r.guest, err = r.newGuest(ctx); err != nil {
			return err
		}
		if r.accel, err = r.guest.Accel(ctx); err != nil {
			return err
		}
	}
	b, err := json.Marshal(r.plan(part))
	if err != nil {
		return fmt.Errorf("writing the guest's plan: %w", err)
	}
	return r.guest.Put(wire.PlanPath, b)
}

// part does one part.
func (r *runner) part(ctx context.Context, part string) (p result.Part, err error) {
	if part == Userland {
		return r.userland(ctx)
	}
	if err := r.boot(ctx, part); err != nil {
		return p, err
	}
	p = result.Part{
		Seed: r.Seed, Kernel: r.guest.Kernel.Release, Began: time.Now().UTC().Truncate(time.Second), Results: json.RawMessage("{}"),
	}
	start := time.Now()
	r.guest.Failing = part == wire.Faults
	f := &found{part: part, progress: r.Progress}
	err = r.guest.Run(ctx, r.accel, f.line)
	p.Seconds = time.Since(start).Seconds()
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	// A splat is what this is for; anything else that ends a guest early is, too.
	if err != nil {
		f.failures = append(f.failures, err.Error())
	}
	if f.results != nil {
		p.Results = f.results
	}
	p.Failures = f.failures
	return p, nil
}
