// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/userland/dprnl"
)

// host measures what a host pays that redirects nothing: packets that it receives
// through a tunnel, and packets that are none of the system's.
func (m *meter) host(ctx context.Context) error {
	if err := m.say("the receiving side, beside the kernel's %s device", wire.Device(m.net.family)); err != nil {
		return err
	}
	if err := m.receiveDPR(ctx); err != nil {
		return fmt.Errorf("receiving with dpr: %w", err)
	}
	if slices.Contains(m.plan.Systems, wire.Direct) {
		if err := m.receiveDirect(ctx); err != nil {
			return fmt.Errorf("receiving without a tunnel from a peer: %w", err)
		}
	}
	if err := m.receiveDevice(); err != nil {
		return fmt.Errorf("receiving with %s: %w", wire.Device(m.net.family), err)
	}
	if err := m.receive(wire.None, nil, m.net.address); err != nil {
		return fmt.Errorf("receiving without a tunnel: %w", err)
	}
	if err := m.endings(ctx); err != nil {
		return fmt.Errorf("ends of connections: %w", err)
	}
	return m.others(ctx)
}

// endings measures the messages by which a peer ends flows. A module of version 0.1
// knows none: then there is no figure.
func (m *meter) endings(ctx context.Context) (err error) {
	n := m.plan.Packets + 1
	d := dprBalancer{net: m.net}
	if err := d.start(ctx, 1, n); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop(ctx)) }()
	for _, op := range []string{wire.Syn, wire.Established} {
		in := injection{op: op, from: m.net.clients.Addr(), to: m.net.address, port: service, flows: n, packets: n, quiet: true}
		if _, err := in.checked(func() (uint64, error) { return transmitted(outDev) }); err != nil {
			return err
		}
	}
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	taken := func() (uint64, error) {
		stats, err := c.Stats(ctx)
		return stats.Get(dprnl.StatRxFlowAnswered), err
	}
	in := injection{op: wire.Ended, from: m.net.clients.Addr(), to: m.net.address, port: service,
		outer: &tunnel{from: m.net.peer(0), to: m.net.address, marked: true}, flows: 1, packets: 1, median: m.plan.Median}
	if _, err := in.run(); err != nil {
		return err
	}
	if known, err := taken(); err != nil || known == 0 {
		return errors.Join(err, m.say("this module takes no message that a connection has ended"))
	}
	in.first, in.flows, in.packets = 1, m.plan.Packets, m.plan.Packets
	cost, err := in.checked(taken)
	if err != nil {
		return err
	}
	return m.write(wire.Record{Cost: &wire.Cost{System: wire.DPR, Op: wire.Ended, Flows: n, Peers: 1, Cost: cost}})
}

// receiveDPR measures packets that a peer redirected.
func (m *meter) receiveDPR(ctx context.Context) (err error) {
	d := dprBalancer{net: m.net}
	if err := d.start(ctx, m.plan.Peers[0], 1); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop(ctx)) }()
	// The client's packet bears the address of the host that redirected it.
	peer := m.net.peer(0)
	return m.receive(wire.DPR, &tunnel{from: peer, to: m.net.address, marked: true}, peer)
}

// receiveDirect measures packets that a peer sent on as they are.
func (m *meter) receiveDirect(ctx context.Context) (err error) {
	d := dprBalancer{net: m.net, forwarding: dprnl.ForwardingAuto}
	if err := d.start(ctx, m.plan.Peers[0], 1); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop(ctx)) }()
	return m.receiveEstablished(wire.Direct, nil, m.net.peer(0))
}

// receiveDevice measures the same packets through a tunnel device of the kernel's.
// What is in them must bear an address of this host.
func (m *meter) receiveDevice() (err error) {
	peer := m.net.peer(0)
	dev := m.net.device(peer)
	if err := netlink.LinkAdd(dev); err != nil {
		return fmt.Errorf("making the device: %w", err)
	}
	defer func() { err = errors.Join(err, netlink.LinkDel(dev)) }()
	if err := linkUp(dev.Attrs().Name); err != nil {
		return err
	}
	return m.receive(wire.Device(m.net.family), &tunnel{from: peer, to: m.net.address}, m.net.virtual)
}

// device is a tunnel to a peer that carries the family in itself.
func (n *network) device(peer netip.Addr) netlink.Link {
	attrs := netlink.LinkAttrs{Name: "tunnel1"}
	if n.family == family.V6 {
		return &netlink.Ip6tnl{LinkAttrs: attrs, Local: n.address.AsSlice(), Remote: peer.AsSlice(), Proto: unix.IPPROTO_IPV6}
	}
	return &netlink.Iptun{LinkAttrs: attrs, Local: n.address.AsSlice(), Remote: peer.AsSlice()}
}

