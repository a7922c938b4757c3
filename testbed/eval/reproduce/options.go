// SPDX-License-Identifier: MIT

package reproduce

import (
	"errors"
	"fmt"
	"io"

	"dpr/testbed/eval/sim"
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
	// MaxLoad is that of policies that have none of their own, TCP and TCPSlow,
	// in connections. Below 0: for each the best of its sweep.
	MaxLoad int64
	// SweepSeconds is how long each MaxLoad of the sweep is measured; 0: no
	// sweep.
	SweepSeconds int
	// Simulate has the simulator do what the lab did.
	Simulate bool
	// Study is the directory of a study of the simulator's ("dprlab sim-study")
	// that the report takes in if it is there; "" for none.
	Study string
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
		Variant: surge.Variants[0], Files: surge.FileSpec{Files: 2000, MaxSize: maxFile, Seed: 1},
		Kernel: "6.1", Lab: "reproduce", Dir: "out/reproduce", Stdout: io.Discard, Progress: io.Discard,
	}
}

func (o *Options) validate() error {
	var errs []error
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"seconds", o.Seconds, 5, 3600}, {"warmup", o.Warmup, 0, 600}, {"repeat", o.Repeat, 1, 100}, {"sweep-seconds", o.SweepSeconds, 0, 600},
	} {
		if n.value < n.least || n.value > n.most {
			errs = append(errs, fmt.Errorf("%s %d: want %d to %d", n.name, n.value, n.least, n.most))
		}
	}
	if len(o.Policies) == 0 {
		errs = append(errs, errors.New("policies: none given"))
	}
	seen := map[string]bool{}
	for _, name := range o.Policies {
		_, err := byName(name)
		if err == nil && seen[name] {
			err = fmt.Errorf("policy %q is given twice", name)
		}
		errs = append(errs, err)
		seen[name] = true
	}
	if o.MaxLoad < 0 && o.SweepSeconds == 0 && (seen[TCP] || seen[TCPSlow]) {
		errs = append(errs, fmt.Errorf("max-load: without a sweep %s and %s need one", TCP, TCPSlow))
	}
	if o.Simulate && len(sim.ModulePolicies()) == 0 {
		errs = append(errs, errors.New("simulate: this program was built without C, and so without the module's policies"))
	}
	return errors.Join(errs...)
}
