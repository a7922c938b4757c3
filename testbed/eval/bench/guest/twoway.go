// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// A twoWay is a balancer through which the answers of peers come back to the clients.
type twoWay interface {
	balancer
	// room makes ready for so many connections with a number of peers.
	room(ctx context.Context, peers, flows int) error
	// handshake is what passes after a connection's SYN before it is established: ops of
	// injections without data.
	handshake() []string
	// toPeers and toClients count the packets that were passed on.
	toPeers(ctx context.Context) (uint64, error)
	toClients(ctx context.Context) (uint64, error)
}

// synAck is the op of peers' SYNs, which are not measured.
const synAck = "synack"

// answers tells whether injections of an op come from peers.
func answers(op string) bool { return op == wire.Answer || op == synAck }

// natBalancer is IPVS that translates addresses. This host is the peers' way to the clients.
type natBalancer struct{ ipvsBalancer }

func (b natBalancer) start(ctx context.Context, peers, flows int) error {
	if err := b.net.forward("1"); err != nil {
		return err
	}
	return b.ipvsBalancer.start(ctx, peers, flows)
}

func (b natBalancer) stop(ctx context.Context) error {
	return errors.Join(b.ipvsBalancer.stop(ctx), b.net.forward("0"))
}

func (natBalancer) room(context.Context, int, int) error { return nil }

// handshake is empty: to IPVS a connection is established by its client's ACK.
func (natBalancer) handshake() []string { return nil }

func (natBalancer) toPeers(context.Context) (uint64, error)   { return transmitted(outDev) }
func (natBalancer) toClients(context.Context) (uint64, error) { return transmitted(clientDev) }

// forward makes this host a router, or not, by a value of the sysctl.
func (n *network) forward(value string) error {
	path := "/proc/sys/net/ipv4/ip_forward"
	if n.family == family.V6 {
		path = "/proc/sys/net/ipv6/conf/all/forwarding"
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("setting whether this host is a router: %w", err)
	}
	if n.family == family.V6 {
		time.Sleep(groupTime) // routers of IPv6 are a group
	}
	return nil
}

// The payload that a connection has seen each way.
type told struct{ fromClients, fromPeers int }

// next returns packets that follow those before in their connections, if the table looks at
// that. So little data are under way that they fit a window without a scale, unless the table
// is a very small one: there, each packet repeats the first.
func (t *table) next(in injection) injection {
	if t.way == nil || in.payload == 0 {
		return in
	}
	steps := in.packets * max(1, in.stride)
	length := (steps + in.flows - 1) / in.flows * in.payload
	sent := &t.told.fromClients
	if answers(in.op) {
		sent = &t.told.fromPeers
	}
	in.sent = *sent
	if *sent+length < window/2 {
		in.follow = true
		*sent += length
	}
	return in
}

// window is what both ends of injected connections announce, in bytes.
const window = 65535

// open ends the handshakes of connections whose SYNs have passed.
func (t *table) open(first, n int) error {
	if t.way == nil {
		return nil
	}
	for _, op := range t.way.handshake() {
		in := t.injection(op, first, n, n)
		in.payload, in.quiet = 0, true
		if _, err := t.checked(in); err != nil {
			return fmt.Errorf("handshakes: %w", err)
		}
	}
	return nil
}

// checked injects packets, and counts those that arrive at the side that they are for.
func (t *table) checked(in injection) (float64, error) {
	if answers(in.op) {
		return in.checked(t.back)
	}
	return in.checked(t.sent)
}
