// SPDX-License-Identifier: MIT

package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/testbed/check/fuzz"
	"dpr/testbed/lab"
)

// fuzzCommands try to break the module.
func fuzzCommands() []*cli.Command {
	return []*cli.Command{
		command("fuzz", "try to break the module with made up messages and packets, failing memory and races", "", 0, 0, runFuzz,
			&cli.StringFlag{Name: "kernel", Value: lab.KernelUMLDebug, Usage: "`VERSION` of the kernel: " + lab.KernelUMLDebug + " has checkers and runs natively; 6.1 is Debian's"},
			&cli.IntFlag{Name: "cpus", Value: 1, Usage: "`N` processors of the guest; in user mode it has one"},
			&cli.Uint64Flag{Name: "seed", Usage: "`N` that all random choices follow from", DefaultText: "a new one"},
			&cli.StringSliceFlag{Name: "parts", Usage: "what is tried (`PART,PART…`): " + strings.Join(fuzz.Parts, ", "), DefaultText: "all"},
			&cli.IntFlag{Name: "seconds", Value: 60, Usage: "`N` seconds for each target in user space"},
			&cli.IntFlag{Name: "messages", Value: 500_000, Usage: "`N` netlink messages"},
			&cli.IntFlag{Name: "packets", Value: 5_000_000, Usage: "`N` packets"},
			&cli.DurationFlag{Name: "limit", Value: 10 * time.Minute, Usage: "`TIME` that messages, and that packets, may take"},
			&cli.BoolFlag{Name: "no-leaks", Usage: "do not look for lost memory, and be faster"},
			&cli.IntFlag{Name: "steps", Value: 50, Usage: "`N` times that each operation of a pair is done"},
			&cli.IntFlag{Name: "flood", Value: 20_000, Usage: "`N` packets of each flood"}),
	}
}

func runFuzz(c *cli.Context) error {
	o := fuzz.Options{
		Kernel: c.String("kernel"), CPUs: c.Int("cpus"), Seed: c.Uint64("seed"), Parts: fuzz.Parts, Messages: c.Int("messages"), Packets: c.Int("packets"),
		Steps: c.Int("steps"), Flood: c.Int("flood"), Limit: c.Duration("limit"), NoLeaks: c.Bool("no-leaks"), Seconds: c.Int("seconds"), Source: ".", Dir: ".", Stdout: os.Stdout, Progress: os.Stderr,
	}
	if !c.IsSet("seed") {
		o.Seed = rand.Uint64() >> 1
	}
	if c.IsSet("parts") {
		o.Parts = c.StringSlice("parts")
	}
	ctx, stop := interruptible(c)
	defer stop()
	return fuzz.Run(ctx, o)
}
