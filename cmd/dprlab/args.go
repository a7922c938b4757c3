// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder puts the flags of a command before its other arguments, as the parser
// wants them, so that people may put them where they like. What is behind "--" or
// belongs to a command on a host stays as it is.
func reorder(app *cli.App, args []string) []string {
	i := 1
	for i < len(args) && strings.HasPrefix(args[i], "-") {
		i += flagLength(app.Flags, args[i])
	}
	if i >= len(args) {
		return args
	}
	cmd := app.Command(args[i])
	if cmd == nil || cmd.Name == "exec" {
		return args
	}
	var flags, rest []string
	for i++; i < len(args); {
		n := 1
		switch a := args[i]; {
		case a == "--":
			n = len(args) - i
			rest = append(rest, args[i:]...)
		case strings.HasPrefix(a, "-") && a != "-":
			n = min(flagLength(cmd.Flags, a), len(args)-i)
			flags = append(flags, args[i:i+n]...)
		default:
			rest = append(rest, a)
		}
		i += n
	}
	before := len(args) - len(flags) - len(rest)
	return slices.Concat(args[:before], flags, rest)
}

// flagLength returns how many arguments a flag is: 2 if its value is the next.
func flagLength(flags []cli.Flag, arg string) int {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return 1
	}
	for _, f := range flags {
		if d, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) && d.TakesValue() {
			return 2
		}
	}
	return 1
}
