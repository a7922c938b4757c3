// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"

	"dpr/testbed/eval/bench/wire"
)

// payload is what the clients' segments carry, in bytes.
const payload = 100

// tables measures what redirecting costs at all sizes of the routing table and
// numbers of peers.
func (m *meter) tables(ctx context.Context) error {
	for i, peers := range m.plan.Peers {
		systems, flows := m.plan.PeerSystems, []int{m.plan.PeerFlows}
		if i == 0 {
			systems, flows = m.plan.Systems, m.plan.Flows
		}
		for _, name := range systems {
			b, err := m.net.balancer(name, m.plan.Serving)
			if err != nil {
				return err
			}
			err = m.balancer(ctx, b, peers, flows)
			if errors.Is(err, errNoBackends) {
				err = m.write(wire.Record{Absent: &wire.Absent{System: name, Why: errNoBackends.Error()}})
			}
			if err != nil {
				return fmt.Errorf("%s, %d peers: %w", name, peers, err)
			}
		}
	}
	return nil
}

// table is a system's routing table while it is measured.
type table struct {
	*meter
	balancer
	peers int
	flows int   // connections in it; they are those from 0 on
	empty int64 // free memory before it was there
	fixed int64 // what it took of that before the first flow
	// sent counts what was redirected.
	sent func() (uint64, error)
	// way is the balancer, and back counts answers, if these come back through it.
	way  twoWay
	back func() (uint64, error)
	told told
}

// balancer measures a system with a number of peers.
func (m *meter) balancer(ctx context.Context, b balancer, peers int, flows []int) (err error) {
	t := &table{meter: m, balancer: b, peers: peers, sent: func() (uint64, error) { return transmitted(outDev) }}
	if way, ok := b.(twoWay); ok {
		t.way = way
		t.sent = func() (uint64, error) { return way.toPeers(ctx) }
		t.back = func() (uint64, error) { return way.toClients(ctx) }
	}
	if t.empty, err = freeMemory(); err != nil {
		return err
	}
	last := flows[len(flows)-1]
	if err := b.start(ctx, peers, last+(len(flows)+4)*m.plan.Packets); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop(ctx)) }()
	if err := t.begin(); err != nil {
		return err
	}
	for _, n := range flows {
		fits, err := t.grow(ctx, n)
		if err != nil || !fits {
			return err
		}
		if err := t.measure(); err != nil {
			return fmt.Errorf("%d flows: %w", n, err)
		}
	}
	return nil
}

// begin notes what the system takes before its first flow.
func (t *table) begin() error {
	code, err := codeSize(t.modules()...)
	if err != nil {
		return err
	}
	t.empty -= code
	free, err := freeMemory()
	t.fixed = t.empty - free
	return err
}

// grow adds flows to the table until there are n. It does not if they would not
// fit the guest's memory.
func (t *table) grow(ctx context.Context, n int) (fits bool, err error) {
	if n <= t.flows {
		return true, nil
	}
	if size := t.sizes[t.name()]; size > 0 {
		free, err := freeMemory()
		if err != nil {
			return false, err
		}
		if needed := int64(size * float64(n-t.flows)); needed > free-reserve {
			return false, t.write(wire.Record{Unfit: &wire.Unfit{System: t.name(), Flows: n, Needed: int64(size * float64(n)), Available: t.empty}})
		}
	}
	if err := t.say("%s: %d flows, %d peers", t.name(), n, t.peers); err != nil {
		return false, err
	}
	if t.way != nil {
		if err := t.way.room(ctx, t.peers, n); err != nil {
			return false, err
		}
	}
	first, added := t.flows, n-t.flows
	t.flows = n
	if err := t.prepare(t.injection(wire.Syn, first, added, added)); err != nil {
		return false, err
	}
	return true, t.open(first, added)
}

// reserve is the memory that is left to the kernel and this program.
const reserve = 48 << 20

// injection returns packets of a range of connections.
func (t *table) injection(op string, first, flows, packets int) injection {
	in := injection{op: op, from: t.net.clients.Addr(), to: t.net.address, port: service, first: first, flows: flows, packets: packets, payload: payload, median: t.plan.Median}
	if t.way != nil && op == wire.Syn {
		in.payload = 0 // its data would have a place in the connection
	}
	return in
}

