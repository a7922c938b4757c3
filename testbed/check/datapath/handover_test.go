// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// handoverKey is that of all hosts.
var handoverKey = dprnl.HandoverKey{ID: 7, Secret: [dprnl.HandoverKeyLen]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}}

// handing is a cluster in which A answers the SYN itself, and hands the connection over once
// its first data have come.
//
//	C, R ── switch ── A (hands all over)
//	           ├───── B
//	           └───── D
type handing struct {
	*cluster
	d *server
}

// newHanding makes the cluster, with B alone in A's load table.
func newHanding(t *testing.T, w way) *handing {
	t.Helper()
	h := &handing{cluster: newCluster(t, w)}
	h.d = h.server(t, "D", addrD)
	h.d.web = serve(t, h.d.Host, "D", port)
	h.know(t, h.a, h.d)
	for _, s := range []*server{h.a, h.b, h.d} {
		s.takeOver(t)
	}
	h.a.fresh(t, h.b, 0)
	for _, s := range []*server{h.b, h.d} {
		s.fresh(t, h.a, 1<<20)
	}
	return h
}

// takeOver gives a server the key, and the service its dispatch.
func (s *server) takeOver(t *testing.T) {
	t.Helper()
	s.set(t, dprnl.ConfigUpdate{HandoverKeys: &[]dprnl.HandoverKey{handoverKey}})
	check(t, s.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}))
}

// fresh tells a server of the load of a peer that knows handovers.
func (s *server) fresh(t *testing.T, peer *server, load uint32) {
	t.Helper()
	u := s.way.reportOf(peer.addr, 5)
	u.Metrics.Sockets, u.Others = load, peer.others
	check(t, s.dpr.SetPeer(t.Context(), u))
}

// What a client asks first goes to B with the handover; what follows is redirected like that
// of any connection, until it closes. (On a slow machine the client's TCP may probe for a loss
// before the handover is through: a copy of its data, which does not count.)
func TestHandoverTaken(t *testing.T) {
	someAnswers(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		unchanged(t, h.c, "TcpExtTCPSynRetrans", "TcpExtTCPAbortOnData", "TcpOutRsts")
		a, b := h.a.meter(t), h.b.meter(t)
		k := connect(t, h.c, h.a.service())
		k.wantServed(t, "B")
		a.want(t, counts{
			dprnl.StatHandoverSyn: 1, dprnl.StatHandoverNoted: some, dprnl.StatHandoverKept: 1, dprnl.StatHandoverTaken: 1,
			dprnl.StatHandoverLate: maybe, // the client's acknowledgment of the answer was faster
			dprnl.StatRedirected:   1, dprnl.StatTxHandover: some, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some,
		})
		b.want(t, counts{
			dprnl.StatRxHandover: some, dprnl.StatRxHandoverTaken: 1, dprnl.StatRxPackets: some, dprnl.StatRxBytes: some,
			dprnl.StatTxHandover: some, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some, dprnl.StatRxListenerDeferred: maybe,
		})
		k.wantServed(t, "B")
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		if f := h.a.flows(t); len(f) != 1 || f[0].State != dprnl.FlowEstablished || f[0].Peer != h.b.addr {
			t.Errorf("flows %v", f)
		}
		k.Close()
		eventually(t, func() error {
			if f := h.a.flows(t); len(f) != 0 {
				return fmt.Errorf("flows %v", f)
			}
			return nil
		})
	})
}

// The host that did the handshake may serve the connection, too.
func TestHandoverLocal(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.a.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1 << 40))})
		unchanged(t, h.c, "TcpExtTCPSynRetrans", "TcpExtTCPAbortOnData", "TcpOutRsts")
		a := h.a.meter(t)
		k := connect(t, h.c, h.a.service())
		k.wantServed(t, "A")
		a.want(t, counts{
			dprnl.StatHandoverSyn: 1, dprnl.StatHandoverNoted: some, dprnl.StatHandoverKept: 1,
			dprnl.StatHandoverLocal: 1, dprnl.StatServedBelowMaxLoad: 1,
		})
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		if f := h.a.flows(t); len(f) != 0 {
			t.Errorf("flows %v", f)
		}
	})
}

