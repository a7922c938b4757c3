// SPDX-License-Identifier: MIT

package receive

import (
	"sync/atomic"

	"dpr/userland/report"
)

// The fates of a datagram besides the refusals of package report.
const (
	Accepted      = "accepted"    // and passed to the kernel
	Own           = "own"         // this host's own report
	Superseded    = "superseded"  // of version 1, from a host that sends version 2, too
	reasonAddress = "own_address" // from another host with this host's address
	reasonKernel  = "kernel"      // the kernel did not accept it
	reasonOther   = "other"
)

// Counts counts datagrams by their fate. The set of names is fixed, so the
// counts can be read while they grow.
type Counts struct {
	names  []string
	values map[string]*atomic.Uint64
}

func newCounts() *Counts {
	c := &Counts{values: make(map[string]*atomic.Uint64)}
	c.names = append([]string{Accepted, Own, Superseded, reasonAddress, reasonKernel, reasonOther}, report.Reasons()...)
	for _, n := range c.names {
		c.values[n] = new(atomic.Uint64)
	}
	return c
}

func (c *Counts) add(name string) {
	if v := c.values[name]; v != nil {
		v.Add(1)
		return
	}
	c.values[reasonOther].Add(1)
}

// Names returns all names: "accepted", "own", "superseded", "own_address", "kernel",
// "other" and those of report.Reasons.
func (c *Counts) Names() []string { return c.names }

// Explain returns the meaning of a name of Names, "" for any other.
func Explain(name string) string {
	switch name {
	case Accepted:
		return "accepted and passed to the kernel"
	case Own:
		return "this host's own report"
	case Superseded:
		return "of version 1, from a host that also sends version 2"
	case reasonAddress:
		return "sent by another host with this host's address"
	case reasonKernel:
		return "valid, but the kernel did not accept it"
	case reasonOther:
		return "refused for a reason without a counter"
	}
	return report.Explain(name)
}

// Get returns one count, or 0 for a name that is not in Names.
func (c *Counts) Get(name string) uint64 {
	if v := c.values[name]; v != nil {
		return v.Load()
	}
	return 0
}

func (c *Counts) total() uint64 {
	var n uint64
	for _, v := range c.values {
		n += v.Load()
	}
	return n
}

// attrs returns the counts above 0 as log attributes.
func (c *Counts) attrs() []any {
	var attrs []any
	for _, n := range c.names {
		if v := c.Get(n); v > 0 {
			attrs = append(attrs, n, v)
		}
	}
	return attrs
}
