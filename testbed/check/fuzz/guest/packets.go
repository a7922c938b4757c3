// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

// Packets between two changes of the configuration, and between two loads of the
// module. Where all is slow there are fewer.
const (
	slice, slowSlice = 20_000, 10_000
	load, slowLoad   = 1_000_000, 250_000
)

// packets sends packets through the hook, changes the configuration from time to
// time and loads the module anew, and checks what the module counts.
func (f *fuzzer) packets(ctx context.Context) (err error) {
	if err := buildNetwork(); err != nil {
		return err
	}
	s, err := serve(ports[:2])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// The random numbers of the module go on from load to load.
	if err := insert(moduleFuzz, fmt.Sprintf("seed=%d", f.plan.Seed>>1)); err != nil {
		return err
	}
	r := &wire.PacketsResults{Counters: map[string]uint64{}, Tunnelled: map[string]uint64{}}
	random := rand.New(rand.NewPCG(f.plan.Seed, 0))
	var spent time.Duration
	until := time.Now().Add(time.Duration(f.plan.Limit) * time.Second)
	for n := 0; int(r.Packets) < f.plan.Packets && time.Now().Before(until); n++ {
		l := &loaded{fuzzer: f, Rand: random, r: r, stateless: n%2 == 1, wide: (n+1)/2%2 == 1, until: until}
		begin := time.Now()
		if err := l.run(ctx); err != nil {
			return fmt.Errorf("load %d, after %d packets: %w", n+1, r.Packets, err)
		}
		spent += time.Since(begin)
		free, err := freeMemory()
		if err != nil {
			return err
		}
		r.Free = append(r.Free, free)
		if n%10 == 0 {
			if err := f.say("%d packets, %.0f a second", r.Packets, float64(r.Packets)/spent.Seconds()); err != nil {
				return err
			}
		}
	}
	r.PerSecond = float64(r.Packets) / spent.Seconds()
	r.Accepted = int(s.accepted.Load())
	p, err := injector{}.state()
	if err != nil {
		return err
	}
	r.Wide = p.wide
	for i, kind := range tunnels {
		r.Tunnelled[kind] = p.tunnelled[i]
	}
	for k := range (&dprnl.Stats{}).All() {
		if !k.Gauge() && r.Counters[k.String()] == 0 {
			r.NeverTaken = append(r.NeverTaken, k.String())
		}
	}
	if err := f.results(r); err != nil {
		return err
	}
	return remove(moduleFuzz)
}

// loaded is the module from its insertion to its removal.
type loaded struct {
	*fuzzer
	*rand.Rand
	r         *wire.PacketsResults
	c         *dprnl.Client
	inject    injector
	stateless bool // this policy is among those that are tried
	wide      bool // its tunnels are of IPv6 now
	until     time.Time
	failing   bool // so does the memory of who counts what is sent
	bound     uint64
	first     passed
}

func (l *loaded) run(ctx context.Context) (err error) {
	l.r.Loads++
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	if l.c, err = dprnl.New(); err != nil {
		return err
	}
	defer l.c.Close()
	if l.first, err = l.inject.state(); err != nil {
		return err
	}
	if err := l.setUp(ctx); err != nil {
		return err
	}
	n, each := load, slice
	if l.plan.Slow {
		n, each = slowLoad, slowSlice
	}
	var stats dprnl.Stats
	for sent := 0; sent < n && int(l.r.Packets) < l.plan.Packets && time.Now().Before(l.until); sent += each {
		for range 1 + l.IntN(4) {
			if err := l.change(ctx); err != nil {
				return err
			}
		}
		if err := l.inject.send(each); err != nil {
			return err
		}
		l.r.Packets += uint64(each)
		if stats, err = l.check(ctx); err != nil {
			return err
		}
	}
	for k, v := range stats.All() {
		if !k.Gauge() {
			l.r.Counters[k.String()] += v
		}
	}
	return remove(moduleDPR)
}
