// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/testbed/fuzz/wire"
	"dpr/userland/dprnl"
)

// mostFaults bounds the allocations of one operation that fail in turn.
const mostFaults = 5000

// ownMemory is what this process gets before anything fails.
const ownMemory = 64 << 20

// randomFaults is how many packets come in of each of which one allocation fails.
const randomFaults = 20_000

// failer has an allocation of the calling thread fail.
type failer struct{ fd int }

// newFailer finds out whether the kernel can, and lets all kinds of allocations
// fail. The thread must stay the same.
func newFailer() (*failer, error) {
	for file, value := range map[string]string{
		"failslab/ignore-gfp-wait": "N", "failslab/cache-filter": "N", "failslab/verbose": "0", "failslab/times": "-1",
		"fail_page_alloc/ignore-gfp-wait": "N", "fail_page_alloc/ignore-gfp-highmem": "N", "fail_page_alloc/min-order": "0",
		"fail_page_alloc/verbose": "0", "fail_page_alloc/times": "-1",
	} {
		if err := os.WriteFile("/sys/kernel/debug/"+file, []byte(value), 0); err != nil {
			return nil, fmt.Errorf("this kernel has no fault injection: %w", err)
		}
	}
	fd, err := unix.Open("/proc/thread-self/fail-nth", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("this kernel has no fail-nth: %w", err)
	}
	return &failer{fd}, nil
}

func (f *failer) close() error { return unix.Close(f.fd) }

var zero = []byte("0")

// nth has the n-th allocation in do fail, and tells whether there were as many.
func (f *failer) nth(n int, do func() error) (failed bool, err, trouble error) {
	arm := []byte(strconv.Itoa(n))
	left := make([]byte, 16)
	if _, err := unix.Write(f.fd, arm); err != nil {
		return false, nil, fmt.Errorf("arming fail-nth: %w", err)
	}
	err = do()
	k, rerr := unix.Pread(f.fd, left, 0)
	_, werr := unix.Write(f.fd, zero)
	if e := errors.Join(rerr, werr); e != nil {
		return false, err, fmt.Errorf("reading fail-nth: %w", e)
	}
	return strings.TrimSpace(string(left[:k])) == "0", err, nil
}

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

// noMemory are the errors that a lack of memory may be told by.
func noMemory(err error) bool {
	for _, e := range []error{unix.ENOMEM, unix.ENOBUFS, unix.EAGAIN, unix.EMSGSIZE, unix.EBADMSG, unix.EINTR, unix.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
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

// modules are inserted and removed, while there are namespaces to begin in and to
// end in.
func (t *tried) modules(ctx context.Context) error {
	for _, m := range []string{moduleFuzz, moduleDPR} {
		if err := remove(m); err != nil {
			return err
		}
	}
	leave, stay := make(chan struct{}), make(chan error)
	for range 2 {
		go func() {
			stay <- inNewNamespace(func() error { stay <- nil; <-leave; return nil })
		}()
		if err := <-stay; err != nil {
			return err
		}
	}
	in := func() (bool, error) {
		b, err := os.ReadFile("/proc/modules")
		return strings.HasPrefix(string(b), moduleDPR+" ") || strings.Contains(string(b), "\n"+moduleDPR+" "), err
	}
	file, err := os.Open("/lib/modules/" + moduleDPR + ".ko")
	if err != nil {
		return err
	}
	defer file.Close()
	out := func() error {
		if there, err := in(); err != nil || !there {
			return err
		}
		return remove(moduleDPR)
	}
	err = t.each("module insert", out, func() error { return unix.FinitModule(int(file.Fd()), "", 0) }, func(err error) error {
		there, ierr := in()
		if ierr != nil {
			return ierr
		}
		if there != (err == nil) {
			return fmt.Errorf("inserting it said %v, and it is there: %v", err, there)
		}
		return nil
	})
	if err == nil {
		err = t.each("module remove", func() error {
			if there, err := in(); err != nil || there {
				return err
			}
			return insert(moduleDPR, "")
		}, func() error { return unix.DeleteModule(moduleDPR, 0) }, func(err error) error {
			if err != nil && !noMemory(err) {
				return err
			}
			return nil
		})
	}
	close(leave)
	for range 2 {
		err = errors.Join(err, <-stay)
	}
	return err
}

// packetsIn come in, of each of which one allocation fails: the device's own, or
// any on the way through the hook and the stack.
func (t *tried) packetsIn(ctx context.Context) error {
	if err := t.say("packets"); err != nil {
		return err
	}
	if there, _ := os.Stat("/sys/module/" + moduleDPR); there == nil {
		if err := insert(moduleDPR, ""); err != nil {
			return err
		}
	}
	if err := insert(moduleFuzz, fmt.Sprintf("seed=%d", t.plan.Seed>>2)); err != nil {
		return err
	}
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := redirecting(ctx, c); err != nil {
		return err
	}
	s, err := serve(ports[:2])
	if err != nil {
		return err
	}
	defer s.close()
	run, err := unix.Open(injectorFiles+"run", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(run)
	random := rand.New(rand.NewPCG(t.plan.Seed, 1))
	l := &loaded{fuzzer: t.fuzzer, Rand: random, r: &wire.PacketsResults{}, c: c, failing: true}
	one, o := []byte("1"), wire.Fault{Operation: "packet"}
	for n := range randomFaults {
		if n%100 == 0 {
			if err := l.change(ctx); err != nil {
				return err
			}
			runtime.GC()
		}
		// The first is the file's.
		failed, err, trouble := t.fail.nth(2+random.IntN(6), func() error { _, err := unix.Write(run, one); return err })
		if trouble != nil || err != nil {
			return errors.Join(err, trouble)
		}
		if failed {
			o.Injected++
		}
	}
	o.Survived = o.Injected
	t.r.Operations = append(t.r.Operations, o)
	t.r.Injected += o.Injected
	if _, err := l.check(ctx); err != nil {
		return err
	}
	return errors.Join(remove(moduleFuzz), remove(moduleDPR))
}
