// SPDX-License-Identifier: MIT

// Command dprlab brings up a cluster of real kernels on one machine, works with its
// hosts, and runs what is measured and tested on it. The packages below dpr/testbed
// do all that; here are the commands, whose flags the packages describe.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"dpr/testbed/lab"
	"dpr/userland/daemon"
)

func main() {
	a := app(tasks())
	err := a.RunContext(context.Background(), reorder(a, os.Args))
	var status exitError
	switch {
	case errors.As(err, &status):
		os.Exit(int(status))
	case err != nil:
		fmt.Fprintln(os.Stderr, "dprlab:", err)
		os.Exit(1)
	}
}

// exitError is the exit status of a command that ran on a host, unless it is 0.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// tasks are all commands, in the order of the help.
func tasks() []*task {
	return []*task{
		up(), down(), status(), packages(),
		execute(), push(), pull(), logs(), capture(), debug(), poweroff(), boot(),
		compare(), showRules(), loadUsers(), evaluate(), surgeUsers(), measure(), measureChange(),
		simulate(), study(), simulateMoved(), reproduceLARD(), breakHosts(), soakCluster(), breakModule(), attack(),
	}
}

func app(tasks []*task) *cli.App {
	every := lab.Defaults().Name
	everywhere := lab.NameFlag(&every)
	a := &cli.App{
		Name:  "dprlab",
		Usage: "a cluster of real kernels on one machine",
		Description: "Servers are s1, s2, …: guests of QEMU with kernels of their own. Clients are c1, c2, …: network\n" +
			"namespaces. All are on one bridge in a namespace of its own; the machine's network is left alone.\n" +
			"If a server's kernel panics or complains, every command that ran something fails and shows it.",
		Flags:                  []cli.Flag{commandLine(everywhere)},
		UseShortOptionHandling: true,
		Version:                daemon.Version(),
		OnUsageError:           func(_ *cli.Context, err error, _ bool) error { return err },
		ExitErrHandler:         func(*cli.Context, error) {}, // main does it
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("unknown command %q; see dprlab help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, t := range tasks {
		a.Commands = append(a.Commands, t.command(everywhere))
	}
	return a
}
