// SPDX-License-Identifier: MIT

// Command guest is the only process of a guest that measures what packets cost:
// dpr, IPVS and the bare kernel, one after the other in the same boot. Package
// dpr/testbed/eval/bench boots it; package wire says what it is asked and answers.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/singlevm"
)

func main() {
	singlevm.Main("dprbench", func(ctx context.Context, port *singlevm.Port) error {
		// Whatever the kernel does in threads of its own goes before the next packet:
		// with ksoftirqd awake, softirqs wait for it.
		runtime.LockOSThread()
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
			return fmt.Errorf("becoming the least of all threads: %w", err)
		}
		return (&meter{port: port}).all(ctx)
	})
}

// meter measures.
type meter struct {
	plan  wire.Plan
	net   *network // of the plan's family
	port  *singlevm.Port
	round int
	sizes map[string]float64 // bytes that a flow takes, by system
}

// all measures what the plan asks for.
func (m *meter) all(ctx context.Context) error {
	if err := singlevm.ReadPlan(wire.PlanPath, &m.plan); err != nil {
		return err
	}
	if err := checkProcessors(m.plan.PossibleCPUs); err != nil {
		return err
	}
	m.sizes = map[string]float64{}
	if m.net = networks[m.plan.Family]; m.net == nil {
		return fmt.Errorf("the plan's family is %d, want one of %v", m.plan.Family, family.All)
	}
	if err := seedRandom(); err != nil {
		return err
	}
	// dpr needs it, and is inserted as a file.
	if err := insertModule(ctx, "nf_defrag_ipv6"); err != nil {
		return err
	}
	if len(m.plan.Moved) > 0 {
		return m.moved(ctx)
	}
	if m.plan.FastPath {
		return m.fastPath(ctx)
	}
	if err := m.net.build(m.plan.Peers); err != nil {
		return err
	}
	for m.round = 1; m.round <= max(1, m.plan.Rounds); m.round++ {
		if err := m.tables(ctx); err != nil {
			return err
		}
		if !m.plan.Host {
			continue
		}
		if err := m.host(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkProcessors returns an error unless the kernel makes room for that many
// processors: it heeds no more than it was built for.
func checkProcessors(want int) error {
	if want <= 1 {
		return nil
	}
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return fmt.Errorf("reading how many processors there could be: %w", err)
	}
	if got := strings.TrimSpace(string(b)); got != fmt.Sprintf("0-%d", want-1) {
		return fmt.Errorf("processors %s are possible, want 0-%d", got, want-1)
	}
	return nil
}

// write sends a record to the bench.
func (m *meter) write(r wire.Record) error {
	r.Round = m.round
	return m.port.Write(r)
}

// say tells what begins.
func (m *meter) say(format string, args ...any) error {
	return m.write(wire.Record{Say: fmt.Sprintf(format, args...)})
}
