// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// takeover is a cluster whose host A has died, and whose address D has taken
// over. D asks its peers for orphans.
//
//	C, R ── switch ──✂── A
//	           ├──────── B
//	           └──────── D (now has A's address too)
type takeover struct {
	*cluster
	d *server
}

// newTakeover makes the cluster, with A alive.
func newTakeover(t *testing.T, m dprnl.Marker) *takeover {
	t.Helper()
	c := newCluster(t, m)
	d := c.server(t, "D", addrD)
	c.know(t, c.b, d)
	c.know(t, c.a, d)
	d.web = serve(t, d.Host, "D", port)
	return &takeover{c, d}
}

// die takes A off the network and gives its address to D.
func (k *takeover) die(t *testing.T, orphans dprnl.Orphans) {
	t.Helper()
	k.d.set(t, dprnl.ConfigUpdate{Orphans: &orphans})
	check(t, k.sw.Unplug(k.a.Host))
	check(t, k.d.Address(eth, netip.PrefixFrom(addrA, network.Bits())))
	check(t, k.c.Forget(eth))
	check(t, k.b.Forget(eth))
}

// Connections that A redirected to B go on when A's address moves to D: D asks
// its peers, B claims them. Those that A served itself end with a RST; new ones
// work. Where D does not ask, all end.
func TestOwnerFound(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		var moved []*conn
		for range 20 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "B")
			moved = append(moved, c)
		}
		k.a.keep(t)
		lost := connect(t, k.c, k.a.service())
		lost.wantServed(t, "A")
		k.die(t, dprnl.OrphansAsk)
		b, d := k.b.meter(t), k.d.meter(t)
		for _, c := range moved {
			c.wantServed(t, "B")
		}
		check(t, moved[0].download(300_000))
		check(t, moved[1].upload(300_000))
		if n := len(k.d.flows(t)); n != len(moved) {
			t.Errorf("%d flows, want %d", n, len(moved))
		}
		wantChange(t, d, dprnl.StatOwnerFound, len(moved))
		wantChange(t, b, dprnl.StatOwnerClaimed, len(moved))
		wantChange(t, b, dprnl.StatTxOwnerMessages, len(moved))
		lost.wantReset(t)
		connect(t, k.c, k.a.service()).wantServed(t, "D")
	})
}

// A connection that a peer claims is known to live: in a full table it takes the
// place of one that has shown no more than a SYN.
func TestOwnerInFullTable(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		moved := connect(t, k.c, k.a.service())
		moved.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		k.d.report(t, k.b, 0)
		k.d.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), State: ptr(dprnl.StateDraining), MaxFlows: ptr(uint32(1))})
		d := k.d.meter(t)
		half := k.raw(t, addrR).talk(k.d, 4000)
		half.say(t, "S", "")
		half.hear(t, "SA")
		wantChange(t, d, dprnl.StatRedirected, 1)
		moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatFlowsEvicted, 1)
		// Not a few seconds later.
		wantChange(t, d, dprnl.StatRxOwnerRefused, 0)
	})
}

// Where the stateless policy has been before, the hash says nothing of connections
// that another host redirected: they are asked for.
func TestOwnerAfterStateless(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		var moved, hashed []*conn
		for range 12 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "B")
			moved = append(moved, c)
		}
		k.d.report(t, k.a, 0)
		k.d.report(t, k.b, 0)
		k.d.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		by := map[string]int{}
		for range 24 {
			c := connect(t, k.c, k.d.service())
			who, err := c.ask("who")
			check(t, err)
			by[who]++
			if who == "B" {
				hashed = append(hashed, c)
			}
		}
		if by["A"] == 0 || by["B"] == 0 {
			t.Fatalf("D's connections are served by %v, want some by A and some by B", by)
		}
		k.d.keep(t)
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		for _, c := range append(moved, hashed...) {
			c.wantServed(t, "B")
		}
		wantChange(t, d, dprnl.StatOwnerFound, len(moved)+len(hashed))
	})
}

func TestOwnerNotAsked(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		c := connect(t, k.c, k.a.service())
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansReset)
		c.wantReset(t)
	})
}

