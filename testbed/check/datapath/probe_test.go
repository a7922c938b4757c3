// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

const (
	ownerProbe = 6
	ownerEcho  = 7
)

// swallow is what a firewall does that knows nothing of tunnels; reports still pass.
const swallow = `
table ip swallow {
	chain prerouting {
		type filter hook prerouting priority -500
		ip protocol { 4, 41 } drop
	}
}
table ip6 swallow {
	chain prerouting {
		type filter hook prerouting priority -500
		ip6 nexthdr { 4, 41 } drop
	}
}`

// newest has a peer report in version 2.
func (s *server) newest(t *testing.T, peer *server, load uint32) {
	t.Helper()
	u := s.way.reportOf(peer.addr, 2)
	u.Metrics.Sockets, u.Others = load, peer.others
	check(t, s.dpr.SetPeer(t.Context(), u))
}

// Packets that A redirects to B disappear, though B's reports come: the clients that
// wait are served elsewhere when they repeat their SYNs, and others at once. When
// packets arrive again B gets connections again.
func TestPeerLost(t *testing.T) {
	everyChoice(t, func(t *testing.T, x *three) {
		// Those that others get must not hide what becomes of B's.
		down := x.reportOf(addrB, 2)
		down.Down = []uint16{port}
		check(t, x.a.dpr.SetPeer(t.Context(), down))
		x.a.newest(t, x.d, 1)
		for range 64 {
			if who, err := connect(t, x.c, x.a.service()).ask("who"); err != nil || who == "B" {
				t.Errorf("served by %q (%v), not asked for", who, err)
			}
		}
		x.a.newest(t, x.b, 0)
		firewall(t, x.b.Host, x.way, swallow)
		ev := subscribe(t, x.a)
		a := x.a.meter(t)
		// Some clients get B, and wait.
		const waiting = 24
		served := make(chan error, waiting)
		for range waiting {
			go func() {
				k, err := dial(x.c, x.a.service())
				if err == nil {
					_, err = k.ask("who")
					k.Close()
				}
				served <- err
			}()
		}
		if e := ev.want(t, dprnl.EventPeerLost); e.Peer != x.b.addr {
			t.Errorf("%v is lost", e.Peer)
		}
		p, err := x.a.dpr.Peer(t.Context(), x.b.addr)
		check(t, err)
		if p.Usable || p.Barred != dprnl.BarredLost {
			t.Errorf("the kernel says %+v", p)
		}
		x.a.newest(t, x.b, 0)
		for range 12 {
			begin := time.Now()
			if who, err := connect(t, x.c, x.a.service()).ask("who"); err != nil || who == "B" {
				t.Errorf("served by %q (%v)", who, err)
			}
			// As long as it takes a client to repeat its SYN.
			if took := time.Since(begin); took >= time.Second {
				t.Errorf("a new connection took %v", took)
			}
		}
		for range waiting {
			if err := <-served; err != nil {
				t.Errorf("a client that waited: %v", err)
			}
		}
		if got := a.changes(t); got[dprnl.StatPeersLost] != 1 || got[dprnl.StatRxEcho] != 0 {
			t.Errorf("%v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), step)
		defer cancel()
		_, err = x.b.Run(ctx, "nft", "flush", "ruleset")
		check(t, err)
		if e := ev.want(t, dprnl.EventPeerFound); e.Peer != x.b.addr {
			t.Errorf("%v is found", e.Peer)
		}
		eventually(t, func() error {
			x.a.newest(t, x.b, 0)
			if who, err := connect(t, x.c, x.a.service()).ask("who"); who != "B" {
				return errors.Join(fmt.Errorf("served by %q", who), err)
			}
			return nil
		})
	})
}

// probeBytes is the length of a probe in its packet: it is about no connection, and so as
// long as a message about an IPv4 one.
func (w way) probeBytes() uint64 { return uint64(w.overhead() + 24) }

// probe matches a probe in a tunnelled packet.
func probe(p *wire.Packet) bool {
	m := ownerMessage(p)
	return len(m) == 24 && m[4] == ownerProbe
}

// echo makes the answer to a probe.
func echo(w way, probe []byte, change func([]byte)) []byte {
	b := append([]byte(nil), probe...)
	b[4] = ownerEcho
	change(b)
	seal(b)
	return w.message(addrP, addrA, b)
}

// echoes makes a raw host answer probes, so that it is not lost.
func (r *raw) echoes(w way) {
	r.Respond(func(p *wire.Packet) []byte {
		if !probe(p) {
			return nil
		}
		return echo(w, ownerMessage(p), func([]byte) {})
	})
}

// A lost peer that leaves the load table meanwhile, since its reports stop, too, and comes
// back is found again: probes go on.
//
//	R (client; and P, a peer) ── switch ── A
func TestProbeGoesOn(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.DeletePeer(t.Context(), w.own(addrB), true))
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		report := func() {
			t.Helper()
			check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrP, 2)))
		}
		want := func(when string, barred dprnl.Barred) {
			t.Helper()
			eventually(t, func() error {
				report()
				p, err := c.a.dpr.Peer(t.Context(), w.own(addrP))
				if err == nil && p.Barred != barred {
					err = fmt.Errorf("%s: P is barred by %v, want %v", when, p.Barred, barred)
				}
				return err
			})
		}
		report()
		syn := r.talk(c.a, 4000).segment("S", "")
		for range 3 {
			r.send(t, c.a, syn.Bytes())
			p.get(t, firm)
		}
		want("no answer to probes", dprnl.BarredLost)
		check(t, c.a.dpr.DeletePeer(t.Context(), w.own(addrP), false))
		time.Sleep(3 * time.Second) // nothing is probed now
		p.echoes(w)
		want("answers", dprnl.BarredNo)
	})
}

