// SPDX-License-Identifier: MIT

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/httpload"
)

// settle is how long a policy is in force before it is measured: some report
// periods.
const settle = 3 * time.Second

// Options says how the demo runs.
type Options struct {
	// Lab is the name of the lab that the demo brings up. One that has the
	// name already is taken down: a demo that was killed may have left it.
	Lab string
	// Duration of each policy's run; more than 0.
	Duration time.Duration
	// Seed determines what the users do.
	Seed uint64
	// Family has the families of the clients' connections. The servers' own addresses
	// have that of Mix.Own.
	Family family.Mix
	// Dir is where demo.json, demo.svg and the captures go.
	Dir string
	// LoadCommand is the program, with its arguments, that calls [httpload.Serve].
	LoadCommand []string
	// Stdout takes the model, the table and the verdicts.
	Stdout io.Writer
	// Progress takes a line a step.
	Progress io.Writer
}

// picture is the file with the picture of what the demo found.
const picture = "demo.svg"

// Defaults returns the options of "make demo".
func Defaults() Options {
	return Options{Lab: "demo", Duration: time.Minute, Seed: 1, Family: family.Only4, Dir: "out", Stdout: io.Discard, Progress: io.Discard}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Duration(&o.Duration, "duration", flags.Above[time.Duration](0), "how long each policy runs (`TIME`)"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of what the users do"),
		family.MixFlag(&o.Family, "`FAMILY` of the connections: {range}"),
		flags.String(&o.Dir, "out", "`DIRECTORY` of demo.json, demo.svg and the captures"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Run brings the demo's lab up, compares the policies, writes demo.json and demo.svg, prints
// the table and takes the lab down. An error means that something could not be
// done, a kernel complained, or a check failed.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	describeModel(o.Stdout, o.Duration, o.Family)
	c := lab.Config{
		Name: o.Lab, Servers: 3, Clients: len(split),
		Family: o.Family.Own(), Link: linkRate, AccessRate: accessRate,
		DPR:      lab.DPRConfig{Policy: policies[0]},
		Progress: o.Progress,
	}
	var report *Report
	err := drive.With(ctx, c, func(l drive.Cluster) (err error) {
		report, err = compare(ctx, l, o)
		// A splat explains whatever else went wrong.
		return errors.Join(l.Check(), err)
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	file := filepath.Join(o.Dir, "demo.json")
	if err := errors.Join(report.WriteFile(file), report.WritePicture(o.Dir, picture), report.WriteTable(o.Stdout)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(o.Stdout, "\nThe same in %s and, as a picture, in %s; captures next to them.\n", file, filepath.Join(o.Dir, picture))
	return report.Err()
}

// compare runs each policy and judges.
func compare(ctx context.Context, l drive.Cluster, o Options) (*Report, error) {
	if err := l.AwaitPeers(ctx); err != nil {
		return nil, err
	}
	report := &Report{Kernel: l.Kernel().Release, Family: o.Family}
	var seen []Check
	for _, policy := range policies {
		fmt.Fprintf(o.Progress, "policy %s: load for %v\n", policy, o.Duration)
		run, checks, err := runPolicy(ctx, l, o, policy)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", policy, err)
		}
		report.Runs = append(report.Runs, *run)
		seen = append(seen, checks...)
	}
	report.Checks = append(verdicts(report.Runs), seen...)
	return report, nil
}

// runPolicy measures one policy, and looks at its packets if it redirects.
func runPolicy(ctx context.Context, l drive.Cluster, o Options, policy string) (*PolicyRun, []Check, error) {
	if err := l.SetPolicy(ctx, policy); err != nil {
		return nil, nil, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if policy == policies[0] {
		run, err := measure(ctx, l, o, policy)
		return run, nil, err
	}
	watch, err := startCaptures(ctx, l, o)
	if err != nil {
		return nil, nil, err
	}
	run, err := measure(ctx, l, o, policy)
	if err := errors.Join(err, watch.stop()); err != nil {
		return nil, nil, err
	}
	checks, err := watch.verdicts(ctx)
	return run, checks, err
}

// measure drives the load and counts.
func measure(ctx context.Context, l drive.Cluster, o Options, policy string) (*PolicyRun, error) {
	before, err := l.ReadCounters(ctx)
	if err != nil {
		return nil, err
	}
	users, err := clients(l, &o)
	if err != nil {
		return nil, err
	}
	result, err := l.Load(ctx, o.LoadCommand, users)
	if err != nil {
		return nil, err
	}
	for _, example := range result.Examples {
		fmt.Fprintf(o.Progress, "policy %s: a request failed: %s\n", policy, example)
	}
	after, err := l.ReadCounters(ctx)
	if err != nil {
		return nil, err
	}
	return newRun(policy, l.Servers(), before, after, result), nil
}

// newRun puts a run's numbers together.
func newRun(policy string, servers []lab.Host, before, after []drive.Counters, result *httpload.Result) *PolicyRun {
	run := &PolicyRun{
		Policy:      policy,
		Requests:    result.Requests,
		Failed:      result.Failed,
		Failures:    result.Failures,
		DelayMeanMS: milliseconds(result.DelayMean()),
		DelayP99MS:  milliseconds(result.DelayQuantile(0.99)),
		Throughput:  result.Throughput(),
	}
	for i, server := range servers {
		run.Hosts = append(run.Hosts, HostRun{
			Name:       server.Name,
			Served:     after[i].Served - before[i].Served,
			Redirected: after[i].Redirected - before[i].Redirected,
		})
	}
	return run
}

// milliseconds is a duration as the report has it.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
