// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath/xdp"
)

// fastWays are the ways that differ on the fast path.
var fastWays = []way{fragbit4, source4, fragbit64, fourInSix, plain6, direct4, direct6}

// eachFast runs a test with each of them.
func eachFast(t *testing.T, f func(t *testing.T, w way)) {
	needsFast(t)
	eachWay(t, few(t, fastWays), f)
}

// fast attaches the fast path to A's link until the test ends, or the link is closed.
func (c *cluster) fast(t *testing.T, force bool) *xdp.Link {
	t.Helper()
	c.prepareFast(t)
	l, err := c.a.attach(eth, force)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// needsFast skips a test whose kernel has no fast path; TestFastPathRefused sees that it says
// so.
func needsFast(t *testing.T) {
	if !hasBTF() {
		t.Skip("this kernel cannot call functions of modules from BPF without its own build's type information")
	}
}

// prepareFast makes A's cable one that programs of XDP can send by until the test ends: the
// other end takes what they send only if it has such a program, too. Where no dpr is, ours
// passes all.
func (c *cluster) prepareFast(t *testing.T) {
	t.Helper()
	if c.fastCable {
		return
	}
	c.fastCable = true
	l, err := attachAt(c.sw.Host, c.a.Name, false)
	check(t, err)
	t.Cleanup(func() { l.Close() })
}

// attach attaches the fast path to a link of the server's.
func (s *server) attach(link string, force bool) (*xdp.Link, error) {
	return attachAt(s.Host, link, force)
}

func attachAt(h *vnet.Host, link string, force bool) (l *xdp.Link, err error) {
	doErr := h.Do(func() error {
		l, err = xdp.Attach(link, force)
		return nil
	})
	return l, errors.Join(doErr, err)
}

// fastAt sends a segment and returns what comes to B of it.
func (k *talk) fastAt(t *testing.T, at *wire.Endpoint, s wire.Segment) *wire.Packet {
	t.Helper()
	k.r.send(t, k.via, s.Bytes())
	return await(t, at, func(p *wire.Packet) bool {
		return k.of(p) && p.TCP.Seq == s.Seq && bytes.Equal(p.Payload, s.Payload)
	})
}

// fastSegments are segments of an established connection that the fast path takes.
func (k *talk) fastSegments(w way) (list []wire.Segment) {
	for i, x := range []wire.Segment{
		{Flags: "A"},
		{Flags: "PA", Payload: []byte("x")},
		{Flags: "A", Payload: bytes.Repeat([]byte("0123456789"), 100)},
		{Flags: "A", TOS: 0xb9, TTL: 3, ID: 0x1234, Label: 0x54321, Payload: []byte("marked by routers")},
		{Flags: "AEC", TOS: 3, Label: 1, Payload: []byte("ECN")},
		{Flags: "UA", MayFrag: true, TTL: 255, Payload: []byte("may be fragmented")},
		// The reserved bits, and options of TCP.
		{Flags: "A", Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}, Payload: []byte("o")},
		{Flags: "A", Payload: make([]byte, w.fits())},
		// Beyond what a client can send without its server's socket.
		{Flags: "PA", Seq: 1 << 20, Payload: []byte("bulk")},
	} {
		x.Src, x.Dst, x.Ack = k.local, k.remote, k.ack
		// None of it is what the server waits for: it stays as it is. And each is told
		// from the others.
		x.Seq += k.seq + 1 + uint32(i)*2000
		list = append(list, x)
	}
	return list
}

// fits is the payload of the largest segment that fits on this way.
func (w way) fits() int {
	if w.direct {
		return mtu - w.headerLen() - 20
	}
	return mtu - w.overhead() - w.headerLen() - 20
}

