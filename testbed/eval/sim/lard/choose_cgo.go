// SPDX-License-Identifier: MIT

//go:build cgo

package lard

import (
	"dpr/testbed/eval/sim/module"
	"dpr/userland/dprnl"
)

// modular chooses by the module's own code.
type modular struct {
	table *module.Table
	host  module.Host
	group module.Group
}

func newChooser(c *Config) (chooser, error) {
	weights := make([]uint32, c.Hosts)
	for i := range weights {
		weights[i] = 1
	}
	table, err := module.New(weights)
	if err != nil {
		return nil, err
	}
	policies := map[string]uint32{
		Locality: module.RulesLocality, Lowest: module.RulesLowest, Stateless: module.RulesStateless,
	}
	return &modular{
		table: table,
		host: module.Host{
			MaxLoad: dprnl.MaxLoadAuto, MaxAge: uint32(max(3000, 3000*c.Period)), Avoid: -1, Weight: 1,
			// The order of all peers is kept for policies of other names only.
			Policy: dprnl.PolicyOffer,
		},
		group: module.Group{Policy: policies[c.Policy], Spill: uint32(c.Spill)},
	}, nil
}

func (m *modular) close() { m.table.Close() }

func (m *modular) choose(c *cluster, first, document int) int {
	h := &m.host
	h.Self, h.Load, h.Now, h.Random = first, uint64(c.hosts[first].connections), milliseconds(c.now), c.random.Uint64()
	h.Changes = h.Changes[:0]
	for to := range c.hosts {
		if live, known := c.live[first][to], c.known[first][to]; live != known {
			h.Changes = append(h.Changes, module.Change{Peer: uint32(to), Live: live, Reported: known})
		}
	}
	m.group.Hash = hash(document)
	if m.group.Policy == module.RulesStateless {
		m.group.Hash = h.Random // of the client
	}
	return m.table.Choose(h, m.group)
}

func (m *modular) hear(c *cluster, host int) {
	m.table.Hear(host, uint64(c.hosts[host].connections), milliseconds(c.now), c.random.Uint32())
}

func milliseconds(seconds float64) uint32 { return uint32(int64(seconds * 1000)) }
