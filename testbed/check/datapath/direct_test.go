// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// bothDirect runs a test with each way on which packets go direct.
func bothDirect(t *testing.T, f func(t *testing.T, w way)) {
	eachWay(t, []way{direct4, direct6}, f)
}

// of matches a connection's segments to its service, in a tunnel or not.
func (k *talk) of(p *wire.Packet) bool {
	return p.TCP != nil && p.Src() == k.local.Addr() && p.Dst() == k.remote.Addr() &&
		uint16(p.TCP.SrcPort) == k.local.Port() && uint16(p.TCP.DstPort) == k.remote.Port()
}

// reservedBit is the mark in a client's own header.
const reservedBit = layers.IPv4EvilBit

// at returns the next segment of a connection that comes to a host, with the flags.
func (k *talk) at(t *testing.T, e *wire.Endpoint, flags string) *wire.Packet {
	t.Helper()
	return await(t, e, func(p *wire.Packet) bool { return k.of(p) && p.Has(flags) })
}

// wantDirect fails the test unless a segment came from A to B as the client sent it, but
// for one hop less, and the mark if it must have one.
func (c *cluster) wantDirect(t *testing.T, p *wire.Packet, sent wire.Segment, marked bool) {
	t.Helper()
	from, err := c.a.MAC(eth)
	check(t, err)
	to, err := c.b.MAC(eth)
	check(t, err)
	if !bytes.Equal(p.Eth.SrcMAC, from) || !bytes.Equal(p.Eth.DstMAC, to) {
		t.Errorf("from %v to %v, want %v and %v", p.Eth.SrcMAC, p.Eth.DstMAC, from, to)
	}
	if p.Tunnelled() || !p.ChecksumsRight() {
		t.Errorf("in a tunnel, or with a wrong checksum: %v", p)
		return
	}
	if got := p.IP[0].Flags&reservedBit != 0; got != marked {
		t.Errorf("marked: %v, want %v: %v", got, marked, p)
	}
	// The same apart from that.
	was, is := sent.Bytes(), p.Outer()
	if c.six() {
		was[7]--
	} else {
		was[8]--
		if marked {
			was[6] |= 0x80
		}
		copy(was[10:12], is[10:12])
	}
	if !bytes.Equal(was, is) {
		t.Errorf("sent % x\n got % x", was, is)
	}
}

// After the SYN a client's packets reach the peer on the link as they are: nothing is
// added, the MSS stays, the answer comes from the peer. A SYN, and a copy of it, come in a
// tunnel, as does what has no hop left.
//
//	R ── switch ── A
//	        └───── B
func TestDirect(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		a, b := c.a.meter(t), c.b.meter(t)
		k := r.talk(c.a, 4000)
		for range 2 {
			s := k.segment("S", "")
			r.send(t, c.a, s.Bytes())
			if p := k.at(t, at, "S"); !p.Tunnelled() {
				t.Errorf("a SYN comes direct: %v", p)
			}
		}
		k.seq++
		if p := k.hear(t, "SA"); p.MSS() != w.mss() {
			t.Errorf("the MSS is %d, want %d", p.MSS(), w.mss())
		}
		k.say(t, "A", "")
		sent := k.segment("PA", "who\n")
		k.send(t, sent)
		c.wantDirect(t, k.at(t, at, "P"), sent, false)
		if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
			t.Errorf("answered by %q", p.Payload)
		}
		last := k.segment("PA", "who\n")
		last.TTL = 1
		k.send(t, last)
		if p := k.at(t, at, "P"); !p.Tunnelled() {
			t.Errorf("a packet's last hop: %v", p)
		}
		k.hear(t, "PA")
		for stat, n := range map[dprnl.Stat]int{dprnl.StatRedirected: 1, dprnl.StatSynRetransmitted: 1, dprnl.StatTxDirect: 2} {
			wantChange(t, a, stat, n)
		}
		for stat, n := range map[dprnl.Stat]int{dprnl.StatRxSyn: 2, dprnl.StatRxDirect: 2, dprnl.StatRxPackets: 5, dprnl.StatMssLowered: 0} {
			wantChange(t, b, stat, n)
		}
		// Its end is told as that of any other.
		wantFlow(t, c.a, dprnl.FlowEstablished)
		k.say(t, "FA", "")
		k.hear(t, "F")
		k.say(t, "A", "")
		eventually(t, func() error {
			if f := c.a.flows(t); len(f) > 0 && f[0].State != dprnl.FlowEnded {
				return fmt.Errorf("flows %v", f)
			}
			return nil
		})
	})
}