// What the fast path sends is byte by byte what the netfilter path sends, from the link
// layer's header on, and it counts the same.
//
//	R ── switch ── A (fast path)
//	        └───── B
func TestFastPath(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.reportOf(addrB, 5)))
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		list := k.fastSegments(w)
		var want []*wire.Packet
		a := c.a.meter(t)
		for _, s := range list {
			want = append(want, k.fastAt(t, at, s))
		}
		slow := a.changes(t)
		if slow[dprnl.StatFastTx] != 0 || slow[dprnl.StatTxPackets] != uint64(len(list)) {
			t.Errorf("without the fast path %d segments are %v", len(list), slow)
		}
		link := c.fast(t, false)
		a = c.a.meter(t)
		for i, s := range list {
			before := c.a.meter(t)
			got := k.fastAt(t, at, s)
			if !bytes.Equal(got.Frame, want[i].Frame) {
				t.Errorf("segment %d:\nfast % x\nslow % x", i, got.Frame, want[i].Frame)
			}
			if n := before.changes(t)[dprnl.StatFastTx]; n != 1 {
				t.Errorf("segment %d: the fast path has sent %d: %v", i, n, before.changes(t))
			}
		}
		fast := a.changes(t)
		slow[dprnl.StatFastTx] = uint64(len(list))
		for stat, n := range slow {
			if fast[stat] != n {
				t.Errorf("%v changes by %d, want %d", stat, fast[stat], n)
			}
		}
		if len(fast) != len(slow) {
			t.Errorf("on the fast path %v, without it %v", fast, slow)
		}
		wantFlow(t, c.a, dprnl.FlowEstablished)
		// Off again.
		check(t, link.Close())
		a = c.a.meter(t)
		if got := k.fastAt(t, at, list[1]); !bytes.Equal(got.Frame, want[1].Frame) {
			t.Errorf("% x\nwas  % x", got.Frame, want[1].Frame)
		}
		wantChange(t, a, dprnl.StatFastTx, 0)
		wantChange(t, a, dprnl.StatTxPackets, 1)
	})
}

// A frame that the link layer has made longer is as long as its packet says when it goes on.
func TestFastPathPadding(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		c.fast(t, false)
		s := k.segment("A", "")
		s.Seq += 500
		a := c.a.meter(t)
		r.send(t, c.a, append(s.Bytes(), "padding"...))
		p := await(t, at, func(p *wire.Packet) bool { return k.of(p) && p.TCP.Seq == s.Seq })
		if n := len(p.Frame) - 14 - len(p.Outer()); n != 0 || len(p.Payload) != 0 {
			t.Errorf("%d bytes after the packet: %v", n, p)
		}
		wantChange(t, a, dprnl.StatFastTx, 1)
	})
}

// A fastCase is a packet that the fast path leaves to the netfilter path.
type fastCase struct {
	name  string
	only  int // the clients' family; 0: both
	flags string
	with  func(w way, s *wire.Segment)
	bytes func(b []byte) []byte // what is done to it
	why   dprnl.Stat
	at    bool // the netfilter path sends it to B, as a whole
	// What goes direct is another case: what is marked has come so, and what is large fits.
	tunnel bool
}

var fastCases = []fastCase{
	{name: "SYN", flags: "S", why: dprnl.StatFastPassShape},
	{name: "FIN", flags: "FA", why: dprnl.StatFastPassShape, at: true},
	{name: "RST", flags: "R", why: dprnl.StatFastPassShape, at: true},
	{name: "no service", flags: "A", with: func(w way, s *wire.Segment) { s.Dst = netip.AddrPortFrom(s.Dst.Addr(), 81) }},
	{name: "another connection", flags: "A", with: func(w way, s *wire.Segment) { s.Src = netip.AddrPortFrom(s.Src.Addr(), 5999) }, why: dprnl.StatFastPassFlow},
	{name: "IP options", only: 4, flags: "PA", with: func(w way, s *wire.Segment) {
		s.IPOptions = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
	}, why: dprnl.StatFastPassShape, at: true},
	{name: "extension header", only: 6, flags: "PA", with: func(w way, s *wire.Segment) { s.Extensions = []wire.Extension{wire.Destination()} }, at: true},
	{name: "fragment", only: 4, flags: "PA", with: func(w way, s *wire.Segment) { s.Payload, s.MayFrag = make([]byte, 200), true },
		bytes: func(b []byte) []byte { return wire.Fragment(b, 64, 7)[0] }, why: dprnl.StatFastPassShape},
	{name: "last fragment", only: 4, flags: "PA", with: func(w way, s *wire.Segment) { s.Payload, s.MayFrag = make([]byte, 200), true },
		bytes: func(b []byte) []byte { return wire.Fragment(b, 64, 8)[1] }},
	{name: "mark", only: 4, flags: "PA", bytes: func(b []byte) []byte { return wire.FixChecksum(edit(b, 6, 0xc0)) }, why: dprnl.StatFastPassShape, at: true, tunnel: true},
	{name: "wrong checksum", only: 4, flags: "PA", bytes: func(b []byte) []byte { return flip(b, 11) }, why: dprnl.StatFastPassShape},
	{name: "longer than it is", flags: "PA", bytes: func(b []byte) []byte { return b[:len(b)-1] }, why: dprnl.StatFastPassShape},
	{name: "too large", flags: "PA", with: func(w way, s *wire.Segment) { s.Payload = make([]byte, w.mss()) }, why: dprnl.StatFastPassSize, tunnel: true},
	{name: "no checksum yet", flags: "PA", bytes: wire.Partial, why: dprnl.StatFastPassShape, at: true},
	{name: "half a header", flags: "PA", bytes: func(b []byte) []byte { return b[:30] }},
	{name: "version 5", only: 4, flags: "PA", bytes: func(b []byte) []byte { return wire.FixChecksum(edit(b, 0, 0x55)) }},
}

