// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"fmt"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// settle is how long a policy is in force before its users come: some report
// periods.
const settle = 2 * time.Second

// experiment is the lab with what it is to run.
type experiment struct {
	lab *lab.Lab
	o   *Options
	m   *model
	// period is how often servers report now.
	period time.Duration
}

// run measures a policy once.
func (e *experiment) run(ctx context.Context, p Policy, maxLoad, seed uint64, seconds int) (*RunResult, error) {
	if err := e.reportEvery(ctx, p.period(e.m.scale)); err != nil {
		return nil, err
	}
	for _, s := range e.lab.Servers() {
		for _, command := range p.commands(maxLoad) {
			if _, err := e.lab.Output(ctx, s.Name, command...); err != nil {
				return nil, err
			}
		}
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	counted, err := drive.Of(e.lab).ReadCounters(ctx)
	if err != nil {
		return nil, err
	}
	reports, err := readHeard(ctx, e.lab)
	if err != nil {
		return nil, err
	}
	warmup, window := time.Duration(p.warmup(e.o.Warmup))*time.Second, time.Duration(seconds)*time.Second
	start := time.Now().Add(startIn)
	busy := e.watchCPU(ctx, start.Add(warmup), window)
	saw, err := drive.Of(e.lab).Surge(ctx, e.o.LoadCommand, e.processes(seed, warmup+window, start))
	if err != nil {
		return nil, err
	}
	for _, example := range saw.Examples {
		fmt.Fprintf(e.o.Progress, "          %s: a request failed: %s\n", p.Name, example)
	}
	run, err := analyse(saw, e.names(), warmup, window, e.m.scale)
	if err != nil {
		return nil, err
	}
	run.Seed = seed
	if run.CPU, err = busy(); err != nil {
		return nil, err
	}
	after, err := drive.Of(e.lab).ReadCounters(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := readHeard(ctx, e.lab)
	if err == nil {
		err = reports.every(p.period(e.m.scale), heard)
	}
	if err != nil {
		return nil, err
	}
	run.count(counted, after)
	return run, nil
}

// reportEvery has the servers report so often from now on. Their processes read
// their configuration again, and put what it says of the policy in force.
func (e *experiment) reportEvery(ctx context.Context, period time.Duration) error {
	if period == e.period {
		return nil
	}
	script := fmt.Sprintf(`sed -i -e '/^report_max_age/d' -e 's/^period = .*/period = "%v"/' -e '1i report_max_age = "%v"' /etc/dpr/dpr.toml &&
for process in dpr-broadcast dpr-receive dpr-cleanup; do kill -HUP "$(svc pid $process)" || exit; done`, period, 3*period)
	for _, s := range e.lab.Servers() {
		if _, err := e.lab.Output(ctx, s.Name, "sh", "-c", script); err != nil {
			return fmt.Errorf("reports of %s every %v: %w", s.Name, period, err)
		}
	}
	e.period = period
	select {
	case <-time.After(reload):
		return drive.Of(e.lab).AwaitPeers(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reload is how long the servers' processes take to read their configuration.
const reload = 3 * time.Second

// processes returns all processes of users.
func (e *experiment) processes(seed uint64, duration time.Duration, start time.Time) []drive.SurgeProcess {
	var all []drive.SurgeProcess
	clients := e.lab.Clients()
	for client, plans := range e.m.plans(e.o, e.lab.Servers(), seed, duration, start) {
		for _, p := range plans {
			all = append(all, drive.SurgeProcess{Host: clients[client].Name, Plan: p})
		}
	}
	return all
}

// names of the servers.
func (e *experiment) names() []string {
	var names []string
	for _, s := range e.lab.Servers() {
		names = append(names, s.Name)
	}
	return names
}

// count adds what the servers counted.
func (r *RunResult) count(before, after []drive.Counters) {
	var served, redirected, sent, direct uint64
	for i := range after {
		sent += after[i].Sent - before[i].Sent
		direct += after[i].Direct - before[i].Direct
		served += after[i].Served - before[i].Served
		redirected += after[i].Redirected - before[i].Redirected
	}
	if served > 0 {
		r.Redirected = float64(redirected) / float64(served)
	}
	if sent > 0 {
		r.Direct = float64(direct) / float64(sent)
	}
}