// A client that repeats its SYN makes A probe the peer, once a second at most; an
// answer with the probe's number ends that. A peer of an older version is not probed.
//
//	R (client; and P, a peer) ── switch ── A
func TestProbe(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.DeletePeer(t.Context(), w.own(addrB), true))
		p, r := c.raw(t, addrP), c.raw(t, addrR)
		report := func(version uint32) {
			t.Helper()
			check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrP, version)))
		}
		report(1)
		syn := r.talk(c.a, 4000).segment("S", "")
		r.send(t, c.a, syn.Bytes())
		p.get(t, firm)
		a := c.a.meter(t)
		if w == fragbit4 || w == source4 { // IPv6 goes to no older peer
			r.send(t, c.a, syn.Bytes())
			p.get(t, firm)
			// A probe would have been sent before the SYN.
			if n := a.changes(t)[dprnl.StatTxOwnerMessages]; n != 0 {
				t.Errorf("%d messages to a peer that knows no probes", n)
			}
		}

		report(2)
		a = c.a.meter(t)
		for range 3 {
			r.send(t, c.a, syn.Bytes())
		}
		asked := ownerMessage(p.get(t, probe))
		silence(t, p.Endpoint, probe)
		p.send(t, c.a, echo(w, asked, func(b []byte) { b[8]++ }))
		changed(t, a, dprnl.StatRxEchoRefused, 1)
		p.send(t, c.a, echo(w, asked, func([]byte) {}))
		changed(t, a, dprnl.StatRxEcho, 1)
		p.send(t, c.a, echo(w, asked, func([]byte) {}))
		changed(t, a, dprnl.StatRxEchoRefused, 2)
		time.Sleep(1500 * time.Millisecond)
		if n := len(p.Take(probe)); n != 0 {
			t.Errorf("%d probes after the answer", n)
		}
		r.send(t, c.a, syn.Bytes())
		first := ownerMessage(p.get(t, probe))
		second := ownerMessage(p.get(t, probe))
		if string(first) != string(second) {
			t.Errorf("probes %x and %x", first, second)
		}
		changed(t, a, dprnl.StatPeersLost, 1)
		// It is lost; this SYN finds the connection another place.
		r.send(t, c.a, syn.Bytes())
		r.get(t, func(p *wire.Packet) bool { return p.TCP != nil && p.Has("SA") })
		if got := a.changes(t)[dprnl.StatFlowsLost]; got != 1 {
			t.Errorf("%d flows were lost", got)
		}
		p.send(t, c.a, echo(w, first, func([]byte) {}))
		changed(t, a, dprnl.StatRxEcho, 2)
		row, err := c.a.dpr.Peer(t.Context(), w.own(addrP))
		check(t, err)
		if row.Barred != dprnl.BarredNo {
			t.Errorf("%v after its answer", row.Barred)
		}
	})
}

