// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/testbed/eval/reproduce"
	"dpr/testbed/lab/surge"
)

// surgeClient is the hidden command that is one process of SURGE's users.
const surgeClient = "surge-client"

// reproduceCommands are the paper's evaluation, and the users that it runs in
// clients' namespaces: a plan on standard input, the result on standard output.
func reproduceCommands() []*cli.Command {
	d := reproduce.Defaults()
	client := command(surgeClient, "be one process of SURGE's users", "", 0, 0, func(c *cli.Context) error {
		ctx, stop := interruptible(c)
		defer stop()
		return surge.Serve(ctx, os.Stdin, os.Stdout)
	})
	client.Hidden = true
	return []*cli.Command{
		command("reproduce", "run the paper's evaluation: its tables and figures with ours beside them", "", 0, 0, runReproduce,
			&cli.Float64Flag{Name: "scale", Value: d.Scale, Usage: "users and capacity as a `PART` of the paper's, 0.02 to 1"},
			&cli.IntFlag{Name: "seconds", Value: d.Seconds, Usage: "each run is measured for `N` seconds"},
			&cli.IntFlag{Name: "warmup", Value: d.Warmup, Usage: "after `N` seconds that are not, or three times as many of the policy none"},
			&cli.IntFlag{Name: "repeat", Value: d.Repeat, Usage: "each policy runs `N` times"},
			&cli.StringSliceFlag{Name: "policies", Usage: "`POLICY,POLICY…` that run", DefaultText: strings.Join(d.Policies, ",")},
			&cli.Uint64Flag{Name: "seed", Value: d.Seed, Usage: "`SEED` of what the users do in the first repeat; the next has the next"},
			&cli.Int64Flag{Name: "max-load", Value: d.MaxLoad, Usage: "MaxLoad of the policies tcp and tcp-slow, in connections (`N`)", DefaultText: "the best of the sweep"},
			&cli.IntFlag{Name: "sweep-seconds", Value: d.SweepSeconds, Usage: "each MaxLoad of the sweep is measured for `N` seconds; 0: no sweep"},
			&cli.BoolFlag{Name: "no-simulation", Usage: "do not have the simulator do the same"},
			&cli.StringFlag{Name: "study", Value: d.Study, Usage: "`DIRECTORY` of a study by dprlab sim-study that the report takes in if it is there"},
			&cli.StringFlag{Name: "variant", Value: string(d.Variant), Usage: fmt.Sprintf("parameters of SURGE (`VARIANT`): %v", surge.Variants)},
			&cli.StringFlag{Name: "kernel", Value: d.Kernel, Usage: "`VERSION` of the servers' kernel: a series, such as 6.12, or a release"},
			&cli.StringFlag{Name: "out", Value: d.Dir, Usage: "`DIRECTORY` of report.html, report.md, result.json and the figures"}),
		client,
	}
}

func runReproduce(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("reproduce: finding this program: %w", err)
	}
	o := reproduce.Defaults()
	o.Scale, o.Seconds, o.Warmup, o.Repeat = c.Float64("scale"), c.Int("seconds"), c.Int("warmup"), c.Int("repeat")
	if c.IsSet("policies") {
		o.Policies = c.StringSlice("policies")
	}
	o.Seed, o.MaxLoad, o.SweepSeconds = c.Uint64("seed"), c.Int64("max-load"), c.Int("sweep-seconds")
	o.Variant, o.Kernel, o.Dir = surge.Variant(c.String("variant")), c.String("kernel"), c.String("out")
	o.Simulate, o.Study = !c.Bool("no-simulation"), c.String("study")
	o.Lab, o.LoadCommand = labNameOr(c, o.Lab), []string{self, surgeClient}
	o.Stdout, o.Progress = os.Stdout, os.Stderr
	ctx, stop := interruptible(c)
	defer stop()
	return reproduce.Main(ctx, o)
}
