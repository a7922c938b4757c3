// SPDX-License-Identifier: MIT

// Command guest is the first process of a guest that is fuzzed: it does one part
// of a plan, tells what came of it, and powers the guest off. Package
// dpr/testbed/fuzz boots it; package wire says what it is asked and answers.
//
// With arguments it is one of its own children, see role.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/fuzz/wire"
	"dpr/testbed/guest"
	"dpr/testbed/guest/boot"
	"dpr/testbed/lab"
)

func main() {
	if len(os.Args) > 1 && os.Getpid() != 1 {
		if err := role(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "dprfuzz:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "dprfuzz:", err)
	}
	// What was written must leave the serial port before the power goes.
	time.Sleep(100 * time.Millisecond)
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "dprfuzz: powering off:", err)
		os.Exit(1)
	}
}

// role is what a child does.
func role(args []string) error {
	switch args[0] {
	case roleSender:
		return sender(args[1:])
	default:
		return fmt.Errorf("unknown role %q", args[0])
	}
}

// run does the plan's part and tells.
func run(ctx context.Context) error {
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin"); err != nil {
		return err
	}
	if err := boot.Mount(); err != nil {
		return err
	}
	if _, probe, err := boot.Param(guest.ProbeParam); err != nil || probe {
		return errors.Join(err, errors.New(guest.Alive))
	}
	port, err := os.OpenFile(lab.SoloPort, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the port: %w", err)
	}
	f := &fuzzer{out: port}
	last := wire.Record{Done: true}
	if err := f.all(ctx); err != nil {
		last = wire.Record{Error: err.Error()}
	}
	return errors.Join(f.write(last), port.Close())
}

// fuzzer does one part.
type fuzzer struct {
	plan wire.Plan

	mu  sync.Mutex // of out
	out io.Writer
}

func (f *fuzzer) all(ctx context.Context) error {
	b, err := os.ReadFile(wire.PlanPath)
	if err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	if err := json.Unmarshal(b, &f.plan); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	// Debian's kernel has these as modules.
	if out, err := exec.CommandContext(ctx, "modprobe", "-a", "dummy", "veth", "bridge").CombinedOutput(); err != nil && !strings.Contains(string(out), "not found") {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	parts := map[string]func(context.Context) error{
		wire.Netlink: f.netlink, wire.Packets: f.packets, wire.Faults: f.faults, wire.Races: f.races,
		wire.Flooding: f.flood,
	}
	// Kmemleak has to be told of each allocation, which takes as long as the rest.
	if f.plan.NoLeaks {
		if err := os.WriteFile(kmemleak, []byte("off"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("switching kmemleak off: %w", err)
		}
	}
	part := parts[f.plan.Part]
	if part == nil {
		return fmt.Errorf("unknown part %q", f.plan.Part)
	}
	if err := part(ctx); err != nil {
		return err
	}
	return f.leaks()
}

// write sends a record to whoever booted the guest.
func (f *fuzzer) write(r wire.Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("telling: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("telling: %w", err)
	}
	return nil
}

func (f *fuzzer) say(format string, args ...any) error {
	return f.write(wire.Record{Say: fmt.Sprintf(format, args...)})
}

// fail tells of a promise that the module broke. The part goes on.
func (f *fuzzer) fail(format string, args ...any) error {
	return f.write(wire.Record{Failure: fmt.Sprintf(format, args...)})
}

func (f *fuzzer) results(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("telling the results: %w", err)
	}
	return f.write(wire.Record{Results: b})
}