// One address on both hosts: B serves what A has redirected to it, whatever it would do by
// itself, and the client learns of an MSS that fits. Packets go direct where they can bear
// the mark; where they cannot, in a tunnel.
//
//	R ── switch ── A (and the address V)
//	        └───── B (and the address V)
func TestSharedAddress(t *testing.T) {
	shared := netip.MustParseAddr("10.77.0.99")
	eachWay(t, append(ways[:len(ways):len(ways)], direct4, direct6, source4.straight(),
		way{client: 6, tunnel: 6, marker: dprnl.MarkerFragbit}.straight()), func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, s := range []*server{c.a, c.b} {
			check(t, s.Address("lo", netip.PrefixFrom(shared, 32)))
			check(t, s.Address("lo", netip.PrefixFrom(vnet.Twin(shared), 128)))
			s.others = append(s.others, w.addr(shared))
			if w.client == w.tunnel {
				s.others = []netip.Addr{w.addr(shared)}
			}
		}
		for _, s := range [][2]*server{{c.a, c.b}, {c.b, c.a}} {
			u := w.report(s[1].addr, 0)
			u.Protocol, u.Others = 3, s[1].others
			check(t, s[0].dpr.SetPeer(t.Context(), u))
		}
		// B would redirect new connections to A.
		c.b.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported), ReportMaxAge: ptr(time.Hour),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0))})
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		a, b := c.a.meter(t), c.b.meter(t)
		k := r.talk(c.a, 4000)
		k.remote = w.addrPort(shared, port)
		k.say(t, "S", "")
		direct, mss := w == direct4, w.tunnelMSS()
		if direct {
			mss = w.mss()
		}
		if p := k.hear(t, "SA"); p.MSS() != mss {
			t.Errorf("the MSS is %d, want %d", p.MSS(), mss)
		}
		k.say(t, "A", "")
		sent := k.segment("PA", "who\n")
		k.send(t, sent)
		p := k.at(t, at, "P")
		if direct {
			c.wantDirect(t, p, sent, true)
		} else if !p.Tunnelled() {
			t.Errorf("%v, want a tunnel", p)
		}
		if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
			t.Errorf("answered by %q", p.Payload)
		}
		wantChange(t, a, dprnl.StatRedirected, 1)
		wantChange(t, b, dprnl.StatRedirected, 0)
		// What B serves itself has the whole MSS.
		c.b.keep(t)
		own := r.talk(c.b, 4001)
		own.remote = k.remote
		own.say(t, "S", "")
		if p := own.hear(t, "SA"); p.MSS() != w.mss() {
			t.Errorf("the MSS of B's own connection is %d, want %d", p.MSS(), w.mss())
		}
		if !direct {
			return
		}
		// What is marked and has no socket is answered, not asked for or redirected.
		b = c.b.meter(t)
		stray := wire.Segment{Src: netip.AddrPortFrom(r.addr, 4999), Dst: k.remote, Flags: "A", Seq: 1, Ack: 77}
		packet := stray.Bytes()
		packet[6] |= 0x80
		r.send(t, c.b, wire.FixChecksum(packet))
		r.get(t, func(p *wire.Packet) bool { return p.Has("R") && uint16(p.TCP.DstPort) == 4999 && p.TCP.Seq == 77 })
		wantChange(t, b, dprnl.StatRxReset, 1)
	})
}

