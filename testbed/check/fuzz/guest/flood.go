// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/check/rawip"
	"dpr/userland/dprnl"
)

// attack is what is sent, as fast as it can be.
type attack struct {
	name    string
	to      func(*cluster) *member
	packet  func(*flood, []byte) []byte // overwrites and returns the packet given
	orphans dprnl.Orphans
}

func hostA(c *cluster) *member { return c.a }
func hostB(c *cluster) *member { return c.b }

var attacks = []attack{
	{name: "nothing", to: hostA},
	{name: "SYNs to the redirecting host", to: hostA, packet: (*flood).syn},
	{name: "SYNs to the serving host", to: hostB, packet: (*flood).syn},
	{name: "ACKs", to: hostA, packet: (*flood).ack},
	{name: "ACKs, orphans asked for", to: hostA, packet: (*flood).ack, orphans: dprnl.OrphansAsk},
	{name: "RSTs to connections that live", to: hostA, packet: (*flood).rst},
	{name: "fragments", to: hostA, packet: (*flood).fragment},
	{name: "marked packets of strangers", to: hostB, packet: (*flood).stranger},
	{name: "marked SYNs from the peer's address", to: hostB, packet: (*flood).forged},
	{name: "SYNs of IPv6", to: hostA, packet: (*flood).syn6},
	{name: "fragments of IPv6", to: hostA, packet: (*flood).fragment6},
	{name: "tunnels of IPv6 from strangers", to: hostB, packet: (*flood).stranger6},
}

// kept is how many connections live through all floods.
const kept = 100

// flood sends one kind of packet.
type flood struct {
	*rand.Rand
	to   netip.Addr
	to6  netip.Addr
	live []netip.AddrPort // clients of connections that live
}

// flood makes a cluster, and lets it be flooded with one kind of packet after the
// other, while connections live and new ones are made.
func (f *fuzzer) flood(ctx context.Context) (err error) {
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	c, err := newCluster(ctx, uint32(max(1, f.plan.Flood/100)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.net.Close(), remove(moduleDPR)) }()
	live, err := c.keep(ctx, kept)
	if err != nil {
		return err
	}
	defer live.close()
	r := wire.FloodResults{MaxFlows: c.maxFlows}
	for _, a := range attacks {
		if err := f.say("%s", a.name); err != nil {
			return err
		}
		result, err := f.flooded(ctx, c, live, a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		r.Attacks = append(r.Attacks, result)
		if err := f.judge(c, result); err != nil {
			return err
		}
	}
	return f.results(r)
}

// flooded is one attack.
func (f *fuzzer) flooded(ctx context.Context, c *cluster, live *connections, a attack) (r wire.Flood, err error) {
	if err := c.a.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Orphans: &a.orphans}); err != nil {
		return r, err
	}
	before, err := freeMemory()
	if err != nil {
		return r, err
	}
	honest := c.honest(ctx)
	meter := c.meter(ctx)
	lost := live.lost.Load()
	fl := &flood{Rand: rand.New(rand.NewPCG(f.plan.Seed, uint64(len(a.name)))), to: a.to(c).addr, to6: a.to(c).six, live: live.clients}
	start := time.Now()
	if a.packet == nil {
		time.Sleep(5 * time.Second)
	} else if r.Sent, err = c.attack(a.to(c), fl, a.packet, f.plan.Flood); err != nil {
		return r, err
	}
	took := time.Since(start)
	honest.end(&r)
	r.Flows, r.Memory = meter.end(before)
	live.ask()
	r.Attack, r.Kept, r.Lost = a.name, len(live.clients), int(live.lost.Load()-lost)
	r.PerSecond = float64(r.Sent) / took.Seconds()
	return r, nil
}

// judge says which promise a flood broke.
func (f *fuzzer) judge(c *cluster, r wire.Flood) error {
	var err error
	if r.Lost > 0 {
		err = errors.Join(err, f.fail("%s: %d of %d connections lost", r.Attack, r.Lost, r.Kept))
	}
	if r.Honest == 0 || float64(r.Failed) > 0.01*float64(r.Honest) {
		err = errors.Join(err, f.fail("%s: %d of %d new connections failed: %v", r.Attack, r.Failed, r.Honest, r.Why))
	}
	if r.Flows > uint64(c.maxFlows) {
		err = errors.Join(err, f.fail("%s: %d flows, with a bound of %d", r.Attack, r.Flows, c.maxFlows))
	}
	// A flow, its place in the table and what TCP holds of half-made connections.
	if bound := int64(c.maxFlows)*1024 + 64<<20; r.Memory > bound {
		err = errors.Join(err, f.fail("%s: it took %d bytes of memory, more than %d", r.Attack, r.Memory, bound))
	}
	return err
}

