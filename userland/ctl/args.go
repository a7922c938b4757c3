// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// intersperse moves a command's flags before its other arguments, where the
// cli package looks for them: "service add 80 --address A" is as valid as
// "service add --address A 80".
func intersperse(app *cli.App, args []string) []string {
	if len(args) == 0 || len(args) > 1 && args[1] == completeWords {
		return args // complete-words gets the flags of another command line
	}
	out := args[:1:1]
	commands, flags := app.Commands, app.Flags
	rest := habits(args[1:])
	var late []string // flags before the command that are the command's
	for len(rest) > 0 {
		if rest[0] == "--json" || rest[0] == "-json" {
			late, rest = append(late, rest[0]), rest[1:]
			continue
		}
		if strings.HasPrefix(rest[0], "-") && rest[0] != "-" && rest[0] != "--" {
			n := flagArgs(flags, rest)
			out, rest = append(out, rest[:n]...), rest[n:]
			continue
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(rest[0]) })
		if i < 0 { // that is what to say, not how to use it
			rest = slices.DeleteFunc(slices.Clone(rest), func(w string) bool { return len(commands) > 0 && w == "--help" })
			break
		}
		out, rest = append(out, rest[0]), rest[1:]
		commands, flags = commands[i].Subcommands, commands[i].Flags
	}
	out = append(out, late...)
	var positional []string
	for len(rest) > 0 {
		switch {
		case rest[0] == "--":
			positional, rest = append(positional, rest[1:]...), nil
		case strings.HasPrefix(rest[0], "-") && rest[0] != "-":
			n := flagArgs(flags, rest)
			out, rest = append(out, rest[:n]...), rest[n:]
		default:
			positional, rest = append(positional, rest[0]), rest[1:]
		}
	}
	if len(positional) > 0 && strings.HasPrefix(positional[0], "-") {
		out = append(out, "--")
	}
	return append(out, positional...)
}

// habits reads what people are used to type: "help COMMAND" is "COMMAND --help", and
// "version" is "--version".
func habits(words []string) []string {
	switch {
	case len(words) == 0:
	case words[0] == "help":
		return append(slices.Clone(words[1:]), "--help")
	case words[0] == "version" && len(words) == 1:
		return []string{"--version"}
	}
	return words
}

// flagArgs counts the arguments that the flag rest[0] occupies.
func flagArgs(flags []cli.Flag, rest []string) int {
	name := strings.TrimLeft(rest[0], "-")
	if strings.Contains(name, "=") || len(rest) == 1 {
		return 1
	}
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return 2
		}
	}
	return 1
}

// positional returns the non-flag arguments, one for each name. The argument
// of a name in brackets is optional, and empty if missing.
func positional(c *cli.Context, names ...string) ([]string, error) {
	args := c.Args().Slice()
	if len(args) > len(names) {
		return nil, usagef("%sunexpected argument %q", where(c), args[len(names)])
	}
	for i := len(args); i < len(names); i++ {
		if !strings.HasPrefix(names[i], "[") {
			return nil, usagef("%smissing argument %s", where(c), names[i])
		}
		args = append(args, "")
	}
	return args, nil
}

func parsePort(name, s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, usagef("%s %q is not a port from 1 to 65535", name, s)
	}
	return uint16(n), nil
}

func parseAddr(name, s string) (netip.Addr, error) {
	a, err := parseAddress(s)
	if err != nil {
		return a, usagef("%s %w", name, err)
	}
	return a, nil
}

// parseAddress parses an address of either family. The kernel knows none with a zone.
func parseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 or IPv6 address", s)
	}
	if a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is an address with a zone, which is not of use here", s)
	}
	return a.Unmap(), nil
}

func parseAddrPort(name, s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Addr().Zone() != "" || ap.Port() == 0 {
		return ap, usagef("%s %q is not an address with a port, such as 192.0.2.1:80 or [2001:db8::1]:80", name, s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// addrValue is the value of a flag that takes an address.
type addrValue struct{ netip.Addr }

func (v *addrValue) Set(s string) (err error) {
	a, err := parseAddress(s)
	if err == nil {
		v.Addr = a
	}
	return err
}

func (v *addrValue) String() string {
	if !v.IsValid() {
		return ""
	}
	return v.Addr.String()
}

// wordValue is the value of a flag that takes one of a few words. The zero
// value means that the flag was not given.
type wordValue[T any, P interface {
	*T
	encoding.TextUnmarshaler
	fmt.Stringer
}] struct {
	value T
	set   bool
}

func (v *wordValue[T, P]) Set(s string) error {
	if err := P(&v.value).UnmarshalText([]byte(s)); err != nil {
		return err
	}
	v.set = true
	return nil
}

func (v *wordValue[T, P]) String() string {
	if v == nil || !v.set {
		return ""
	}
	return P(&v.value).String()
}

// pointer returns the value if the flag was given, else nil.
func (v *wordValue[T, P]) pointer() *T {
	if !v.set {
		return nil
	}
	return &v.value
}

// numberValue is the value of a flag that takes a whole number in a range.
type numberValue[T uint16 | uint32 | uint64] struct {
	value    T
	min, max uint64
	set      bool
}

func (v *numberValue[T]) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < v.min || n > v.max {
		return fmt.Errorf("%q is not a whole number from %d to %d", s, v.min, v.max)
	}
	v.value, v.set = T(n), true
	return nil
}

func (v *numberValue[T]) String() string {
	if v == nil || !v.set {
		return ""
	}
	return strconv.FormatUint(uint64(v.value), 10)
}

func (v *numberValue[T]) pointer() *T {
	if !v.set {
		return nil
	}
	return &v.value
}

// maxLoadValue is the value of a flag that takes a load or the word "auto".
type maxLoadValue struct {
	value uint64
	set   bool
}

func (v *maxLoadValue) Set(s string) (err error) {
	v.value, err = dprnl.ParseMaxLoad(s)
	v.set = err == nil
	return err
}

func (v *maxLoadValue) String() string {
	if v == nil || !v.set {
		return ""
	}
	return dprnl.FormatMaxLoad(v.value)
}

func (v *maxLoadValue) pointer() *uint64 {
	if !v.set {
		return nil
	}
	return &v.value
}

// rangeValue is the value of a flag that takes a range of ports of splices.
type rangeValue struct {
	value config.Ports
	set   bool
}

func (v *rangeValue) Set(s string) (err error) {
	v.value, err = config.ParsePorts(s)
	v.set = err == nil
	return err
}

func (v *rangeValue) String() string {
	if v == nil || !v.set {
		return ""
	}
	return v.value.String()
}

func (v *rangeValue) pointers() (first, last *uint32) {
	if !v.set {
		return nil, nil
	}
	low, high := uint32(v.value.First), uint32(v.value.Last)
	return &low, &high
}

// durationValue is the value of a flag that takes a duration of whole
// milliseconds, from 1ms (or 0) to max.
type durationValue struct {
	value time.Duration
	set   bool
	zero  bool // 0 is a value
	max   time.Duration
}

func (v *durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if zero := d == 0 && v.zero; err != nil || d < time.Millisecond && !zero || d > v.max || d%time.Millisecond != 0 {
		return fmt.Errorf(`%q is not a duration from 1ms to %v, such as "1.5s"`, s, v.max)
	}
	v.value, v.set = d, true
	return nil
}

func (v *durationValue) String() string {
	if v == nil || !v.set {
		return ""
	}
	return v.value.String()
}

func (v *durationValue) pointer() *time.Duration {
	if !v.set {
		return nil
	}
	return &v.value
}
