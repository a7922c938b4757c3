// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"dpr/testbed/eval/bench/wire"
	"dpr/userland/fastpath/xdp"
)

// What becomes of a packet that comes by the card.
var (
	byStack     = fate{tx: 1}
	byProgram   = fate{xdpTx: 1}
	leftToStack = fate{tx: 1, pass: 1} // and sent there
	leftToHost  = fate{pass: 1}        // for a socket
	toHost      = fate{}               // likewise, without a program
)

// fastPath measures what it costs to redirect packets that come by an ideal network card:
// by netfilter, by IPVS, by the fast path, by a program that does what Katran does, and by
// one that only sends them back.
func (m *meter) fastPath(ctx context.Context) error {
	if err := compilePrograms(); err != nil {
		return err
	}
	if err := m.net.buildNIC(m.plan.Peers[0]); err != nil {
		return err
	}
	if err := m.nicOther(wire.None, toHost); err != nil {
		return fmt.Errorf("%s: %w", wire.None, err)
	}
	tun, err := m.net.balancer(wire.Tun, false)
	if err != nil {
		return err
	}
	if err := m.nicBalancer(ctx, tun, func() error { return nil }); err != nil {
		return fmt.Errorf("%s: %w", wire.Tun, err)
	}
	var frames [][]byte
	err = m.nicBalancer(ctx, dprBalancer{net: m.net}, func() (err error) {
		frames, err = m.nicDPR()
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", wire.DPR, err)
	}
	if err := m.nicKatran(frames); err != nil {
		return fmt.Errorf("%s: %w", wire.Katran, err)
	}
	if err := m.nicBounce(); err != nil {
		return fmt.Errorf("%s: %w", wire.Bounce, err)
	}
	return nil
}

// nicBalancer measures established packets by a system of the stack's, with GRO and without,
// and then what else there is with its connections.
func (m *meter) nicBalancer(ctx context.Context, b balancer, then func() error) (err error) {
	n := m.plan.PeerFlows
	if err := m.say("%s on the ideal card: %d flows", b.name(), n); err != nil {
		return err
	}
	if err := b.start(ctx, m.plan.Peers[0], n+2*m.plan.Packets); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop(ctx)) }()
	if err := m.nicConnect(byStack); err != nil {
		return err
	}
	for _, gro := range []bool{false, true} {
		if err := setGRO(gro); err != nil {
			return err
		}
		if err := m.nicEstablished(b.name(), gro, byStack); err != nil {
			return err
		}
	}
	return then()
}

// nicDPR measures dpr besides, with the fast path and without. Both must send the same frames,
// which it returns.
func (m *meter) nicDPR() ([][]byte, error) {
	if err := m.nicSyn(wire.DPR, m.plan.PeerFlows, byStack); err != nil {
		return nil, err
	}
	if err := m.nicOther(wire.DPR, toHost); err != nil {
		return nil, err
	}
	slow, err := m.nicFrames(byStack)
	if err != nil {
		return nil, err
	}
	fast, err := m.nicXDP()
	if err != nil {
		return nil, fmt.Errorf("with the fast path: %w", err)
	}
	return slow, sameFrames(slow, fast)
}

// nicXDP measures dpr with the fast path, and returns the frames that it sends.
func (m *meter) nicXDP() (frames [][]byte, err error) {
	held, err := readCounter(dprHolders)
	if err != nil {
		return nil, err
	}
	l, err := xdp.Attach(nicDev, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), released(held)) }()
	if err := m.nicEstablished(wire.XDP, true, byProgram); err != nil {
		return nil, err
	}
	if err := m.nicSyn(wire.XDP, m.plan.PeerFlows+m.plan.Packets, leftToStack); err != nil {
		return nil, err
	}
	if err := m.nicOther(wire.XDP, leftToHost); err != nil {
		return nil, err
	}
	return m.nicFrames(byProgram)
}

// dprHolders says how many hold the module.
const dprHolders = "/sys/module/dpr/refcnt"

// released waits until so many hold the module as before a program did, which the kernel lets
// go of in the background.
func released(held uint64) error {
	for range 100 {
		now, err := readCounter(dprHolders)
		if err != nil || now == held {
			return err
		}
		time.Sleep(deferred)
	}
	return errors.New("a program that is detached still holds the module")
}