// A connection whose handshake was not over, and one that ends just then, are
// found like any other.
func TestOwnerHandshakeAndFin(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		r := k.raw(t, addrR)
		half, closing := r.talk(k.a, 4000), r.talk(k.a, 4001)
		half.say(t, "S", "")
		half.hear(t, "SA")
		closing.open(t)
		closing.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		half.via, closing.via = k.d, k.d
		d := k.d.meter(t)
		ack, fin := half.segment("A", ""), closing.segment("FA", "")
		half.send(t, ack)
		closing.send(t, fin)
		found(t, d, 2)
		for _, f := range k.d.flows(t) {
			want := dprnl.FlowEstablished
			if f.Client.Port() == closing.local.Port() {
				want = dprnl.FlowFin
			}
			if f.State != want {
				t.Errorf("flow %v is %v, want %v", f.FlowKey, f.State, want)
			}
		}
		half.wantServed(t, "B")
		r.send(t, k.d, fin.Bytes())
		if p := closing.hear(t, "FA"); p.TCP.Ack != closing.seq {
			t.Errorf("%v, want the FIN acknowledged", p)
		}
	})
}

// Nobody claims what nobody has: after three tries the stack answers with a RST.
// In between the segments are dropped; copies that come at once ask nobody.
func TestOwnerUnknown(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		segment := stray.segment("A", "")
		b, d := k.b.meter(t), k.d.meter(t)
		for range 3 {
			r.send(t, k.d, segment.Bytes())
			r.send(t, k.d, segment.Bytes())
			silence(t, r.Endpoint, stray.mine)
			time.Sleep(2 * settle)
		}
		r.send(t, k.d, segment.Bytes())
		if p := stray.hear(t, "R"); p.TCP.Seq != 77 {
			t.Errorf("RST %v, want it to be believed", p)
		}
		d.want(t, counts{dprnl.StatOwnerAsked: 3, dprnl.StatOwnerWaited: 3, dprnl.StatOwnerUnknown: 1,
			dprnl.StatTxPackets: 3, dprnl.StatTxOwnerMessages: 3, dprnl.StatTxBytes: some})
		b.want(t, counts{dprnl.StatRxOwnerAsked: 3})
	})
}

// A client that sends a segment again only after many seconds, as TCP does in the
// end, is told too that nobody has its connection.
func TestOwnerUnknownToSlowClient(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		segment := stray.segment("A", "").Bytes()
		r.send(t, k.d, segment)
		time.Sleep(2 * settle)
		r.send(t, k.d, segment)
		time.Sleep(5500 * time.Millisecond)
		r.send(t, k.d, segment)
		silence(t, r.Endpoint, stray.mine)
		time.Sleep(2 * settle)
		r.send(t, k.d, segment)
		stray.hear(t, "R")
	})
}

// The host's own connections are not asked for: those it has, those that closed,
// and those that come to be by a SYN cookie.
func TestOwnerOfOwn(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		check(t, k.d.Sysctl("net/ipv4/tcp_syncookies", "2"))
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		for range 5 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "D")
			check(t, c.download(100_000))
			c.Close()
		}
		d.want(t, counts{dprnl.StatServedOff: 5})
	})
}

// A claim counts only from a peer, with the number of the question, and whole;
// everything else is refused and counted.
func TestOwnerForged(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		// The peer, which says what it likes.
		liar := netip.MustParseAddr("10.77.0.55")
		p, r := k.raw(t, liar), k.raw(t, addrR)
		check(t, k.d.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: liar}))
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		stray.send(t, stray.segment("A", ""))
		question := p.get(t, func(q *wire.Packet) bool { return len(ownerMessage(q)) > 0 })
		ask := ownerMessage(question)
		claim := ownerClaim(ask)
		bad := func(change func(b []byte)) []byte {
			b := append([]byte(nil), claim...)
			change(b)
			return b
		}
		d := k.d.meter(t)
		tell := func(from netip.Addr, message []byte) {
			outer := wire.Tunnel{Src: from, Dst: addrD, Marked: m == dprnl.MarkerFragbit}
			p.send(t, k.d, outer.Wrap(wire.Datagram(from, addrD, ownerProtocol, message)))
		}
		tell(liar, bad(func(b []byte) { b[8]++; seal(b) }))   // another nonce
		tell(liar, bad(func(b []byte) { b[20]++; seal(b) }))  // another connection
		tell(liar, bad(func(b []byte) { b[6]++ }))            // wrong checksum
		tell(liar, bad(func(b []byte) { b[4] = 9; seal(b) })) // unknown kind
		tell(liar, claim[:23])                                // short
		tell(netip.MustParseAddr("10.77.0.56"), claim)        // a stranger
		time.Sleep(settle)
		if n := len(k.d.flows(t)); n != 0 {
			t.Errorf("%d flows by forged claims", n)
		}
		want := counts{dprnl.StatRxOwnerRefused: 2}
		if m == dprnl.MarkerFragbit {
			want[dprnl.StatRxMalformed], want[dprnl.StatRxStranger] = 3, 1
		}
		d.want(t, want)
		tell(liar, claim)
		found(t, d, 1)
		tell(liar, claim) // once is enough
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRxOwnerRefused]; n != 3 {
				return fmt.Errorf("%d claims refused, want 3", n)
			}
			return nil
		})
	})
}

