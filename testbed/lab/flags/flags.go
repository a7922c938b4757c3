// SPDX-License-Identifier: MIT

// Package flags describes the fields of an options struct once: by what name, with
// what help and in what range a user sets them. A command line reads its flags from
// the description, and Set.Check judges the fields by it, whoever filled them in. The
// default of a flag is what its field holds when it is described.
//
//	func (o *Options) Flags() flags.Set {
//		return flags.Set{
//			flags.Number(&o.Users, "users", flags.AtLeast(1), "`N` users of each client"),
//			flags.Word(&o.Law, "law", Laws, "`LAW` of sizes: {range}"),
//		}
//	}
//
// The package knows no command-line library: a Flag has the methods of flag.Value.
package flags

import (
	"fmt"
	"strings"
)

// A Flag is one flag and the field that it sets.
type Flag struct {
	Name    string
	Aliases []string
	// Usage is the help. The word in backquotes stands for the value.
	Usage string
	// Default is what the help shows as the default; "" for none.
	Default string
	// Range says which values the field may have, such as "1 to 80"; "" if any.
	Range string
	// Multiple is whether the flag takes a list: values behind commas, or in
	// several flags.
	Multiple bool

	boolean bool
	given   bool
	set     func(string) error
	format  func() string
	check   func() error // that the field is in the range
}

// Set sets the field. The error says what was wanted if the text is no value of the
// field's type; Check judges the range.
func (f *Flag) Set(s string) error {
	if err := f.set(s); err != nil {
		return err
	}
	f.given = true
	return nil
}

// String returns the field's present value.
func (f *Flag) String() string {
	if f.format == nil {
		return "" // package flag asks a zero Flag
	}
	return f.format()
}

// IsBoolFlag says whether the flag may stand without a value, which is then "true".
func (f *Flag) IsBoolFlag() bool { return f.boolean }

// Given says whether the flag was set.
func (f *Flag) Given() bool { return f.given }

// As replaces what the help shows as the default.
func (f *Flag) As(text string) *Flag {
	f.Default = text
	return f
}

// Alias adds a name.
func (f *Flag) Alias(name string) *Flag {
	f.Aliases = append(f.Aliases, name)
	return f
}

// Check says what is wrong with the field's value, or nil. The error names the flag
// and its range.
func (f *Flag) Check() error {
	if f.check == nil {
		return nil
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("--%s %s: %w", f.Name, f, err)
	}
	return nil
}

// A Set is the flags of a command.
type Set []*Flag

// Check returns the first flag's error.
func (s Set) Check() error {
	for _, f := range s {
		if err := f.Check(); err != nil {
			return err
		}
	}
	return nil
}

// describe fills in what follows from the rest.
func describe(f *Flag) *Flag {
	f.Usage = strings.ReplaceAll(f.Usage, "{range}", f.Range)
	f.Default = f.format()
	return f
}
