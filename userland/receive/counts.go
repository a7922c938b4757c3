// SPDX-License-Identifier: MIT

package receive

import (
	"sync/atomic"

	"dpr/userland/report"
)

// What becomes of a datagram besides the refusals of package report.
const (
	Accepted      = "accepted"    // and the kernel took it
	Own           = "own"         // this host's own report
	reasonAddress = "own_address" // another host's, with this host's address
	reasonKernel  = "kernel"      // the kernel did not take it
	reasonOther   = "other"
)

// Counts counts what became of datagrams, by reason. The set of reasons is
// fixed, so that it can be read while it grows.
type Counts struct {
	names  []string
	values map[string]*atomic.Uint64
}

func newCounts() *Counts {
	c := &Counts{values: make(map[string]*atomic.Uint64)}
	c.names = append([]string{Accepted, Own, reasonAddress, reasonKernel, reasonOther}, report.Reasons()...)
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

// Names returns all reasons: "accepted", "own", "own_address", "kernel",
// "other" and those of report.Reasons.
func (c *Counts) Names() []string { return c.names }

// Explain returns what a name of Names means, "" for another.
func Explain(name string) string {
	switch name {
	case Accepted:
		return "taken over by the kernel"
	case Own:
		return "this host's own"
	case reasonAddress:
		return "from another host that has this host's address"
	case reasonKernel:
		return "right, but the kernel did not take it"
	case reasonOther:
		return "refused for a reason without a counter"
	}
	return report.Explain(name)
}

// Get returns one count, 0 for a name that is none of Names.
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

// attrs are the counts above 0 for the log.
func (c *Counts) attrs() []any {
	var attrs []any
	for _, n := range c.names {
		if v := c.Get(n); v > 0 {
			attrs = append(attrs, n, v)
		}
	}
	return attrs
}
