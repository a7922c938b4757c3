// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"dpr/testbed/lab"
	"dpr/testbed/lab/flags"
)

// A task is one command: what a user gives it and what it does.
type task struct {
	name, usage, description string
	hidden                   bool

	// args names the arguments beside flags, of which there are least to most; most
	// < 0 means any number.
	args        string
	least, most int

	// options has the fields that the flags set; nil for none.
	options options
	// lab is the field that takes the lab's name and holds the default; nil for a
	// command that has no lab.
	lab *string

	// ownSignals is whether run deals with Ctrl-C itself. Else Ctrl-C and SIGTERM
	// end its context.
	ownSignals bool
	run        func(context.Context, env) error
}

// options is a struct whose fields flags set.
type options interface{ Flags() flags.Set }

// An env is what a task finds when it runs.
type env struct {
	args           []string // beside flags
	self           string   // this program's file
	stdout, stderr io.Writer
}

// command makes a task a command of the program. Wrong usage is an error and
// prints no help. everywhere is the flag, before the command, that names the lab of
// every command.
func (t *task) command(everywhere *flags.Flag) *cli.Command {
	var set flags.Set
	if t.options != nil {
		set = t.options.Flags()
	}
	name := t.lab
	if name == nil {
		unused := lab.Defaults().Name
		name = &unused
	}
	// The lab's name may stand behind the command too.
	behind := lab.NameFlag(name)
	set = append(set, behind)
	c := &cli.Command{
		Name: t.name, Usage: t.usage, Description: t.description, ArgsUsage: t.args, Hidden: t.hidden,
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return fmt.Errorf("%s: %w", t.name, err) },
		Action: func(c *cli.Context) error {
			if everywhere.Given() && !behind.Given() {
				*name = everywhere.String()
			}
			if err := t.check(c.Args().Slice(), set); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			return t.start(c)
		},
	}
	for _, f := range set {
		c.Flags = append(c.Flags, commandLine(f))
	}
	return c
}

// check judges a command line that could be parsed.
func (t *task) check(args []string, set flags.Set) error {
	switch n := len(args); {
	case n < t.least:
		return fmt.Errorf("missing arguments: want %s", t.args)
	case t.most >= 0 && n > t.most:
		return fmt.Errorf("unexpected argument %q", args[t.most])
	}
	return set.Check()
}

// start runs a task.
func (t *task) start(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%s: finding this program: %w", t.name, err)
	}
	ctx := c.Context
	if !t.ownSignals {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	return t.run(ctx, env{args: c.Args().Slice(), self: self, stdout: c.App.Writer, stderr: c.App.ErrWriter})
}

// A lineFlag is a flag as the cli package has them. Unlike a cli.GenericFlag it may
// be one without a value, or with several.
type lineFlag struct {
	cli.GenericFlag
	flag *flags.Flag
}

func commandLine(f *flags.Flag) cli.Flag {
	return &lineFlag{cli.GenericFlag{Name: f.Name, Aliases: f.Aliases, Usage: f.Usage, DefaultText: f.Default, Value: f}, f}
}

// String returns the flag's line of the help.
func (l *lineFlag) String() string    { return cli.FlagStringer(l) }
func (l *lineFlag) TakesValue() bool  { return !l.flag.IsBoolFlag() }
func (l *lineFlag) IsSliceFlag() bool { return l.flag.Multiple }
