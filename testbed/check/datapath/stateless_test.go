// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// The stateless policy needs no flow while the set of hosts is as it was. When
// it changes no connection moves, whatever its age; new ones that the two sets
// send to different hosts get a flow.
//
//	C ── switch ── A
//	        ├───── B
//	        └───── D (comes later)
func TestStateless(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		d.web = serve(t, d.Host, "D", port)
		check(t, d.dpr.SetPeer(t.Context(), w.known(addrA)))
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		by := map[*conn]string{}
		open := func(n int) map[string]int {
			served := map[string]int{}
			for range n {
				k := connect(t, c.c, c.a.service())
				got, err := k.ask("who")
				check(t, err)
				by[k] = got
				served[got]++
			}
			return served
		}
		stay := func(when string) {
			t.Helper()
			for k, want := range by {
				if got, err := k.ask("who"); err != nil || got != want {
					t.Errorf("%s: %v is served by %q (%v), before by %q", when, k.LocalAddr(), got, err, want)
				}
			}
		}
		a := c.a.meter(t)
		served := open(24)
		if served["A"] == 0 || served["B"] == 0 {
			t.Errorf("served by host: %v, want some by both", served)
		}
		a.want(t, counts{dprnl.StatRedirectedHash: uint64(served["B"]), dprnl.StatServedHash: uint64(served["A"]),
			dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		if n := len(c.a.flows(t)); n != 0 {
			t.Errorf("%d flows, want none", n)
		}

		c.a.report(t, d, 0)
		stay("a peer came")
		served = open(24)
		if len(served) != 3 {
			t.Errorf("served by host: %v, want some by each", served)
		}
		if n := len(c.a.flows(t)); n == 0 {
			t.Error("no flow for connections that the two sets send to different hosts")
		}
		stay("a peer came, with new connections")

		check(t, c.a.dpr.DeletePeer(t.Context(), d.addr, false))
		stay("the peer went")
		open(12)
		c.a.report(t, d, 0)
		stay("the peer came back")
	})
}

// A connection that was made without a flow outlives the set of hosts that it
// follows, as long as it is not idle for longer than any connection may be.
//
//	C ── switch ── A (established flows live 2 s)
//	        ├───── B
//	        └───── D (comes later)
func TestStatelessLongLived(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		d.web = serve(t, d.Host, "D", port)
		check(t, d.dpr.SetPeer(t.Context(), w.known(addrA)))
		const life = 2 * time.Second
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless), TimeoutEstablished: ptr(life)})
		by := map[*conn]string{}
		for range 16 {
			k := connect(t, c.c, c.a.service())
			got, err := k.ask("who")
			check(t, err)
			by[k] = got
		}
		c.a.report(t, d, 0)
		for begin := time.Now(); time.Since(begin) < 2*life; {
			for k, want := range by {
				if got, err := k.ask("who"); err != nil || got != want {
					t.Fatalf("%v after the set changed %v is served by %q (%v), before by %q", time.Since(begin), k.LocalAddr(), got, err, want)
				}
			}
			_, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
		}
	})
}

// What the hash leaves to a peer that cannot have it is served here. By SYN cookies this host
// knows nothing of it until the handshake's last segment, which is not the peer's all the same;
// the peer's own connections go on.
//
//	C ── switch ── A (tcp_syncookies=2)
//	        └───── B (cannot have new connections)
func TestStatelessCookies(t *testing.T) {
	tests := map[string]struct {
		orphans dprnl.Orphans
		report  func(u *dprnl.PeerUpdate)
		six     bool // of clients of IPv6 alone
	}{
		"barred":                  {report: func(u *dprnl.PeerUpdate) { u.Barred = dprnl.BarredUnheard }},
		"barred, orphans":         {orphans: dprnl.OrphansAsk, report: func(u *dprnl.PeerUpdate) { u.Barred = dprnl.BarredUnheard }},
		"draining":                {report: func(u *dprnl.PeerUpdate) { u.State = ptr(dprnl.StateDraining) }},
		"without IPv6":            {report: func(u *dprnl.PeerUpdate) { u.Protocol, u.Others = 0, nil }, six: true},
		"down, stateless no more": {report: func(u *dprnl.PeerUpdate) { u.Down = []uint16{port} }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			eachWay(t, []way{fragbit4, fragbit64}, func(t *testing.T, w way) {
				if test.six && !w.six() {
					return
				}
				c := newCluster(t, w)
				check(t, c.a.Sysctl("net/ipv4/tcp_syncookies", "2"))
				c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless), Orphans: &test.orphans})
				before := connect(t, c.c, c.a.service())
				for range 64 {
					if who, err := before.ask("who"); err != nil || who == "B" {
						break
					}
					before = connect(t, c.c, c.a.service())
				}
				before.wantServed(t, "B")

				u := w.report(addrB, 0)
				test.report(&u)
				check(t, c.a.dpr.SetPeer(t.Context(), u))
				if test.orphans == dprnl.OrphansAsk {
					// While the set of hosts changes A asks who has what has no flow.
					d := w.report(addrD, 0)
					d.Barred = dprnl.BarredUnheard
					check(t, c.a.dpr.SetPeer(t.Context(), d))
				}
				if name == "down, stateless no more" {
					c.a.keep(t)
				}
				sent := snmp(t, c.a.Host, "TcpExtSyncookiesSent")
				unchanged(t, c.a.Host, "TcpOutRsts")
				unchanged(t, c.b.Host, "TcpOutRsts")
				const n = 16
				for range n {
					connect(t, c.c, c.a.service()).wantServed(t, "A")
				}
				if now := snmp(t, c.a.Host, "TcpExtSyncookiesSent"); now < sent+n {
					t.Errorf("A sent %d cookies for %d connections", now-sent, n)
				}
				before.wantServed(t, "B")
				check(t, before.upload(100_000))
			})
		})
	}
}

