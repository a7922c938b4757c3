// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"time"

	"dpr/testbed/eval/bench/wire"
	"dpr/userland/dprnl"
)

// balancer is a system that redirects the service's packets to peers.
type balancer interface {
	name() string
	modules() []string // its own, in the order in which they can be removed
	caches() []string  // beginnings of the names of its flows' slab caches
	// start has it balance over a number of peers, with a table for up to so
	// many flows.
	start(ctx context.Context, peers, flows int) error
	stop(ctx context.Context) error
}

// dprBalancer is dpr.
type dprBalancer struct {
	net        *network
	serving    bool
	forwarding dprnl.Forwarding
}

func (d dprBalancer) name() string {
	if d.forwarding != dprnl.ForwardingIpip {
		return wire.Direct
	}
	return wire.DPR
}

func (dprBalancer) modules() []string { return []string{"dpr"} }
func (dprBalancer) caches() []string  { return []string{"dpr_flow"} }

// dprFile is dpr's module.
const dprFile = "/lib/modules/dpr.ko"

// longTime keeps reports and flows valid: a guest's clock may run fast.
const longTime = 100 * time.Hour

// Every live flow counts as so much load of this host, which is therefore worse
// off than any peer, and a peer with no flow yet has so many times its capacity.
const (
	ownFlowLoad  = 1000
	peerCapacity = 100
)

// newProtocol is that of hosts that serve connections of IPv6 for each other, take packets
// without a tunnel, and questions to their group and many in a message.
const newProtocol = 4

// start has this host drain, or be the one with the highest load, so that every
// connection is redirected.
func (d dprBalancer) start(ctx context.Context, peers, flows int) (err error) {
	if err := insertFile(dprFile, ""); err != nil {
		return err
	}
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	policy, state, most, long := dprnl.PolicyLowest, dprnl.StateDraining, uint32(flows), longTime
	weight, redirected, capacity := uint32(1), uint32(0), uint32(1)
	if d.serving {
		state, redirected, capacity = dprnl.StateActive, ownFlowLoad, peerCapacity
	}
	change := dprnl.ConfigUpdate{
		Address: &d.net.address, Policy: &policy, State: &state, MaxFlows: &most, ReportMaxAge: &long,
		MaxLoad: new(uint64), WeightConnections: &weight, WeightRedirected: &redirected,
		TimeoutSyn: &long, TimeoutEstablished: &long, TimeoutFin: &long, TimeoutRst: &long,
	}
	if d.forwarding != dprnl.ForwardingIpip {
		change.Forwarding = &d.forwarding // older modules have none
	}
	if err := c.SetConfig(ctx, change); err != nil {
		return err
	}
	for i := range peers {
		peer := dprnl.PeerUpdate{Address: d.net.peer(i), Metrics: &dprnl.Metrics{}, Weight: &capacity}
		if peer.Address.Is6() || d.forwarding != dprnl.ForwardingIpip {
			peer.Protocol = newProtocol
		}
		if err := c.SetPeer(ctx, peer); err != nil {
			return err
		}
	}
	return c.AddService(ctx, dprnl.Service{Port: service})
}

func (d dprBalancer) stop(context.Context) error { return removeModules(d.modules()) }

func removeModules(names []string) error {
	for _, n := range names {
		if err := removeModule(n); err != nil {
			return err
		}
	}
	return nil
}
