// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

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