// While the set of hosts changes, segments of connections that are none get no
// flow, and take no place of a handshake: nobody claims them.
//
//	R ── switch ── A
//	        ├───── B
//	        └───── D (comes later)
func TestStatelessStrays(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		check(t, d.dpr.SetPeer(t.Context(), w.known(addrA)))
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		r := c.raw(t, addrR)
		used := r.talk(c.a, 4000)
		for used.open(t); used.ask(t, "who") != "B\n"; used.open(t) {
			used = r.talk(c.a, used.local.Port()+1)
		}
		c.a.report(t, d, 0)
		a := c.a.meter(t)
		for p := range uint16(100) {
			s := wire.Segment{Src: w.addrPort(addrR, 10000+p), Dst: c.a.service(), Flags: "A", Seq: 1, Ack: 1}
			r.send(t, c.a, s.Bytes())
		}
		eventually(t, func() error {
			if a.changes(t)[dprnl.StatTxOwnerMessages] < 20 {
				return errors.New("few questions were put")
			}
			return nil
		})
		time.Sleep(settle)
		if flows := c.a.flows(t); len(flows) != 0 {
			t.Errorf("flows %v, want none", flows)
		}
		used.wantServed(t, "B")
		eventually(t, func() error {
			if flows := c.a.flows(t); len(flows) != 1 || flows[0].Client != used.local || flows[0].State != dprnl.FlowEstablished {
				return errors.New("the connection that there is has no flow")
			}
			return nil
		})
		used.wantServed(t, "B")
	})
}

// The same where orphans are asked for, and more is asked than may be: connections
// go on by the hash.
//
//	R ── switch ── A (asks for orphans)
//	        ├───── B
//	        └───── D, which does not exist (comes later)
func TestStatelessOutOfQuestions(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless), Orphans: ptr(dprnl.OrphansAsk)})
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		for k.open(t); k.ask(t, "who") != "B\n"; k.open(t) {
			k = r.talk(c.a, k.local.Port()+1)
		}
		check(t, c.a.dpr.SetPeer(t.Context(), w.report(addrD, 0)))
		a := c.a.meter(t)
		// They fill the table of open questions. The other limit, of messages a
		// second, is above what a kernel with all its checks can send.
		sent := uint16(0)
		for ; sent < 30000 && a.changes(t)[dprnl.StatOwnerFollowed] == 0; sent += 1000 {
			for p := range uint16(1000) {
				s := wire.Segment{Src: w.addrPort(addrR, 20000+sent+p), Dst: c.a.service(), Flags: "A", Seq: 1, Ack: 1}
				r.send(t, c.a, s.Bytes())
			}
		}
		if got := a.changes(t); got[dprnl.StatOwnerFollowed] == 0 {
			t.Errorf("%v: want that some follow the hash", got)
		}
		segment := k.segment("PA", "who\n")
		r.Take(func(*wire.Packet) bool { return true })
		eventually(t, func() error {
			k.send(t, segment) // as a client does
			time.Sleep(settle)
			if len(r.Take(func(p *wire.Packet) bool { return k.mine(p) && p.Has("PA") })) == 0 {
				return errors.New("no answer")
			}
			return nil
		})
	})
}
