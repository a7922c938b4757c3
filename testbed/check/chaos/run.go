// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/check/accounting"
	"dpr/testbed/check/result"
	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/userland/dprnl"
)

const (
	servers = 4 // one of them spare
	clients = 3
	// filePolicy is what the hosts' /etc/dpr/dpr.toml says.
	filePolicy = "lowest"
)

// Options says what is done to the cluster, and for how long.
type Options struct {
	// Lab is the name of the lab that is brought up; one of that name is taken
	// down first.
	Lab    string
	Kernel string // of the servers, as in lab.Config
	Older  string // as in lab.Config: one host runs another version
	// Orphans is what hosts do with segments of connections that they do not know,
	// a word of dprnl.Orphans; "" is dpr's default.
	Orphans string
	// Forwarding is how packets get to peers, a word of dprnl.Forwarding; "" is dpr's
	// default. A host of another version has no such key.
	Forwarding string
	// Shared has clients use one address that all hosts have, by routes that change; hosts
	// ask for connections that they do not know, whatever Orphans is.
	Shared bool
	// Seed determines the schedule, and what the clients do.
	Seed uint64
	// Events, 1 or more, and Limit, 1 s or more, bound the run: what is reached first
	// ends it.
	Events int
	Limit  time.Duration
	// Fast leaves out events that take many seconds.
	Fast bool
	// Users is how many each client has, 1 or more.
	Users int
	// Sabotage are ways, of drive.Sabotages, to spoil the run; it must fail.
	Sabotage []string
	// File takes the result.
	File             string
	Stdout, Progress io.Writer
}