// A host answers a peer's probe.
func TestProbed(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrP)))
		p := c.raw(t, addrP)
		a := c.a.meter(t)
		question := make([]byte, 24)
		copy(question, "DPRo")
		question[4], question[8], question[11] = ownerProbe, 1, 2
		seal(question)
		p.send(t, c.a, w.message(addrP, addrA, question))
		answer := ownerMessage(p.get(t, func(p *wire.Packet) bool { return ownerMessage(p) != nil }))
		if answer[4] != ownerEcho || string(answer[8:]) != string(question[8:]) {
			t.Errorf("%x answers %x", answer, question)
		}
		a.want(t, counts{dprnl.StatRxProbed: 1, dprnl.StatTxOwnerMessages: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: w.probeBytes()})
	})
}

// The most that probing can cost a host: all of a thousand peers are lost at once. Each
// gets a probe a second; while nobody doubts, none gets any.
//
//	R (client; and the router to the peers, which swallows all) ── switch ── A
func TestProbesOfAThousand(t *testing.T) {
	const peers, clients = 1000, 6000
	c := newCluster(t, fragbit4)
	check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
	r := c.raw(t, addrR)
	check(t, c.a.Route(netip.MustParsePrefix("10.88.0.0/16"), addrR))
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyInverse), ReportMaxAge: ptr(time.Minute), TimeoutSyn: ptr(time.Minute)})
	for i := range peers {
		peer := netip.AddrFrom4([4]byte{10, 88, byte(i >> 8), byte(i)})
		check(t, c.a.dpr.SetPeer(t.Context(), c.reportOf(peer, 2)))
	}
	a := c.a.meter(t)
	ask := func() {
		for p := range uint16(clients) {
			s := wire.Segment{Src: c.addrPort(addrR, 10000+p), Dst: c.a.service(), Flags: "S", Seq: 1, Window: 1000}
			r.send(t, c.a, s.Bytes())
		}
	}
	idle := busy(t)
	time.Sleep(5 * time.Second)
	idle = busy(t) - idle
	ask()
	time.Sleep(time.Second)
	if got := a.changes(t); got[dprnl.StatTxOwnerMessages] != 0 || got[dprnl.StatRedirected] == 0 {
		t.Errorf("%v: want no probe before a SYN is repeated", got)
	}
	ask()
	eventually(t, func() error {
		if n := a.changes(t)[dprnl.StatPeersLost]; n < peers*9/10 {
			return fmt.Errorf("only %d are lost", n)
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	before, used, begin := a.changes(t)[dprnl.StatTxOwnerMessages], busy(t), time.Now()
	time.Sleep(5 * time.Second)
	after, took := a.changes(t)[dprnl.StatTxOwnerMessages], time.Since(begin).Seconds()
	used = busy(t) - used
	rate := float64(after-before) / took
	t.Logf("%d peers lost: %.0f probes a second, of %d bytes; processor %v of %.1f s, without probes %v", a.changes(t)[dprnl.StatPeersLost], rate, c.probeBytes(), used, took, idle)
	if rate > peers*1.1 || after == before {
		t.Errorf("%.0f probes a second", rate)
	}
}

// busy is how long all processors have worked since boot.
func busy(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	check(t, err)
	var user, nice, system, idle, iowait, irq, softirq int64
	_, err = fmt.Sscanf(string(b), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq)
	check(t, err)
	return time.Duration(user+nice+system+irq+softirq) * 10 * time.Millisecond
}