// What is not a plain segment of an established connection comes up, and the netfilter path
// does with it what it always does.
func TestFastPathPasses(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		c.fast(t, false)
		for i, x := range fastCases {
			if x.only != 0 && x.only != w.client || x.tunnel && w.direct {
				continue
			}
			t.Run(x.name, func(t *testing.T) {
				k := r.talk(c.a, uint16(4000+i))
				k.open(t)
				k.wantServed(t, "B")
				s := k.segment(x.flags, "")
				if s.Flags != "S" {
					s.Payload = []byte("left alone")
					s.Seq += 700
				} else {
					s.Seq = 1_000_000
				}
				if x.with != nil {
					x.with(w, &s)
				}
				b := s.Bytes()
				if x.bytes != nil {
					b = x.bytes(b)
				}
				a := c.a.meter(t)
				r.send(t, c.a, b)
				if x.at {
					await(t, at, func(p *wire.Packet) bool { return k.of(p) && p.TCP.Seq == s.Seq })
				} else {
					time.Sleep(settle)
				}
				got := a.changes(t)
				if got[dprnl.StatFastTx] != 0 {
					t.Errorf("the fast path has sent it: %v", got)
				}
				for _, why := range passes {
					want := uint64(0)
					if why == x.why {
						want = 1
					}
					if got[why] != want {
						t.Errorf("%v changed by %d, want %d", why, got[why], want)
					}
				}
			})
		}
	})
}

// passes count what the fast path leaves to the netfilter path.
var passes = []dprnl.Stat{dprnl.StatFastPassHooks, dprnl.StatFastPassShape, dprnl.StatFastPassFlow, dprnl.StatFastPassWay, dprnl.StatFastPassSize, dprnl.StatFastPassDevice}

// A frame to another station is not this host's, whatever is in it.
func TestFastPathForeignFrame(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		c.fast(t, false)
		// The switch does not know where it is, and sends it everywhere.
		s := k.segment("A", "astray")
		s.Seq += 700
		a, atA := c.a.meter(t), observe(t, c.a.Host)
		check(t, r.Send([]byte{2, 0, 0, 0, 9, 9}, s.Bytes()))
		await(t, atA, func(p *wire.Packet) bool { return k.of(p) && p.TCP.Seq == s.Seq })
		silence(t, at, func(p *wire.Packet) bool {
			return k.of(p) && p.TCP.Seq == s.Seq && (p.Tunnelled() || !bytes.Equal(p.Outer(), s.Bytes()))
		})
		got := a.changes(t)
		for _, stat := range append(passes, dprnl.StatFastTx, dprnl.StatTxPackets) {
			if got[stat] != 0 {
				t.Errorf("%v changed by %d", stat, got[stat])
			}
		}
	})
}