// The same where A has so many addresses that its reports cannot name them all, and V is not among
// those that they name: packets without a mark are of the connection all the same.
//
//	C ── switch ── A (and the address V)
//	        └───── B (and the address V)
func TestSharedAddressOfMany(t *testing.T) {
	shared := netip.MustParseAddr("198.51.100.1")
	eachWay(t, []way{fragbit4, source4, plain6}, func(t *testing.T, w way) {
		const most = 16
		c := newCluster(t, w)
		for _, s := range []*server{c.a, c.b} {
			addresses(t, s.Host, "lo", netip.PrefixFrom(shared, 32))
		}
		route(t, c.c, shared.String()+"/32", addrA.String())
		c.b.others = []netip.Addr{w.addr(shared)}
		u := w.report(addrB, 0)
		u.Protocol, u.Others = 3, c.b.others
		check(t, c.a.dpr.SetPeer(t.Context(), u))
		u = w.report(addrA, 1<<20)
		u.Protocol, u.Others = 3, nil
		for i := range byte(most) {
			u.Others = append(u.Others, w.addr(netip.AddrFrom4([4]byte{198, 51, 100, 100 + i})))
		}
		check(t, c.b.dpr.SetPeer(t.Context(), u))
		k := connect(t, c.c, w.addrPort(shared, port))
		k.wantServed(t, "B")
		// Beyond 64 kB data have no mark.
		check(t, k.upload(200_000))
		check(t, k.download(100_000))
	})
}

// Who sent a marked segment that came direct, and has no socket, is looked for among the peers on
// its link, if there are not too many: others are no neighbours, and are not asked for.
//
//	A, R ── switch ── B
func TestSharedAddressMissed(t *testing.T) {
	eachWay(t, []way{direct4}, func(t *testing.T, w way) {
		shared := netip.MustParseAddr("10.77.0.99")
		c := newCluster(t, w)
		check(t, c.b.Address("lo", netip.PrefixFrom(shared, 32)))
		check(t, c.b.Route(netip.MustParsePrefix("10.78.0.0/24"), netip.MustParseAddr("10.77.0.1")))
		c.b.fresh(t, c.a, 0)
		far, near := netip.MustParseAddr("10.78.0.5"), netip.MustParseAddr("10.77.0.120")
		check(t, c.b.dpr.SetPeer(t.Context(), w.reportOf(far, 5)))
		check(t, c.b.dpr.SetPeer(t.Context(), w.reportOf(near, 5)))
		c.b.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		r := c.raw(t, addrR)
		miss := func(from uint16) {
			t.Helper()
			stray := wire.Segment{Src: netip.AddrPortFrom(r.addr, from), Dst: netip.AddrPortFrom(shared, port), Flags: "A", Seq: 1, Ack: 77}
			packet := stray.Bytes()
			packet[6] |= 0x80
			r.send(t, c.b, wire.FixChecksum(packet))
			// R is no peer: it is told nothing, and its segment is answered as ever.
			r.get(t, func(p *wire.Packet) bool { return p.Has("R") && uint16(p.TCP.DstPort) == from })
		}
		neighbours := func() []netip.Addr {
			all, err := c.b.Neighbours(eth)
			check(t, err)
			return all
		}
		miss(4000)
		if all := neighbours(); !slices.Contains(all, near) || slices.Contains(all, far) {
			t.Errorf("neighbours %v, want %v among them and %v not", all, near, far)
		}
		check(t, c.b.Forget(eth))
		for i := range byte(64) {
			check(t, c.b.dpr.SetPeer(t.Context(), w.reportOf(netip.AddrFrom4([4]byte{10, 77, 0, 128 + i}), 5)))
		}
		miss(4001)
		if all := neighbours(); slices.Contains(all, near) {
			t.Errorf("with 67 peers the neighbours are %v", all)
		}
	})
}

