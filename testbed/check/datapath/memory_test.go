// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

const failslab = "/sys/kernel/debug/failslab"

// There is no memory for a flow, then for anything: connections are served
// locally and counted, and what is lost is sent again.
//
//	C ── switch ── A
//	        └───── B
//
// Only a kernel with fault injection can run it; whoever runs the tests must
// expect that it is skipped on the others.
func TestAllocationFailure(t *testing.T) {
	if _, err := os.Stat(failslab); errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel has no failslab")
	}
	allWays(t, func(t *testing.T, w way) {
		t.Run("flow", func(t *testing.T) {
			c := newCluster(t, w)
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			a := c.a.meter(t)
			inject(t, "100", "/sys/kernel/slab/"+map[bool]string{false: "dpr_flow", true: "dpr_flow6"}[w.six()]+"/failslab")
			for range 5 {
				connect(t, c.c, c.a.service()).wantServed(t, "A")
			}
			k.wantServed(t, "B")
			a.want(t, counts{dprnl.StatServedNoMemory: 5, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
			if n := len(c.a.flows(t)); n != 1 {
				t.Errorf("%d flows, want 1", n)
			}
		})
		t.Run("everything in softirq", func(t *testing.T) {
			c := newCluster(t, w)
			l := startLoad(t, c.c, c.a.service(), 4)
			l.more(t, 10)
			t.Run("failing", func(t *testing.T) {
				inject(t, "10", "")
				time.Sleep(3 * time.Second)
			})
			l.more(t, 10)
			l.stop()
			connect(t, c.c, c.a.service()).wantServed(t, "B")
		})
	})
}

// inject lets that share of allocations that may not sleep fail until the test
// ends, in percent; only those of one cache if its file is given.
func inject(t *testing.T, percent, cache string) {
	t.Helper()
	set := func(path, value string) {
		t.Helper()
		check(t, os.WriteFile(path, []byte(value), 0))
	}
	if cache != "" {
		// Before 6.2 a cache has the flag from the boot on (slub_debug=A,CACHE) or never.
		if b, err := os.ReadFile(cache); err != nil || strings.TrimSpace(string(b)) != "1" {
			set(cache, "1")
		}
		set(filepath.Join(failslab, "cache-filter"), "Y")
	} else {
		set(filepath.Join(failslab, "cache-filter"), "N")
	}
	// The kernel counts the failures that are still to come.
	const times = "1000000000"
	for name, value := range map[string]string{"task-filter": "N", "ignore-gfp-wait": "Y", "interval": "1", "space": "0",
		"verbose": "0", "times": times} {
		set(filepath.Join(failslab, name), value)
	}
	t.Cleanup(func() {
		set(filepath.Join(failslab, "probability"), "0")
		left, err := os.ReadFile(filepath.Join(failslab, "times"))
		check(t, err)
		if strings.TrimSpace(string(left)) == times {
			t.Error("no allocation has failed")
		}
	})
	set(filepath.Join(failslab, "probability"), percent)
}
