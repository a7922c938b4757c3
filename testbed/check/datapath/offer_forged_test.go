// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Only the peer to which a SYN was offered can refuse it, by sending back what it
// got; all else is refused and counted, and changes nothing.
func TestOfferForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		o := newOffers(t, w)
		p, r := o.silent(t), o.raw(t, addrR)
		k := r.talk(o.a, 4000)
		k.say(t, "S", "")
		sent := p.get(t, offered)
		offer := sent.Outer()
		inner := func(change func(*wire.Segment)) []byte {
			s := wire.Segment{Src: k.local, Dst: k.remote, Flags: "S", Seq: k.seq - 1}
			change(&s)
			return s.Bytes()
		}
		tunnel := w.outer(addrA, addrP)
		tunnel.ID, tunnel.Offer = number(sent), true
		wrap := func(change func(*wire.Segment)) []byte { return tunnel.Wrap(inner(change)) }
		same := func(*wire.Segment) {}
		deeper, other, turned := tunnel, tunnel, tunnel
		deeper.Proto = 0 // that of what is inside: another tunnel
		other.Dst = o.d.addr
		turned.Src, turned.Dst = tunnel.Dst, tunnel.Src
		unnumbered := tunnel
		unnumbered.ID = 0
		fragment := tunnel
		fragment.More = true
		type forgery struct {
			name   string
			packet []byte
			want   dprnl.Stat
			marked bool // counted only if it is marked; else it is the stack's
		}
		h := w.headerLen()
		length := map[int]int{4: 3, 6: 5}[w.client] // where the header has it; its low byte
		forgeries := []forgery{
			{"another number", o.back(addrP, wrap(func(s *wire.Segment) { s.Seq++ })), dprnl.StatOfferUnknown, false},
			{"another connection", o.back(addrP, wrap(func(s *wire.Segment) { s.Src = w.addrPort(addrR, 4001) })), dprnl.StatOfferUnknown, false},
			{"another peer", o.back(addrD, other.Wrap(inner(same))), dprnl.StatOfferUnknown, false},
			{"another peer's offer", o.back(addrP, other.Wrap(inner(same))), dprnl.StatRxNested, true},
			{"a stranger", o.back(netip.MustParseAddr("10.77.0.56"), offer), dprnl.StatRxStranger, true},
			{"the wrong way", o.back(addrP, turned.Wrap(inner(same))), dprnl.StatRxNested, true},
			{"no number", o.back(addrP, unnumbered.Wrap(inner(same))), dprnl.StatRxNested, true},
			{"a fragment of one", o.back(addrP, fragment.Wrap(inner(same))), dprnl.StatRxNested, true},
			{"no SYN", o.back(addrP, wrap(func(s *wire.Segment) { s.Flags = "A" })), dprnl.StatRxNested, true},
			{"a SYN-ACK", o.back(addrP, wrap(func(s *wire.Segment) { s.Flags = "SA" })), dprnl.StatRxNested, true},
			{"UDP", o.back(addrP, tunnel.Wrap(wire.Datagram(r.addr, o.a.at, layers.IPProtocolUDP, make([]byte, 20)))), dprnl.StatRxNested, true},
			{"nested deeper", o.back(addrP, deeper.Wrap(tunnel.Wrap(inner(same)))), dprnl.StatRxNested, true},
			{"inner version", o.back(addrP, tunnel.Wrap(edit(inner(same), 0, inner(same)[0]^0x20))), dprnl.StatRxMalformed, true},
			{"inner length", o.back(addrP, tunnel.Wrap(edit(inner(same), length, inner(same)[length]+1))), dprnl.StatRxMalformed, true},
			{"TCP offset", o.back(addrP, tunnel.Wrap(edit(inner(same), h+12, 0xf0))), dprnl.StatRxMalformed, true},
		}
		if !w.six() {
			forgeries = append(forgeries, forgery{"inner checksum", o.back(addrP, tunnel.Wrap(flip(inner(same), 10))), dprnl.StatRxMalformed, true})
		}
		if w.tunnel == 4 {
			forgeries = append(forgeries, forgery{"the offer's checksum", o.back(addrP, flip(bytes.Clone(offer), 10)), dprnl.StatRxMalformed, true})
		}
		for _, x := range forgeries {
			a := o.a.meter(t)
			want := counts{x.want: 1}
			if x.marked && !w.marked() {
				want = counts{}
			}
			p.send(t, o.a, x.packet)
			eventually(t, func() error {
				if len(want) > 0 && len(a.changes(t)) == 0 {
					return fmt.Errorf("%s: nothing is counted", x.name)
				}
				return nil
			})
			t.Run(x.name, func(t *testing.T) { a.want(t, want) })
		}
		// Cut at every byte, lengths of the outer headers right.
		a := o.a.meter(t)
		syn := offer[w.overhead():]
		for n := range syn {
			p.send(t, o.a, o.back(addrP, tunnel.Wrap(syn[:n])))
			if n >= h {
				p.send(t, o.a, o.back(addrP, tunnel.Wrap(shorten(syn, n))))
			}
		}
		// What comes of all that: the connection is on offer as before.
		p.send(t, o.a, o.back(addrP, offer))
		p.get(t, offered)
		changed(t, a, dprnl.StatOfferReturned, 1)
		want := counts{dprnl.StatOfferReturned: 1, dprnl.StatOffered: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some}
		if w.marked() {
			want[dprnl.StatRxMalformed] = uint64(len(syn) + len(syn) - h)
		}
		a.want(t, want)
		// Of a connection that is gone.
		check(t, o.a.dpr.DeleteFlow(t.Context(), o.a.flows(t)[0].FlowKey))
		p.send(t, o.a, o.back(addrP, offer))
		changed(t, a, dprnl.StatOfferUnknown, 1)
		silence(t, r.Endpoint, k.mine)
	})
}