// A connection that waits for its host has no socket anywhere. The host that keeps it does not
// deny it to another one that asks: it may be about to get one.
//
//	R (also as D) ── switch ── A
func TestHandoverNotDenied(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		r := h.raw(t, addrR)
		k := r.talk(h.a, 4000)
		k.say(t, "S", "")
		k.hear(t, "SA")
		seen := observe(t, h.a.Host)
		answer := func(p *wire.Packet) bool { return len(ownerMessage(p)) == w.messageLen() && p.Src() == h.a.addr }
		ask := func(client netip.AddrPort) {
			t.Helper()
			r.send(t, h.a, w.message(addrD, addrA, hostMessage(ownerStill, 7, client, h.a.service())))
		}
		ask(k.local)
		silence(t, seen, answer)
		ask(netip.AddrPortFrom(k.local.Addr(), 4001)) // nobody's
		if got := ownerMessage(await(t, seen, answer)); got[4] != ownerGone || clientPort(got) != 4001 {
			t.Errorf("answer % x", got)
		}
		// Nor once the client has answered.
		k.say(t, "A", "")
		ask(k.local)
		silence(t, seen, answer)
		k.wantServed(t, "B")
		// Its socket is another host's now.
		ask(k.local)
		if got := ownerMessage(await(t, seen, answer)); got[4] != ownerGone || clientPort(got) != 4000 {
			t.Errorf("answer % x", got)
		}
	})
}

// Nor is it any more another host's, whose claim comes too late: its client has begun anew.
//
//	R ── switch ── A
//	        ├───── B
//	        └───── P, which the test plays
func TestHandoverClaimTooLate(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		p, r := h.silentPeer(t), h.raw(t, addrR)
		old := r.talk(h.a, 4000)
		old.ack = 77
		old.say(t, "A", "")
		ask := ownerMessage(p.get(t, func(q *wire.Packet) bool { return len(ownerMessage(q)) == w.messageLen() }))
		k := r.talk(h.a, 4000)
		k.seq = 5_000_000
		k.open(t)
		a := h.a.meter(t)
		p.send(t, h.a, w.message(addrP, addrA, ownerClaim(ask)))
		changed(t, a, dprnl.StatRxOwnerRefused, 1)
		wantChange(t, a, dprnl.StatOwnerFound, 0)
		check(t, h.a.dpr.DeletePeer(t.Context(), w.own(addrP), false))
		h.a.fresh(t, h.b, 0)
		k.wantServed(t, "B")
	})
}

// A client of IPv6 with destination options in its packets is served by the chosen host, which
// may be the one that did the handshake, and whichever of its packets comes first.
func TestHandoverExtensions(t *testing.T) {
	ways6(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		r := h.raw(t, addrR)
		for i, want := range []string{"B", "A"} {
			if want == "A" {
				h.a.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1 << 40))})
			}
			k := r.talk(h.a, uint16(4000+2*i))
			k.open(t)
			s := k.segment("PA", "who\n")
			s.Extensions = []wire.Extension{wire.Destination()}
			k.send(t, s)
			if got := k.hear(t, "PA"); string(got.Payload) != want+"\n" {
				t.Errorf("answer %q, want %s", got.Payload, want)
			}
			k = r.talk(h.a, uint16(4001+2*i))
			k.open(t)
			one, two := k.segment("PA", "wh"), k.segment("PA", "o\n")
			two.Seq += 2
			one.Extensions, two.Extensions = s.Extensions, []wire.Extension{wire.HopByHop(), wire.Destination()}
			r.send(t, h.a, two.Bytes())
			r.send(t, h.a, one.Bytes())
			if got := k.hear(t, "PA"); string(got.Payload) != want+"\n" {
				t.Errorf("answer %q, want %s", got.Payload, want)
			}
		}
	})
}