// Anybody can send any number of marked segments. Which peer sent them is looked for among all of
// them a few times in a jiffy, not for each segment: what comes from too many link-layer addresses
// is dropped. What comes from one that is no peer's, as by a router, is answered as ever, and of what
// a peer sent it is told.
//
//	A, R ── switch ── B
func TestSharedAddressFlood(t *testing.T) {
	eachWay(t, []way{direct4}, func(t *testing.T, w way) {
		const strays = 3000
		shared := netip.MustParseAddr("10.77.0.99")
		c := newCluster(t, w)
		check(t, c.b.Address("lo", netip.PrefixFrom(shared, 32)))
		c.b.fresh(t, c.a, 0)
		for i := range byte(20) {
			check(t, c.b.dpr.SetPeer(t.Context(), w.reportOf(netip.AddrFrom4([4]byte{10, 77, 0, 128 + i}), 5)))
		}
		c.b.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		connect(t, c.c, c.a.service()).wantServed(t, "B") // B knows A's link-layer address
		r := c.raw(t, addrR)
		own := r.MAC
		a, err := c.a.MAC(eth)
		check(t, err)
		flood := func(n int, mac func(i int) net.HardwareAddr) counts {
			t.Helper()
			b := c.b.meter(t)
			for i := range n {
				stray := wire.Segment{Src: netip.AddrPortFrom(r.addr, uint16(4000+i)), Dst: netip.AddrPortFrom(shared, port), Flags: "A", Seq: 1, Ack: 77}
				packet := stray.Bytes()
				packet[6] |= 0x80
				r.MAC = mac(i)
				r.send(t, c.b, wire.FixChecksum(packet))
			}
			r.MAC = own
			time.Sleep(settle)
			got := b.changes(t)
			t.Logf("of %d strays %d were answered, %d dropped, %d messages", n, got[dprnl.StatRxReset], got[dprnl.StatHashMissed], got[dprnl.StatTxOwnerMessages])
			return got
		}
		if got := flood(strays, func(int) net.HardwareAddr { return own }); got[dprnl.StatRxReset] == 0 || got[dprnl.StatHashMissed] != 0 {
			t.Errorf("from one address %d strays were dropped", got[dprnl.StatHashMissed])
		}
		if got := flood(strays, func(i int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, byte(i >> 8), byte(i)} }); got[dprnl.StatHashMissed] == 0 {
			t.Errorf("from as many addresses all %d strays were answered", got[dprnl.StatRxReset])
		}
		got := flood(strays/10, func(int) net.HardwareAddr { return a })
		if n := got[dprnl.StatHashMissed]; n == 0 || got[dprnl.StatRxReset] != 0 || got[dprnl.StatTxOwnerMessages] != n {
			t.Errorf("from A %d strays were dropped, %d messages sent and %d RSTs", n, got[dprnl.StatTxOwnerMessages], got[dprnl.StatRxReset])
		}
	})
}

// A peer behind a router gets packets in tunnels; where only direct will do it gets none.
//
//	C ── switch ── A
//	        └───── Q ── Q' ── B
func TestDirectOffLink(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		q := c.router(t, "Q", "10.77.0.1")
		route(t, c.a.Host, "10.78.0.0/24", "10.77.0.1")
		b := configure(t, c.beyond(t, q, "10.77.0.1", mtu, "B", farB), farB, w)
		b.others = append(b.others, w.parse("10.77.0.112")) // or C would be on a link of A's alone
		c.know(t, c.a, b)
		c.redirect(t, b)
		c.a.web, b.web = serve(t, c.a.Host, "A", port), serve(t, b.Host, "B", port)
		seen, a := observe(t, c.c), c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(100_000))
		if p := await(t, seen, synAck); p.MSS() != w.tunnelMSS() {
			t.Errorf("the MSS is %d, want %d", p.MSS(), w.tunnelMSS())
		}
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatTxDirect: 0})
		if p, err := c.a.dpr.Peer(t.Context(), b.addr); err != nil || p.Forwarding != dprnl.ForwardingIpip {
			t.Errorf("B's forwarding is %v (%v)", p.Forwarding, err)
		}
		c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingDirect)})
		connect(t, c.c, c.a.service()).wantServed(t, "A")
		wantChange(t, a, dprnl.StatServedOffLink, 1)
		k.wantServed(t, "B")
	})
}

