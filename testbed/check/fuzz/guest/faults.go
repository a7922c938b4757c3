// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

// mostFaults bounds the allocations of one operation that fail in turn.
const mostFaults = 5000

// ownMemory is what this process gets before anything fails.
const ownMemory = 64 << 20

// randomFaults is how many packets come in of each of which one allocation fails.
const randomFaults = 20_000

// faults does every operation with each of its allocations failing in turn.
func (f *fuzzer) faults(ctx context.Context) error {
	runtime.LockOSThread()
	// Memory of this process's own must not be what fails: it has enough by now.
	debug.SetGCPercent(-1)
	own := make([]byte, ownMemory)
	for i := 0; i < len(own); i += 4096 {
		own[i] = 1
	}
	runtime.KeepAlive(own)
	runtime.GC()
	fail, err := newFailer()
	if err != nil {
		return err
	}
	defer fail.close()
	if err := buildNetwork(); err != nil {
		return err
	}
	r := &wire.FaultsResults{}
	t := &tried{fuzzer: f, fail: fail, r: r}
	for _, step := range []func(context.Context) error{t.commands, t.firstTimes, t.namespaces, t.modules, t.packetsIn} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return f.results(r)
}

// tried is the state of the part.
type tried struct {
	*fuzzer
	fail *failer
	r    *wire.FaultsResults
}

// each does one operation with its first allocation failing, then its second, and
// so on. Before each try, and after the last, ready is called, and sound after
// each: with what the operation said.
func (t *tried) each(name string, ready, do func() error, sound func(error) error) error {
	if err := t.say("%s", name); err != nil {
		return err
	}
	o := wire.Fault{Operation: name}
	for n := 1; ; n++ {
		if err := ready(); err != nil {
			return fmt.Errorf("%s: getting ready: %w", name, err)
		}
		failed, err, trouble := t.fail.nth(n, do)
		if trouble != nil {
			return trouble
		}
		if err := sound(err); err != nil {
			if err := t.fuzzer.fail("%s, with allocation %d failing: %v", name, n, err); err != nil {
				return err
			}
		}
		if !failed {
			if err != nil {
				if err := t.fuzzer.fail("%s, with nothing failing: %v", name, err); err != nil {
					return err
				}
			}
			break
		}
		o.Injected++
		if err == nil {
			o.Survived++
		}
		if n == mostFaults {
			return fmt.Errorf("%s: after %d faults there are still more", name, n)
		}
		runtimeGC(n)
	}
	t.r.Operations = append(t.r.Operations, o)
	t.r.Injected += o.Injected
	return nil
}

// runtimeGC collects the process's own garbage now and then, while nothing fails.
func runtimeGC(n int) {
	if n%50 == 0 {
		runtime.GC()
	}
}

// commands are the family's, in a namespace with traffic.
func (t *tried) commands(ctx context.Context) error {
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	if err := insert(moduleFuzz, fmt.Sprintf("seed=%d", t.plan.Seed>>1)); err != nil {
		return err
	}
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	// Somebody listens, so that events are made.
	w, err := dprnl.NewEvents()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := redirecting(ctx, c); err != nil {
		return err
	}
	for _, o := range commandOperations() {
		if err := (injector{}).send(300); err != nil {
			return err
		}
		if err := t.command(ctx, c, o); err != nil {
			return err
		}
	}
	return nil
}

// command tries one of the family's commands: afterwards all is as before, or as
// it is when the command was done.
func (t *tried) command(ctx context.Context, c *dprnl.Client, o operation) error {
	ready := func() error { return nil }
	if o.ready != nil {
		ready = func() error { return o.ready(ctx, c) }
	}
	var before state
	if err := ready(); err != nil {
		return fmt.Errorf("%s: getting ready: %w", o.name, err)
	}
	if err := o.do(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	done, err := readState(ctx, c)
	if err != nil {
		return err
	}
	// A connection on which an answer was lost is of no more use.
	var once *dprnl.Client
	defer func() {
		if once != nil {
			once.Close()
		}
	}()
	return t.each(o.name, func() (err error) {
		if once != nil {
			once.Close()
		}
		if once, err = dprnl.New(); err != nil {
			return err
		}
		if err := ready(); err != nil {
			return err
		}
		before, err = readState(ctx, c)
		return err
	}, func() error { return o.do(ctx, once) }, func(err error) error {
		now, rerr := readState(ctx, c)
		if rerr != nil {
			return rerr
		}
		if err != nil && !noMemory(err) {
			return err
		}
		// Flows come and go one by one; their count is compared by the other parts.
		now.flows, before.flows, done.flows = 0, 0, 0
		for _, s := range []*state{&now, &before, &done} {
			for i := range s.peers {
				s.peers[i].Flows, s.peers[i].Live, s.peers[i].Redirects = 0, 0, 0
			}
		}
		if !now.equal(before) && !now.equal(done) {
			return fmt.Errorf("it left %+v, neither the state before, %+v, nor after", now, before)
		}
		return nil
	})
}

// firstTimes are what takes memory only once in a namespace.
func (t *tried) firstTimes(ctx context.Context) error {
	var c *dprnl.Client
	renew := func() (err error) {
		if c != nil {
			c.Close()
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		n, err := newSmallNetwork()
		if err != nil {
			return err
		}
		if err := n.close(); err != nil {
			return err
		}
		if c, err = dprnl.New(); err != nil {
			return err
		}
		return c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &address})
	}
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	only := func(err error) error {
		if err != nil && !noMemory(err) {
			return err
		}
		_, serr := readState(ctx, c)
		return serr
	}
	err = t.each("service add, first", renew, func() error { return c.AddService(ctx, dprnl.Service{Port: 80}) }, only)
	if err == nil {
		ask := dprnl.OrphansAsk
		err = t.each("config set orphans, first", renew, func() error { return c.SetConfig(ctx, dprnl.ConfigUpdate{Orphans: &ask}) }, only)
	}
	if err == nil {
		err = t.each("peer set, first", renew, func() error {
			return c.SetPeer(ctx, dprnl.PeerUpdate{Address: added, Metrics: &dprnl.Metrics{}})
		}, only)
	}
	if c != nil {
		c.Close()
	}
	return errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET))
}

// namespaces are made, and go.
func (t *tried) namespaces(ctx context.Context) error {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	none := func() error { return nil }
	// The other parts of the kernel that begin in a namespace have errors of their own.
	return t.each("namespace", none, func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func(error) error {
		return unix.Setns(home, unix.CLONE_NEWNET)
	})
}