// nicKatran measures the program that does what Katran does. What is in its tunnels must be
// what is in dpr's.
func (m *meter) nicKatran(frames [][]byte) (err error) {
	if err := m.say("%s on the ideal card: %d flows", wire.Katran, m.plan.PeerFlows); err != nil {
		return err
	}
	var peers []destination
	for i := range m.plan.Peers[0] {
		peers = append(peers, destination{m.net.peer(i), [6]byte(hardware(m.net.peer(i)))})
	}
	p, err := attachKatran(netip.AddrPortFrom(m.net.address, service), peers, m.plan.PeerFlows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := m.nicConnect(byProgram); err != nil {
		return err
	}
	if err := m.nicEstablished(wire.Katran, true, byProgram); err != nil {
		return err
	}
	theirs, err := m.nicFrames(byProgram)
	if err != nil {
		return err
	}
	return m.net.sameInner(frames, theirs)
}

// nicBounce measures a program that sends each packet back.
func (m *meter) nicBounce() (err error) {
	p := &program{}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.attach("xdp_tx", bounce()); err != nil {
		return err
	}
	return m.nicEstablished(wire.Bounce, true, byProgram)
}

// nicArrivals are packets to the service, of a range of connections.
func (m *meter) nicArrivals(first, flows, packets int) arrivals {
	return arrivals{port: service, first: first, flows: flows, packets: packets, payload: payload}
}

// nicConnect makes connections that are not measured.
func (m *meter) nicConnect(each fate) error {
	n := m.plan.PeerFlows
	for _, syn := range []bool{true, false} {
		a := m.nicArrivals(0, n, n)
		a.syn, a.quiet = syn, true
		if _, err := a.run(each); err != nil {
			return fmt.Errorf("making connections: %w", err)
		}
	}
	return nil
}

// nicCost measures packets, and tells.
func (m *meter) nicCost(a arrivals, each fate, c *wire.Cost) (err error) {
	if c.Cost, err = a.run(each); err != nil {
		return fmt.Errorf("%s: %w", c.Op, err)
	}
	c.Peers, c.Device = m.plan.Peers[0], wire.Ideal
	return m.write(wire.Record{Cost: c})
}

// nicProfile tells where the time of packets goes that were measured.
func (m *meter) nicProfile(a arrivals, each fate, c wire.Cost) error {
	if !m.plan.Profile || !c.GRO {
		return nil
	}
	p, err := a.profiled(each, c.Cost)
	if err != nil {
		return err
	}
	p.System, p.Op, p.Variant, p.Device, p.Flows, p.Peers = c.System, c.Op, c.Variant, c.Device, c.Flows, c.Peers
	return m.write(wire.Record{Profile: &p})
}

// nicEstablished measures packets that are spread over all connections.
func (m *meter) nicEstablished(system string, gro bool, each fate) error {
	c := wire.Cost{System: system, Op: wire.Established, Flows: m.plan.PeerFlows, GRO: gro}
	a := m.nicArrivals(0, c.Flows, m.plan.Packets)
	a.stride = stride(c.Flows, m.plan.Packets)
	if err := m.nicCost(a, each, &c); err != nil {
		return err
	}
	return m.nicProfile(a, each, c)
}

// nicSyn measures SYNs of connections from one on. Those since the table was filled are not
// in the figure's number of flows, so that figures of two systems have the same.
func (m *meter) nicSyn(system string, first int, each fate) error {
	a := m.nicArrivals(first, m.plan.Packets, m.plan.Packets)
	a.syn = true
	return m.nicCost(a, each, &wire.Cost{System: system, Op: wire.Syn, Flows: m.plan.PeerFlows, GRO: true})
}

// nicOther measures packets to a socket of another port.
func (m *meter) nicOther(system string, each fate) (err error) {
	conn, err := establish(netip.AddrPortFrom(m.net.address, elsePort), m.net.client())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget(conn)) }()
	a := arrivals{port: elsePort, flows: 1, packets: 100, quiet: true}
	// The first packets find caches that are not set up yet.
	if _, err := a.run(each); err != nil {
		return err
	}
	a.packets, a.quiet = m.plan.Packets, false
	before, err := m.net.delivered()
	if err != nil {
		return err
	}
	c := wire.Cost{System: system, Op: wire.Other, Variant: wire.TCPAlone, GRO: true}
	if err := m.nicCost(a, each, &c); err != nil {
		return err
	}
	after, err := m.net.delivered()
	if err != nil {
		return err
	}
	if after-before != uint64(a.packets) {
		return fmt.Errorf("%d of %d packets came to the host's protocols", after-before, a.packets)
	}
	return m.nicProfile(a, each, c)
}

// nicFrames returns the frames that are sent when packets of the first connections come, in
// the order of these: GRO would change it.
func (m *meter) nicFrames(each fate) (_ [][]byte, err error) {
	if err := setGRO(false); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setGRO(true)) }()
	return m.nicArrivals(0, min(keptFrames, m.plan.PeerFlows), keptFrames).sent(each)
}
