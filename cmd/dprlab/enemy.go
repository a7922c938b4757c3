// SPDX-License-Identifier: MIT

package main

import (
	"math/rand/v2"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/testbed/check/enemy"
)

// enemyCommands attack dpr.
func enemyCommands() []*cli.Command {
	return []*cli.Command{
		command("enemy", "attack dpr: blind packets, a local program without rights, races of two processors", "", 0, 0, runEnemy,
			&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the kernel: 6.1 is Debian's, debug has KASAN and lockdep"},
			&cli.IntFlag{Name: "cpus", Value: 2, Usage: "`N` processors of the guest"},
			&cli.Uint64Flag{Name: "seed", Usage: "`N` that all random choices follow from", DefaultText: "a new one"},
			&cli.StringSliceFlag{Name: "parts", Usage: "what is tried (`PART,PART…`): " + strings.Join(enemy.Parts, ", "), DefaultText: "all"},
			&cli.IntFlag{Name: "packets", Value: 20_000, Usage: "`N` blind packets of each kind to connections of each state"},
			&cli.IntFlag{Name: "seconds", Value: 60, Usage: "`N` seconds of races"}),
	}
}

func runEnemy(c *cli.Context) error {
	if err := positive(c, "packets", "seconds", "cpus"); err != nil {
		return err
	}
	o := enemy.Options{
		Kernel: c.String("kernel"), CPUs: c.Int("cpus"), Seed: c.Uint64("seed"), Parts: enemy.Parts, Packets: c.Int("packets"), Seconds: c.Int("seconds"),
		Source: ".", Dir: ".", Stdout: os.Stdout, Progress: os.Stderr,
	}
	if !c.IsSet("seed") {
		o.Seed = rand.Uint64() >> 1
	}
	if c.IsSet("parts") {
		o.Parts = c.StringSlice("parts")
	}
	ctx, stop := interruptible(c)
	defer stop()
	return enemy.Run(ctx, o)
}
