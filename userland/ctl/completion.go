// SPDX-License-Identifier: MIT

package ctl

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// scripts holds the shell scripts, which ask "dprctl complete-words" for
// completions.
//
//go:embed completion
var scripts embed.FS

// completeWords is the command that the scripts call with the words after
// "dprctl". The last word is the one to complete.
const completeWords = "complete-words"

func shells() []string { return []string{"bash", "zsh", "fish"} }

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "write a shell script that completes dprctl's arguments",
		ArgsUsage: strings.Join(shells(), "|"),
		Action: func(c *cli.Context) error {
			args, err := positional(c, "SHELL")
			if err != nil {
				return err
			}
			if !slices.Contains(shells(), args[0]) {
				return usagef("SHELL %q is not one of %s", args[0], strings.Join(shells(), ", "))
			}
			script, err := scripts.ReadFile("completion/" + args[0])
			if err != nil {
				return err
			}
			if _, err := p.Out.Write(script); err != nil {
				return fmt.Errorf("writing: %w", err)
			}
			return nil
		},
	}
}

func (p *program) completeWordsCommand() *cli.Command {
	return &cli.Command{
		Name: completeWords, Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			for _, w := range complete(c.App, c.Args().Slice()) {
				if _, err := fmt.Fprintln(p.Out, w); err != nil {
					return fmt.Errorf("writing: %w", err)
				}
			}
			return nil
		},
	}
}

// complete returns the completions of the last word.
func complete(app *cli.App, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	commands, flags := app.Commands, app.Flags
	var arguments []string // words that the command's argument can be
	var open cli.Flag      // the flag whose value comes next
	for _, w := range words[:len(words)-1] {
		switch {
		case w == "=": // bash splits --flag=value
		case open != nil:
			open = nil
		case strings.HasPrefix(w, "-"):
			open = valueFlag(flags, w)
		default:
			if c := find(commands, w); c != nil {
				commands, flags, arguments = c.Subcommands, c.Flags, alternatives(c.ArgsUsage)
			} else {
				commands, arguments = nil, nil
			}
		}
	}
	before := ""
	if name, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(last, "-") {
		if open = valueFlag(flags, name); open != nil {
			before, last = name+"=", value
		}
	}
	if last == "=" {
		last = ""
	}
	var list []string
	switch {
	case open != nil:
		list = flagWords(open)
	case strings.HasPrefix(last, "-"):
		list = flagNames(flags)
	default:
		list = append(commandNames(commands), arguments...)
	}
	var fitting []string
	for _, w := range list {
		if strings.HasPrefix(w, last) {
			fitting = append(fitting, before+w)
		}
	}
	return fitting
}

func find(commands []*cli.Command, name string) *cli.Command {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// valueFlag finds the flag of that name if its value can be the next word.
func valueFlag(flags []cli.Flag, word string) cli.Flag {
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); !isBool && slices.Contains(f.Names(), strings.TrimLeft(word, "-")) {
			return f
		}
	}
	return nil
}

// flagWords returns the values that a flag's usage lists in backquotes, as in
// `active|draining`.
func flagWords(f cli.Flag) []string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return nil
	}
	_, usage, _ := strings.Cut(d.GetUsage(), "`")
	placeholder, _, _ := strings.Cut(usage, "`")
	return alternatives(placeholder)
}

// alternatives splits "a|b"; a single name is a placeholder without words.
func alternatives(s string) []string {
	if !strings.Contains(s, "|") {
		return nil
	}
	return strings.Split(s, "|")
}

func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		names = append(names, "--"+f.Names()[0])
	}
	return append(names, "--help")
}

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}
