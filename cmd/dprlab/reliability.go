// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/testbed/check/chaos"
	"dpr/testbed/check/result"
	"dpr/testbed/check/soak"
)

// reliabilityCommands try to break a cluster.
func reliabilityCommands() []*cli.Command {
	return []*cli.Command{
		command("chaos", "break hosts, links, clocks and processes under load, and judge every connection that failed", "", 0, 0, runChaos,
			&cli.Uint64Flag{Name: "seed", Usage: "`SEED` of what happens and of what the clients do", DefaultText: "the time"},
			&cli.IntFlag{Name: "events", Value: 1000, Usage: "`N` events"},
			&cli.IntFlag{Name: "seconds", Value: 4500, Usage: "begin no event after `N` seconds"},
			&cli.IntFlag{Name: "users", Value: 8, Usage: "`N` connections at a time of each of the three clients"},
			&cli.StringFlag{Name: "orphans", Value: "reset", Usage: "what hosts do with segments of connections that they do not know: `reset` or ask"},
			&cli.StringSliceFlag{Name: "sabotage", Usage: "spoil the run, to see that it fails (`WAY,WAY…`): crash, load, books"},
			&cli.BoolFlag{Name: "fast", Usage: "no events that take many seconds: no power-off, no long cuts"},
			&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the servers' kernel: a series, such as 6.12, or a release"},
			&cli.StringFlag{Name: "out", Value: result.File, Usage: "`FILE` that takes the result"}),
		command("soak", "keep a cluster under load for long, and see whether memory, flows and delays stay as they are", "", 0, 0, runSoak,
			&cli.IntFlag{Name: "seconds", Value: 3600, Usage: fmt.Sprintf("for `N` seconds, at least %.0f", soak.Least.Seconds())},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of what the clients do"},
			&cli.StringSliceFlag{Name: "sabotage", Usage: "spoil the run, to see that it fails (`WAY,WAY…`): crash, load, books"},
			&cli.IntFlag{Name: "users", Value: 10, Usage: "`N` users of each of the three clients"},
			&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the servers' kernel: a series, such as 6.12, or a release"},
			&cli.StringFlag{Name: "out", Value: result.File, Usage: "`FILE` that takes the result"}),
	}
}

// positive checks flags that count something.
func positive(c *cli.Context, names ...string) error {
	for _, name := range names {
		if n := c.Int(name); n < 1 {
			return fmt.Errorf("%s: --%s %d: too few", c.Command.Name, name, n)
		}
	}
	return nil
}

// seedOr is the seed that was given, or the time.
func seedOr(c *cli.Context) uint64 {
	if c.IsSet("seed") {
		return c.Uint64("seed")
	}
	return uint64(time.Now().Unix())
}

func runChaos(c *cli.Context) error {
	if err := positive(c, "events", "seconds", "users"); err != nil {
		return err
	}
	ctx, stop := interruptible(c)
	defer stop()
	return chaos.Main(ctx, chaos.Options{
		Lab: labNameOr(c, "chaos"), Kernel: c.String("kernel"), Orphans: c.String("orphans"), Seed: seedOr(c), Events: c.Int("events"),
		Limit: time.Duration(c.Int("seconds")) * time.Second, Fast: c.Bool("fast"), Users: c.Int("users"), Sabotage: c.StringSlice("sabotage"),
		File: c.String("out"), Stdout: os.Stdout, Progress: os.Stderr,
	})
}

func runSoak(c *cli.Context) error {
	if err := positive(c, "users"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("soak: finding this program: %w", err)
	}
	ctx, stop := interruptible(c)
	defer stop()
	return soak.Main(ctx, soak.Options{
		Lab: labNameOr(c, "soak"), Kernel: c.String("kernel"), Seed: c.Uint64("seed"), Time: time.Duration(c.Int("seconds")) * time.Second,
		Users: c.Int("users"), Sabotage: c.StringSlice("sabotage"), LoadCommand: []string{self, loadClient}, File: c.String("out"), Stdout: os.Stdout, Progress: os.Stderr,
	})
}
