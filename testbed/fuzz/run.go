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

	"dpr/testbed/fuzz/wire"
	"dpr/testbed/lab"
	"dpr/testbed/reliability"
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
	Seconds  int           // of each target in the part userland

	Source   string    // the root of the checkout
	Dir      string    // where out/ is
	Stdout   io.Writer // gets a line for each part
	Progress io.Writer // gets a line for each step
}

// Run does the parts, and writes what came of each to reliability.File. It is an
// error if one failed; the others are done all the same.
func Run(ctx context.Context, o Options) error {
	var failed []string
	for _, part := range o.Parts {
		if !slices.Contains(Parts, part) {
			return fmt.Errorf("fuzz: no part is called %q; there are %s", part, strings.Join(Parts, ", "))
		}
	}
	for _, part := range o.Parts {
		p, err := o.part(ctx, part)
		if err != nil {
			return fmt.Errorf("fuzz: %s: %w", part, err)
		}
		if err := reliability.Write(filepath.Join(o.Dir, reliability.File), part, p); err != nil {
			return err
		}
		verdict := "passed"
		if !p.Passed {
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

// part boots a guest that does one part.
func (o Options) part(ctx context.Context, part string) (p reliability.Part, err error) {
	if part == Userland {
		return o.userland(ctx)
	}
	userMode := o.Kernel == lab.KernelUML || o.Kernel == lab.KernelUMLDebug
	c, err := guestConfig(o.Kernel, o.CPUs, o.Progress, wire.Plan{
		Part: part, Seed: o.Seed, Messages: o.Messages, Packets: o.Packets, Steps: o.Steps, Flood: o.Flood, Limit: int(o.Limit.Seconds()), Slow: !userMode,
	})
	if err != nil {
		return p, err
	}
	guest, err := lab.NewSolo(ctx, c)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, guest.Close()) }()
	accel, err := guest.Accel(ctx)
	if err != nil {
		return p, err
	}
	p = reliability.Part{Seed: o.Seed, Kernel: guest.Kernel.Release, Began: time.Now().UTC().Truncate(time.Second), Results: json.RawMessage("{}")}
	f := &found{part: part, progress: o.Progress}
	err = guest.Run(ctx, accel, f.line)
	p.Seconds = time.Since(p.Began).Seconds()
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	// A splat is what this is for; anything else that ends a guest early is, too.
	if err == nil && !f.done {
		err = fmt.Errorf("the guest ended early; the end of its console:\n%s", guest.ConsoleEnd())
	}
	if err != nil {
		f.failures = append(f.failures, err.Error())
	}
	if f.results != nil {
		p.Results = f.results
	}
	p.Failures, p.Passed = f.failures, len(f.failures) == 0
	return p, nil
}