// anywhere is an address of clients that do not exist.
func (f *flood) anywhere() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 128 + byte(f.IntN(128)), byte(f.IntN(256)), byte(f.IntN(256))}), uint16(1024+f.IntN(60000)))
}

// segment writes a TCP segment of 40 bytes.
func (f *flood) segment(b []byte, from netip.AddrPort, to netip.Addr, flags byte) []byte {
	return rawip.TCP(b, from, netip.AddrPortFrom(to, ports[0]), flags, f.Uint32(), f.Uint32())
}

func (f *flood) syn(b []byte) []byte { return f.segment(b, f.anywhere(), f.to, 2) }
func (f *flood) ack(b []byte) []byte { return f.segment(b, f.anywhere(), f.to, 16) }

func (f *flood) rst(b []byte) []byte {
	return f.segment(b, f.live[f.IntN(len(f.live))], f.to, 4)
}

// fragment is a first one, a middle one, or a last one, of packets that are never
// whole.
func (f *flood) fragment(b []byte) []byte {
	b = f.segment(b, f.anywhere(), f.to, 16)
	binary.BigEndian.PutUint16(b[4:], uint16(f.Uint32()))
	binary.BigEndian.PutUint16(b[6:], []uint16{0x2000, 0x2000 | 100, 200}[f.IntN(3)])
	return rawip.HeaderChecksum(b)
}

// outer writes the header of a redirected packet of 60 bytes.
func (f *flood) outer(b []byte, from netip.Addr) []byte {
	f.segment(b[20:60], f.anywhere(), addressA, 2)
	return rawip.Header(b[:60], from, f.to, unix.IPPROTO_IPIP, 0x8000|0x4000)
}

func (f *flood) stranger(b []byte) []byte { return f.outer(b, f.anywhere().Addr()) }
func (f *flood) forged(b []byte) []byte   { return f.outer(b, addressA) }

// anywhere6 is an address of clients of IPv6 that do not exist.
func (f *flood) anywhere6() netip.AddrPort {
	a := clients6.Addr().As16()
	binary.BigEndian.PutUint64(a[8:], f.Uint64())
	return netip.AddrPortFrom(netip.AddrFrom16(a), uint16(1024+f.IntN(60000)))
}

func (f *flood) syn6(b []byte) []byte {
	return rawip.TCP6(b, f.anywhere6(), netip.AddrPortFrom(f.to6, ports[0]), 2, f.Uint32(), 0)
}

// fragment6 is as fragment: a first one, a middle one or a last one.
func (f *flood) fragment6(b []byte) []byte {
	const header, length = 40, 8
	f.syn6(b[length:])
	b = rawip.Header6(b[:length+60], f.anywhere6().Addr(), f.to6, unix.IPPROTO_FRAGMENT)
	clear(b[header : header+length])
	b[header] = unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(b[header+2:], []uint16{1, 800 | 1, 1600}[f.IntN(3)])
	binary.BigEndian.PutUint32(b[header+4:], f.Uint32())
	if b[header+3]&1 > 0 { // all but the last have a multiple of 8 bytes
		b = rawip.Header6(b[:header+length+24], f.anywhere6().Addr(), f.to6, unix.IPPROTO_FRAGMENT)
	}
	return b
}

func (f *flood) stranger6(b []byte) []byte {
	f.syn6(b[40:])
	return rawip.Header6(b[:100], f.anywhere6().Addr(), f.to6, unix.IPPROTO_IPV6)
}

// percentile returns a percentile of times, in ms.
func percentile(all []time.Duration, p int) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[(len(all)-1)*p/100].Microseconds()) / 1000
}

// expireBudget is how many flows are looked at ten times a second, as dpr-cleanup
// would.
const expireBudget = 4096

// meter notes the largest table and the least free memory, and cleans the table up,
// until it is ended.
type meter struct {
	stop  chan struct{}
	done  chan struct{}
	flows atomic.Uint64
	free  atomic.Int64
}

func (c *cluster) meter(ctx context.Context) *meter {
	m := &meter{stop: make(chan struct{}), done: make(chan struct{})}
	m.free.Store(1 << 62)
	go func() {
		defer close(m.done)
		for {
			if s, err := c.a.dpr.Stats(ctx); err == nil {
				m.flows.Store(max(m.flows.Load(), s.Get(dprnl.StatFlows)))
			}
			_, _ = c.a.dpr.Expire(ctx, expireBudget) // what it does not do shows
			if free, err := memFree(); err == nil {
				m.free.Store(min(m.free.Load(), free))
			}
			select {
			case <-m.stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return m
}

// end returns the largest table, and the memory that was taken of what was free.
func (m *meter) end(before int64) (flows uint64, memory int64) {
	close(m.stop)
	<-m.done
	return m.flows.Load(), before - m.free.Load()
}
