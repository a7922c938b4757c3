// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

// races does every operation beside every other, itself included: so many times
// each, by two threads. Traffic, namespaces that come and go, and the module being
// loaded anew are operations too.
func (f *fuzzer) races(ctx context.Context) error {
	if err := buildNetwork(); err != nil {
		return err
	}
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	if err := insert(moduleFuzz, fmt.Sprintf("seed=%d", f.plan.Seed>>1)); err != nil {
		return err
	}
	var namespaces atomic.Int64
	r := &wire.RacesResults{Steps: f.plan.Steps}
	all := append(commandOperations(), f.happenings(&namespaces)...)
	for _, o := range all {
		r.Operations = append(r.Operations, o.name)
	}
	for i, a := range all {
		if err := f.say("%s beside %d others", a.name, len(all)-i); err != nil {
			return err
		}
		for _, b := range all[i:] {
			if err := f.pair(ctx, a, b); err != nil {
				return fmt.Errorf("%s beside %s: %w", a.name, b.name, err)
			}
			r.Pairs++
		}
	}
	r.Namespaces = int(namespaces.Load())
	if err := f.results(r); err != nil {
		return err
	}
	return errors.Join(remove(moduleFuzz), remove(moduleDPR))
}

// happenings are the operations that are none of the family's.
func (f *fuzzer) happenings(namespaces *atomic.Int64) []operation {
	var sending sync.Mutex // the injector has one packet at a time
	return []operation{
		{name: "traffic", do: func(context.Context, *dprnl.Client) error {
			sending.Lock()
			defer sending.Unlock()
			return injector{}.send(64)
		}},
		{name: "namespace", do: func(ctx context.Context, _ *dprnl.Client) error {
			namespaces.Add(1)
			return configuredNamespace(ctx)
		}},
		{name: "reload", do: func(ctx context.Context, c *dprnl.Client) error {
			// It is in use, or another one has just done it.
			if err := remove(moduleDPR); err != nil && !errors.Is(err, syscall.ENOENT) {
				return err
			}
			if err := insert(moduleDPR, ""); err != nil {
				return err
			}
			return redirecting(ctx, c)
		}},
	}
}

// often is how much more often a quick operation is done than one that takes
// long.
var often = map[string]int{"namespace": 20, "reload": 20}

// pair has two operations done side by side. What they get in each other's way
// is no failure; that is for the kernel to complain of.
func (f *fuzzer) pair(ctx context.Context, a, b operation) error {
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := redirecting(ctx, c); tolerate(err) != nil {
		return err
	}
	steps := f.plan.Steps / max(often[a.name], often[b.name], 1)
	// The messages of one socket would wait for each other.
	other, err := dprnl.New()
	if err != nil {
		return err
	}
	defer other.Close()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() { errs[0] = a.repeat(ctx, c, max(steps, 2)) })
	wg.Go(func() { errs[1] = b.repeat(ctx, other, max(steps, 2)) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s, err := readState(ctx, c)
	if err != nil {
		return err
	}
	if err := s.check(ownAddresses()); err != nil {
		return f.fail("%s beside %s: %v", a.name, b.name, err)
	}
	return nil
}

// repeat does an operation so many times.
func (o operation) repeat(ctx context.Context, c *dprnl.Client, times int) (err error) {
	for range times {
		if o.ready != nil {
			err = errors.Join(err, serious(o.ready(ctx, c)))
		}
		if err = errors.Join(err, serious(o.do(ctx, c))); err != nil {
			return err
		}
	}
	return nil
}

// serious returns errors that no other operation explains.
func serious(err error) error {
	for _, e := range []error{
		syscall.ENOENT, syscall.EEXIST, syscall.EDESTADDRREQ, syscall.EBUSY, syscall.EAGAIN, syscall.EINTR, dprnl.ErrNotLoaded,
		syscall.EOPNOTSUPP, // a report that another operation makes says less of the peer
	} {
		if errors.Is(err, e) {
			return nil
		}
	}
	return tolerate(err)
}
