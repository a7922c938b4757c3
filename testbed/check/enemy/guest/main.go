// SPDX-License-Identifier: MIT

// Command guest is the first process of a guest in which dpr is attacked: it does
// one part of a plan, reports what came of it, and powers the guest off. Package
// dpr/testbed/check/enemy boots it; package wire says what it is asked and answers.
//
// With arguments it is the local program without rights, see role.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"dpr/testbed/check/enemy/wire"
	"dpr/testbed/lab/guest/singlevm"
)

func main() {
	if len(os.Args) > 1 && os.Getpid() != 1 {
		if err := role(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "dprenemy:", err)
			os.Exit(1)
		}
		return
	}
	singlevm.Main("dprenemy", func(ctx context.Context, port *singlevm.Port) error {
		return (&enemy{port: port}).all(ctx)
	})
}

// enemy does one part.
type enemy struct {
	plan wire.Plan
	port *singlevm.Port
}

func (e *enemy) all(ctx context.Context) error {
	if err := singlevm.ReadPlan(wire.PlanPath, &e.plan); err != nil {
		return err
	}
	// Debian's kernel has these as modules.
	if out, err := exec.CommandContext(ctx, "modprobe", "-a", "veth", "bridge").CombinedOutput(); err != nil && !strings.Contains(string(out), "not found") {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	switch e.plan.Part {
	case wire.Blind:
		return e.blind(ctx)
	case wire.Local:
		return e.local(ctx)
	default:
		return fmt.Errorf("unknown part %q", e.plan.Part)
	}
}

func (e *enemy) say(format string, args ...any) error {
	return e.port.Write(wire.Record{Say: fmt.Sprintf(format, args...)})
}
