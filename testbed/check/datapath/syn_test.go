// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A retransmitted SYN goes to the host that got the first copy, even if a
// decision made now would be another.
//
//	R ── switch ── A
//	        ├───── B
//	        └───── D
func TestSynRetransmitKeepsHost(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		c.know(t, c.a, d)
		d.web = serve(t, d.Host, "D", port)
		r := c.raw(t, addrR)
		decide := map[string]func(){
			"A": func() { c.a.keep(t) },
			"B": func() { c.redirect(t, c.b); c.a.report(t, d, 1000) },
			"D": func() { c.redirect(t, d); c.a.report(t, c.b, 1000) },
		}
		local := uint16(4000)
		for _, move := range []string{"AB", "BA", "BD"} {
			first, then := move[:1], move[1:]
			for _, when := range []string{"at once", "after the SYN-ACK", "after the handshake"} {
				t.Run(first+" would be "+then+" "+when, func(t *testing.T) {
					local++
					k := r.talk(c.a, local)
					decide[first]()
					syn := k.segment("S", "")
					k.send(t, syn)
					if when != "at once" {
						k.hear(t, "SA")
					}
					if when == "after the handshake" {
						k.say(t, "A", "")
					}
					decide[then]()
					a, bm, dm := c.a.meter(t), c.b.meter(t), d.meter(t)
					r.send(t, c.a, syn.Bytes())
					if when != "after the handshake" {
						k.hear(t, "SA")
						k.say(t, "A", "")
					}
					k.wantServed(t, first)
					if first == "A" {
						a.want(t, counts{dprnl.StatSynOwned: 1})
						bm.want(t, counts{})
					} else {
						a.want(t, counts{dprnl.StatSynRetransmitted: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
					}
					dm.want(t, counts{})
				})
			}
		}
	})
}

// A connection that ended badly, for the client alone: it begins anew on the
// same 4-tuple while the flow is in each of its states. Whoever cannot see the
// connection can send such a SYN too; so it goes where the connection is, as long
// as the serving host has not said that it ended.
//
//	R ── switch ── A
//	        └───── B
func TestSynOnFlow(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		anew := func(t *testing.T, k *talk) {
			t.Helper()
			k.seq += 200_000
			k.open(t)
			k.wantServed(t, "B")
		}
		moved := counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some}
		t.Run("RST", func(t *testing.T) {
			k := r.talk(c.a, 4000)
			k.open(t)
			time.Sleep(settle) // B makes room for notes, with the first connection
			k.say(t, "R", "")
			wantEnded(t, c.a, 0)
			a := c.a.meter(t)
			anew(t, k)
			a.want(t, moved)
		})
		t.Run("FIN", func(t *testing.T) {
			k := r.talk(c.a, 4001)
			k.open(t)
			k.say(t, "FA", "")
			k.hear(t, "FA")
			a := c.a.meter(t)
			// B waits for the ACK of its FIN, and says so.
			syn := k.segment("S", "")
			syn.Seq += 200_000
			r.send(t, c.a, syn.Bytes())
			k.hear(t, "A")
			a.want(t, counts{dprnl.StatSynRetransmitted: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
		})
		t.Run("TIME_WAIT", func(t *testing.T) {
			k := r.talk(c.a, 4004)
			k.open(t)
			c.endByServer(t, k)
			a := c.a.meter(t)
			anew(t, k)
			a.want(t, counts{dprnl.StatFlowsReplaced: 1, dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		})
		t.Run("forgotten by the client", func(t *testing.T) {
			// B answers as RFC 5961 wants; the client resets it and tries again.
			k := r.talk(c.a, 4002)
			k.open(t)
			k.wantServed(t, "B")
			k.seq += 200_000
			k.say(t, "S", "")
			challenge := k.hear(t, "A")
			rst := wire.Segment{Src: k.local, Dst: k.remote, Flags: "R", Seq: challenge.TCP.Ack}
			r.send(t, c.a, rst.Bytes())
			a := c.a.meter(t)
			anew(t, k)
			a.want(t, counts{dprnl.StatSynRetransmitted: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatRxFlowRefused: maybe})
		})
		t.Run("expired", func(t *testing.T) {
			k := r.talk(c.a, 4003)
			k.open(t)
			c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(50 * time.Millisecond)})
			time.Sleep(100 * time.Millisecond)
			c.a.keep(t)
			a := c.a.meter(t)
			k.seq += 200_000
			k.open(t)
			k.wantServed(t, "A")
			a.want(t, counts{dprnl.StatFlowsExpired: 1, dprnl.StatServedOff: 1})
		})
	})
}

// A client begins anew on a 4-tuple whose flow leads to where nothing listens any more, or only
// a socket in TIME_WAIT is left: another host serves it.
//
//	R ── switch ── A
//	        └───── B
func TestSynOnFlowUnserved(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.redirect(t, c.b)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		r := c.raw(t, addrR)
		gone, waits := r.talk(c.a, 4000), r.talk(c.a, 4001)
		for _, k := range []*talk{gone, waits} {
			k.open(t)
			k.wantServed(t, "B")
		}
		c.endByServer(t, waits)
		c.b.web.vanish(t)
		c.b.web.stop()
		time.Sleep(time.Second) // no question about a flow comes sooner
		a, b := c.a.meter(t), c.b.meter(t)
		waits.seq += 200_000
		waits.open(t)
		waits.wantServed(t, "A")
		wantChange(t, b, dprnl.StatRefusedNoListener, 1)
		wantChange(t, b, dprnl.StatHashMissed, 0)

		gone.seq += 200_000
		syn := gone.segment("S", "")
		r.send(t, c.a, syn.Bytes())
		silence(t, r.Endpoint, gone.mine)
		wantChange(t, b, dprnl.StatHashMissed, 1)
		wantChange(t, a, dprnl.StatFlowsEnded, 1)
		r.send(t, c.a, syn.Bytes())
		gone.seq++
		gone.hear(t, "SA")
		gone.say(t, "A", "")
		gone.wantServed(t, "A")
	})
}

// Who redirects the SYN of a host of an older version cannot be told: its client gets a RST.
func TestSynOnFlowUnservedOlder(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.redirect(t, c.b)
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		c.b.web.vanish(t)
		c.b.web.stop()
		b := c.b.meter(t)
		k.seq += 200_000
		k.say(t, "S", "")
		k.hear(t, "RA")
		wantChange(t, b, dprnl.StatRxReset, 1)
	})
}