// The forwarding is the host's, or a service's own. It may change while connections live,
// which keep theirs; a peer takes both, whatever its own is. A peer of an older version
// gets tunnels only.
//
//	C ── switch ── A
//	        └───── B (ipip)
func TestDirectByService(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.b.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingIpip)})
		own := dprnl.Rules{Forwarding: dprnl.Own(dprnl.ForwardingIpip)}
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: byLoad, Rules: own}))
		check(t, c.b.dpr.AddService(t.Context(), dprnl.Service{Port: byLoad}))
		serve(t, c.b.Host, "B", byLoad)
		goes := func(when string, k *conn, direct bool) {
			t.Helper()
			var before uint64 // what other connections have left to say is over
			eventually(t, func() error {
				last := before
				time.Sleep(settle)
				st := c.a.stats(t)
				if before = st.Get(dprnl.StatTxPackets); before != last {
					return errors.New("packets still go to B")
				}
				return nil
			})
			a := c.a.meter(t)
			k.wantServed(t, "B")
			check(t, k.upload(50_000))
			if got := a.changes(t)[dprnl.StatTxDirect] > 0; got != direct {
				t.Errorf("%s: direct: %v, want %v", when, got, direct)
			}
		}
		first := connect(t, c.c, c.a.service())
		goes("host's", first, true)
		other := connect(t, c.c, netip.AddrPortFrom(c.a.at, byLoad))
		goes("service's own", other, false)

		c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingIpip)})
		check(t, c.a.dpr.SetService(t.Context(), dprnl.Service{Port: byLoad, Rules: dprnl.Rules{Forwarding: dprnl.Own(dprnl.ForwardingDirect)}}))
		goes("after a change", first, true)
		goes("after a change", other, false)
		goes("after a change, new", connect(t, c.c, c.a.service()), false)
		goes("after a change, new", connect(t, c.c, netip.AddrPortFrom(c.a.at, byLoad)), true)

		if p, err := c.a.dpr.Peer(t.Context(), c.b.addr); err != nil || p.Forwarding != dprnl.ForwardingDirect {
			t.Errorf("B's forwarding is %v (%v)", p.Forwarding, err)
		}
		if w.six() {
			return // a peer of an older version has no IPv6
		}
		c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto)})
		old := w.report(addrB, 0)
		old.Protocol, old.Others = 2, nil
		check(t, c.a.dpr.SetPeer(t.Context(), old))
		goes("a peer of an older version", connect(t, c.c, c.a.service()), false)
	})
}

// A host whose own forwarding has always been ipip learns from a SYN what comes.
//
//	C ── switch ── A
//	        └───── B (ipip)
func TestDirectLearnt(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, s := range [][2]*server{{c.a, c.b}, {c.b, c.a}} {
			u := w.reportOf(map[*server]netip.Addr{c.a: addrA, c.b: addrB}[s[1]], 3)
			check(t, s[0].dpr.SetPeer(t.Context(), u))
		}
		c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto)})
		b := c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(100_000))
		if got := b.changes(t); got[dprnl.StatRxDirect] == 0 || got[dprnl.StatMssLowered] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A SYN whose outer header could not say that what follows comes direct has announced nothing:
// that comes in tunnels until another one has.
//
//	R ── switch ── A
//	        └───── B (ipip)
func TestDirectUnannounced(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		// By a route that the socket has cached B's stack might take direct packets all the same.
		check(t, c.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		// A listener that is not ready yet drops a SYN that comes in fragments.
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto)})
		r := c.raw(t, addrR)
		a := c.a.meter(t)
		k := r.talk(c.a, 4000)
		syn := k.segment("S", string(pattern[:1460])) // it does not fit the tunnel
		syn.MayFrag = true
		r.send(t, c.a, syn.Bytes())
		k.seq++ // B has not taken the data
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.wantServed(t, "B")
		wantChange(t, a, dprnl.StatTxFragmented, 1)
		wantChange(t, a, dprnl.StatTxDirect, 0)
		r.talk(c.a, 4001).open(t)
		k.wantServed(t, "B")
		if a.changes(t)[dprnl.StatTxDirect] < 3 {
			t.Error("after a SYN of another connection nothing went direct")
		}
	})
}

// A peer that has left the load table and comes back may have its module anew, which then takes
// direct packets only once a SYN has announced them, unless it sends such packets itself.
//
//	C ── switch ── A
//	        └───── B (ipip, or auto)
func TestDirectRelisted(t *testing.T) {
	for name, sends := range map[string]bool{"ipip": false, "auto": true} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
				c := newCluster(t, w)
				c.a.fresh(t, c.b, 0)
				c.b.fresh(t, c.a, 1<<20)
				c.a.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto)})
				if sends {
					c.b.set(t, dprnl.ConfigUpdate{
						Forwarding: ptr(dprnl.ForwardingAuto), Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported),
						ReportMaxAge: ptr(time.Hour), WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
					})
					c.b.fresh(t, c.a, 0)
					connect(t, c.c, c.b.service()).wantServed(t, "A")
				}
				k := connect(t, c.c, c.a.service())
				goes := func(when string, direct bool) {
					t.Helper()
					time.Sleep(settle) // what it has left to say is over
					a := c.a.meter(t)
					k.wantServed(t, "B")
					check(t, k.upload(20_000))
					if got := a.changes(t)[dprnl.StatTxDirect] > 0; got != direct {
						t.Errorf("%s: direct: %v, want %v", when, got, direct)
					}
				}
				goes("after its SYN", true)
				check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, false))
				goes("once B has left the load table", true)
				c.a.fresh(t, c.b, 0)
				goes("once B has come back", sends)
				connect(t, c.c, c.a.service()).wantServed(t, "B")
				goes("after another SYN", true)
			})
		})
	}
}

