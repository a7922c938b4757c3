// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// loses makes a host drop the nth message between hosts, counted from 0, that a tunnel
// brings it.
func loses(t *testing.T, h *vnet.Host, w way, nth int) {
	t.Helper()
	// The protocol of the inner header: behind an outer one of 20 or 40 bytes.
	match := map[int]string{4: "ip protocol 4 @nh,232,8 253", 6: "ip6 nexthdr 41 @nh,368,8 253"}[w.tunnel]
	passes := ""
	if nth > 0 {
		passes = fmt.Sprintf("%s limit rate 1/day burst %d packets accept", match, nth)
	}
	rules := fmt.Sprintf(`table netdev lossy {
	chain in {
		type filter hook ingress device "%s" priority 0;
		%s
		%s limit rate 1/day burst 1 packets drop
	}
}`, eth, passes, match)
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := h.RunInput(ctx, rules, "nft", "-f", "-")
	check(t, err)
}

// Of a connection any message is lost: the first handover, the second, the first answer. The
// client repeats what was lost, there is one answer, and it is right.
//
//	C ── switch ── A
//	        ├───── B (loses what A sends; or A what B sends)
//	        └───── D
func TestHandoverLost(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		for nth := range 3 {
			for _, answers := range []bool{false, true} {
				h := newHanding(t, w)
				unchanged(t, h.a.Host, "TcpOutRsts")
				unchanged(t, h.b.Host, "TcpOutRsts")
				victim := h.b
				if answers {
					victim = h.a
				}
				loses(t, victim.Host, w, nth)
				b, d := h.b.meter(t), h.d.meter(t)
				for range 3 {
					k := connect(t, h.c, h.a.service())
					k.wantServed(t, "B")
					check(t, k.upload(100_000))
					check(t, k.download(100_000))
				}
				changed(t, b, dprnl.StatRxHandoverTaken, 3)
				changed(t, d, dprnl.StatRxHandoverTaken, 0)
			}
		}
	})
}

// A message is lost of a connection whose client says nothing that would bring another one: it
// waits for the answer to its request, or for a server that speaks first.
//
//	C ── switch ── A (loses what B answers)
//	         └──── B (or what A sends)
func TestHandoverLostQuiet(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		for _, request := range []bool{true, false} {
			h := newHanding(t, w)
			a := h.a.meter(t)
			if request {
				loses(t, h.a.Host, w, 0)
			} else {
				loses(t, h.b.Host, w, 0)
			}
			k := connect(t, h.c, h.a.service())
			if request {
				// Nobody waits for the answer.
				_, err := fmt.Fprintln(k, "wake 60000")
				check(t, err)
			}
			changed(t, a, dprnl.StatHandoverTaken, 1)
			if !request {
				k.wantServed(t, "B")
			}
		}
	})
}

// The first host serves a connection itself, and its accept queue is full: a client that says
// nothing is served once there is room.
//
//	C ── switch ── A
func TestHandoverQueueFull(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		u := w.report(addrB, 0)
		u.Protocol, u.Others = 4, h.b.others // B can be handed none
		check(t, h.a.dpr.SetPeer(t.Context(), u))
		h.a.web.stop()
		check(t, h.a.Sysctl("net/core/somaxconn", "0"))
		ln := listen(t, h.a)
		a := h.a.meter(t)
		_, err := fmt.Fprintln(connect(t, h.c, h.a.service()), "who")
		check(t, err)
		changed(t, a, dprnl.StatHandoverLocal, 1)
		awaitFull(t, h.a)
		quiet, asks := connect(t, h.c, h.a.service()), connect(t, h.c, h.a.service())
		_, err = fmt.Fprintln(asks, "who")
		check(t, err)
		time.Sleep(5 * time.Second / 2)
		changed(t, a, dprnl.StatHandoverLocal, 1)
		check(t, ln.(*net.TCPListener).SetDeadline(time.Now().Add(step)))
		served := map[string]bool{}
		for range 3 {
			c, err := ln.Accept()
			check(t, err)
			served[c.RemoteAddr().String()] = true
			check(t, c.Close())
		}
		if !served[quiet.LocalAddr().String()] || !served[asks.LocalAddr().String()] {
			t.Errorf("the server has had connections of %v, want those of %v and %v", served, quiet.LocalAddr(), asks.LocalAddr())
		}
		// Each counts once, however often it was tried.
		changed(t, a, dprnl.StatServedNoPeer, 3)
	})
}

// A host that is silent is never passed over, but one that is dead is.
func TestHandoverDead(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p := h.silentPeer(t)
		r := h.raw(t, addrR)
		k := r.talk(h.a, 4000)
		k.open(t)
		s := k.segment("PA", "who\n")
		k.send(t, s)
		first := p.get(t, isHandover)
		k.send(t, s)
		again := p.get(t, isHandover)
		if first.IP[1].Payload[6] != again.IP[1].Payload[6] {
			t.Error("two copies of a segment are two handovers")
		}
		h.a.fresh(t, h.d, 0)
		k.send(t, s)
		p.get(t, isHandover)
		check(t, h.a.dpr.DeletePeer(t.Context(), w.own(addrP), true))
		k.send(t, s)
		answer := r.get(t, func(q *wirePacket) bool { return k.mine(q) && len(q.Payload) > 0 })
		if string(answer.Payload) != "D\n" {
			t.Errorf("answer %q", answer.Payload)
		}
	})
}

// Nor is one that dies when the client has some of its answer, though the first host has not heard
// that it has the connection: another one's answer would be another. Who forges such an
// acknowledgment does not know the connection's numbers.
func TestHandoverDeadAnswered(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		p, r := h.silentPeer(t), h.raw(t, addrR)
		a := h.a.meter(t)
		k := r.talk(h.a, 4000)
		k.open(t)
		s := k.segment("PA", "who\n")
		k.send(t, s)
		p.get(t, isHandover)
		h.a.fresh(t, h.d, 0)

		some := k.segment("A", "")
		some.Ack += 2
		for _, forged := range []func(s *wire.Segment){
			func(s *wire.Segment) { s.Ack += 5_000_000 }, func(s *wire.Segment) { s.Ack -= 3 }, func(s *wire.Segment) { s.Seq += 5_000_000 },
		} {
			bad := some
			forged(&bad)
			r.send(t, h.a, bad.Bytes())
		}
		r.send(t, h.a, damaged(some))
		changed(t, a, dprnl.StatHandoverNoted, 4+1) // and that of the handshake
		changed(t, a, dprnl.StatHandoverTaken, 0)

		r.send(t, h.a, some.Bytes())
		becomes(t, a, dprnl.StatHandoverTaken, 1)
		if f := h.a.flows(t); len(f) != 1 || f[0].State != dprnl.FlowEstablished || f[0].Peer != w.own(addrP) {
			t.Errorf("flows %v", f)
		}
		check(t, h.a.dpr.DeletePeer(t.Context(), w.own(addrP), true))
		s.Ack = some.Ack
		r.send(t, h.a, s.Bytes())
		if q := k.hear(t, "R"); q.TCP.Seq != some.Ack {
			t.Errorf("a RST with number %d, want %d", q.TCP.Seq, some.Ack)
		}
		silence(t, r.Endpoint, func(q *wirePacket) bool { return k.mine(q) && len(q.Payload) > 0 })
	})
}
