// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// loads is a cluster whose hosts serve two services more, of the policy lowest: byLoad,
// which compares their connections of it, and byHash, which compares their loads, too. By
// their loads B is better off than D, and A is loaded.
type loads struct {
	*three
	held []*conn // connections of byLoad that A serves
}

// newLoads makes the cluster with n connections of byLoad at A. No peer has said anything
// of connections.
func newLoads(t *testing.T, w way, n int) *loads {
	t.Helper()
	x := &loads{three: newThree(t, w, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})}
	if w.client != w.tunnel {
		x.d.report(t, x.a, 1<<20)
	}
	withRules(t, map[uint16]dprnl.Rules{byLoad: {Load: dprnl.Own(dprnl.LoadOfService)}, byHash: {}}, x.a, x.b, x.d)
	x.report(t)
	for range n {
		k := connect(t, x.c, x.addrPort(addrA, byLoad))
		k.wantServed(t, "A")
		x.held = append(x.held, k)
	}
	x.atA(t, n)
	return x
}

// atA waits until A has n open connections of byLoad.
func (x *loads) atA(t *testing.T, n int) {
	t.Helper()
	eventually(t, func() error {
		if got := openConnections(t, x.a)[byLoad]; got != uint32(n) {
			return fmt.Errorf("A has %d connections, want %d", got, n)
		}
		return nil
	})
}

// say has both peers report to A, each with its connections of byLoad; less than none: it
// does not say how many.
func (x *loads) say(t *testing.T, b, d int) {
	t.Helper()
	for i, peer := range []*server{x.b, x.d} {
		u := x.way.report(peer.addr, uint32(i))
		if u.Protocol > 0 {
			u.Others = peer.others
		}
		u.Counts = []dprnl.PortCount{{Port: byHash, Connections: 1000}}
		if n := []int{b, d}[i]; n >= 0 {
			u.Counts = append(u.Counts, dprnl.PortCount{Port: byLoad, Connections: uint32(n)})
		}
		check(t, x.a.dpr.SetPeer(t.Context(), u))
	}
}

// want makes connections to a port, all of which that host must serve.
func (x *loads) want(t *testing.T, when string, p uint16, host string) {
	t.Helper()
	const n = 8
	if served := x.servedBy(t, p, n); served[host] != n {
		t.Errorf("%s: port %d is served by %v, want %s", when, p, served, host)
	}
}

// of is what A knows of a peer's connections of byLoad.
func (x *loads) of(t *testing.T, peer *server) dprnl.PortLoad {
	t.Helper()
	p, err := x.a.dpr.Peer(t.Context(), peer.addr)
	check(t, err)
	if i := slices.IndexFunc(p.Loads, func(l dprnl.PortLoad) bool { return l.Port == byLoad }); i >= 0 {
		return p.Loads[i]
	}
	return dprnl.PortLoad{}
}

// A service may be compared by its connections, whatever the hosts' loads are. A peer that
// does not say how many it has, as one of an older version, gets what nobody else takes.
//
//	C ── switch ── A (loaded)
//	        ├───── B (idle, but it has connections of the service)
//	        └───── D
func TestServiceLoads(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		x := newLoads(t, w, 4)
		x.want(t, "nobody has said anything", byHash, "B")
		x.want(t, "nobody has said anything", port, "B")
		if l := x.of(t, x.b); l.Port != byLoad || l.Known {
			t.Errorf("nobody has said anything, but %+v", l)
		}

		x.say(t, 3, 0)
		if l := x.of(t, x.b); !l.Known || l.Estimate != 3 {
			t.Errorf("B has %+v", l)
		}
		x.want(t, "B has connections of it", byLoad, "D")
		x.want(t, "B has connections of another one", byHash, "B")
		x.say(t, 0, 3)
		x.want(t, "D has connections of it", byLoad, "B")
		check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad}))
		x.say(t, 3, 0)
		x.want(t, "compared by the hosts' loads", byLoad, "B")
		own := dprnl.Rules{Load: dprnl.Own(dprnl.LoadOfService)}
		check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: own}))
		x.want(t, "compared by its connections again", byLoad, "D")

		// An older peer, and one that is worse off than this host.
		x.say(t, 1<<20, -1)
		x.want(t, "D does not say", byLoad, "A")
		x.want(t, "D does not say", byHash, "B")
		x.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		x.want(t, "A drains, D does not say", byLoad, "B")
		check(t, x.a.dpr.DeletePeer(t.Context(), x.b.addr, false))
		x.want(t, "A drains, B is gone", byLoad, "D")
	})
}

// MaxLoad is compared to the connections, too.
func TestServiceMaxLoad(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		x := newLoads(t, w, 2)
		x.say(t, 0, 1)
		rules := func(most uint64) {
			t.Helper()
			check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: dprnl.Rules{
				Load: dprnl.Own(dprnl.LoadOfService), MaxLoad: dprnl.Own(most)}}))
		}
		rules(2)
		x.want(t, "as many as MaxLoad", byLoad, "B")
		rules(3)
		if served := x.servedBy(t, byLoad, 1); served["A"] != 1 {
			t.Errorf("one less than MaxLoad: served by %v", served)
		}
		x.atA(t, 3)
		x.want(t, "as many as MaxLoad again", byLoad, "B")
		// The mean of 3, 0 and 1 is less than 3.
		rules(dprnl.MaxLoadAuto)
		x.want(t, "above the mean", byLoad, "B")
		x.say(t, 9, 9)
		if served := x.servedBy(t, byLoad, 1); served["A"] != 1 {
			t.Errorf("below the mean: served by %v", served)
		}
	})
}

