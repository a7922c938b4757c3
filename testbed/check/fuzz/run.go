// SPDX-License-Identifier: MIT

package fuzz

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/check/result"
	"dpr/testbed/lab"
)

// Parts are all parts, in the order in which they are done.
var Parts = []string{Userland, wire.Netlink, wire.Packets, wire.Faults, wire.Races, wire.Flooding}

// Options say what is tried.
type Options struct {
	Kernel   string // as in lab.SoloConfig
	CPUs     int    // of the guest, unless its kernel runs in user mode; 0: 1
	Seed     uint64
	Parts    []string
	Messages int           // of the part netlink
	Packets  int           // of the part packets
	Steps    int           // of each operation of a pair in the part races
	Flood    int           // packets of each attack in the part flood
	Limit    time.Duration // of the parts netlink and packets each
	NoLeaks  bool          // do not look for lost memory, and be faster
	Seconds  int           // of each target in the part userland; of Cross

	Source   string    // the root of the checkout
	Dir      string    // where out/ is
	Stdout   io.Writer // gets a line for each part
	Progress io.Writer // gets a line for each step
}

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
	var failed []string
	for _, part := range o.Parts {
		if !slices.Contains(Parts, part) {
			return fmt.Errorf("fuzz: no part is called %q; there are %s", part, strings.Join(Parts, ", "))
		}
	}
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
			failed = append(failed, part)
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
		return fmt.Errorf("fuzz: failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// runner does parts.
type runner struct {
	Options
	guest *lab.Solo // nil before the first part that needs one
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
