// SPDX-License-Identifier: MIT

// Command dprlab brings up a cluster of real kernels on one machine and works
// with its hosts. All it does is in package dpr/testbed/lab.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"

	"dpr/testbed/lab"
	"dpr/userland/daemon"
)

func main() {
	a := app()
	err := a.RunContext(context.Background(), reorder(a, os.Args))
	var status exitStatus
	switch {
	case errors.As(err, &status):
		os.Exit(int(status))
	case err != nil:
		fmt.Fprintln(os.Stderr, "dprlab:", err)
		os.Exit(1)
	}
}

// exitStatus is the exit status of a command that ran on a host, unless it is 0.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func app() *cli.App {
	return &cli.App{
		Name:  "dprlab",
		Usage: "a cluster of real kernels on one machine",
		Description: "Servers are s1, s2, …: guests of QEMU with kernels of their own. Clients are c1, c2, …: network\n" +
			"namespaces. All are on one bridge in a namespace of its own; the machine's network is left alone.\n" +
			"If a server's kernel panics or complains, every command that ran something fails and shows it.",
		Flags:                  []cli.Flag{&cli.StringFlag{Name: "name", Value: "lab", Usage: "`NAME` of the lab"}},
		Commands:               slices.Concat(labCommands(), hostCommands(), demoCommands(), reproduceCommands(), benchCommands(), simCommands(), reliabilityCommands(), fuzzCommands(), enemyCommands()),
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
}

// command returns a command that takes from least to most arguments; most < 0
// means any number. Wrong usage is an error and prints no help.
func command(name, usage, args string, least, most int, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
	// The lab's name may stand behind the command too.
	flags = append(flags, &cli.StringFlag{Name: "name", Usage: "`NAME` of the lab", DefaultText: "lab"})
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Flags: flags,
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return fmt.Errorf("%s: %w", name, err) },
		Action: func(c *cli.Context) error {
			switch n := c.NArg(); {
			case n < least:
				return fmt.Errorf("%s: missing arguments: want %s", name, args)
			case most >= 0 && n > most:
				return fmt.Errorf("%s: unexpected argument %q", name, c.Args().Get(most))
			}
			return action(c)
		},
	}
}

// labName returns the lab's name, given before or after the command.
func labName(c *cli.Context) string { return labNameOr(c, "lab") }

// labNameOr is labName for a command whose lab has another name of its own.
func labNameOr(c *cli.Context, fallback string) string {
	for _, ctx := range c.Lineage() {
		if ctx.IsSet("name") {
			return ctx.String("name")
		}
	}
	return fallback
}

func openLab(c *cli.Context) (*lab.Lab, error) { return lab.Open(labName(c)) }

// interruptible returns a context that Ctrl-C and SIGTERM end.
func interruptible(c *cli.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
}
