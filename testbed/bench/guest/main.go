// SPDX-License-Identifier: MIT

// Command guest is the only process of a guest that measures what packets cost:
// dpr, IPVS and the bare kernel, one after the other in the same boot. Package
// dpr/testbed/bench boots it; package wire says what it is asked and answers.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/bench/wire"
	"dpr/testbed/guest"
	"dpr/testbed/guest/boot"
	"dpr/testbed/lab"
)

func main() {
	err := run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "dprbench:", err)
	}
	// What was written must leave the serial port before the power goes.
	time.Sleep(100 * time.Millisecond)
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "dprbench: powering off:", err)
		os.Exit(1)
	}
}

// run measures and writes what it finds to the bench's port.
func run(ctx context.Context) error {
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin"); err != nil {
		return err
	}
	// Whatever the kernel does in threads of its own goes before the next packet:
	// with ksoftirqd awake, softirqs wait for it.
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("becoming the least of all threads: %w", err)
	}
	if err := boot.Mount(); err != nil {
		return err
	}
	if _, probe, err := boot.Param(guest.ProbeParam); err != nil || probe {
		return errors.Join(err, errors.New(guest.Alive))
	}
	port, err := os.OpenFile(lab.SoloPort, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the bench's port: %w", err)
	}
	m := &meter{out: port}
	last := wire.Record{Done: true}
	if err := m.all(ctx); err != nil {
		last = wire.Record{Error: err.Error()}
	}
	return errors.Join(m.write(last), port.Close())
}

// meter measures.
type meter struct {
	plan  wire.Plan
	out   io.Writer
	round int
	sizes map[string]float64 // bytes that a flow takes, by system
}

// all measures what the plan asks for.
func (m *meter) all(ctx context.Context) error {
	b, err := os.ReadFile(wire.PlanPath)
	if err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	if err := json.Unmarshal(b, &m.plan); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	m.sizes = map[string]float64{}
	if err := buildNetwork(m.plan.Peers); err != nil {
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

// write sends a record to the bench.
func (m *meter) write(r wire.Record) error {
	r.Round = m.round
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("telling the bench: %w", err)
	}
	if _, err := m.out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("telling the bench: %w", err)
	}
	return nil
}

// say tells what begins.
func (m *meter) say(format string, args ...any) error {
	return m.write(wire.Record{Say: fmt.Sprintf(format, args...)})
}