// Defaults returns the options of "make chaos". Its seed is the time.
func Defaults() Options {
	return Options{
		Lab: "chaos", Kernel: kernel.Default, Orphans: dprnl.OrphansReset.String(), Forwarding: dprnl.ForwardingIpip.String(), Seed: uint64(time.Now().Unix()),
		Events: 1000, Limit: 75 * time.Minute, Users: 8, File: result.File, Stdout: io.Discard, Progress: io.Discard,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of what happens and of what the clients do").As("the time"),
		flags.Number(&o.Events, "events", flags.AtLeast(1), "`N` events"),
		flags.Seconds(&o.Limit, "seconds", flags.AtLeast(1.0), "begin no event after `N` seconds"),
		flags.Number(&o.Users, "users", flags.AtLeast(1), "`N` connections at a time of each of the three clients"),
		flags.Word(&o.Orphans, "orphans", []string{dprnl.OrphansReset.String(), dprnl.OrphansAsk.String()},
			"what hosts do with segments of connections that they do not know (`WORD`): {range}"),
		flags.Bool(&o.Shared, "shared-address", "clients use one address that all hosts have, by routes over several next hops, which change; hosts ask for connections that they do not know"),
		flags.Word(&o.Forwarding, "forwarding", dprnl.ForwardingWords(), "how packets get to peers (`WORD`): {range}"),
		drive.SabotageFlag(&o.Sabotage),
		flags.Bool(&o.Fast, "fast", "no events that take many seconds: no power-off, no long cuts"),
		kernel.Flag(&o.Kernel),
		flags.String(&o.Older, "older", "`DIRECTORY` of another version's sources, which one host runs"),
		flags.String(&o.File, "out", "`FILE` that takes the result"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error {
	if o.Shared && o.Older != "" {
		return errors.New("--shared-address and --older: an older host finds no connections that routers have moved")
	}
	return o.Flags().Check()
}

// Main brings a lab up, runs, writes the result and prints it. The error says
// what went wrong, also if a connection failed that should not have.
func Main(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	return result.Do(o.Stdout, o.File, "chaos", o.Seed, func() (r result.Result, err error) {
		err = lab.With(ctx, Config(o), func(l *lab.Lab) error { r, err = Run(ctx, l, o); return err })
		return r, err
	})
}

// Config is the lab that chaos wants.
func Config(o Options) lab.Config {
	return lab.Config{
		Name: o.Lab, Servers: servers, Clients: clients, Kernel: o.Kernel,
		DPR: lab.DPRConfig{Policy: filePolicy, Orphans: o.orphans(), Forwarding: o.Forwarding}, Older: o.Older, Progress: o.Progress,
	}
}

// orphans is what hosts do with segments of connections that they do not know.
func (o Options) orphans() string {
	if o.Shared {
		return dprnl.OrphansAsk.String()
	}
	return o.Orphans
}

// older is the host of another version, "" if there is none.
func older(o Options) string {
	if o.Older == "" {
		return ""
	}
	return lab.OlderServer
}

// capture notes the SYN-ACKs that come to the clients, until the returned function is
// called.
func (c *cluster) capture(ctx context.Context) (end func() error, err error) {
	dir, err := os.MkdirTemp("", "dpr-chaos-")
	if err != nil {
		return nil, fmt.Errorf("a directory for captures: %w", err)
	}
	var all []*lab.Capture
	end = func() error {
		err := os.RemoveAll(dir)
		for _, k := range all {
			st, stopErr := k.Stop()
			if stopErr == nil && st.Dropped > 0 {
				stopErr = fmt.Errorf("%d SYN-ACKs were not captured", st.Dropped)
			}
			err = errors.Join(err, stopErr)
		}
		return err
	}
	for _, client := range c.lab.Clients() {
		file := filepath.Join(dir, client.Name+".pcap")
		k, err := c.lab.Capture(ctx, client.Name, lab.CaptureOptions{File: file, Filter: synAcks, Snaplen: synAckBytes})
		if err != nil {
			return nil, errors.Join(err, end())
		}
		all = append(all, k)
		c.captures[client.Name] = file
	}
	return end, nil
}

// ofLab is the lab's hosts, the last of which is spare.
func ofLab(l *lab.Lab) Cluster {
	var c Cluster
	for _, h := range l.Servers() {
		c.Asked = append(c.Asked, h.Name)
	}
	last := len(c.Asked) - 1
	c.Asked, c.Spare = c.Asked[:last], c.Asked[last]
	return c
}

// Run does it all to a lab that is up. The error is what kept it from running;
// what it found is in the result.
func Run(ctx context.Context, l *lab.Lab, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	c := newCluster(l, ofLab(l))
	c.older = older(o)
	if o.Shared {
		c.roads = newRoads(l)
		if err := c.roads.install(ctx); err != nil {
			return nil, err
		}
	}
	r := &runner{cluster: c, o: o, result: newResult(l, o)}
	if err := drive.Of(l).AwaitPeers(ctx); err != nil {
		return nil, err
	}
	for _, host := range c.hosts.Hosts() {
		if err := accounting.Install(ctx, l, host); err != nil {
			return nil, err
		}
		if err := c.setPolicy(ctx, host, []string{filePolicy}); err != nil {
			return nil, err
		}
	}
	var err error
	if r.result.before, err = l.Restarts(); err != nil {
		return nil, err
	}
	// While nothing comes a reading is exact: whatever is missing at the end, when
	// nothing comes any more, shows.
	for _, host := range c.hosts.Hosts() {
		if err := c.balance(ctx, host); err != nil {
			return nil, err
		}
	}
	captured, err := c.capture(ctx)
	if err != nil {
		return nil, err
	}
	stop, ended, err := r.startUsers(ctx)
	if err != nil {
		return nil, errors.Join(err, captured())
	}
	stopOnce := sync.OnceFunc(func() { close(stop) })
	// A connection that ended after the first round would hide that the clients stand still.
	undo, err := r.sabotage(ctx, func() { stopOnce(); <-ended })
	if err == nil {
		err = r.rounds(ctx)
	}
	stopOnce()
	err = errors.Join(err, undo())
	// Nobody waits longer than one request takes.
	<-ended
	err = errors.Join(err, captured())
	if c.roads != nil {
		err = errors.Join(err, c.roads.remove(context.WithoutCancel(ctx)))
	}
	r.finish(ctx, err, ending{r.quiet, l.Check, l.Restarts})
	return r.result, nil
}

// ending is what a run asks its lab when the last connection has ended.
type ending struct {
	quiet    func(context.Context) error // accounts for all packets once more
	check    func() error                // are the servers well?
	restarts func() (map[string]int, error)
}

// finish completes the result of a run whose rounds ended with err.
func (r *runner) finish(ctx context.Context, err error, e ending) {
	switch {
	case ctx.Err() != nil: // what was found until then is found
		err = errors.Join(errors.New("interrupted"), err)
	case err == nil:
		err = e.quiet(ctx)
	}
	r.judge()
	restarts, restartsErr := e.restarts()
	for _, err := range []error{err, e.check(), restartsErr} {
		if err != nil {
			r.result.Trouble = append(r.result.Trouble, err.Error())
		}
	}
	r.result.end(r.cluster, restarts)
}

// sabotage spoils a run in the ways that were asked for; stop stops the users, and returns
// when their last connection has ended. The returned function undoes it.
func (r *runner) sabotage(ctx context.Context, stop func()) (undo func() error, err error) {
	server := r.cluster.hosts.Asked[0]
	undo = func() error { return nil }
	for _, way := range r.o.Sabotage {
		switch way {
		case drive.SabotageCrash:
			err = errors.Join(err, drive.Of(r.cluster.lab).Crash(ctx, server))
		case drive.SabotageLoad:
			stop()
		case drive.SabotagePackets:
			restore, stealErr := drive.Of(r.cluster.lab).Steal(ctx, server)
			if err = errors.Join(err, stealErr); stealErr == nil {
				undo = func() error { return restore(ctx) }
			}
		}
	}
	return undo, err
}

// runner is a run that is under way.
type runner struct {
	cluster *cluster
	o       Options
	result  *Result

	mu    sync.Mutex
	conns []Conn // that ended and were not judged yet
}

// startUsers has the clients' users work until stop is closed; ended is closed when the
// last connection has ended.
func (r *runner) startUsers(ctx context.Context) (stop chan struct{}, ended <-chan struct{}, err error) {
	f, err := newFiles()
	if err != nil {
		return nil, nil, err
	}
	stop = make(chan struct{})
	var all sync.WaitGroup
	for i, client := range r.cluster.lab.Clients() {
		for j := range r.o.Users {
			u := &user{
				world: r.cluster, name: fmt.Sprintf("%s-%d", client.Name, j), client: client.Name, family: family.Both.Of(j), hosts: r.cluster.asked(),
				files: f, random: rand.New(rand.NewPCG(r.o.Seed, uint64(1000+100*i+j))), pause: 400 * time.Millisecond, record: r.record,
			}
			all.Go(func() { u.run(ctx, stop) })
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
	}()
	return stop, done, nil
}

func (r *runner) record(c Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

// judge judges the connections that ended. All harms that they lived through
// have begun.
func (r *runner) judge() {
	r.mu.Lock()
	conns := r.conns
	r.conns = nil
	r.mu.Unlock()
	harms := r.cluster.harmed()
	for i := range conns {
		if c := r.result.add(&conns[i], harms, r.cluster.hosts.Hosts()); c != nil {
			fmt.Fprintf(r.o.Progress, "chaos: UNEXPECTED: %v\n", c)
		}
	}
}

// rounds does one after the other.
func (r *runner) rounds(ctx context.Context) error {
	begin := time.Now()
	for _, round := range NewSchedule(r.o.Seed, r.o.Events, r.cluster.hosts, Choice{Slow: !r.o.Fast, Shared: r.o.Shared, Apart: r.o.Older != ""}) {
		if time.Since(begin) > r.o.Limit || ctx.Err() != nil {
			break
		}
		start := time.Now()
		if err := r.round(ctx, round); err != nil {
			return err
		}
		undone := time.Now()
		if err := r.cluster.well(ctx); err != nil {
			return fmt.Errorf("after round %v: %w\n%s", round, err, r.cluster.state(ctx))
		}
		took, before := time.Since(undone), r.result.total()
		r.judge()
		r.result.healed(took, r.result.total()-before)
		text := ""
		for _, e := range round {
			text += fmt.Sprintf("; %v", e)
		}
		fmt.Fprintf(r.o.Progress, "chaos: %4.0f s: %d connections, %d allowed to fail, %d unexpected; took %.1f s, well after %.1f s%s\n",
			time.Since(begin).Seconds(), r.result.total(), r.result.allowed(), len(r.result.Unexpected), undone.Sub(start).Seconds(), time.Since(undone).Seconds(), text)
	}
	return nil
}

// round does what overlaps, and undoes it.
func (r *runner) round(ctx context.Context, round Round) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, e := range round {
		g.Go(func() error {
			if !rest(gctx, e.After) {
				return nil
			}
			begin := time.Now()
			if err := r.cluster.act(gctx, e); err != nil {
				return err
			}
			r.result.happened(e, begin, time.Now())
			return nil
		})
	}
	return g.Wait()
}

// quiet accounts for every packet, when nothing comes any more.
func (r *runner) quiet(ctx context.Context) error {
	rest(ctx, 2*time.Second)
	for _, host := range r.cluster.hosts.Hosts() {
		if err := r.cluster.balance(ctx, host); err != nil {
			return err
		}
	}
	return nil
}
