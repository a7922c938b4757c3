// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/check/rawip"
	"dpr/userland/dprnl"
)

// crossing has each processor send segments of the same few connections, in one
// order or another, and beside them every operation, one after the other.
type crossing struct {
	*fuzzer
	*rand.Rand
	n       *smallNetwork
	c       *dprnl.Client
	r       *wire.CrossingResults
	packets atomic.Uint64
	until   time.Time
}

const (
	// crossed is how many connections there are: few, so that processors meet.
	crossed = 6
	// reloads is how many operations there are to a reload of the module.
	reloads = 400
)

func (f *fuzzer) crossing(ctx context.Context) (err error) {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("%d processor has nobody to meet", runtime.NumCPU())
	}
	x := &crossing{
		fuzzer: f, Rand: rand.New(rand.NewPCG(f.plan.Seed, 0)),
		r: &wire.CrossingResults{Processors: runtime.NumCPU(), Operations: map[string]int{}, Loads: 1},
	}
	if x.n, err = newSmallNetwork(); err != nil {
		return err
	}
	defer x.n.close()
	if err := knowPeers("v0", false); err != nil {
		return err
	}
	quiet, err := holdHooks(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, quiet.Close()) }()
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	if x.c, err = dprnl.New(); err != nil {
		return err
	}
	defer x.c.Close()
	if err := redirecting(ctx, x.c); err != nil {
		return err
	}
	begun := time.Now()
	x.until = begun.Add(time.Duration(f.plan.Seconds) * time.Second)
	errs := make([]error, x.r.Processors+1)
	var wg sync.WaitGroup
	for cpu := range x.r.Processors {
		wg.Go(func() { errs[cpu] = x.sender(cpu) })
	}
	wg.Go(func() { errs[x.r.Processors] = x.operate(ctx) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	x.r.Seconds, x.r.Packets = time.Since(begun).Seconds(), x.packets.Load()
	if err := x.settled(ctx); err != nil {
		return err
	}
	if err := f.results(x.r); err != nil {
		return err
	}
	return remove(moduleDPR)
}

// holdHooks has a namespace of its own use the hooks that dpr uses, while it is open.
// With the first hook and the last one the kernel patches its code, into which both
// processors run all the time. Under QEMU 7.2, Debian 12's, they once stayed for ever on
// the breakpoint that is there meanwhile, in ip_rcv(), after it had left memory.
func holdHooks(ctx context.Context) (*vnet.Host, error) {
	h, err := vnet.NewHost("hooks")
	if err != nil {
		return nil, err
	}
	const chains = `table ip hold {
	chain in { type filter hook prerouting priority 0; }
	chain out { type filter hook output priority 0; }
}
`
	if _, err := h.RunInput(ctx, chains, "nft", "-f", "-"); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// sender sends from one processor: a packet that a wire carries is received by the
// processor that sent it.
func (x *crossing) sender(cpu int) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("staying on processor %d: %w", cpu, err)
	}
	s, err := rawip.Open("v1", x.n.near)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	t := &traffic{Rand: rand.New(rand.NewPCG(x.plan.Seed, 1+uint64(cpu)))}
	for time.Now().Before(x.until) {
		n, err := s.Send(16, t.packet)
		if err != nil {
			return err
		}
		x.packets.Add(uint64(n))
	}
	return nil
}

// traffic is what a processor sends.
type traffic struct {
	*rand.Rand
	left int // segments of the connection that is being sent
	to   uint16
}

// shapes are the flags of the segments, as often as they come: what begins flows,
// what moves them on, what speaks of an end; and the serving host's messages that
// do end them.
var shapes = []byte{syn, syn, syn, 16, 16, 16, 17, 4, byEnd, byEnd, byEnd, byEnd}

const (
	syn   = 2
	byEnd = 0xff // no flags, but a message
	// isn is the sequence number of nearly all SYNs.
	isn = 1000
)

// packet writes a segment, or a message of a peer.
func (t *traffic) packet(b []byte) []byte {
	if t.left == 0 {
		t.left, t.to = 1+t.IntN(8), uint16(t.IntN(crossed))
	}
	t.left--
	from, to := netip.AddrPortFrom(clients.Addr(), 1024+t.to), netip.AddrPortFrom(address, ports[0])
	seq := isn + t.Uint32N(1000)
	switch flags := shapes[t.IntN(len(shapes))]; flags {
	case byEnd:
		return endMessage(b, peerAddress(t.IntN(peers)), from, to, endedKinds[t.IntN(len(endedKinds))])
	case syn:
		if t.IntN(64) > 0 { // else a new connection of the same ports
			seq = isn
		}
		fallthrough
	default:
		return rawip.TCP(b, from, to, flags, seq, 1+t.Uint32N(1000))
	}
}

