// SPDX-License-Identifier: MIT

package reproduce

import (
	"errors"
	"fmt"
	"io"

	"dpr/testbed/eval/sim"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/surge"
)

// Options says how the evaluation runs.
type Options struct {
	// Scale is users and capacity as a part of the paper's, 0.02 to 1.
	Scale float64
	// Seconds of each run are measured, 5 to 3600, after Warmup seconds that
	// are not, 0 to 600; three times as many of None, whose overloaded server
	// takes long to come to rest.
	Seconds, Warmup int
	// Repeat is how often each policy runs, 1 to 100, in turn with the others.
	Repeat int
	// Policies are the names of those that run.
	Policies []string
	// Seed determines the users of the first repeat; the next has the next.
	Seed uint64
	// MaxLoad is that of policies that have none of their own, TCP, TCPDirect and TCPSlow,
	// in connections. Below 0: for each the best of its sweep.
	MaxLoad int64
	// SweepSeconds is how long each MaxLoad of the sweep is measured, up to 600;
	// 0: no sweep.
	SweepSeconds int
	// Simulate has the simulator do what the lab did.
	Simulate bool
	// Study is the directory of a study of the simulator's ("dprlab sim-study")
	// that the report takes in if it is there; "" for none.
	Study string
	// Family has the families of the clients' connections. The servers' own addresses
	// have that of Mix.Own.
	Family family.Mix
	// Variant and Files are the workload's.
	Variant surge.Variant
	Files   surge.FileSpec

	// Kernel is that of the servers, as lab.Config has it.
	Kernel string
	// Lab is the name of the lab that is brought up. One that has the name
	// already is taken down.
	Lab string
	// Dir is where the report goes.
	Dir string
	// LoadCommand is the program, with its arguments, that calls [surge.Serve].
	LoadCommand []string
	// Stdout takes the tables and verdicts, Progress a line a step.
	Stdout, Progress io.Writer
}

// maxFile cuts files, in bytes. Where users share an overloaded server, each has some
// 4 kB/s of it at any scale: what is larger than a run lets through never ends, and
// the rate that is seen is that of the small files. A run here takes about a quarter
// of the paper's 200 s, in which a file of 1 MB just might have ended.
const maxFile = 250_000

// Defaults are the options of "make reproduce".
func Defaults() Options {
	return Options{
		Scale: 0.16, Seconds: 24, Warmup: 8, Repeat: 5, Policies: standard, Seed: 1,
		MaxLoad: -1, SweepSeconds: 12, Simulate: true, Study: "out/sim",
		Family: family.Only4, Variant: surge.Variants[0], Files: surge.FileSpec{Files: 2000, MaxSize: maxFile, Seed: 1},
		Kernel: kernel.Default, Lab: "reproduce", Dir: "out/reproduce", Stdout: io.Discard, Progress: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Number(&o.Scale, "scale", flags.From(0.02, 1), "users and capacity as a `PART` of the paper's, {range}"),
		flags.Number(&o.Seconds, "seconds", flags.From(5, 3600), "each run is measured for `N` seconds"),
		flags.Number(&o.Warmup, "warmup", flags.From(0, 600), "after `N` seconds that are not, or three times as many of the policy none"),
		flags.Number(&o.Repeat, "repeat", flags.From(1, 100), "each policy runs `N` times"),
		flags.Words(&o.Policies, "policies", names(), "`POLICY,POLICY…` that run"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of what the users do in the first repeat; the next has the next"),
		flags.Number(&o.MaxLoad, "max-load", flags.Range[int64]{}, "MaxLoad of the policies tcp and tcp-slow, in connections (`N`)").As("the best of the sweep"),
		flags.Number(&o.SweepSeconds, "sweep-seconds", flags.From(0, 600), "each MaxLoad of the sweep is measured for `N` seconds; 0: no sweep"),
		flags.Not(&o.Simulate, "no-simulation", "do not have the simulator do the same"),
		flags.String(&o.Study, "study", "`DIRECTORY` of a study by dprlab sim-study that the report takes in if it is there"),
		family.MixFlag(&o.Family, "`FAMILY` of the connections: {range}"),
		flags.Word(&o.Variant, "variant", surge.Variants, "parameters of SURGE (`VARIANT`): {range}"),
		kernel.Flag(&o.Kernel),
		flags.String(&o.Dir, "out", "`DIRECTORY` of report.html, report.md, result.json and the figures"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error {
	errs := []error{o.Flags().Check()}
	if len(o.Policies) == 0 {
		errs = append(errs, errors.New("policies: none given"))
	}
	seen := map[string]bool{}
	for _, name := range o.Policies {
		if seen[name] {
			errs = append(errs, fmt.Errorf("policy %q is given twice", name))
		}
		seen[name] = true
	}
	if o.MaxLoad < 0 && o.SweepSeconds == 0 && (seen[TCP] || seen[TCPDirect] || seen[TCPSlow]) {
		errs = append(errs, fmt.Errorf("max-load: without a sweep %s, %s and %s need one", TCP, TCPDirect, TCPSlow))
	}
	if o.Simulate && len(sim.ModulePolicies()) == 0 {
		errs = append(errs, errors.New("simulate: this program was built without C, and so without the module's policies"))
	}
	return errors.Join(errs...)
}