// A client that says nothing, one that closes at once, and one that goes away.
func TestHandoverSilence(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		a := h.a.meter(t)
		quiet := connect(t, h.c, h.a.service())
		changed(t, a, dprnl.StatHandoverTaken, 1)
		eventually(t, func() error {
			if n := len(h.b.web.accepted()); n != 1 {
				return fmt.Errorf("B has accepted %d connections, want that of a silent client", n)
			}
			return nil
		})
		quiet.wantServed(t, "B")

		k := connect(t, h.c, h.a.service())
		check(t, k.CloseWrite())
		check(t, k.SetDeadline(time.Now().Add(step)))
		if _, err := k.r.ReadByte(); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("a connection that the client closed: %v", err)
		}
		changed(t, a, dprnl.StatHandoverTaken, 2)

		r := h.raw(t, addrR)
		gone := r.talk(h.a, 4000)
		gone.open(t)
		gone.say(t, "R", "")
		late := gone.segment("PA", "who\n")
		late.Ack = gone.ack
		// Nobody knows it any more.
		gone.send(t, late)
		gone.hear(t, "R")
		changed(t, a, dprnl.StatHandoverTaken, 2)
	})
}

// A request in segments of one byte, of which each comes twice; then the same in reverse
// order. What comes before the first byte waits, and nothing is acknowledged too early.
func TestHandoverSegments(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		unchanged(t, h.b.Host, "TcpOutRsts")
		r := h.raw(t, addrR)
		for i, order := range [][]int{{0, 0, 1, 1, 2, 2, 3, 3}, {3, 2, 2, 1, 0}, {2, 3, 0, 0, 1}} {
			k := r.talk(h.a, uint16(4000+i))
			k.open(t)
			first := k.segment("PA", "")
			for _, n := range order {
				s := first
				s.Seq, s.Payload = first.Seq+uint32(n), []byte("who\n")[n:n+1]
				r.send(t, h.a, s.Bytes())
			}
			k.seq = first.Seq + 4
			p := r.get(t, func(p *wire.Packet) bool { return k.mine(p) && len(p.Payload) > 0 })
			if string(p.Payload) != "B\n" || p.TCP.Ack != k.seq {
				t.Errorf("%v: answer %q, acknowledged %d of 4 bytes", order, p.Payload, p.TCP.Ack-first.Seq)
			}
			k.ack = p.TCP.Seq + 2
			k.say(t, "A", "")
			k.wantServed(t, "B")
		}
	})
}

// A first request of 16 KB in segments that the client repeats, the SYN too.
func TestHandoverLong(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		a := h.a.meter(t)
		r := h.raw(t, addrR)
		k := r.talk(h.a, 4000)
		syn := k.segment("S", "")
		k.send(t, syn)
		one := k.hear(t, "SA")
		k.send(t, syn)
		if two := k.hear(t, "SA"); two.TCP.Seq != one.TCP.Seq {
			t.Error("two copies of a SYN have different answers")
		}
		k.say(t, "A", "")
		text := strings.Repeat(" ", 16<<10-4) + "who\n"
		first := k.segment("A", "")
		for range 2 {
			for at := 0; at < len(text); at += 1024 {
				s := first
				s.Seq, s.Payload = first.Seq+uint32(at), []byte(text[at:at+1024])
				r.send(t, h.a, s.Bytes())
			}
		}
		k.seq = first.Seq + uint32(len(text))
		p := r.get(t, func(p *wire.Packet) bool { return k.mine(p) && len(p.Payload) > 0 })
		if string(p.Payload) != "B\n" || p.TCP.Ack != k.seq {
			t.Errorf("answer %q, acknowledged %d of %d bytes", p.Payload, p.TCP.Ack-first.Seq, len(text))
		}
		changed(t, a, dprnl.StatHandoverTaken, 1)
	})
}

// Without keys, or peers that know handovers, connections are placed by their SYN, or
// served here.
func TestHandoverOff(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		a := h.a.meter(t)
		h.a.set(t, dprnl.ConfigUpdate{HandoverKeys: &[]dprnl.HandoverKey{}})
		connect(t, h.c, h.a.service()).wantServed(t, "B")
		if got := a.changes(t); got[dprnl.StatHandoverOff] != 1 || got[dprnl.StatHandoverSyn] != 0 {
			t.Errorf("without keys: %v", got)
		}
		h.a.takeOver(t)
		u := w.report(addrB, 0)
		u.Protocol, u.Others = 4, h.b.others
		check(t, h.a.dpr.SetPeer(t.Context(), u))
		connect(t, h.c, h.a.service()).wantServed(t, "A")
		changed(t, a, dprnl.StatHandoverLocal, 1)
	})
}