// received are packets to a service at an address.
func (m *meter) received(outer *tunnel, to netip.Addr) injection {
	return injection{op: wire.Established, from: m.net.clients.Addr(), to: to, port: service, outer: outer, flows: 1, packets: m.plan.Packets, median: m.plan.Median}
}

// receive measures them up to TCP and what it does with them.
func (m *meter) receive(system string, outer *tunnel, to netip.Addr) error {
	in := m.received(outer, to)
	resets := func() (uint64, error) { return transmitted(clientDev) }
	if err := m.hostCost(in, wire.Cost{System: system, Op: wire.Receive, Variant: wire.ToClosed}, resets); err != nil {
		return err
	}
	return m.receiveEstablished(system, outer, to)
}

// receiveEstablished is receive for a connection that there is.
func (m *meter) receiveEstablished(system string, outer *tunnel, to netip.Addr) error {
	in := m.received(outer, to)
	fd, err := establish(netip.AddrPortFrom(to, service), m.net.client())
	if err != nil {
		return err
	}
	segments := func() (uint64, error) { return snmp("Tcp", "InSegs") }
	err = m.hostCost(in, wire.Cost{System: system, Op: wire.Receive, Variant: wire.ToEstablished}, segments)
	return errors.Join(err, forget(fd))
}

// hostCost measures packets, each of which must add to a counter, and tells.
func (m *meter) hostCost(in injection, c wire.Cost, counter func() (uint64, error)) error {
	// The first packets find caches and windows that are not set up yet.
	first := in
	first.packets, first.quiet = 100, true
	if _, err := first.run(); err != nil {
		return err
	}
	var err error
	if c.Cost, err = in.checked(counter); err != nil {
		return fmt.Errorf("%s: %w", c.Variant, err)
	}
	c.Peers = m.plan.Peers[0]
	if err := m.write(wire.Record{Cost: &c}); err != nil || !m.plan.Profile {
		return err
	}
	p, err := in.profiled(c.Cost)
	if err != nil {
		return err
	}
	p.System, p.Op, p.Variant, p.Peers = c.System, c.Op, c.Variant, c.Peers
	return m.write(wire.Record{Profile: &p})
}

// others measures packets that are none of dpr's: on the bare kernel, with dpr,
// and both again where another hook is there already.
func (m *meter) others(ctx context.Context) error {
	if err := m.say("packets that are none of ours"); err != nil {
		return err
	}
	if err := m.othersWith(ctx, wire.TCPAlone, wire.UDPAlone, wire.RSTAlone); err != nil {
		return err
	}
	family := "ip"
	if m.net.address.Is6() {
		family = "ip6"
	}
	table := "table " + family + " bench { chain in { type filter hook prerouting priority 0; }; }"
	if err := command(ctx, table, "nft", "-f", "-"); err != nil {
		return err
	}
	err := m.othersWith(ctx, wire.TCPBeside, wire.UDPBeside, wire.RSTBeside)
	return errors.Join(err, command(ctx, "", "nft", "delete", "table", family, "bench"))
}

// othersWith measures without dpr and with it.
func (m *meter) othersWith(ctx context.Context, tcp, udp, rst string) (err error) {
	if err := m.other(wire.None, tcp, udp, rst); err != nil {
		return fmt.Errorf("packets of others: %w", err)
	}
	d := dprBalancer{net: m.net}
	if err := d.start(ctx, m.plan.Peers[0], 1); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop(ctx)) }()
	if err := m.other(wire.DPR, tcp, udp, rst); err != nil {
		return fmt.Errorf("packets of others, with dpr: %w", err)
	}
	return nil
}

// other measures packets to ports that are not balanced: to sockets, and to a port
// that has none.
func (m *meter) other(system, tcp, udp, rst string) (err error) {
	local := netip.AddrPortFrom(m.net.address, elsePort)
	conn, err := establish(local, m.net.client())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget(conn)) }()
	taker, err := sink(local)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(taker)) }()
	in := injection{op: wire.Established, from: m.net.clients.Addr(), to: m.net.address, port: elsePort, flows: 1, packets: m.plan.Packets, median: m.plan.Median}
	if err := m.hostCost(in, wire.Cost{System: system, Op: wire.Other, Variant: tcp}, m.net.delivered); err != nil {
		return err
	}
	in.op = "udp"
	if err := m.hostCost(in, wire.Cost{System: system, Op: wire.Other, Variant: udp}, m.net.delivered); err != nil {
		return err
	}
	in.op, in.port = wire.Established, closedPort
	resets := func() (uint64, error) { return transmitted(clientDev) }
	return m.hostCost(in, wire.Cost{System: system, Op: wire.Other, Variant: rst}, resets)
}