// endedKinds are the messages by which the serving host says that a connection has
// no socket any more, or one in TIME_WAIT (docs/protocol.md).
var endedKinds = []byte{4, 5}

// endMessage writes such a message, in the tunnel.
func endMessage(b []byte, peer netip.Addr, client, service netip.AddrPort, kind byte) []byte {
	const outer, inner, length = 20, 20, 24
	b = b[:outer+inner+length]
	m := b[outer+inner:]
	clear(m)
	copy(m, "DPRo")
	m[4] = kind
	binary.BigEndian.PutUint32(m[8:], isn)
	from, to := client.Addr().As4(), service.Addr().As4()
	copy(m[12:], from[:])
	copy(m[16:], to[:])
	binary.BigEndian.PutUint16(m[20:], client.Port())
	binary.BigEndian.PutUint16(m[22:], service.Port())
	binary.BigEndian.PutUint16(m[6:], rawip.Checksum(m))
	rawip.Header(b[outer:], peer, service.Addr(), 253, 0)
	return rawip.Header(b, peer, service.Addr(), unix.IPPROTO_IPIP, 0xc000) // DF, and the marker
}

// operate does operations until the time is over.
func (x *crossing) operate(ctx context.Context) error {
	all := commandOperations()
	for n := 1; time.Now().Before(x.until); n++ {
		if n%reloads == 0 {
			if err := x.reload(ctx); err != nil {
				return err
			}
		}
		o := all[x.IntN(len(all))]
		if err := o.repeat(ctx, x.c, 1); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		x.r.Operations[o.name]++
		// What some operations change would have nothing be redirected any more.
		if n%8 == 0 {
			if err := serious(x.redirect(ctx)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *crossing) redirect(ctx context.Context) error {
	return tolerate(redirecting(ctx, x.c))
}

func (x *crossing) reload(ctx context.Context) error {
	if err := x.begun(ctx); err != nil {
		return err
	}
	if err := remove(moduleDPR); err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EBUSY) {
		return err
	}
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	x.r.Loads++
	x.r.Operations["reload"]++
	return x.redirect(ctx)
}

// begun adds the flows that the module has begun and ended since it was loaded.
func (x *crossing) begun(ctx context.Context) error {
	s, err := x.c.Stats(ctx)
	if err != nil {
		return err
	}
	x.r.Began += s.Get(dprnl.StatRedirected)
	x.r.Ended += s.Get(dprnl.StatFlowsEnded)
	return nil
}

// settled looks at what is left, now that nobody sends: the counts agree, and with
// the last flow all of them are 0.
func (x *crossing) settled(ctx context.Context) error {
	if err := x.begun(ctx); err != nil {
		return err
	}
	if x.r.Began == 0 || x.r.Ended == 0 {
		return x.fail("%d flows began, %d ended by their peers' word", x.r.Began, x.r.Ended)
	}
	time.Sleep(settle)
	for _, empty := range []bool{false, true} {
		if empty {
			if err := x.deleteAll(ctx); err != nil {
				return err
			}
		}
		if err := x.agree(ctx, empty); err != nil {
			return err
		}
	}
	return nil
}

func (x *crossing) deleteAll(ctx context.Context) error {
	var keys []dprnl.FlowKey
	for f, err := range x.c.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return err
		}
		keys = append(keys, f.FlowKey)
	}
	for _, k := range keys {
		if err := x.c.DeleteFlow(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// agree compares what is counted with what is there.
func (x *crossing) agree(ctx context.Context, empty bool) error {
	s, err := readState(ctx, x.c)
	if err != nil {
		return err
	}
	all, live := map[netip.Addr]uint32{}, map[netip.Addr]uint32{}
	var flows uint64
	for f, err := range x.c.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return err
		}
		flows++
		all[f.Peer]++
		if f.State != dprnl.FlowEnded {
			live[f.Peer]++
		}
	}
	if flows != s.flows || empty && flows != 0 {
		err = x.fail("it counts %d flows and shows %d; all deleted: %v", s.flows, flows, empty)
	}
	for _, p := range s.peers {
		if p.Flows != all[p.Address] || p.Live != live[p.Address] {
			err = errors.Join(err, x.fail("peer %s counts %d flows, %d live, and has %d and %d; all deleted: %v",
				p.Address, p.Flows, p.Live, all[p.Address], live[p.Address], empty))
		}
	}
	return err
}
