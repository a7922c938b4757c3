// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// The services of the tests of rules.
const kept, byLoad, byHash = 81, 82, 83

// withRules adds services with rules of their own to hosts, and servers for them.
func withRules(t *testing.T, rules map[uint16]dprnl.Rules, hosts ...*server) {
	t.Helper()
	for _, s := range hosts {
		for p, r := range rules {
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: p, Rules: r}))
			serve(t, s.Host, s.Name, p)
		}
	}
}

// rulesOf are the rules of a host's services, by port.
func rulesOf(t *testing.T, s *server) map[uint16]dprnl.Rules {
	t.Helper()
	list, err := s.dpr.Services(t.Context())
	check(t, err)
	all := map[uint16]dprnl.Rules{}
	for _, one := range list {
		all[one.Port] = one.Rules
	}
	return all
}

// servedBy counts who serves n connections to a port of A.
func (c *cluster) servedBy(t *testing.T, p uint16, n int) map[string]int {
	t.Helper()
	served := map[string]int{}
	for range n {
		who, err := connect(t, c.c, c.addrPort(addrA, p)).ask("who")
		check(t, err)
		served[who]++
	}
	return served
}

// Each service is decided by its own rules, or by the configuration's, whatever those of
// others are; and a change of rules moves no connection.
//
//	C ── switch ── A
//	        └───── B
func TestRulesOfServices(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		rules := map[uint16]dprnl.Rules{
			kept:   {Policy: dprnl.Own(dprnl.PolicyOff)},
			byLoad: {MaxLoad: dprnl.Own[uint64](1_000_000)},
			byHash: {Policy: dprnl.Own(dprnl.PolicyStateless)},
		}
		withRules(t, rules, c.a, c.b)
		rules[port] = dprnl.Rules{}
		if got := rulesOf(t, c.a); fmt.Sprint(got) != fmt.Sprint(rules) {
			t.Errorf("rules %+v, want %+v", got, rules)
		}
		open := map[*conn]string{}
		for p := range rules {
			k := connect(t, c.c, w.addrPort(addrA, p))
			who, err := k.ask("who")
			check(t, err)
			open[k] = who
		}
		stay := func(when string) {
			t.Helper()
			for k, want := range open {
				if who, err := k.ask("who"); err != nil || who != want {
					t.Errorf("%s: %v is served by %q (%v), before by %q", when, k.RemoteAddr(), who, err, want)
				}
			}
		}
		want := func(p uint16, when string, hosts ...string) {
			t.Helper()
			served := c.servedBy(t, p, 24)
			if len(served) != len(hosts) {
				t.Errorf("%s: port %d is served by %v, want %v", when, p, served, hosts)
			}
			for _, h := range hosts {
				if served[h] == 0 {
					t.Errorf("%s: port %d is served by %v, want %v", when, p, served, hosts)
				}
			}
		}
		all := func(when string) {
			t.Helper()
			want(port, when, "B")
			want(kept, when, "A")
			want(byLoad, when, "A")
			want(byHash, when, "A", "B")
		}
		all("at first")
		flows := len(c.a.flows(t))
		want(byHash, "by the hash", "A", "B")
		if n := len(c.a.flows(t)); n != flows {
			t.Errorf("%d flows after connections by the hash, %d before", n, flows)
		}
		stay("at first")

		// The configuration's hold only where a service has none.
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyInverse)})
		all("the configuration changed")
		set := func(p uint16, r dprnl.Rules) {
			t.Helper()
			check(t, c.a.dpr.SetService(t.Context(), dprnl.Service{Port: p, Rules: r}))
			if got := rulesOf(t, c.a)[p]; got != r {
				t.Errorf("port %d has %+v, want %+v", p, got, r)
			}
		}
		set(byLoad, dprnl.Rules{MaxLoad: dprnl.Own[uint64](0)})
		want(byLoad, "another MaxLoad", "B")
		c.a.keep(t)
		want(port, "the policy is off", "A")
		want(byLoad, "the policy is off", "A")
		want(byHash, "the policy is off", "A", "B")
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
		want(byLoad, "the policy is lowest", "B")
		stay("the configuration changed")

		set(kept, dprnl.Rules{})
		want(kept, "of its own no more", "B")
		set(byLoad, dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyInverse), MaxLoad: dprnl.Own[uint64](1_000_000)})
		want(byLoad, "below its own MaxLoad", "A")
		set(byHash, dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyStateless), Hash: dprnl.Own(dprnl.HashPort)})
		want(byHash, "another hash", "A", "B")
		stay("another hash")
		set(byHash, dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOff)})
		want(byHash, "stateless no more", "A")
		stay("stateless no more")
		set(port, dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyStateless)})
		want(port, "stateless now", "A", "B")
		stay("stateless now")

		err := c.a.dpr.SetService(t.Context(), dprnl.Service{Port: 99})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("setting what is not there: %v", err)
		}
		check(t, c.a.dpr.DeleteService(t.Context(), dprnl.Service{Port: byHash}))
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: byHash}))
		if got := rulesOf(t, c.a)[byHash]; got != (dprnl.Rules{}) {
			t.Errorf("deleted and added, it has %+v", got)
		}
		stay("deleted and added")
	})
}

