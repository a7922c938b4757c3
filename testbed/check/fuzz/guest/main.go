// SPDX-License-Identifier: MIT

// Command guest is the first process of a guest that is fuzzed: it does one part
// of a plan, tells what came of it, and powers the guest off. Package
// dpr/testbed/check/fuzz boots it; package wire says what it is asked and answers.
//
// With arguments it is one of its own children, see role.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/lab/guest/singlevm"
)

func main() {
	if len(os.Args) > 1 && os.Getpid() != 1 {
		if err := role(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "dprfuzz:", err)
			os.Exit(1)
		}
		return
	}
	singlevm.Main("dprfuzz", func(ctx context.Context, port *singlevm.Port) error {
		return (&fuzzer{port: port}).all(ctx)
	})
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

// fuzzer does one part.
type fuzzer struct {
	plan wire.Plan
	port *singlevm.Port
}

func (f *fuzzer) all(ctx context.Context) error {
	if err := singlevm.ReadPlan(wire.PlanPath, &f.plan); err != nil {
		return err
	}
	// Debian's kernel has these as modules.
	if out, err := exec.CommandContext(ctx, "modprobe", "-a", "dummy", "veth", "bridge", "nf_tables").CombinedOutput(); err != nil && !strings.Contains(string(out), "not found") {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	parts := map[string]func(context.Context) error{
		wire.Netlink: f.netlink, wire.Packets: f.packets, wire.Faults: f.faults, wire.Races: f.races,
		wire.Flooding: f.flood, wire.Crossing: f.crossing,
	}
	// Kmemleak follows each allocation, which takes as long as the rest.
	if f.plan.NoLeaks {
		if err := tell(kmemleak, "off"); err != nil && !errors.Is(err, os.ErrNotExist) {
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

func (f *fuzzer) say(format string, args ...any) error {
	return f.port.Write(wire.Record{Say: fmt.Sprintf(format, args...)})
}

// fail tells of a promise that the module broke. The part goes on.
func (f *fuzzer) fail(format string, args ...any) error {
	return f.port.Write(wire.Record{Failure: fmt.Sprintf(format, args...)})
}

func (f *fuzzer) results(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("telling the results: %w", err)
	}
	return f.port.Write(wire.Record{Results: b})
}
