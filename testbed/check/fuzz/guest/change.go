// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"dpr/userland/dprnl"
)

// setUp configures the module so that it redirects and is redirected to.
func (l *loaded) setUp(ctx context.Context) error {
	policy, most, orphans := dprnl.PolicyLowest, uint32(200), dprnl.OrphansAsk
	l.bound = uint64(most)
	own, keys := ends(l.wide)[0], handoverKeys[:1]
	if err := l.c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &own, Policy: &policy, MaxFlows: &most, Orphans: &orphans, HandoverKeys: &keys}); err != nil {
		return err
	}
	if err := l.reportAll(ctx); err != nil {
		return err
	}
	for _, p := range ports {
		if err := l.c.AddService(ctx, dprnl.Service{Port: p}); err != nil {
			return err
		}
	}
	return nil
}

// handoverKeys are those that all hosts have. What this host hands over comes back as if
// another one had.
var handoverKeys = []dprnl.HandoverKey{{ID: 1, Secret: [dprnl.HandoverKeyLen]byte{1}}, {ID: 2, Secret: [dprnl.HandoverKeyLen]byte{2}}}

// reportAll has the peers report. Two more hosts send packets and are strangers, as a
// rule.
func (l *loaded) reportAll(ctx context.Context) error {
	for i := range peers - 2 {
		if err := l.report(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// report has a peer report, mostly by its address of the tunnels' family, and mostly
// that it has one of the other family, too.
func (l *loaded) report(ctx context.Context, peer int) error {
	m := dprnl.Metrics{Connections: uint32(l.IntN(20)), CPU: uint32(l.IntN(1001)), Sockets: uint32(l.IntN(1000))}
	wide := l.wide != (l.IntN(4) == 0)
	u := dprnl.PeerUpdate{Address: peerAddressOf(peer, wide), Metrics: &m, Protocol: newest}
	if l.IntN(4) == 0 {
		u.Protocol = uint32(l.IntN(newest + 1))
	}
	if l.IntN(4) > 0 {
		u.Others = []netip.Addr{peerAddressOf(peer, !wide)}
	}
	if l.IntN(4) > 0 {
		u.Counts = []dprnl.PortCount{{Port: 80, Connections: uint32(l.IntN(20))}, {Port: 81, Connections: uint32(l.IntN(20))}}
	}
	return l.c.SetPeer(ctx, u)
}

// change does one thing that an operator, or a process of dpr's, may do. That
// something is there already, or is not there, is no failure.
func (l *loaded) change(ctx context.Context) error {
	l.r.Changes++
	var err error
	switch l.IntN(13) {
	case 0, 1, 2:
		err = l.configure(ctx)
	case 3, 4:
		err = l.reportAll(ctx)
	case 5:
		err = l.report(ctx, l.IntN(peers-2))
	case 6:
		if l.IntN(2) == 0 {
			err = l.report(ctx, l.IntN(peers))
		} else {
			err = l.c.DeletePeer(ctx, peerAddressOf(l.IntN(peers), l.IntN(2) == 0), l.IntN(2) == 0)
		}
	case 7, 8:
		_, err = l.c.Expire(ctx, uint32(1+l.IntN(1000)))
	case 9:
		err = l.service(ctx)
	case 10:
		for f, ferr := range l.c.Flows(ctx, dprnl.FlowFilter{}) {
			if ferr != nil {
				return ferr
			}
			if l.IntN(8) == 0 {
				err = l.c.DeleteFlow(ctx, f.FlowKey)
				break
			}
		}
	case 11:
		err = l.surroundings()
	case 12:
		err = l.backend(ctx)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (l *loaded) service(ctx context.Context) error {
	s := dprnl.Service{Port: ports[l.IntN(len(ports))]}
	if l.IntN(3) == 0 {
		s.Address = ends(l.IntN(2) == 0)[l.IntN(2)]
	}
	switch l.IntN(5) {
	case 3:
		return l.c.SetRuleset(ctx, s, rulesets[l.IntN(len(rulesets))])
	case 4:
		return l.testRules(ctx, s)
	case 0:
		return l.c.DeleteService(ctx, s)
	case 1:
		s.Rules = l.rules()
		return l.c.SetService(ctx, s)
	default:
		s.Rules = l.rules()
		return l.c.AddService(ctx, s)
	}
}

// backend adds, changes or removes a backend.
func (l *loaded) backend(ctx context.Context) error {
	i := l.IntN(backends)
	b := dprnl.Backend{Name: fmt.Sprintf("b%d", i), Address: backendAddress(i, l.IntN(2) == 0), Services: ports[:1+l.IntN(2)]}
	switch l.IntN(6) {
	case 0, 1:
		return l.c.DeleteBackend(ctx, b.Name)
	case 2:
		return l.c.SetBackendDown(ctx, b.Name, l.IntN(4) == 0)
	}
	if l.IntN(2) == 0 {
		b.Port = 8080
	}
	b.Weight, b.Limit, b.Down = uint32(l.IntN(3)), uint32(l.IntN(2)*l.IntN(20)), l.IntN(8) == 0
	return l.c.SetBackend(ctx, b)
}

// rules draws a service's own rules, often none.
func (l *loaded) rules() (r dprnl.Rules) {
	if l.IntN(2) == 0 {
		r.Policy = dprnl.Own(l.policy())
	}
	if l.IntN(2) == 0 {
		r.Hash = dprnl.Own(dprnl.Hash(l.IntN(2)))
	}
	if l.IntN(2) == 0 {
		r.MaxLoad = dprnl.Own(uint64(l.IntN(4)))
	}
	if l.IntN(2) == 0 {
		r.Affinity, r.AffinityTime = dprnl.Own(l.affinity()), dprnl.Own(time.Duration(l.IntN(3))*time.Second)
		r.Affinity6 = dprnl.Own(l.affinity6())
	}
	if l.IntN(2) == 0 {
		r.Load = dprnl.Own(dprnl.ServiceLoad(l.IntN(2)))
	}
	if l.IntN(2) == 0 {
		r.Forwarding = dprnl.Own(dprnl.Forwarding(l.IntN(3)))
	}
	if l.IntN(3) == 0 {
		r.Dispatch = dprnl.Own(dprnl.Dispatch(l.IntN(3)))
	}
	return r
}

// affinity draws an affinity, mostly none: loads are to decide, too.
func (l *loaded) affinity() uint32 {
	return uint32(max(0, l.IntN(4*dprnl.AffinityBits)-3*dprnl.AffinityBits+1))
}

// affinity6 draws how much of an address of IPv6 counts.
func (l *loaded) affinity6() uint32 { return uint32(1 + l.IntN(dprnl.Affinity6Bits)) }

// policy draws a policy.
func (l *loaded) policy() dprnl.Policy {
	policies := []dprnl.Policy{
		dprnl.PolicyLowest, dprnl.PolicyLowest, dprnl.PolicyInverse, dprnl.PolicyInverse, dprnl.PolicyTwo, dprnl.PolicyTwo,
		dprnl.PolicyOffer, dprnl.PolicyOffer, dprnl.PolicyOff,
	}
	if l.stateless {
		policies = append(policies, dprnl.PolicyStateless, dprnl.PolicyStateless, dprnl.PolicyStateless)
	}
	return policies[l.IntN(len(policies))]
}

// configure draws some of the configuration anew.
func (l *loaded) configure(ctx context.Context) error {
	var u dprnl.ConfigUpdate
	policy := l.policy()
	affinity, affinity6, affinityTime := l.affinity(), l.affinity6(), time.Duration(l.IntN(3))*time.Second
	u.Affinity, u.Affinity6, u.AffinityTime = &affinity, &affinity6, &affinityTime
	u.Policy = &policy
	hash, estimate, marker := dprnl.Hash(l.IntN(2)), dprnl.Estimate(l.IntN(2)), dprnl.Marker(l.IntN(2))
	orphans, state, forwarding := dprnl.Orphans(l.IntN(2)), dprnl.State(l.IntN(3)), dprnl.Forwarding(l.IntN(3))
	// This host has few connections: a MaxLoad above them has it serve all.
	// A small table is full of handshakes that keep their places for 3 s.
	most, load := uint32(1)<<l.IntN(14), uint64(l.IntN(4))
	age, timeout := time.Duration(1+l.IntN(60_000))*time.Millisecond, time.Duration(1+l.IntN(20_000))*time.Millisecond
	mean, wide := uint64(dprnl.MaxLoadAuto), l.wide
	keys := handoverKeys[l.IntN(2) : 1+l.IntN(2)]
	for _, set := range []func(){
		func() { u.Hash = &hash }, func() { u.Estimate = &estimate }, func() { u.Marker = &marker }, func() { u.Orphans = &orphans },
		func() { u.State = &state }, func() { u.MaxLoad = &load }, func() { u.MaxFlows = &most }, func() { u.ReportMaxAge = &age },
		func() { u.TimeoutSyn = &timeout }, func() { u.TimeoutEstablished = &timeout }, func() { u.TimeoutFin = &timeout },
		func() { u.TimeoutRst = &timeout }, func() { u.Address = l.move() }, func() { u.MaxLoad = &mean },
		func() { u.Forwarding = &forwarding }, func() { u.HandoverKeys = &keys },
	} {
		if l.IntN(4) == 0 {
			set()
		}
	}
	if u.MaxFlows != nil {
		// What is in the table stays when the bound is lowered.
		stats, err := l.c.Stats(ctx)
		if err != nil {
			return err
		}
		l.bound = max(uint64(most), stats.Get(dprnl.StatFlows))
	}
	if err := l.c.SetConfig(ctx, u); err != nil || l.wide == wide {
		return err
	}
	// The peers' addresses are to be of the same family.
	return l.reportAll(ctx)
}

// move draws an address of this host, and with it the family of its tunnels.
func (l *loaded) move() *netip.Addr {
	l.wide = l.IntN(2) == 0
	return &ends(l.wide)[l.IntN(2)]
}

// surroundings changes what the module finds around it: how much fits the way to
// the peers, and whether sources are checked.
func (l *loaded) surroundings() error {
	if l.IntN(2) == 0 {
		check := []byte{'0' + byte(l.IntN(3))}
		for _, dev := range []string{"all", "in0"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+dev+"/rp_filter", check, 0); err != nil {
				return err
			}
		}
		return nil
	}
	d, err := netlink.LinkByName("out0")
	if err != nil {
		return err
	}
	mtu := []int{1500, 1500, 576, 1400, 9000, 68, 1280}[l.IntN(7)]
	if err := netlink.LinkSetMTU(d, mtu); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return buildOutside6()
}