// Between two reports a peer's connections are taken to be those that it reported, and
// those that were redirected to it since. What is counted for that is none when the last
// one is gone, whatever changed meanwhile.
func TestServiceLoadEstimates(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		x := newLoads(t, w, 6)
		x.a.set(t, dprnl.ConfigUpdate{Estimate: ptr(dprnl.EstimateCorrected)})
		x.say(t, 0, 0)
		var open []*conn
		served := map[string]int{}
		for range 6 {
			k := connect(t, x.c, x.addrPort(addrA, byLoad))
			who, err := k.ask("who")
			check(t, err)
			served[who]++
			open = append(open, k)
		}
		if served["B"] != 3 || served["D"] != 3 {
			t.Errorf("served by %v, want 3 by each peer", served)
		}
		both := func(when string, want dprnl.PortLoad) {
			t.Helper()
			for _, s := range []*server{x.b, x.d} {
				eventually(t, func() error {
					if l := x.of(t, s); l != want {
						return fmt.Errorf("%s: %s has %+v, want %+v", when, s.Name, l, want)
					}
					return nil
				})
			}
		}
		both("since the report", dprnl.PortLoad{Port: byLoad, Known: true, Estimate: 3, Live: 3})
		// Connections of others do not count here.
		x.servedBy(t, byHash, 4)
		both("of another service", dprnl.PortLoad{Port: byLoad, Known: true, Estimate: 3, Live: 3})
		x.say(t, 3, 3)
		both("in the report", dprnl.PortLoad{Port: byLoad, Known: true, Estimate: 3, Live: 3})

		// The rule goes, and flows come and go; then it comes back.
		check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad}))
		both("without the rule", dprnl.PortLoad{})
		x.servedBy(t, byLoad, 1) // is not counted
		own := dprnl.Rules{Load: dprnl.Own(dprnl.LoadOfService)}
		check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: own}))
		both("with the rule again", dprnl.PortLoad{Port: byLoad, Known: true, Estimate: 3, Live: 3})
		check(t, x.a.dpr.DeleteService(t.Context(), dprnl.Service{Port: byLoad}))
		for _, k := range open {
			k.Close()
		}
		eventually(t, func() error {
			live := slices.DeleteFunc(x.a.flows(t), func(f dprnl.Flow) bool {
				return f.Service.Port() != byLoad || f.State == dprnl.FlowEnded
			})
			if len(live) != 1 {
				return fmt.Errorf("flows of the service: %v, want the one that is not counted", live)
			}
			return nil
		})
		check(t, x.a.dpr.AddService(t.Context(), dprnl.Service{Port: byLoad, Rules: own}))
		both("at the end", dprnl.PortLoad{Port: byLoad, Known: true})
	})
}

// A host of the policy offer refuses by its connections of the service, whatever its load.
func TestOfferByServiceLoad(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		rules := dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer), MaxLoad: dprnl.Own[uint64](1)}
		withRules(t, map[uint16]dprnl.Rules{byLoad: rules}, c.a, c.b)
		c.b.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(time.Hour), WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0))})
		c.b.report(t, c.a, 0)
		rules.Load = dprnl.Own(dprnl.LoadOfService)
		check(t, c.b.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: rules}))
		// B is asked twice, being the only peer, and must take what it has refused then.
		for i, refused := range []uint64{0, 2, 2} {
			b := c.b.meter(t)
			if served := c.servedBy(t, byLoad, 1); served["B"] != 1 {
				t.Errorf("connection %d is served by %v", i, served)
			}
			if n := b.changes(t)[dprnl.StatRefusedLoad]; n != refused {
				t.Errorf("B refused connection %d %d times, want %d", i, n, refused)
			}
			wantOpen(t, c.b, map[uint16]uint32{port: 0, byLoad: uint32(i + 1)})
		}
	})
}

// No more ports than the limit have loads of services. One that is given up makes room
// when its last redirected connection is over.
func TestServiceLoadsLimit(t *testing.T) {
	watchKernel(t)
	x := newLoads(t, fragbit4, 1)
	x.say(t, 0, 0)
	k := connect(t, x.c, x.addrPort(addrA, byLoad))
	if who, err := k.ask("who"); err != nil || who == "A" {
		t.Fatalf("served by %q (%v)", who, err)
	}
	own := dprnl.Rules{Load: dprnl.Own(dprnl.LoadOfService)}
	add := func(p uint16) error {
		return x.a.dpr.AddService(t.Context(), dprnl.Service{Port: p, Rules: own})
	}
	for i := range dprnl.MaxServiceLoads - 1 {
		check(t, add(uint16(1000+i)))
	}
	// Another address of a port is no other port.
	check(t, x.a.dpr.AddService(t.Context(), dprnl.Service{Port: 1000, Address: netip.MustParseAddr("10.77.0.99"), Rules: own}))
	full := func(when string) {
		t.Helper()
		if err := add(2000); !errors.Is(err, unix.E2BIG) {
			t.Errorf("%s: %v", when, err)
		}
	}
	full("all have loads")
	check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad}))
	full("a connection lives")
	if err := x.a.dpr.SetService(t.Context(), dprnl.Service{Port: byHash, Rules: own}); !errors.Is(err, unix.E2BIG) {
		t.Error(err)
	}
	k.Close()
	eventually(t, func() error { return add(2000) })
	connect(t, x.c, x.addrPort(addrA, byLoad)).wantServed(t, "B") // by the hosts' loads
}
