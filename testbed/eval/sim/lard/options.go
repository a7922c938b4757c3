// SPDX-License-Identifier: MIT

package lard

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"dpr/testbed/lab/flags"
)

// Options says which simulations are run, and where what they find goes.
type Options struct {
	Config           // of each; Hosts, Set, Policy and Machine are those of the lists
	Sizes  []int     // of the clusters
	Sets   []float64 // working sets, in memories of one host
	Dir    string    // of lard.json and lard.svg
	Stdout io.Writer // takes the tables and the verdict
}

// OptionDefaults are clusters of 3 to 8 hosts, whose documents are half as large
// as one host's memory to eight times that.
func OptionDefaults() Options {
	return Options{
		Config: Default(), Sizes: []int{3, 4, 6, 8}, Sets: []float64{0.5, 1, 2, 3, 4, 8}, Dir: "out", Stdout: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Numbers(&o.Sizes, "hosts", flags.From(1, maxHosts), "sizes of the clusters (`N,N…`, {range})"),
		flags.Number(&o.Zipf, "zipf", flags.From(0.0, 3.0), "`EXPONENT` of the documents' popularity"),
		flags.Number(&o.Mean, "mean", flags.From(512.0, 1e8), "mean size of a document, `BYTES`"),
		flags.Number(&o.Memory, "memory", flags.From(int64(1), int64(1<<40)), "`BYTES` of a host's memory for documents"),
		flags.Number(&o.Spill, "spill", flags.From(0, 1000), "`PERCENT` of load above the mean at which locality passes by a host"),
		flags.Number(&o.Period, "period", flags.From(0.001, 60.0), "of reports, `SECONDS`"),
		flags.Number(&o.Requests, "requests", flags.From(1, 1<<30), "`N` requests that each simulation measures"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of all that is random"),
		flags.String(&o.Dir, "out", "`DIRECTORY` of lard.json and lard.svg"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// configs returns the simulations in the order of the tables.
func (o *Options) configs() []Config {
	var all []Config
	for _, machine := range Machines {
		for _, hosts := range o.Sizes {
			for _, set := range o.Sets {
				for _, policy := range Policies {
					c := o.Config
					c.Machine, c.Hosts, c.Set, c.Policy = machine, hosts, set, policy
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// Main runs the simulations, writes lard.json and lard.svg, and prints tables and a
// verdict. A verdict that fails is an error.
func Main(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("lard: %w", err)
	}
	results, err := runAll(ctx, o.configs())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("lard: %w", err)
	}
	report := newReport(results)
	if err := report.write(o.Dir); err != nil {
		return fmt.Errorf("lard: %w", err)
	}
	if err := report.print(o.Stdout); err != nil {
		return fmt.Errorf("lard: %w", err)
	}
	return report.err()
}

// runAll runs simulations, as many at a time as there are processors.
func runAll(ctx context.Context, configs []Config) ([]*Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*Result, len(configs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(configs)) {
		wg.Go(func() {
			for i := range next {
				r, err := Run(ctx, configs[i])
				if err != nil {
					cancel(err)
				}
				results[i] = r
			}
		})
	}
	for i := range configs {
		next <- i
	}
	close(next)
	wg.Wait()
	return results, context.Cause(ctx)
}
