// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"slices"
)

// deaf is what dispatchers have in common that need no reports.
type deaf struct{}

func (deaf) hear(int) {}

// none serves every connection where it came.
type none struct{ deaf }

func (none) place(host int) (int, int) { return host, 0 }

// random gives a first SYN to any host, as the stateless policy does: in
// proportion to nothing, the host itself among them.
type random struct {
	deaf
	c *cluster
}

func (d random) place(host int) (to, refusals int) {
	return d.c.rng.IntN(d.c.cfg.Hosts), 0
}

// better says whether host a, with one more connection, has less load per
// capacity than b.
func (c *cluster) better(a, b int) bool {
	return (float64(c.servers[a].load())+1)/c.servers[a].capacity < (float64(c.servers[b].load())+1)/c.servers[b].capacity
}

// freshTwo knows the loads of all hosts at every moment, draws two of them and
// takes the better one.
type freshTwo struct {
	deaf
	c *cluster
}

func (d freshTwo) place(host int) (to, refusals int) {
	a, b := d.c.rng.IntN(d.c.cfg.Hosts), d.c.rng.IntN(d.c.cfg.Hosts)
	if d.c.better(b, a) {
		return b, 0
	}
	return a, 0
}

// freshLowest knows the loads of all hosts at every moment, and takes the best
// one: join the shortest queue. Of equal ones it keeps the host itself, else
// draws.
type freshLowest struct {
	deaf
	c *cluster
}

func (d freshLowest) place(host int) (to, refusals int) {
	best, n := host, d.c.cfg.Hosts
	for i, k := 0, d.c.rng.IntN(n); i < n; i, k = i+1, (k+1)%n {
		if d.c.better(k, best) {
			best = k
		}
	}
	return best, 0
}

// FreshTwo and the like are the policies that know everything, or need not:
// what the module's are compared with.
const (
	None        = "none"
	Random      = "random"
	FreshTwo    = "fresh-two"
	FreshLowest = "fresh-lowest"
)

// Ideal are the names of these policies.
var Ideal = []string{None, Random, FreshTwo, FreshLowest}

func newDispatcher(c *cluster) (dispatcher, error) {
	switch c.cfg.Policy {
	case None:
		return none{}, nil
	case Random:
		return random{c: c}, nil
	case FreshTwo:
		return freshTwo{c: c}, nil
	case FreshLowest:
		return freshLowest{c: c}, nil
	}
	if d := newCandidate(c); d != nil {
		return d, nil
	}
	if d, err := newModule(c); d != nil || err != nil {
		return d, err
	}
	return nil, fmt.Errorf("unknown policy %q; there are %v", c.cfg.Policy, Policies())
}

// Policies returns the names of all policies.
func Policies() []string { return slices.Concat(Ideal, ModulePolicies(), Candidates) }
