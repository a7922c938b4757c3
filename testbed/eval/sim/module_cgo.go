// SPDX-License-Identifier: MIT

//go:build cgo

package sim

import (
	"fmt"

	"dpr/testbed/eval/sim/module"
	"dpr/userland/dprnl"
)

// maxAge is how old a report may be, ms: the module's default, or what an
// operator sets for a longer period, three of them.
func (c *Config) maxAge() uint32 { return uint32(max(3000, 3000*c.Period)) }

// modular decides by the module's own code.
type modular struct {
	c     *cluster
	table *module.Table
	host  module.Host
}

func newModule(c *cluster) (dispatcher, error) {
	d := &modular{c: c, host: module.Host{MaxLoad: c.cfg.MaxLoad, MaxAge: c.cfg.maxAge()}}
	if err := d.host.Policy.UnmarshalText([]byte(c.cfg.Policy)); err != nil {
		return nil, nil // not the module's
	}
	if d.host.Policy == dprnl.PolicyStateless {
		return nil, fmt.Errorf("the policy %v is simulated as %s", d.host.Policy, Random)
	}
	if err := d.host.Estimate.UnmarshalText([]byte(c.cfg.Estimate)); err != nil {
		return nil, fmt.Errorf("estimate: %w", err)
	}
	var err error
	d.table, err = module.New(c.weight)
	return d, err
}

func (d *modular) close() { d.table.Close() }

// as makes d.host this host, as it is now.
func (d *modular) as(host int) {
	h := &d.host
	h.Self, h.Load, h.Weight = host, uint64(d.c.servers[host].load()), d.c.weight[host]
	h.Now, h.Random, h.Avoid = d.now(), d.c.rng.Uint64(), -1
	h.Changes, h.Since = h.Changes[:0], 0
	if h.Estimate == dprnl.EstimateReported {
		return
	}
	if h.Policy == dprnl.PolicyOffer {
		h.Since = d.c.links.since[host] // it asks for no single peer's load
		return
	}
	for _, i := range d.c.links.from[host] {
		if l := &d.c.links.slot[i]; l.live != l.reported {
			h.Changes = append(h.Changes, module.Change{Peer: uint32(l.to), Live: l.live, Reported: l.reported})
		}
	}
}

func (d *modular) now() uint32 { return uint32(int64(d.c.now * 1000)) }

func (d *modular) place(host int) (to, refusals int) {
	avoid := -1
	for {
		d.as(host)
		d.host.Avoid = avoid
		to = d.table.Decide(&d.host)
		if to == host || d.host.Policy != dprnl.PolicyOffer || refusals == module.MaxOffers {
			return to, refusals
		}
		d.as(to)
		if !d.table.Refuses(&d.host) {
			return to, refusals
		}
		refusals++
		avoid = to
	}
}

func (d *modular) hear(host int) {
	d.table.Hear(host, d.c.heard[host].load, d.now(), d.c.rng.Uint32())
}

// ModulePolicies returns the names of the module's policies that are simulated.
func ModulePolicies() []string {
	return []string{
		dprnl.PolicyLowest.String(), dprnl.PolicyInverse.String(), dprnl.PolicyTwo.String(), dprnl.PolicyOffer.String(),
	}
}