// lateClaim is a peer that was asked for a connection, and is to claim it late.
type lateClaim struct {
	addr  netip.Addr
	claim func()
}

// lateClaim has D ask such a peer for a connection from r's port 4000.
func (k *takeover) lateClaim(t *testing.T, m dprnl.Marker, r *raw) lateClaim {
	t.Helper()
	late := netip.MustParseAddr("10.77.0.55")
	p := k.raw(t, late)
	check(t, k.d.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: late, Metrics: &dprnl.Metrics{}}))
	old := r.talk(k.d, 4000)
	old.remote, old.ack = k.a.service(), 77
	old.send(t, old.segment("A", ""))
	ask := ownerMessage(p.get(t, func(q *wire.Packet) bool { return len(ownerMessage(q)) > 0 }))
	outer := wire.Tunnel{Src: late, Dst: addrD, Marked: m == dprnl.MarkerFragbit}
	return lateClaim{late, func() {
		p.send(t, k.d, outer.Wrap(wire.Datagram(late, addrD, ownerProtocol, ownerClaim(ask))))
	}}
}

// A claim that comes when the client has begun a new connection from the same port,
// which has a flow, is refused: that flow stays what it is.
func TestOwnerClaimTooLate(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		k.d.set(t, dprnl.ConfigUpdate{
			Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported), ReportMaxAge: ptr(time.Hour),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
		})
		// The peer that the new connection is redirected to is also who claims the old one.
		r := k.raw(t, addrR)
		late := k.lateClaim(t, m, r)
		d := k.d.meter(t)
		anew := r.talk(k.d, 4000)
		anew.remote, anew.seq = k.a.service(), 5_000_000
		anew.send(t, anew.segment("S", ""))
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRedirected]; n != 1 {
				return fmt.Errorf("%d connections redirected, want 1", n)
			}
			return nil
		})
		late.claim()
		eventually(t, func() error {
			if n := d.changes(t)[dprnl.StatRxOwnerRefused]; n != 1 {
				return fmt.Errorf("%d claims refused, want 1", n)
			}
			return nil
		})
		flows := k.d.flows(t)
		if len(flows) != 1 || flows[0].Peer != late.addr || flows[0].State != dprnl.FlowSyn {
			t.Errorf("flows %+v, want one of a SYN", flows)
		}
	})
}

// The same where the host serves the new connection itself, and so has a socket
// and no flow.
func TestOwnerClaimOfOwn(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		late := k.lateClaim(t, m, r)
		anew := r.talk(k.d, 4000)
		anew.remote, anew.seq = k.a.service(), 5_000_000
		anew.open(t)
		d := k.d.meter(t)
		late.claim()
		changed(t, d, dprnl.StatRxOwnerRefused, 1)
		if flows := k.d.flows(t); len(flows) != 0 {
			t.Errorf("flows %+v, want none", flows)
		}
		anew.wantServed(t, "D")
	})
}

// floodTime is how long a flood of strays lasts at most, on kernels that take them slowly.
const floodTime = 20 * time.Second

