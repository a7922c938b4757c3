// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"dpr/testbed/eval/bench"
)

// benchCommands measure what dpr costs.
func benchCommands() []*cli.Command {
	return []*cli.Command{
		command("bench", "measure what packets, flows and connections cost, beside IPVS and others", "", 0, 0, runBench,
			&cli.IntSliceFlag{Name: "flows", Usage: fmt.Sprintf("sizes of the routing table (`N,N…`, up to %d)", bench.MaxFlows), DefaultText: "1000,100000,1000000,4000000"},
			&cli.IntSliceFlag{Name: "peers", Usage: fmt.Sprintf("numbers of peers (`N,N…`, up to %d)", bench.MaxPeers), DefaultText: "3,64,1024"},
			&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the guests' kernel: a series, such as 6.12, or a release"},
			possibleCPUs(), serving(),
			&cli.BoolFlag{Name: "short", Usage: "small tables, dpr and IPVS-TUN only, packets in instructions only"},
			&cli.StringSliceFlag{Name: "parts", Usage: "what is measured (`PART,PART…`): count, native, http", DefaultText: "all; of a short run count"},
			&cli.BoolFlag{Name: "strict", Usage: "fail if a target is missed or not measured"},
			&cli.StringFlag{Name: "out", Value: "out", Usage: "`DIRECTORY` of bench.json and the page bench/"}),
		command("bench-diff", "measure a commit's module and the working tree's, and show what changed", "COMMIT", 1, 1, runBenchDiff,
			&cli.Float64Flag{Name: "threshold", Value: 1, Usage: "fail if a figure grew by more than `N` per cent"},
			&cli.IntFlag{Name: "rounds", Value: 2, Usage: "`N` boots with either module, in turn"},
			&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the guests' kernel"},
			possibleCPUs(), serving()),
	}
}

func serving() cli.Flag {
	return &cli.BoolFlag{Name: "serving", Usage: "the host that redirects takes part itself: it asks for its own load at each SYN"}
}

func possibleCPUs() cli.Flag {
	return &cli.IntFlag{Name: "possible-cpus", Usage: "count instructions on a machine that has room for `N` processors, one of which is there", DefaultText: "1"}
}

func runBenchDiff(c *cli.Context) error {
	ctx, stop := interruptible(c)
	defer stop()
	return bench.Compare(ctx, bench.CompareOptions{
		Base: c.Args().First(), Threshold: c.Float64("threshold") / 100, Rounds: c.Int("rounds"),
		Kernel: c.String("kernel"), PossibleCPUs: c.Int("possible-cpus"), Serving: c.Bool("serving"), Stdout: os.Stdout, Progress: os.Stderr,
	})
}

func runBench(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: finding this program: %w", err)
	}
	flows, peers, parts := bench.DefaultFlows, bench.DefaultPeers, bench.Parts
	if c.Bool("short") {
		flows, peers, parts = bench.ShortFlows, bench.ShortPeers, bench.ShortParts
	}
	if c.IsSet("flows") {
		flows = c.IntSlice("flows")
	}
	if c.IsSet("peers") {
		peers = c.IntSlice("peers")
	}
	if c.IsSet("parts") {
		parts = c.StringSlice("parts")
	}
	ctx, stop := interruptible(c)
	defer stop()
	return bench.Run(ctx, bench.Options{
		Kernel: c.String("kernel"), Flows: flows, Peers: peers, PossibleCPUs: c.Int("possible-cpus"), Serving: c.Bool("serving"),
		Short: c.Bool("short"), Parts: parts, Strict: c.Bool("strict"), Dir: c.String("out"),
		Lab: labNameOr(c, "bench"), LoadCommand: []string{self, loadClient},
		Stdout: os.Stdout, Progress: os.Stderr,
	})
}