// A flow that is over, or whose peer is dead, is none.
func TestFastPathNoFlow(t *testing.T) {
	needsFast(t)
	for name, end := range map[string]func(t *testing.T, c *cluster){
		"expired": func(t *testing.T, c *cluster) {
			c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(time.Millisecond)})
			time.Sleep(time.Second)
		},
		"dead": func(t *testing.T, c *cluster) { check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true)) },
	} {
		t.Run(name, func(t *testing.T) {
			eachFast(t, func(t *testing.T, w way) {
				c := newCluster(t, w)
				r := c.raw(t, addrR)
				k := r.talk(c.a, 4000)
				k.open(t)
				k.wantServed(t, "B")
				c.fast(t, false)
				a := c.a.meter(t)
				end(t, c)
				k.say(t, "PA", "x")
				// Nobody here knows the connection any more.
				k.hear(t, "R")
				eventually(t, func() error {
					if got := a.changes(t); got[dprnl.StatFastPassFlow] != 1 {
						return fmt.Errorf("%v", got)
					}
					return nil
				})
				wantChange(t, a, dprnl.StatFastTx, 0)
			})
		})
	}
}

// A segment on the fast path keeps its flow alive, as any does.
func TestFastPathKeepsFlow(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		c.fast(t, false)
		time.Sleep(3 * time.Second)
		a, begin := c.a.meter(t), time.Now()
		k.fastAt(t, at, k.fastSegments(w)[1])
		wantChange(t, a, dprnl.StatFastTx, 1)
		flows := c.a.flows(t)
		if len(flows) != 1 {
			t.Fatalf("there are %d flows: %v", len(flows), flows)
		}
		if longest := time.Since(begin) + 50*time.Millisecond; flows[0].Idle > longest {
			t.Errorf("the flow has been idle for %v, its last segment came %v ago at most", flows[0].Idle, longest)
		}
	})
}

// While the peer's link-layer address is not known the netfilter path finds it.
func TestFastPathNeighbour(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		c.fast(t, false)
		check(t, c.a.Forget(eth))
		a := c.a.meter(t)
		list := k.fastSegments(w)
		k.fastAt(t, at, list[1])
		if got := a.changes(t); got[dprnl.StatFastPassWay] != 1 || got[dprnl.StatFastTx] != 0 {
			t.Errorf("without neighbour %v", got)
		}
		eventually(t, func() error {
			k.fastAt(t, at, list[2])
			if got := a.changes(t); got[dprnl.StatFastTx] == 0 {
				return fmt.Errorf("still %v", got)
			}
			return nil
		})
	})
}

// Where a firewall, traffic control or a queueing discipline would have seen a packet it
// does see it, unless the fast path is forced.
func TestFastPathHooks(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		s := k.fastSegments(w)[1]
		c.prepareFast(t)
		run := func(line string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), step)
			defer cancel()
			_, err := c.a.Run(ctx, strings.Fields(line)...)
			check(t, err)
		}
		family := map[int]string{4: "ip", 6: "ip6"}[w.client]
		for name, x := range map[string][2]string{
			"ingress":    {"nft add table netdev x; add chain netdev x c { type filter hook ingress device e0 priority 0; }", "nft delete table netdev x"},
			"egress":     {"nft add table netdev x; add chain netdev x c { type filter hook egress device e0 priority 0; }", "nft delete table netdev x"},
			"prerouting": {"nft add table " + family + " x; add chain " + family + " x c { type filter hook prerouting priority -500; }", "nft delete table " + family + " x"},
		} {
			t.Run(name, func(t *testing.T) {
				link := c.fast(t, false)
				a := c.a.meter(t)
				k.fastAt(t, at, s)
				wantChange(t, a, dprnl.StatFastTx, 1)
				run(x[0])
				defer run(x[1])
				k.fastAt(t, at, s)
				wantChange(t, a, dprnl.StatFastTx, 1)
				wantChange(t, a, dprnl.StatFastPassHooks, 1)
				check(t, link.Close())
				link = c.fast(t, true)
				k.fastAt(t, at, s)
				wantChange(t, a, dprnl.StatFastTx, 2)
				wantChange(t, a, dprnl.StatFastPassHooks, 1)
				check(t, link.Close())
			})
		}
	})
}