// measure measures the table at its size. The connections that this adds stay.
func (t *table) measure() error {
	n := t.flows
	if err := t.memory(); err != nil {
		return err
	}
	later := t.injection(wire.Established, 0, n, t.plan.Packets)
	later.stride = stride(n, t.plan.Packets)
	for _, op := range t.laterOps() {
		later.op = op
		// The first ACK of a connection changes its state, later ones do not.
		if err := t.prepare(later); err != nil {
			return err
		}
		if err := t.cost(later, n); err != nil {
			return err
		}
	}
	syn := t.injection(wire.Syn, n, t.plan.Packets, t.plan.Packets)
	if err := t.cost(syn, n); err != nil {
		return err
	}
	t.flows += t.plan.Packets
	if err := t.open(n, t.plan.Packets); err != nil {
		return err
	}
	if err := t.prepare(t.injection(wire.Established, n, t.plan.Packets, t.plan.Packets)); err != nil {
		return err
	}
	if err := t.cost(t.injection(wire.Fin, n, t.plan.Packets, t.plan.Packets), n); err != nil {
		return err
	}
	few, many := t.plan.Peers[0], t.plan.Peers[len(t.plan.Peers)-1]
	if !t.plan.Profile || n != t.plan.PeerFlows || t.peers != few && t.peers != many {
		return nil
	}
	return t.profiles(later)
}

// laterOps are the operations on connections that are there.
func (t *table) laterOps() []string {
	if t.way != nil {
		return []string{wire.Established, wire.Answer}
	}
	return []string{wire.Established}
}

// stride returns steps that spread packets evenly over n connections.
func stride(n, packets int) int {
	return max(1, n/packets)
}

// prepare sends packets that are not measured.
func (t *table) prepare(in injection) error {
	in.quiet = true
	_, err := t.checked(t.next(in))
	return err
}

// cost measures packets and tells.
func (t *table) cost(in injection, flows int) error {
	cost, err := t.checked(t.next(in))
	if err != nil {
		return err
	}
	return t.write(wire.Record{Cost: &wire.Cost{System: t.name(), Op: in.op, Flows: flows, Peers: t.peers, Cost: cost}})
}

// profiles tells where the time of SYNs and later packets goes.
func (t *table) profiles(later injection) error {
	for _, op := range append(t.laterOps(), wire.Syn) {
		in, n := later, t.flows
		if in.op = op; op == wire.Syn {
			in = t.injection(op, n, t.plan.Packets, t.plan.Packets)
		}
		if in.op == wire.Syn {
			t.flows += t.plan.Packets
		}
		cost, err := t.checked(t.next(in))
		if err != nil {
			return err
		}
		if in.op == wire.Syn {
			in.first = t.flows
			t.flows += t.plan.Packets
		}
		p, err := t.next(in).profiled(cost)
		if err != nil {
			return err
		}
		p.System, p.Op, p.Flows, p.Peers = t.name(), in.op, n, t.peers
		if err := t.write(wire.Record{Profile: &p}); err != nil {
			return err
		}
	}
	return nil
}

// memory tells what the table takes.
func (t *table) memory() error {
	free, err := freeMemory()
	if err != nil {
		return err
	}
	slab, err := slabMemory(t.caches()...)
	if err != nil {
		return err
	}
	if !t.plan.Memory || t.flows < smallest || t.peers != t.plan.Peers[0] {
		return nil
	}
	n := float64(t.flows)
	used := wire.Memory{
		System: t.name(), Flows: t.flows, BytesPerFlow: float64(t.empty-free) / n,
		SlabPerFlow: float64(slab) / n, Fixed: t.fixed, FreeAfter: free,
	}
	t.sizes[t.name()] = used.BytesPerFlow
	return t.write(wire.Record{Memory: &used})
}

// smallest is the number of flows from which on the table's memory stands out
// from what else comes and goes.
const smallest = 50_000
