// SPDX-License-Identifier: MIT

package reproduce

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The policies that the paper compares, by their names here.
const (
	None   = "none"
	Random = "random"
	TCP    = "tcp"
)

// Policies that the paper does not have. Corrected is TCP with corrected estimates
// of the others' loads; Two is dpr's of this name, with a MaxLoad that follows the
// cluster's mean.
const (
	Corrected = "tcp-corrected"
	Two       = "two"
)

// Policy is a way to balance.
type Policy struct {
	// Name is what it is called in results.
	Name string
	// Title says what it is.
	Title string
	// Set is its arguments to "dprctl policy set".
	Set []string
	// MaxLoad is the MaxLoad that it has in all runs, as dprctl takes it; "":
	// that of Options.
	MaxLoad string
}

// Policies are all that there are, in the order of tables.
var Policies = []Policy{
	{None, "no balancing: round-robin DNS alone", []string{"off"}, "0"},
	{Random, "stateless: a hash of the client's address and port picks a host", []string{"stateless"}, "0"},
	{TCP, "the paper's: the host of fewest open TCP connections, by the last reports", []string{"lowest", "--estimate", "reported"}, ""},
	{Corrected, "lowest, loads corrected by own redirects since the last report", []string{"lowest", "--estimate", "corrected"}, "0"},
	{Two, "of two hosts at random the less loaded one, loads corrected", []string{"two", "--estimate", "corrected"}, "auto"},
}

// names are the policies' names.
func names() []string {
	var all []string
	for _, p := range Policies {
		all = append(all, p.Name)
	}
	return all
}

// byName finds a policy.
func byName(name string) (Policy, error) {
	i := slices.IndexFunc(Policies, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return Policy{}, fmt.Errorf("policy %q: want one of %s", name, strings.Join(names(), ", "))
	}
	return Policies[i], nil
}

// command is what sets the policy on a server.
func (p Policy) command(maxLoad uint64) []string {
	load := p.MaxLoad
	if load == "" {
		load = strconv.FormatUint(maxLoad, 10)
	}
	return slices.Concat([]string{"dprctl", "policy", "set"}, p.Set, []string{"--max-load", load})
}