// Connections whose every segment may take the fast path carry their data intact, and end.
// A client's link leaves no checksum to others: what goes from driver to driver has it.
func TestFastPathTransfer(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.c, false)
		c.fast(t, false)
		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		k.wantServed(t, "B")
		check(t, k.Close())
		got := a.changes(t)
		if n, all := got[dprnl.StatFastTx], got[dprnl.StatTxPackets]; n < all/2 {
			t.Errorf("the fast path has sent %d of %d: %v", n, all, got)
		}
		eventually(t, func() error {
			if f := c.a.flows(t); len(f) > 0 && f[0].State != dprnl.FlowEnded {
				return fmt.Errorf("flows %v", f)
			}
			return nil
		})
	})
}

// What a client's link leaves without checksum, as links do unless they are told otherwise, goes by
// the netfilter path, where it gets one.
func TestFastPathOffload(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.c, true)
		c.fast(t, false)
		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		k.wantServed(t, "B")
		check(t, k.Close())
		got := a.changes(t)
		if n, all := got[dprnl.StatFastPassShape], got[dprnl.StatTxPackets]; all == 0 || n < all/2 {
			t.Errorf("%d of %d were left to the netfilter path: %v", n, all, got)
		}
	})
}

// A cable whose other end has no program of XDP drops what a program sends by it: so nothing is
// sent that way while it has none.
func TestFastPathCable(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		link, err := c.a.attach(eth, false)
		check(t, err)
		defer link.Close()
		list, a := k.fastSegments(w), c.a.meter(t)
		k.fastAt(t, at, list[1])
		if got := a.changes(t); got[dprnl.StatFastPassDevice] != 1 || got[dprnl.StatFastTx] != 0 {
			t.Errorf("by a cable that programs cannot send by: %v", got)
		}
		c.prepareFast(t)
		k.fastAt(t, at, list[2])
		wantChange(t, a, dprnl.StatFastTx, 1)
	})
}

// A peer is reached by another link: packets go there from driver to driver once the fast
// path is attached there, too, and until then by the netfilter path. Who watches that link sees
// them, though the fast path is forced at the link by which they come.
//
//	R ── switch ── A ── B
func TestFastPathOtherLink(t *testing.T) {
	eachFast(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		e := behindAnotherLink(t, c.a)
		b := configure(t, e, netip.MustParseAddr("192.0.2.7"), w)
		b.web = serve(t, e, "B", port)
		c.know(t, c.a, b)
		route(t, e, network.String(), "192.0.2.1")
		forward(t, c.a.Host)
		// B's answers pass A, and have its address.
		check(t, c.a.Sysctl("net/ipv4/conf/e1/accept_local", "1"))
		c.redirect(t, b)
		// Or R would be on a link of A's alone.
		u := w.reportOf(netip.MustParseAddr("192.0.2.7"), 3)
		u.Others = append(u.Others, w.parse("10.77.0.112"))
		check(t, c.a.dpr.SetPeer(t.Context(), u))
		at, r := observe(t, e), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		list := k.fastSegments(w)
		want := k.fastAt(t, at, list[1])
		cable, err := attachAt(e, eth, false)
		check(t, err)
		defer cable.Close()
		link := c.fast(t, false)
		a := c.a.meter(t)
		k.fastAt(t, at, list[1])
		if got := a.changes(t); got[dprnl.StatFastPassDevice] != 1 || got[dprnl.StatFastRedirect] != 0 {
			t.Errorf("attached to one link: %v", got)
		}
		other, err := c.a.attach("e1", false)
		check(t, err)
		defer other.Close()
		got := k.fastAt(t, at, list[1])
		if !bytes.Equal(got.Frame, want.Frame) {
			t.Errorf("fast % x\nslow % x", got.Frame, want.Frame)
		}
		if got := a.changes(t); got[dprnl.StatFastRedirect] != 1 || got[dprnl.StatFastTx] != 0 {
			t.Errorf("attached to both: %v", got)
		}
		check(t, link.Close())
		c.fast(t, true)
		ctx, cancel := context.WithTimeout(t.Context(), step)
		defer cancel()
		_, err = c.a.Run(ctx, strings.Fields("nft add table netdev x; add chain netdev x c { type filter hook egress device e1 priority 0; }")...)
		check(t, err)
		k.fastAt(t, at, list[2])
		if got := a.changes(t); got[dprnl.StatFastPassHooks] != 1 || got[dprnl.StatFastRedirect] != 1 {
			t.Errorf("forced, and another link is watched: %v", got)
		}
	})
}