// A flood of strays is bounded in messages and memory, and leaves what is found
// and what is new alone.
func TestOwnerFlood(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		c := connect(t, k.c, k.a.service())
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		c.wantServed(t, "B")
		r := k.raw(t, addrR)
		d := k.d.meter(t)
		start := time.Now()
		flood := 0
		for ; flood < 20000 && time.Since(start) < floodTime; flood++ {
			s := r.talk(k.d, uint16(1024+flood))
			s.remote, s.ack = netip.AddrPortFrom(addrA, port), 1
			r.send(t, k.d, s.segment("A", "").Bytes())
		}
		took := time.Since(start)
		got := d.changes(t)
		asked, limited := got[dprnl.StatOwnerAsked], got[dprnl.StatOwnerLimited]
		t.Logf("%d strays in %v: %d asked for, %d over the limit", flood, took, asked, limited)
		// The table's 4,096 places are free again 5 s after they were taken.
		room := uint64(4096 * (1 + took/(5*time.Second)))
		if asked == 0 || asked > room || limited == 0 && uint64(flood) > room {
			t.Errorf("%d asked for and %d not, want some, and no more than there was room for, %d", asked, limited, room)
		}
		c.wantServed(t, "B")
		connect(t, k.c, k.a.service()).wantServed(t, "D")
	})
}

// In a larger cluster a question is many messages, of which there are 20,000 a
// second, and as many at once. No route leads to these peers: that costs little.
func TestOwnerRate(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		k := newTakeover(t, m)
		k.die(t, dprnl.OrphansAsk)
		const peers = 80
		for i := range peers {
			check(t, k.d.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{
				Address: netip.AddrFrom4([4]byte{10, 99, 0, byte(1 + i)}), Metrics: &dprnl.Metrics{}}))
		}
		r := k.raw(t, addrR)
		d := k.d.meter(t)
		start := time.Now()
		strays := 0
		for ; strays < 3000 && time.Since(start) < floodTime; strays++ {
			s := r.talk(k.d, uint16(1024+strays))
			s.remote, s.ack = netip.AddrPortFrom(addrA, port), 1
			r.send(t, k.d, s.segment("A", "").Bytes())
		}
		took := time.Since(start)
		changes := d.changes(t)
		asked := changes[dprnl.StatOwnerAsked]
		most := uint64(20_000 * (1 + took.Seconds()) / peers)
		t.Logf("%d strays in %v: %d asked for, at most %d may be", strays, took, asked, most)
		if asked == 0 || asked > most {
			t.Errorf("%d asked for, want some, and no more than %d", asked, most)
		}
		messages := changes[dprnl.StatTxOwnerMessages]
		if left := changes[dprnl.StatTxPackets] + changes[dprnl.StatTxNoRoute]; messages != left || messages < asked*peers {
			t.Errorf("%d messages for %d questions, and %d packets sent or without route", messages, asked, left)
		}
	})
}

// A reload of the module on the host that redirects loses the routing table, and
// its peers give it back.
func TestOwnerAfterReload(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		time.Sleep(settle)
		reload(t)
		c.again(t)
		c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		k.wantServed(t, "B")
	})
}

// found waits until the server found the owners of so many connections.
func found(t *testing.T, d *meter, n uint64) {
	t.Helper()
	eventually(t, func() error {
		if got := d.changes(t)[dprnl.StatOwnerFound]; got != n {
			return fmt.Errorf("%d owners found, want %d", got, n)
		}
		return nil
	})
}

func wantChange(t *testing.T, m *meter, stat dprnl.Stat, n int) {
	t.Helper()
	if got := m.changes(t)[stat]; got != uint64(n) {
		t.Errorf("%s: %v changed by %d, want %d", m.s.Name, stat, got, n)
	}
}

// Of kmod/owner_msg.h.
const (
	ownerProtocol = 253
	ownerClaimed  = 2
)

// ownerMessage returns the message between hosts in a tunnelled packet, if it is
// one.
func ownerMessage(p *wire.Packet) []byte {
	if !p.Tunnelled() || p.IP[1].Protocol != ownerProtocol {
		return nil
	}
	return p.IP[1].Payload
}

// ownerClaim makes the claim that answers a question.
func ownerClaim(ask []byte) []byte {
	b := append([]byte(nil), ask...)
	b[4] = ownerClaimed
	seal(b)
	return b
}

// seal writes a message's checksum.
func seal(b []byte) {
	binary.BigEndian.PutUint16(b[6:], 0)
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[6:], ^uint16(sum))
}
