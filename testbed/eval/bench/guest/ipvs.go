// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"dpr/testbed/eval/bench/wire"
	"dpr/userland/dprnl"
)

// ipvsBalancer is IPVS with the scheduler "least connection" and one way of
// forwarding.
type ipvsBalancer struct {
	net     *network
	system  string
	forward string // option of ipvsadm
}

// balancerOf returns the system called name. A host of dpr may be serving, too.
func (n *network) balancer(name string, serving bool) (balancer, error) {
	switch name {
	case wire.DPR:
		return dprBalancer{net: n, serving: serving}, nil
	case wire.Direct:
		return dprBalancer{net: n, serving: serving, forwarding: dprnl.ForwardingAuto}, nil
	case wire.Tun:
		return ipvsBalancer{n, name, "-i"}, nil
	case wire.DR:
		return ipvsBalancer{n, name, "-g"}, nil
	case wire.NAT:
		return natBalancer{ipvsBalancer{n, name, "-m"}}, nil
	case wire.Splice, wire.SpliceProxy:
		return &spliceBalancer{net: n, proxy: name == wire.SpliceProxy}, nil
	}
	return nil, fmt.Errorf("system %q: unknown", name)
}

func (b ipvsBalancer) name() string    { return b.system }
func (ipvsBalancer) modules() []string { return []string{"ip_vs_lc", "ip_vs"} }
func (ipvsBalancer) caches() []string  { return []string{"ip_vs_conn"} }

// ipvsTable is the largest hash table that IPVS of 6.1 takes: 2^20 buckets.
const ipvsTable = "conn_tab_bits=20"

func (b ipvsBalancer) start(ctx context.Context, peers, _ int) error {
	if err := insertModule(ctx, "ip_vs", ipvsTable); err != nil {
		return err
	}
	if err := insertModule(ctx, "ip_vs_lc"); err != nil {
		return err
	}
	var rules strings.Builder
	b.rules(&rules, peers)
	return command(ctx, rules.String(), "ipvsadm", "-R")
}

// rules writes what ipvsadm -R reads; addresses of IPv6 are in brackets there.
func (b ipvsBalancer) rules(w io.Writer, peers int) {
	balanced := endpoint(b.net.address, service)
	fmt.Fprintf(w, "-A -t %s -s lc\n", balanced)
	for i := range peers {
		fmt.Fprintf(w, "-a -t %s -r %s %s\n", balanced, endpoint(b.net.peer(i), service), b.forward)
	}
}

func (b ipvsBalancer) stop(ctx context.Context) error {
	if err := command(ctx, "", "ipvsadm", "-C"); err != nil {
		return err
	}
	return removeModules(b.modules())
}
