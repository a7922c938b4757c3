// SPDX-License-Identifier: MIT

// Package family has names for the families of addresses that a lab's hosts have, and
// for which of them a load uses.
package family

import (
	"fmt"

	"dpr/testbed/lab/flags"
)

// A Family is IPv4 or IPv6, by the version in an IP header. The zero value is none.
type Family int

// The families.
const (
	V4 Family = 4
	V6 Family = 6
)

// All are both families.
var All = []Family{V4, V6}

// Name is what people call a family.
func (f Family) Name() string { return fmt.Sprintf("IPv%d", int(f)) }

// Header is the length of an IP header without options, in bytes.
func (f Family) Header() int {
	if f == V6 {
		return 40
	}
	return 20
}

// Flag describes a field that is a family.
func Flag(p *Family, usage string) *flags.Flag { return flags.Choice(p, "family", All, usage) }

// A Mix is the families of a load's clients.
type Mix string

// The mixes.
const (
	Only4 Mix = "4"
	Only6 Mix = "6"
	Both  Mix = "both" // every second client has the other family
)

// Mixes are all of them.
var Mixes = []Mix{Only4, Only6, Both}

// MixFlag describes a field that is a mix. Unlike other fields that are words, it may not
// be empty.
func MixFlag(p *Mix, usage string) *flags.Flag { return flags.Choice(p, "family", Mixes, usage) }

// Of is the family of client i, counted from 0.
func (m Mix) Of(i int) Family {
	if m == Only6 || m == Both && i%2 == 1 {
		return V6
	}
	return V4
}

// Families are those that the mix has, in rising order.
func (m Mix) Families() []Family {
	switch m {
	case Only6:
		return All[1:]
	case Both:
		return All
	}
	return All[:1]
}

// Own is the family of the servers' own addresses, and so of their tunnels: that of the
// clients. It is IPv4 if they have both, so that tunnels carry a family that is not theirs.
func (m Mix) Own() Family { return m.Families()[0] }

// Name is what people call the mix.
func (m Mix) Name() string {
	if m == Both {
		return "IPv4 and IPv6"
	}
	return m.Own().Name()
}
