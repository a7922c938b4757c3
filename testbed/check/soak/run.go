// SPDX-License-Identifier: MIT

package soak

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/check/accounting"
	"dpr/testbed/check/result"
	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
	"dpr/testbed/lab/kernel"
)

const (
	// Least is the shortest soak: fewer intervals say nothing.
	Least = 30 * time.Second
	// intervals is about how many there are, of leastInterval to mostInterval;
	// leastIntervals are enough for a slope after the warm-up.
	intervals      = 40
	leastIntervals = 10
	leastInterval  = 2 * time.Second
	mostInterval   = time.Minute
	// warmUp is the part of the time that does not count.
	warmUp = 0.2
	// settle is the silence before hosts are looked at.
	settle = 500 * time.Millisecond
	// lookTimeout bounds a look at one host.
	lookTimeout = time.Minute
)

// Options says how long a soak is.
type Options struct {
	// Lab is the name of the lab that is brought up; one of that name is taken
	// down first.
	Lab    string
	Kernel string // of the servers, as in lab.Config
	Seed   uint64 // of what the clients do
	// Time is how long, at least Least.
	Time time.Duration
	// Users is how many each client has, 1 or more.
	Users int
	// LoadCommand is the program, with its arguments, that calls [httpload.Serve].
	LoadCommand []string
	// Sabotage are ways, of drive.Sabotages, to spoil the soak; it must fail.
	Sabotage []string
	// File takes the result.
	File             string
	Stdout, Progress io.Writer
}

