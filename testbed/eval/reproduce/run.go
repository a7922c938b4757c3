// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// memory of a server in MiB: the file set is some 70 MB of it.
const memory = 512

// Run brings the lab up, runs the sweep and the policies, takes the lab down and
// writes the report. An error means that something could not be done or that a kernel
// complained; a target that is missed is in the report and no error. With an error
// there may be a report too, of what was measured until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("reproduce: %w", err)
	}
	m, err := newModel(o.Scale, o.Files, o.Family)
	if err != nil {
		return nil, fmt.Errorf("reproduce: %w", err)
	}
	begin := time.Now()
	r := newReport(&o, m)
	measured := r.measure(ctx, &o, m)
	if len(r.Policies) == 0 {
		return nil, fmt.Errorf("reproduce: %w", errors.Join(measured, errors.New("nothing was measured")))
	}
	if measured != nil {
		measured = fmt.Errorf("reproduce: %w", measured)
	}
	if o.Simulate && measured == nil {
		fmt.Fprintln(o.Progress, "          simulating the same")
		if err := r.simulate(ctx); err != nil {
			return nil, fmt.Errorf("reproduce: %w", err)
		}
	}
	r.finish()
	r.Config.Took = time.Since(begin).Round(time.Second).String()
	return r, measured
}

// measure does all that needs the lab.
func (r *Report) measure(ctx context.Context, o *Options, m *model) error {
	c := lab.Config{
		Name: o.Lab, Kernel: o.Kernel, Memory: memory, Servers: servers, Clients: len(split), Family: o.Family.Own(),
		DPR: lab.DPRConfig{Policy: "off", ReportPeriod: time.Second}, WebFiles: m.files.Files(), Progress: o.Progress,
	}
	return lab.With(ctx, c, func(l *lab.Lab) error {
		err := r.measureLab(ctx, l, o, m)
		// A splat explains whatever else went wrong.
		return errors.Join(l.Check(), err)
	})
}

func (r *Report) measureLab(ctx context.Context, l *lab.Lab, o *Options, m *model) error {
	r.Config.Kernel, r.Config.Accelerator = l.Kernel().Release, l.Accel()
	for _, s := range l.Servers() {
		for _, command := range m.limits() {
			if _, err := l.Output(ctx, s.Name, command...); err != nil {
				return fmt.Errorf("limiting %s: %w", s.Name, err)
			}
		}
	}
	if err := drive.Of(l).AwaitPeers(ctx); err != nil {
		return err
	}
	e := &experiment{lab: l, o: o, m: m, period: time.Second}
	if err := r.sweep(ctx, e); err != nil {
		return err
	}
	return r.policies(ctx, e)
}

// servers is their number.
const servers = 3

// policies runs all policies, as often as asked. Each repeat begins with another
// one, so that none is always first, and gives all the same users.
func (r *Report) policies(ctx context.Context, e *experiment) error {
	for repeat := range e.o.Repeat {
		for i := range e.o.Policies {
			name := e.o.Policies[(i+repeat)%len(e.o.Policies)]
			p, err := byName(name)
			if err != nil {
				return err
			}
			run, err := e.run(ctx, p, r.maxLoad(name), e.o.Seed+uint64(repeat), e.o.Seconds)
			if err != nil {
				return fmt.Errorf("%s, repeat %d: %w", name, repeat+1, err)
			}
			fmt.Fprintf(e.o.Progress, "          repeat %d, %-14s %s\n", repeat+1, name, run)
			r.add(name, run)
		}
	}
	return nil
}
