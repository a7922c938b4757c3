// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Somebody who knows who talks to whom, but sees none of it, sends segments in the
// client's name, as many as it takes to come near any sequence number: neither do
// they end the connection or move it to another host, nor is it forgotten when it
// is silent afterwards for longer than a closing connection may be.
//
//	C ── switch ── A
//	R ──────┼───── B
//	        └───── D (where a new connection would go)
func TestBlindSegments(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		c.know(t, c.a, d)
		d.web = serve(t, d.Host, "D", port)
		const soon = 200 * time.Millisecond
		c.a.set(t, dprnl.ConfigUpdate{TimeoutFin: ptr(soon), TimeoutRst: ptr(soon)})
		r := c.raw(t, addrR)
		rnd := rand.New(rand.NewPCG(1, uint64(w.marker)))
		for _, last := range []string{"FA", "R", "RA", "FPA"} {
			c.redirect(t, c.b)
			c.a.report(t, d, 1000)
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			// From now on the policy would choose D.
			c.a.report(t, c.b, 1000)
			c.a.report(t, d, 0)
			client := netip.MustParseAddrPort(k.LocalAddr().String())
			inject := func(flags string, seq uint32) {
				s := wire.Segment{Src: client, Dst: c.a.service(), Flags: flags, Seq: seq, Ack: rnd.Uint32()}
				r.send(t, c.a, s.Bytes())
			}
			for range 50 {
				base := rnd.Uint32()
				for i := range uint32(3) {
					inject("A", base+i*0x55555555)
				}
				inject(last, base+0xaaaaaaaa)
				inject("S", rnd.Uint32())
				inject("SA", rnd.Uint32())
			}
			k.wantServed(t, "B")
			inject(last, rnd.Uint32())
			for range 3 {
				time.Sleep(2 * soon)
				_, err := c.a.dpr.Expire(t.Context(), 0)
				check(t, err)
			}
			k.wantServed(t, "B")
			check(t, k.download(100_000))
			check(t, k.Close())
			// The SYNs may have been the client's: what B says unasked does not count.
			eventually(t, func() error {
				e, err := c.a.dpr.Expire(t.Context(), 0)
				check(t, err)
				if e.Flows > 0 {
					return fmt.Errorf("flows %v", c.a.flows(t))
				}
				return nil
			})
		}
	})
}

// A client that is none begins connections, and acknowledges what it has not seen:
// nothing is kept of that for longer than of a SYN.
//
//	R ── switch ── A
//	        └───── B
func TestHandshakeForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		genuine := r.talk(c.a, 4000)
		genuine.open(t)
		genuine.wantServed(t, "B")
		for p := range uint16(20) {
			k := r.talk(c.a, 5000+p)
			k.say(t, "S", "")
			k.hear(t, "SA")
			k.ack += 1 << 30
			k.say(t, "A", "")
			k.say(t, "R", "") // as its victim would; B forgets the handshake
			inject := k.segment("A", "")
			r.send(t, c.a, inject.Bytes())
		}
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(50 * time.Millisecond)})
		eventually(t, func() error {
			time.Sleep(100 * time.Millisecond)
			e, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			if e.Flows != 1 {
				return fmt.Errorf("%d flows, want one", e.Flows)
			}
			return nil
		})
		genuine.wantServed(t, "B")
	})
}

// Messages about the end of a connection count only from the host that serves it,
// with the client's initial sequence number. One that says that the host still has
// the connection is as good as a segment of the client's.
//
//	R (and as B and D) ── switch ── A
//	                         └───── B
func TestEndedForged(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.a.dpr.SetPeer(t.Context(), w.known(addrD)))
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		const isn = 1_000_000 // of every talk
		tell := func(from netip.Addr, kind byte, number uint32, client uint16) {
			b := hostMessage(kind, number, w.addrPort(addrR, client), c.a.service())
			r.send(t, c.a, w.message(from, addrA, b))
		}
		a := c.a.meter(t)
		for _, kind := range []byte{messageEnded, messageTimeWait} {
			tell(addrB, kind, isn+1, 4000) // another number
			tell(addrD, kind, isn, 4000)   // another peer
			tell(addrB, kind, isn, 4001)   // another connection
		}
		eventually(t, func() error {
			if got := a.changes(t)[dprnl.StatRxFlowRefused]; got != 6 {
				return fmt.Errorf("%d messages refused, want 6", got)
			}
			return nil
		})
		k.wantServed(t, "B")
		wantFlow(t, c.a, dprnl.FlowEstablished)
		tell(addrB, messageEnded, isn, 4000)
		wantEnded(t, c.a, 0)

		// Whoever may have begun anew is not ended by news of before.
		k = r.talk(c.a, 4002)
		k.open(t)
		syn := k.segment("S", "")
		syn.Seq += 1 << 20
		r.send(t, c.a, syn.Bytes())
		k.hear(t, "A") // B's challenge
		tell(addrB, messageTimeWait, isn, 4002)
		eventually(t, func() error {
			if got := a.changes(t)[dprnl.StatRxFlowRefused]; got != 7 {
				return fmt.Errorf("%d messages refused, want 7", got)
			}
			return nil
		})
		wantFlow(t, c.a, dprnl.FlowEstablished)
	})
}

// Of kmod/owner_msg.h.
const (
	messageEnded    = 4
	messageTimeWait = 5
)

// Of what is no service's a host says nothing: it claims nothing, and denies what it has as it
// denies what it has not.
//
//	R (as A) ── switch ── B
func TestQuestionAboutOthers(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		serve(t, c.b.Host, "secret", 2222)
		k := connect(t, c.c, w.addrPort(addrB, 2222))
		k.wantServed(t, "secret")
		seen := observe(t, c.b.Host)
		b := c.b.meter(t)
		has := netip.MustParseAddrPort(k.LocalAddr().String())
		hasNot := w.addrPort(addrR, 4000)
		answer := func(p *wire.Packet) bool { return ownerMessage(p) != nil && p.Src() == c.b.addr }
		for _, client := range []netip.AddrPort{has, hasNot} {
			r.send(t, c.b, w.message(addrA, addrB, hostMessage(1, 0, client, w.addrPort(addrB, 2222))))
			silence(t, seen, answer)
			r.send(t, c.b, w.message(addrA, addrB, hostMessage(ownerStill, 7, client, w.addrPort(addrB, 2222))))
			if got := await(t, seen, answer); ownerMessage(got)[4] != ownerGone {
				t.Errorf("%v has %v", got, client)
			}
		}
		b.want(t, counts{dprnl.StatRxOwnerAsked: 2, dprnl.StatRxFlowAsked: 2, dprnl.StatTxOwnerMessages: 2,
			dprnl.StatTxPackets: 2, dprnl.StatTxBytes: some})
	})
}

// Dead flows go without anybody asking for a clean-up, later.
//
//	R ── switch ── A
func TestCleanUpByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	watchKernel(t)
	c := newCluster(t, fragbit4)
	k := c.raw(t, addrR).talk(c.a, 4000)
	k.open(t)
	c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(time.Second)})
	for begin := time.Now(); len(c.a.flows(t)) > 0; time.Sleep(time.Second) {
		if time.Since(begin) > 90*time.Second {
			t.Fatal("the flow is still there")
		}
	}
}