// Of two services on one port that of the address decides about its connections, and counts them,
// whichever was added first; that of all addresses has the others.
//
//	C, R ── switch ── A (.11, and .21)
//	           └───── B
func TestRulesByAddress(t *testing.T) {
	const hashed, unhashed = 84, 85
	var (
		off       = dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOff)}
		lowest    = dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyLowest)}
		stateless = dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyStateless)}
		second    = netip.MustParseAddr("10.77.0.21")
	)
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		addresses(t, c.a.Host, eth, netip.PrefixFrom(second, network.Bits()))
		withRules(t, map[uint16]dprnl.Rules{kept: off, unhashed: stateless}, c.a, c.b)
		for p, r := range map[uint16]dprnl.Rules{kept: lowest, hashed: stateless, unhashed: off} {
			check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: p, Address: c.a.at, Rules: r}))
		}
		withRules(t, map[uint16]dprnl.Rules{hashed: lowest}, c.a, c.b)
		want := func(to netip.Addr, p uint16, hosts ...string) {
			t.Helper()
			served := map[string]int{}
			for range 24 {
				who, err := connect(t, c.c, w.addrPort(to, p)).ask("who")
				check(t, err)
				served[who]++
			}
			for _, h := range hosts {
				if served[h] == 0 || len(served) != len(hosts) {
					t.Errorf("%v:%d is served by %v, want %v", to, p, served, hosts)
				}
			}
		}
		want(addrA, kept, "B")
		want(second, kept, "A")
		want(addrA, hashed, "A", "B")
		want(second, hashed, "B")
		want(addrA, unhashed, "A")
		want(second, unhashed, "A", "B")

		all, err := c.a.dpr.ServiceStates(t.Context())
		check(t, err)
		for _, s := range all {
			if s.Port == unhashed && s.Address == c.a.at && s.Connections != 24 {
				t.Errorf("%d open connections of %v:%d, want 24", s.Connections, s.Address, s.Port)
			}
			if s.Port == kept && s.Address == c.a.at && s.Connections != 0 {
				t.Errorf("%d open connections of %v:%d, which B serves", s.Connections, s.Address, s.Port)
			}
		}

		// What has neither flow nor socket follows the hash of its service alone.
		r := c.raw(t, addrR)
		time.Sleep(settle) // acknowledgments of the connections before
		a := c.a.meter(t)
		for n := range uint16(32) {
			s := wire.Segment{Src: w.addrPort(addrR, 10000+n), Dst: w.addrPort(addrA, unhashed), Flags: "A", Seq: 1, Ack: 1}
			r.send(t, c.a, s.Bytes())
		}
		gather(t, r.Endpoint, 32, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.RST })
		if n := a.changes(t)[dprnl.StatTxPackets]; n != 0 {
			t.Errorf("%d strays of a service that keeps flows followed the hash of another on its port", n)
		}
	})
}

