// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/rawip"
	"dpr/userland/dprnl"
)

// New connections that two processors receive at once do not wait for each other: no
// lock is shared by all SYNs. The kernel traces who waits for a lock, and where.
//
//	R1, R2 ── switch ── A (redirects)
//	             └───── B
func TestSynsOfTwoProcessors(t *testing.T) {
	watchKernel(t)
	twoProcessors(t, silentB(t), dprnl.StatRedirected)
}

// Nor do those that follow the stateless policy's hash, although segments that belong to nothing
// have raised questions.
func TestHashedSynsOfTwoProcessors(t *testing.T) {
	watchKernel(t)
	c := silentB(t)
	c.a.fresh(t, c.b, 0)
	c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
	r := c.raw(t, addrR)
	a := c.a.meter(t)
	for i := range 8 {
		r.send(t, c.a, r.talk(c.a, uint16(4000+i)).segmentBytes("A", ""))
	}
	if a.changes(t)[dprnl.StatOwnerAsked] == 0 {
		t.Fatal("no question")
	}
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
	twoProcessors(t, c, dprnl.StatRedirectedHash)
}

// silentB makes a cluster whose host B, which has no server, says nothing, and where A drains.
func silentB(t *testing.T) *cluster {
	t.Helper()
	c := bareCluster(t, fragbit4)
	c.redirect(t, c.b)
	check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, true))
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
	return c
}

// twoProcessors fails the test if SYNs that two processors receive at once, and A redirects as a
// counter says, wait for each other.
func twoProcessors(t *testing.T, c *cluster, redirected dprnl.Stat) {
	t.Helper()
	hosts := []*vnet.Host{c.host(t, "R1", netip.Addr{}), c.host(t, "R2", netip.Addr{})}
	mac, err := c.a.MAC(eth)
	check(t, err)
	check(t, setOnline(1, true))
	threads := runtime.GOMAXPROCS(len(hosts) + 1)
	t.Cleanup(func() { runtime.GOMAXPROCS(threads); check(t, setOnline(1, false)) })

	const syns = 20_000 // of each processor
	a := c.a.meter(t)
	stop := traceContention(t)
	var senders errgroup.Group
	for cpu, h := range hosts {
		senders.Go(func() error {
			return h.Do(func() error { return flood(cpu, uint32(cpu)<<20, mac, c.a.service(), syns) })
		})
	}
	check(t, senders.Wait())
	waits := stop()
	if n := a.changes(t)[redirected]; n < uint64(syns*len(hosts)*9/10) {
		t.Fatalf("%d SYNs were redirected, want about %d", n, syns*len(hosts))
	}
	waited := 0
	for _, place := range slices.Sorted(maps.Keys(waits)) {
		t.Logf("%6d waits in %s", waits[place], place)
		if ours(place) {
			waited += waits[place]
		}
	}
	t.Logf("%d of %d SYNs waited for a lock of dpr", waited, syns*len(hosts))
	if most := syns * len(hosts) / 1000; waited > most {
		t.Errorf("SYNs waited %d times for locks of dpr, want at most %d", waited, most)
	}
}

// floodNetwork has the clients of a flood.
var floodNetwork = netip.MustParsePrefix("10.128.0.0/9")

// flood sends SYNs of as many clients, from the given one of floodNetwork's on, to a
// service from one processor.
func flood(cpu int, first uint32, mac []byte, to netip.AddrPort, n int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("keeping a thread on processor %d: %w", cpu, err)
	}
	s, err := rawip.Open(eth, mac)
	if err != nil {
		return err
	}
	defer s.Close()
	client := binary.BigEndian.Uint32(floodNetwork.Addr().AsSlice()) + first
	sent, err := s.Send(n, func(b []byte) []byte {
		client++
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, client))), 1024)
		return rawip.TCP(b, from, to, 0x02, 1, 0)
	})
	if err == nil && sent != n {
		err = fmt.Errorf("%d of %d SYNs were sent", sent, n)
	}
	return err
}

// tracing is where the kernel is asked to trace.
const tracing = "/sys/kernel/tracing"

// traceContention has the kernel trace who waits for a spinlock: who enters the slow path
// of taking one. (Its trace point lock:contention_begin sees nothing of two processors:
// the first that waits does not queue.) The function that it returns ends that, and says
// how often that was in which function. A kernel without the tracer sees nothing.
func traceContention(t *testing.T) (stop func() map[string]int) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(tracing, "trace")); err != nil {
		check(t, unix.Mount("tracefs", tracing, "tracefs", 0, ""))
	}
	tracers, err := os.ReadFile(filepath.Join(tracing, "available_tracers"))
	check(t, err)
	if !slices.Contains(strings.Fields(string(tracers)), "function") {
		t.Log("this kernel has no function tracer: waits are not counted")
		return func() map[string]int { return nil }
	}
	set := func(file, value string) {
		t.Helper()
		check(t, os.WriteFile(filepath.Join(tracing, file), []byte(value), 0))
	}
	off := func() {
		set("current_tracer", "nop")
		set("options/func_stack_trace", "0")
	}
	set("buffer_size_kb", "8192")
	set("set_ftrace_filter", "native_queued_spin_lock_slowpath")
	set("options/func_stack_trace", "1")
	set("current_tracer", "function")
	t.Cleanup(off)
	return func() map[string]int {
		// The trace is empty once the tracer is another.
		set("tracing_on", "0")
		text, err := os.ReadFile(filepath.Join(tracing, "trace"))
		check(t, err)
		set("tracing_on", "1")
		off()
		return waits(string(text))
	}
}

// lockFrame matches the kernel's functions that take locks, and what traces, which has
// no name.
var lockFrame = regexp.MustCompile(`lock|^0x`)

// ours tells whether a function is dpr's.
func ours(function string) bool { return strings.HasPrefix(function, "dpr_") }

// waits counts the stacks of a trace by the function that took the lock.
func waits(trace string) map[string]int {
	n := map[string]int{}
	for _, stack := range strings.Split(trace, "<stack trace>")[1:] {
		place := "nowhere"
		for line := range strings.Lines(stack) {
			frame, ok := strings.CutPrefix(line, " => ")
			if frame = strings.TrimSpace(frame); ok && (ours(frame) || !lockFrame.MatchString(frame)) {
				place = frame
				break
			}
		}
		n[place]++
	}
	return n
}