// Whoever has no socket here is answered only if the packet is from the host whose address
// it is for: others are for somebody whom this host routes for. Nobody who does not forward
// so changes what becomes of a mark.
//
//	R ── switch ── A
//	        └───── B
func TestDirectStrangers(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		connect(t, c.c, c.a.service()).wantServed(t, "B") // B knows A's link-layer address
		r := c.raw(t, addrR)
		own := r.MAC
		a, err := c.a.MAC(eth)
		check(t, err)
		stray := func(from []byte, p uint16) {
			t.Helper()
			r.MAC = from
			s := wire.Segment{Src: netip.AddrPortFrom(r.addr, p), Dst: c.a.service(), Flags: "A", Seq: 1, Ack: 77}
			r.send(t, c.b, s.Bytes())
		}
		reset := func(p *wire.Packet) bool { return p.Has("R") && p.Dst() == r.addr }
		b := c.b.meter(t)
		stray(own, 4001)
		silence(t, r.Endpoint, reset)
		stray(a, 4002)
		if p := r.get(t, reset); uint16(p.TCP.DstPort) != 4002 || p.TCP.Seq != 77 || p.Src() != c.a.at {
			t.Errorf("got %v", p)
		}
		wantChange(t, b, dprnl.StatRxReset, 1)
		wantChange(t, b, dprnl.StatRxPackets, 0)
		r.MAC = own
	})
}

// A host that has left B's load table goes on with its connections, also those to another of its
// addresses: it hears of their end, and what it sends of one that B does not have any more is
// answered.
//
//	R ── switch ── A (and another address)
//	        └───── B
func TestDirectUnlisted(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.another(t)
		var k [2]*talk
		for i := range k {
			k[i] = r.talk(c.a, uint16(4000+i))
			k[i].remote = w.addrPort(addrOther, port)
			k[i].open(t)
			k[i].wantServed(t, "B")
		}
		check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, false))
		k[0].say(t, "FA", "")
		k[0].hear(t, "F")
		k[0].say(t, "A", "")
		eventually(t, func() error {
			for _, f := range c.a.flows(t) {
				if f.Client == k[0].local && f.State != dprnl.FlowEnded {
					return fmt.Errorf("flow %v", f)
				}
			}
			return nil
		})
		c.b.web.vanish(t)
		k[1].say(t, "PA", "who\n")
		k[1].hear(t, "R")
	})
}

// A host that forwards nothing direct, and has been sent nothing so, takes no notice of the
// mark in a client's packet, and routes what is for others.
func TestDirectOff(t *testing.T) {
	eachWay(t, ways4, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		a := c.a.meter(t)
		s := k.segment("PA", "who\n").Bytes()
		s[6] |= 0x80
		r.send(t, c.a, wire.FixChecksum(s))
		k.seq += 4
		if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
			t.Errorf("answered by %q", p.Payload)
		}
		wantChange(t, a, dprnl.StatTxPackets, 1)
		wantChange(t, a, dprnl.StatTxDirect, 0)
		b := c.b.meter(t)
		stray := wire.Segment{Src: k.local, Dst: k.remote, Flags: "A", Seq: k.seq, Ack: k.ack}
		r.send(t, c.b, stray.Bytes())
		time.Sleep(settle)
		wantChange(t, b, dprnl.StatRxPackets, 0)
	})
}

// A packet that has to wait for the peer's link-layer address goes to the peer all the same.
//
//	R ── switch ── A
//	        └───── B
func TestDirectNewNeighbour(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		at, r := observe(t, c.b.Host), c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.at(t, at, "A")
		for i := range 5 {
			check(t, c.a.Forget(eth))
			sent := k.segment("PA", "who\n")
			k.send(t, sent)
			c.wantDirect(t, k.at(t, at, "P"), sent, false)
			if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
				t.Errorf("%d: answered by %q", i, p.Payload)
			}
			k.say(t, "A", "")
		}
	})
}
