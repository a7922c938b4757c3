// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

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
func newTakeover(t *testing.T, w way) *takeover {
	t.Helper()
	c := newCluster(t, w)
	d := c.server(t, "D", addrD)
	c.know(t, c.b, d)
	c.know(t, c.a, d)
	d.web = serve(t, d.Host, "D", port)
	k := &takeover{c, d}
	k.hears(t, c.b, 1_000_000)
	return k
}

// hears has a peer report to D, if D must know that it knows IPv6; else none need do.
func (k *takeover) hears(t *testing.T, peer *server, load uint32) {
	t.Helper()
	if k.six() {
		k.d.set(t, dprnl.ConfigUpdate{ReportMaxAge: ptr(time.Hour)})
		k.d.report(t, peer, load)
	}
}

// die takes A off the network and gives its address to D.
func (k *takeover) die(t *testing.T, orphans dprnl.Orphans) {
	t.Helper()
	k.d.set(t, dprnl.ConfigUpdate{Orphans: &orphans})
	check(t, k.sw.Unplug(k.a.Host))
	addresses(t, k.d.Host, eth, netip.PrefixFrom(addrA, network.Bits()))
	check(t, k.c.Forget(eth))
	check(t, k.b.Forget(eth))
}

// Connections that A redirected to B go on when A's address moves to D: D asks
// its peers, B claims them. Those that A served itself end with a RST; new ones
// work. Where D does not ask, all end.
func TestOwnerFound(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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

// D sends direct, B does not, and no SYN of D's has said so to B, which would not take such
// packets: what B claims goes to it in tunnels. After a SYN it goes direct.
func TestOwnerFoundUnannounced(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		// By a route that the socket has cached B's stack might take them all the same.
		check(t, k.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		var moved []*conn
		for range 2 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "B")
			moved = append(moved, c)
		}
		k.d.set(t, dprnl.ConfigUpdate{
			Forwarding: ptr(dprnl.ForwardingAuto), ReportMaxAge: ptr(time.Hour),
			Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
		})
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 1<<20)
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		moved[0].wantServed(t, "B")
		check(t, moved[0].upload(100_000))
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatTxDirect, 0)
		connect(t, k.c, k.a.service()).wantServed(t, "B")
		d = k.d.meter(t)
		moved[1].wantServed(t, "B")
		check(t, moved[1].upload(100_000))
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		if d.changes(t)[dprnl.StatTxDirect] == 0 {
			t.Error("nothing went direct after a SYN")
		}
		// Nor is it too late for a connection that was claimed before: its MSS may be that of the link.
		d = k.d.meter(t)
		check(t, moved[0].upload(100_000))
		if d.changes(t)[dprnl.StatTxDirect] == 0 {
			t.Error("nothing of a connection that was claimed before went direct after a SYN")
		}
	})
}

// B has named as many addresses as it can, so that it may have others; what goes direct to it is
// marked then. It need not have A's, so before a SYN it gets tunnels all the same.
func TestOwnerFoundUnannouncedOfMany(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		check(t, k.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		moved := connect(t, k.c, k.a.service())
		moved.wantServed(t, "B")
		k.b.others = nil
		for i := range byte(16) {
			k.b.others = append(k.b.others, netip.AddrFrom4([4]byte{10, 99, 0, 1 + i}))
		}
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 1<<20)
		k.d.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto), ReportMaxAge: ptr(time.Hour)})
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		moved.wantServed(t, "B")
		check(t, moved.upload(100_000))
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatTxDirect, 0)
	})
}

// A connection that a peer claims is known to live: in a full table it takes the
// place of one that has shown no more than a SYN.
func TestOwnerInFullTable(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		c := connect(t, k.c, k.a.service())
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansReset)
		c.wantReset(t)
	})
}

// A connection whose handshake was not over, and one that ends just then, are
// found like any other.
func TestOwnerHandshakeAndFin(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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

// Nobody claims what nobody has: after three tries, and a second, the stack answers with a
// RST. In between the segments are dropped; copies that come at once ask nobody.
func TestOwnerUnknown(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		time.Sleep(settles)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		segment := stray.segment("A", "")
		b, d := k.b.meter(t), k.d.meter(t)
		for range 3 {
			r.send(t, k.d, segment.Bytes())
			r.send(t, k.d, segment.Bytes())
			silence(t, r.Endpoint, stray.mine)
			time.Sleep(3 * settle)
		}
		r.send(t, k.d, segment.Bytes())
		if p := stray.hear(t, "R"); p.TCP.Seq != 77 {
			t.Errorf("RST %v, want it to be believed", p)
		}
		want := counts{dprnl.StatOwnerAsked: 3, dprnl.StatOwnerWaited: 3, dprnl.StatOwnerUnknown: 1,
			dprnl.StatTxPackets: 3, dprnl.StatTxOwnerMessages: 3, dprnl.StatTxBytes: some}
		if w.client == 4 && w.tunnel == 6 { // D does not know that the address was A's
			want[dprnl.StatTxOwnerMessages], want[dprnl.StatTxNoRoute] = 6, 3
		}
		d.want(t, want)
		b.want(t, counts{dprnl.StatRxOwnerAsked: 3})
	})
}