// The hash of a stateless service decides about its own segments alone: a segment of
// another service that has neither flow nor socket is answered here.
//
//	R ── switch ── A
//	        └───── B
func TestStraysOfServices(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		withRules(t, map[uint16]dprnl.Rules{byHash: {Policy: dprnl.Own(dprnl.PolicyStateless)}}, c.a, c.b)
		r := c.raw(t, addrR)
		redirected := func(p uint16) uint64 {
			t.Helper()
			a := c.a.meter(t)
			for n := range uint16(32) {
				s := wire.Segment{Src: w.addrPort(addrR, 10000+n), Dst: w.addrPort(addrA, p), Flags: "A", Seq: 1, Ack: 1}
				r.send(t, c.a, s.Bytes())
			}
			gather(t, r.Endpoint, 32, func(got *wire.Packet) bool { return got.TCP != nil && got.TCP.RST })
			return a.changes(t)[dprnl.StatTxPackets]
		}
		if w.direct {
			// B learns A's link-layer address, without which it knows no stray of A's.
			for n := range uint16(32) {
				s := wire.Segment{Src: w.addrPort(addrR, 9000+n), Dst: w.addrPort(addrA, byHash), Flags: "A", Seq: 1, Ack: 1}
				r.send(t, c.a, s.Bytes())
			}
			time.Sleep(settle)
			r.Take(func(*wire.Packet) bool { return true })
		}
		if n := redirected(port); n != 0 {
			t.Errorf("%d strays of a service that keeps flows followed the hash of another", n)
		}
		if n := redirected(byHash); n == 0 || n == 32 {
			t.Errorf("%d of 32 strays of the stateless service were redirected, want some", n)
		}
	})
}

// A peer refuses an offer, or takes it, by its own rules of the service.
func TestOfferByService(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		rules := func(most uint64) dprnl.Rules {
			return dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer), MaxLoad: dprnl.Own(most)}
		}
		withRules(t, map[uint16]dprnl.Rules{byLoad: rules(1)}, c.a, c.b)
		// B's sockets are more than 1, and it knows of A that it could redirect to.
		c.b.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(time.Hour), WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0))})
		c.b.report(t, c.a, 0)
		// B is asked twice, being the only peer, and must take what it has refused then.
		want := func(p uint16, when string, refused uint64) {
			t.Helper()
			b := c.b.meter(t)
			if served := c.servedBy(t, p, 8); served["B"] != 8 {
				t.Errorf("%s: port %d is served by %v, want B", when, p, served)
			}
			if n := b.changes(t)[dprnl.StatRefusedLoad]; n != refused {
				t.Errorf("%s: B refused %d offers of port %d, want %d", when, n, p, refused)
			}
		}
		want(byLoad, "B has too much load", 16)
		want(port, "another service", 0)
		set := func(r dprnl.Rules) {
			t.Helper()
			check(t, c.b.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: r}))
		}
		set(rules(1_000_000))
		want(byLoad, "B takes all", 0)
		set(rules(1))
		want(byLoad, "B has too much load again", 16)
		set(dprnl.Rules{})
		want(byLoad, "B does not offer", 0)
	})
}

// The same if each host's service is on an address of its own.
//
//	C ── switch ── A (serves .11:82)
//	        └───── B (serves .12:82)
func TestOfferByAddress(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		rules := dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer), MaxLoad: dprnl.Own[uint64](1)}
		for _, s := range []*server{c.a, c.b} {
			serve(t, s.Host, s.Name, byLoad)
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: byLoad, Address: s.at, Rules: rules}))
		}
		c.b.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(time.Hour), WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0))})
		c.b.report(t, c.a, 0)
		b := c.b.meter(t)
		if served := c.servedBy(t, byLoad, 8); served["B"] != 8 {
			t.Errorf("served by %v, want B", served)
		}
		if n := b.changes(t)[dprnl.StatRefusedLoad]; n != 16 {
			t.Errorf("B refused %d offers, want 16: its load is above its service's MaxLoad", n)
		}
	})
}

// A value that a rule cannot have is refused, and nothing changes.
func TestWrongRules(t *testing.T) {
	c := bareCluster(t, fragbit4)
	own := dprnl.Rules{Hash: dprnl.Own(dprnl.HashPort)}
	check(t, c.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: own}))
	for name, r := range map[string]dprnl.Rules{
		"unknown policy":     {Policy: dprnl.Own(dprnl.Policy(99))},
		"unknown load":       {Load: dprnl.Own(dprnl.ServiceLoad(99))},
		"unknown forwarding": {Forwarding: dprnl.Own(dprnl.Forwarding(99))},
		"unknown hash":       {Hash: dprnl.Own(dprnl.Hash(99)), MaxLoad: dprnl.Own[uint64](5)},
	} {
		for _, change := range []func() error{
			func() error { return c.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: r}) },
			func() error { return c.a.dpr.AddService(t.Context(), dprnl.Service{Port: 99, Rules: r}) },
		} {
			var e *dprnl.Error
			if err := change(); !errors.As(err, &e) || e.Message != name {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if got := rulesOf(t, c.a); len(got) != 1 || got[port] != own {
		t.Errorf("services %+v", got)
	}
}
