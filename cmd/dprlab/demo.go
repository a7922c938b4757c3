// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/testbed/eval/demo"
	"dpr/testbed/lab/httpload"
)

// loadClient is the hidden command that is one client's load.
const loadClient = "load-client"

// demoCommands are the demo, and the load that it runs in clients' namespaces:
// a plan on standard input, the result on standard output.
func demoCommands() []*cli.Command {
	client := command(loadClient, "be one client's load", "", 0, 0, func(c *cli.Context) error {
		ctx, stop := interruptible(c)
		defer stop()
		return httpload.Serve(ctx, os.Stdin, os.Stdout)
	})
	client.Hidden = true
	return []*cli.Command{
		command("demo", "compare the policies off and lowest: three servers, six clients split 4:1:1", "", 0, 0, runDemo,
			&cli.DurationFlag{Name: "duration", Value: time.Minute, Usage: "how long each policy runs (`TIME`)"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of what the users do"},
			&cli.StringFlag{Name: "out", Value: "out", Usage: "`DIRECTORY` of demo.json and the captures"}),
		client,
	}
}

func runDemo(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: finding this program: %w", err)
	}
	ctx, stop := interruptible(c)
	defer stop()
	return demo.Run(ctx, demo.Options{
		Lab:         labNameOr(c, "demo"),
		Duration:    c.Duration("duration"),
		Seed:        c.Uint64("seed"),
		Dir:         c.String("out"),
		LoadCommand: []string{self, loadClient},
		Stdout:      os.Stdout,
		Progress:    os.Stderr,
	})
}