// Detached and attached again and again under load, no connection fails.
func TestFastPathAgain(t *testing.T) {
	needsFast(t)
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.c, false)
		c.prepareFast(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		a := c.a.meter(t)
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := upload(c.c, c.a.service()); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					done++
					mu.Unlock()
				}
			})
		}
		for range 200 {
			l, err := c.a.attach(eth, false)
			if err != nil {
				t.Error(err)
				break
			}
			time.Sleep(5 * time.Millisecond)
			check(t, l.Close())
		}
		cancel()
		wg.Wait()
		got := a.changes(t)
		t.Logf("%d connections; %d of %d packets by the fast path", done, got[dprnl.StatFastTx], got[dprnl.StatTxPackets])
		if got[dprnl.StatFastTx] == 0 || got[dprnl.StatFastTx] == got[dprnl.StatTxPackets] || done == 0 {
			t.Error("it was not detached and attached under load")
		}
	})
}

// upload makes a connection that B serves, and sends something.
func upload(h *vnet.Host, to netip.AddrPort) error {
	k, err := dial(h, to)
	if err != nil {
		return err
	}
	defer k.Close()
	if err := k.upload(30_000); err != nil {
		return err
	}
	if got, err := k.ask("who"); err != nil || got != "B" {
		return fmt.Errorf("served by %q (%v)", got, err)
	}
	return nil
}

// The program holds the module while it is attached, and no longer.
func TestFastPathUnload(t *testing.T) {
	needsFast(t)
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		before := references(t)
		link, err := c.a.attach(eth, false)
		check(t, err)
		if n := references(t); n <= before {
			t.Errorf("%d references to the module, %d before", n, before)
		}
		if err := unix.DeleteModule("dpr", unix.O_NONBLOCK); !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EBUSY) {
			t.Fatalf("removing the module while it is in use: %v", err)
		}
		check(t, link.Close())
		eventually(t, func() error {
			if n := references(t); n != before {
				return fmt.Errorf("%d references to the module, %d before", n, before)
			}
			return nil
		})
		reload(t)
		c.again(t)
		// It is another module, with a function of its own.
		c.fast(t, false)
		r := c.raw(t, addrR)
		a := c.a.meter(t)
		k := r.talk(c.a, 4001)
		k.open(t)
		k.wantServed(t, "B")
		if got := a.changes(t); got[dprnl.StatFastTx] == 0 {
			t.Errorf("the fast path of the new module has sent nothing: %v", got)
		}
	})
}

// references returns how many hold the module.
func references(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/sys/module/dpr/refcnt")
	check(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	check(t, err)
	return n
}

// Where the kernel cannot, that is said; where a driver cannot, or somebody else is there,
// too.
func TestFastPathRefused(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		link, err := c.a.attach(eth, false)
		if !hasBTF() {
			if !errors.Is(err, xdp.ErrKernel) {
				t.Errorf("%v, want %v", err, xdp.ErrKernel)
			}
			return
		}
		check(t, err)
		defer link.Close()
		if _, err := c.a.attach(eth, false); !errors.Is(err, xdp.ErrBusy) {
			t.Errorf("a second time: %v, want %v", err, xdp.ErrBusy)
		}
		if _, err := c.a.attach("lo", false); !errors.Is(err, xdp.ErrDriver) {
			t.Errorf("lo: %v, want %v", err, xdp.ErrDriver)
		}
		if _, err := c.a.attach("e9", false); err == nil {
			t.Error("e9 is there")
		}
	})
}

// hasBTF tells whether this kernel takes the module's type information: from 6.11 on, if it
// has its own.
func hasBTF() bool {
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	return err == nil && kernelSince(6, 11)
}

// kernelSince tells whether this kernel is of that version or a later one.
func kernelSince(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}