// Defaults returns the options of "make soak".
func Defaults() Options {
	return Options{
		Lab: "soak", Kernel: kernel.Default, Seed: 1, Time: time.Hour, Users: 10, File: result.File, Stdout: io.Discard, Progress: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Seconds(&o.Time, "seconds", flags.AtLeast(Least.Seconds()), "for `N` seconds, {range}"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of what the clients do"),
		drive.SabotageFlag(&o.Sabotage),
		flags.Number(&o.Users, "users", flags.AtLeast(1), "`N` users of each of the three clients"),
		kernel.Flag(&o.Kernel),
		flags.String(&o.File, "out", "`FILE` that takes the result"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Main brings a lab up, soaks it, writes the result and prints it. The error says
// what went wrong, also if something was not steady.
func Main(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	return result.Do(o.Stdout, o.File, "soak", o.Seed, func() (r result.Result, err error) {
		c := lab.Config{Name: o.Lab, Servers: 3, Clients: 3, Kernel: o.Kernel, Progress: o.Progress}
		err = lab.With(ctx, c, func(l *lab.Lab) error { r, err = Run(ctx, l, o); return err })
		return r, err
	})
}

// Run soaks a lab that is up. The error is what kept it from running; what it
// found is in the result.
func Run(ctx context.Context, l *lab.Lab, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	if err := prepare(ctx, l); err != nil {
		return nil, err
	}
	s := &soak{lab: l, o: o, ledgers: map[string]*accounting.Ledger{}, opened: map[string]accounting.Reading{}}
	if err := s.warm(ctx); err != nil {
		return nil, err
	}
	s.result = newResult(l, o)
	var err error
	if s.result.before, err = l.Restarts(); err != nil {
		return nil, err
	}
	if _, err := s.look(ctx); err != nil {
		return nil, err
	}
	interval := min(max(o.Time/intervals, leastInterval), mostInterval).Round(time.Second)
	for n := 0; n < o.least() || time.Since(s.result.Began) < o.Time; n++ {
		if err := s.interval(ctx, interval, o.Seed+1000*uint64(n)); err != nil {
			return nil, err
		}
	}
	restarts, err := l.Restarts()
	if err != nil {
		return nil, err
	}
	s.result.end(restarts)
	if err := l.Check(); err != nil {
		s.result.Trouble = append(s.result.Trouble, err.Error())
	}
	return s.result, nil
}

// least is how many intervals there are whatever the time. A sabotaged soak fails anyway: it
// has those that are spoilt, one before and one after.
func (o *Options) least() int {
	if len(o.Sabotage) > 0 {
		return len(o.Sabotage) + 2
	}
	return leastIntervals
}

// prepare gives the cluster a steady state that comes soon: a flow that closes is
// forgotten after seconds, not minutes.
func prepare(ctx context.Context, l *lab.Lab) error {
	for _, h := range l.Servers() {
		if err := accounting.Install(ctx, l, h.Name); err != nil {
			return err
		}
		if _, err := l.Output(ctx, h.Name, "dprctl", "config", "set", "--timeout-fin", "5s", "--timeout-rst", "2s"); err != nil {
			return err
		}
	}
	return drive.Of(l).AwaitPeers(ctx)
}

// soak is one that is under way.
type soak struct {
	lab    *lab.Lab
	o      Options
	result *Result

	mu      sync.Mutex // of what hosts are looked at side by side
	ledgers map[string]*accounting.Ledger
	opened  map[string]accounting.Reading
}

// interval is a while of load, and a look at all hosts.
func (s *soak) interval(ctx context.Context, length time.Duration, seed uint64) error {
	begin := time.Now()
	plans, err := s.plans(begin.Add(200*time.Millisecond), length, seed)
	if err != nil {
		return err
	}
	spoil := s.sabotage()
	if spoil == drive.SabotageLoad {
		plans = plans[:0]
	}
	undo, err := s.spoil(ctx, spoil)
	if err != nil {
		return err
	}
	saw := httpload.NewResult(length)
	if len(plans) > 0 {
		if saw, err = drive.Of(s.lab).Load(ctx, s.o.LoadCommand, plans); err != nil {
			return err
		}
	}
	if err := undo(ctx); err != nil {
		return err
	}
	at := begin.Add(time.Since(begin) / 2).Sub(s.result.Began)
	time.Sleep(settle)
	before := s.result.redirected()
	hosts, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.result.add(at, saw, s.result.redirected()-before, hosts)
	fmt.Fprintf(s.o.Progress, "soak: %4.0f of %.0f s: %d requests, %d failed, mean delay %.1f ms\n",
		time.Since(s.result.Began).Seconds(), s.o.Time.Seconds(), saw.Requests, saw.Failed, float64(saw.DelayMean().Microseconds())/1000)
	return nil
}

// sabotage is how the next interval is spoilt, "" if it is not: one after the other.
func (s *soak) sabotage() string {
	if n := len(s.result.Intervals) - 1; n >= 0 && n < len(s.o.Sabotage) {
		return s.o.Sabotage[n]
	}
	return ""
}

// spoil does it, and returns what undoes it.
func (s *soak) spoil(ctx context.Context, way string) (undo func(context.Context) error, err error) {
	server := s.lab.Servers()[0].Name
	switch way {
	case drive.SabotageCrash:
		err = drive.Of(s.lab).Crash(ctx, server)
	case drive.SabotagePackets:
		return drive.Of(s.lab).Steal(ctx, server)
	}
	return func(context.Context) error { return nil }, err
}

// plans have two clients ask s1 and one s2: the third serves what they redirect. Half of
// each client's users use IPv6.
func (s *soak) plans(begin time.Time, length time.Duration, seed uint64) ([]drive.Client, error) {
	var docs []httpload.Document
	for path, size := range map[string]int64{"/15k": 15_000, "/1m": 1_000_000} {
		sum, err := data.Sum(size)
		if err != nil {
			return nil, err
		}
		weight := 1
		if size < 100_000 {
			weight = 30
		}
		for range weight {
			docs = append(docs, httpload.Document{Path: path, Size: size, SHA256: sum})
		}
	}
	plan := httpload.Plan{
		Documents: docs, Users: s.o.Users, OffMean: 500 * time.Millisecond, Start: begin, Duration: length, Timeout: 30 * time.Second, Seed: seed,
	}
	return share(plan, s.lab.Clients(), s.lab.Servers()), nil
}

// share has each client do a plan, by both families.
func share(plan httpload.Plan, clients, servers []lab.Host) (all []drive.Client) {
	for i, c := range clients {
		users := map[family.Family]int{}
		for user := range plan.Users {
			users[family.Both.Of(user)]++
		}
		for _, f := range family.All {
			if users[f] == 0 {
				continue
			}
			p := plan
			p.Target, p.Users, p.Seed = servers[i/2%len(servers)].URL(f), users[f], plan.Seed+uint64(10*i+int(f))
			all = append(all, drive.Client{Host: c.Name, Plan: p})
		}
	}
	return all
}

// look looks at all hosts: the values of each, by name.
func (s *soak) look(ctx context.Context) (map[string]map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all := make(map[string]map[string]float64)
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range s.lab.Servers() {
		g.Go(func() error {
			values, err := sample(ctx, s.lab, h.Name)
			if err != nil {
				return err
			}
			reading, err := accounting.Read(ctx, s.lab, h.Name, false)
			if err != nil {
				return err
			}
			values[flows] = float64(reading.Stats["flows"])
			s.mu.Lock()
			defer s.mu.Unlock()
			all[h.Name] = values
			s.account(h.Name, reading)
			return nil
		})
	}
	return all, g.Wait()
}

// account compares a host's counters with those before.
func (s *soak) account(host string, r accounting.Reading) {
	if s.ledgers[host] == nil {
		s.ledgers[host], s.opened[host] = &accounting.Ledger{}, r
	}
	if err := s.ledgers[host].Add(r); err != nil {
		s.result.Trouble = append(s.result.Trouble, fmt.Sprintf("%s: %v", host, err))
	}
	s.result.Packets[host] = newPackets(s.opened[host], r, s.ledgers[host])
}
