// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/daemon"
)

// A program holds the state that all commands share.
type program struct {
	Environment
}

// newApp builds the command line.
func newApp(env Environment) *cli.App {
	p := &program{env}
	app := &cli.App{
		Name:            "dprctl",
		HelpName:        "dprctl",
		Usage:           "inspect and control Distributed Packet Rewriting on this host",
		Version:         daemon.Version(),
		Writer:          env.Out,
		ErrWriter:       env.Err,
		HideHelpCommand: true,
		ExitErrHandler:  func(*cli.Context, error) {}, // Run decides
		Commands: []*cli.Command{
			p.statusCommand(),
			p.serviceCommand(),
			p.rulesCommand(),
			p.backendsCommand(),
			p.policyCommand(),
			p.configCommand(),
			p.peersCommand(),
			p.flowsCommand(),
			p.traceCommand(),
			p.loadCommand(),
			p.statsCommand(),
			p.reportsCommand(),
			p.topCommand(),
			p.eventsCommand(),
			p.drainCommand(),
			p.leaveCommand(),
			p.undrainCommand(),
			p.readyCommand(),
			p.zoneCommand(),
			p.expireCommand(),
			p.applyCommand(),
			p.checkCommand(),
			p.keyCommand(),
			p.completionCommand(),
			p.completeWordsCommand(),
		},
		Action: group,
	}
	app.OnUsageError = usageMistake
	for _, c := range app.Commands {
		finish(c)
	}
	return app
}

// finish sets the options that all commands share.
func finish(c *cli.Command) {
	c.OnUsageError = usageMistake
	c.HideHelpCommand = true
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // it is off
		}
	}
	for _, s := range c.Subcommands {
		finish(s)
	}
}

// usageMistake turns a flag error of the cli package into a usage error.
func usageMistake(c *cli.Context, err error, _ bool) error {
	flags := c.App.Flags
	if c.Command != nil && c.Command.Name != "" {
		flags = c.Command.Flags
	}
	return usagef("%s%w", where(c), flagMistake(err, flags))
}

// where returns the command's name as a prefix for errors, without the
// program's own name.
func where(c *cli.Context) string {
	if c.Command == nil {
		return ""
	}
	var words []string
	for _, w := range strings.Fields(c.Command.HelpName) {
		if w != "dprctl" {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, " ") + ": "
}

// group is the action of a command that only has subcommands.
func group(c *cli.Context) error {
	if c.Args().Present() {
		word := c.Args().First()
		return usagef("%sunknown command %q%s", where(c), word, meant("", word, commandNames(c.Command.Subcommands)))
	}
	return usagef("%smissing command", where(c))
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "write JSON"}
}

func fileFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Usage: "configuration `FILE`", Value: config.Path}
}

// kernel runs fn with a connection to the kernel.
func (p *program) kernel(c *cli.Context, fn func(context.Context, Kernel) error) error {
	k, err := p.Dial()
	if err != nil {
		return err
	}
	defer k.Close()
	return fn(c.Context, k)
}

// change returns the action of a command without arguments or output.
func (p *program) change(fn func(context.Context, Kernel) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := positional(c); err != nil {
			return err
		}
		return p.kernel(c, fn)
	}
}

// show returns the action of a command that reads a value and prints it.
func show[T any](p *program, read func(context.Context, Kernel) (T, error), human func(io.Writer, T)) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Present() && len(c.Command.Subcommands) > 0 {
			return group(c)
		}
		if _, err := positional(c); err != nil {
			return err
		}
		return p.kernel(c, func(ctx context.Context, k Kernel) error {
			v, err := read(ctx, k)
			if err != nil {
				return err
			}
			return p.print(c, v, func(w io.Writer) { human(w, v) })
		})
	}
}

// print writes v as JSON if --json is set. Otherwise it aligns the
// tab-terminated columns that human writes.
func (p *program) print(c *cli.Context, v any, human func(io.Writer)) error {
	if c.Bool("json") {
		e := json.NewEncoder(p.Out)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(p.Out, 0, 8, 2, ' ', 0)
	human(w)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