// A peer that is too busy to answer for most of a second is waited for, however often the
// client sends meanwhile.
func TestOwnerBusy(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		late := k.lateClaim(t, r)
		begin := time.Now()
		old := r.talk(k.d, 4000)
		old.remote, old.ack = k.a.service(), 77
		d := k.d.meter(t)
		for time.Since(begin) < 700*time.Millisecond {
			time.Sleep(settle + 20*time.Millisecond)
			r.send(t, k.d, old.segment("A", "").Bytes())
		}
		silence(t, r.Endpoint, old.mine)
		late.claim()
		found(t, d, 1)
		wantChange(t, d, dprnl.StatOwnerUnknown, 0)
	})
}

// A client that sends a segment again only after many seconds, as TCP does in the
// end, is told too that nobody has its connection.
func TestOwnerUnknownToSlowClient(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
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

// floodTime is how long a flood of strays lasts at most, on kernels that take them slowly.
const floodTime = 20 * time.Second

// A flood of strays keeps no connection from being found, although its questions have taken all
// places long before, and leaves what is found and what is new alone.
func TestOwnerFlood(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		c := connect(t, k.c, k.a.service())
		c.wantServed(t, "B")
		r := k.raw(t, addrR)
		const moves = 30
		var moved []*talk
		for i := range moves {
			m := r.talk(k.a, uint16(60_000+i))
			m.open(t)
			m.wantServed(t, "B")
			m.via = k.d
			moved = append(moved, m)
		}
		k.die(t, dprnl.OrphansAsk)
		c.wantServed(t, "B")
		d := k.d.meter(t)
		strays := 0
		stray := func() {
			s := r.talk(k.d, uint16(1024+strays))
			s.remote, s.ack = k.a.service(), 1
			r.send(t, k.d, s.segment("A", "").Bytes())
			strays++
		}
		// No place of these questions is free by itself before the end: that takes 5 s.
		for start := time.Now(); strays < 20_000 && time.Since(start) < 4*time.Second; {
			stray()
		}
		time.Sleep(3 * settle)
		// About 2,000 strays a second; each client sends once.
		for _, m := range moved {
			for range 20 {
				stray()
			}
			r.send(t, k.d, m.segment("A", "").Bytes())
			time.Sleep(10 * time.Millisecond)
		}
		within(t, 5*time.Second, func() error {
			// Few find no place: four questions of strays may have it just then.
			if n := d.changes(t)[dprnl.StatOwnerFound]; n < moves-5 {
				got := d.changes(t)
				return fmt.Errorf("%d of %d connections found; %d segments asked for, %d over the limit", n, moves, got[dprnl.StatOwnerAsked], got[dprnl.StatOwnerLimited])
			}
			return nil
		})
		got := d.changes(t)
		t.Logf("%d strays: %d asked for, %d over the limit, %d found", strays, got[dprnl.StatOwnerAsked], got[dprnl.StatOwnerLimited], got[dprnl.StatOwnerFound])
		c.wantServed(t, "B")
		connect(t, k.c, k.a.service()).wantServed(t, "D")
	})
}

// A question takes the place of an old one of another connection, but not its tries: it
// is put as often as any, whatever the family.
func TestOwnerAfterFlood(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		stray := func(port int) {
			s := r.talk(k.d, uint16(port))
			s.remote, s.ack = k.a.service(), 1
			r.send(t, k.d, s.segment("A", "").Bytes())
		}
		d := k.d.meter(t)
		// More than there are places: most of them have an old question afterwards.
		start := time.Now()
		for port := 1024; port < 13_000 && time.Since(start) < floodTime; port++ {
			stray(port)
		}
		time.Sleep(5500 * time.Millisecond)
		const others = 32
		for range 3 {
			for port := range others {
				stray(50_000 + port)
			}
			time.Sleep(2 * settle)
		}
		wantChange(t, d, dprnl.StatOwnerUnknown, 0)
	})
}

// In a larger cluster a question is many messages, of which there are 20,000 a
// second, and as many at once. No route leads to these peers: that costs little.
func TestOwnerRate(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		const peers = 80
		for i := range peers {
			check(t, k.d.dpr.SetPeer(t.Context(), w.report(netip.AddrFrom4([4]byte{10, 99, 0, byte(1 + i)}), 0)))
		}
		r := k.raw(t, addrR)
		d := k.d.meter(t)
		start := time.Now()
		strays := 0
		for ; strays < 3000 && time.Since(start) < floodTime; strays++ {
			s := r.talk(k.d, uint16(1024+strays))
			s.remote, s.ack = k.a.service(), 1
			r.send(t, k.d, s.segment("A", "").Bytes())
		}
		took := time.Since(start)
		changes := d.changes(t)
		asked := changes[dprnl.StatOwnerAsked]
		// Some wait for messages, and peers of older versions are paid for afterwards.
		most := uint64(20_000*(1+took.Seconds())/peers) + 2*manyMost
		t.Logf("%d strays in %v: %d asked for, at most %d may be", strays, took, asked, most)
		if asked == 0 || asked > most {
			t.Errorf("%d asked for, want some, and no more than %d", asked, most)
		}
		// Some questions may still wait for others.
		eventually(t, func() error {
			changes := d.changes(t)
			messages := changes[dprnl.StatTxOwnerMessages]
			if left := changes[dprnl.StatTxPackets] + changes[dprnl.StatTxNoRoute]; messages != left || messages < asked*peers {
				return fmt.Errorf("%d messages for %d questions, and %d packets sent or without route", messages, asked, left)
			}
			return nil
		})
	})
}

// A reload of the module on the host that redirects loses the routing table, and
// its peers give it back.
func TestOwnerAfterReload(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
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
