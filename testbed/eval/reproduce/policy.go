// SPDX-License-Identifier: MIT

package reproduce

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dpr/userland/dprnl"
)

// The policies that the paper compares, by their names here.
const (
	None   = "none"
	Random = "random"
	TCP    = "tcp"
)

// Policies that the paper does not have. Corrected is TCP with corrected estimates
// of the others' loads; Two and Offer are dpr's of these names, with a MaxLoad that
// follows the cluster's mean.
const (
	Corrected = "tcp-corrected"
	Two       = "two"
	Offer     = "offer"
)

// The paper's policy and the best of ours with reports every 1/scale seconds: as
// many connections come between two of them as come in the second between two of
// the paper's, so that they are as stale as its.
const (
	TCPSlow   = "tcp-slow"
	OfferSlow = "offer-slow"
)

// The other two of four variants: with a hash or by loads, packets go in tunnels, or direct
// to peers on the same link.
const (
	RandomDirect = "random-direct"
	TCPDirect    = "tcp-direct"
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
	// Slow has reports every 1/scale seconds instead of every second.
	Slow bool
	// Direct has packets go to peers without a tunnel.
	Direct bool
}

// noneWarmup is how many times as long None takes to come to rest: where users
// share an overloaded server, a file of 50 kB takes it some 15 s.
const noneWarmup = 3

// warmup is how many seconds of a run are not measured, of what others have.
func (p Policy) warmup(seconds int) int {
	if p.Name == None {
		return noneWarmup * seconds
	}
	return seconds
}

// period is how often a server reports.
func (p Policy) period(scale float64) time.Duration {
	if p.Slow {
		return time.Duration(float64(time.Second) / scale).Round(time.Millisecond)
	}
	return time.Second
}

// Policies are all that there are, in the order of tables.
var Policies = []Policy{
	{Name: None, Title: "no balancing: round-robin DNS alone", Set: []string{"off"}, MaxLoad: "0"},
	{Name: Random, Title: "stateless: a hash of the client's address and port picks a host", Set: []string{"stateless"}, MaxLoad: "0"},
	{Name: TCP, Title: "the paper's: the host of fewest open TCP connections, by the last reports", Set: []string{"lowest", "--estimate", "reported"}},
	{Name: Corrected, Title: "lowest, loads corrected by own redirects since the last report", Set: []string{"lowest", "--estimate", "corrected"}, MaxLoad: "0"},
	{Name: Two, Title: "of two hosts at random the less loaded one, loads corrected", Set: []string{"two", "--estimate", "corrected"}, MaxLoad: "auto"},
	{Name: Offer, Title: "a host at random is offered the connection, which it may refuse", Set: []string{"offer", "--estimate", "corrected"}, MaxLoad: "auto"},
	{Name: TCPSlow, Title: "tcp, with reports as stale as the paper's", Set: []string{"lowest", "--estimate", "reported"}, Slow: true},
	{Name: OfferSlow, Title: "offer, with the same reports", Set: []string{"offer", "--estimate", "corrected"}, MaxLoad: "auto", Slow: true},
	{Name: RandomDirect, Title: "random, packets go to peers without a tunnel", Set: []string{"stateless"}, MaxLoad: "0", Direct: true},
	{Name: TCPDirect, Title: "tcp, packets go to peers without a tunnel", Set: []string{"lowest", "--estimate", "reported"}, Direct: true},
}

// standard are the policies of "make reproduce": of those that the paper does not
// have, two is left out, which with three hosts is lowest but for its MaxLoad.
var standard = []string{None, Random, TCP, Corrected, Offer, TCPSlow, OfferSlow, RandomDirect, TCPDirect}

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

// forwarding is how packets get to peers.
func (p Policy) forwarding() string {
	if p.Direct {
		return dprnl.ForwardingDirect.String()
	}
	return dprnl.ForwardingIpip.String()
}

// commands are what sets the policy on a server.
func (p Policy) commands(maxLoad uint64) [][]string {
	return [][]string{{"dprctl", "config", "set", "--forwarding", p.forwarding()}, p.command(maxLoad)}
}

func (p Policy) command(maxLoad uint64) []string {
	load := p.MaxLoad
	if load == "" {
		load = strconv.FormatUint(maxLoad, 10)
	}
	return slices.Concat([]string{"dprctl", "policy", "set"}, p.Set, []string{"--max-load", load})
}
