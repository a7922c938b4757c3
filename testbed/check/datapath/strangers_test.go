// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// What comes to B by IP-in-IP and is not a client's packet from a peer is
// dropped if it is marked, and left to the stack if not; each is counted by its
// reason and by nothing else. No socket sees it, nobody is answered.
//
//	R (any sender) ── switch ── B (peer: A)
func TestStrangers(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := bareCluster(t, m)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		client := netip.MustParseAddrPort("10.77.0.250:4000")
		syn := func(change func(*wire.Segment)) []byte {
			s := wire.Segment{Src: client, Dst: netip.AddrPortFrom(addrA, port), Flags: "S", Seq: 5}
			if change != nil {
				change(&s)
			}
			return s.Bytes()
		}
		from := func(a string) []byte {
			return syn(func(s *wire.Segment) { s.Src = netip.AddrPortFrom(netip.MustParseAddr(a), 4000) })
		}
		to := func(a string) []byte {
			return syn(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(netip.MustParseAddr(a), port) })
		}
		marked := wire.Tunnel{Src: addrA, Dst: addrB, Marked: true}
		stranger, fragment, nowhere := marked, marked, marked
		stranger.Src, fragment.More, nowhere.Dst = addrR, true, netip.MustParseAddr("10.77.0.99")
		type attack struct {
			packet []byte
			want   dprnl.Stat // 0: none
		}
		attacks := map[string]attack{
			"stranger":                 {stranger.Wrap(syn(nil)), dprnl.StatRxStranger},
			"not for this host":        {nowhere.Wrap(syn(nil)), 0},
			"outer fragment":           {fragment.Wrap(syn(nil)), dprnl.StatRxMalformed},
			"empty":                    {marked.Wrap(nil), dprnl.StatRxMalformed},
			"inner version 6":          {marked.Wrap(edit(syn(nil), 0, 0x65)), dprnl.StatRxMalformed},
			"inner header short":       {marked.Wrap(edit(syn(nil), 0, 0x44)), dprnl.StatRxMalformed},
			"inner header long":        {marked.Wrap(edit(syn(nil), 0, 0x4f)), dprnl.StatRxMalformed},
			"inner checksum":           {marked.Wrap(flip(syn(nil), 10)), dprnl.StatRxMalformed},
			"inner length short":       {marked.Wrap(edit(syn(nil), 3, 19)), dprnl.StatRxMalformed},
			"inner length long":        {marked.Wrap(edit(syn(nil), 3, 41)), dprnl.StatRxMalformed},
			"nested":                   {marked.Wrap(wire.Tunnel{Src: addrA, Dst: addrB}.Wrap(syn(nil))), dprnl.StatRxNested},
			"nested and marked":        {marked.Wrap(marked.Wrap(syn(nil))), dprnl.StatRxNested},
			"from this host":           {marked.Wrap(from("10.77.0.12")), dprnl.StatRxBadAddress},
			"from loopback":            {marked.Wrap(from("127.0.0.1")), dprnl.StatRxBadAddress},
			"from multicast":           {marked.Wrap(from("224.0.0.1")), dprnl.StatRxBadAddress},
			"from broadcast":           {marked.Wrap(from("255.255.255.255")), dprnl.StatRxBadAddress},
			"from the net's broadcast": {marked.Wrap(from("10.77.0.255")), dprnl.StatRxBadAddress},
			"from nobody":              {marked.Wrap(from("0.0.0.0")), dprnl.StatRxBadAddress},
			"to loopback":              {marked.Wrap(to("127.0.0.1")), dprnl.StatRxBadAddress},
			"to multicast":             {marked.Wrap(to("239.1.1.1")), dprnl.StatRxBadAddress},
			"to broadcast":             {marked.Wrap(to("255.255.255.255")), dprnl.StatRxBadAddress},
			"to the net's broadcast":   {marked.Wrap(to("10.77.0.255")), dprnl.StatRxBadAddress},
			"to nobody":                {marked.Wrap(to("0.0.0.0")), dprnl.StatRxBadAddress},
			"UDP":                      {marked.Wrap(wire.Datagram(client.Addr(), addrA, layers.IPProtocolUDP, make([]byte, 20))), dprnl.StatRxNotServed},
			"ping":                     {marked.Wrap(wire.ICMP(client.Addr(), addrA, layers.ICMPv4TypeEchoRequest, 0, 1, make([]byte, 20))), dprnl.StatRxNotServed},
			"ICMP about UDP":           {marked.Wrap(wire.ICMP(client.Addr(), addrA, 3, 3, 0, wire.Datagram(addrA, client.Addr(), layers.IPProtocolUDP, make([]byte, 8)))), dprnl.StatRxNotServed},
			"RST for nobody":           {marked.Wrap(syn(func(s *wire.Segment) { s.Flags, s.Dst = "R", netip.AddrPortFrom(addrA, 81) })), dprnl.StatRxNotServed},
			"TCP checksum":             {marked.Wrap(flip(syn(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(addrA, 81) }), 36)), dprnl.StatRxChecksum},
			"TCP header short":         {marked.Wrap(syn(nil)[:20+19]), dprnl.StatRxMalformed},
			"TCP offset small":         {marked.Wrap(edit(syn(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(addrA, 81) }), 32, 0x40)), dprnl.StatRxMalformed},
			"TCP offset large":         {marked.Wrap(edit(syn(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(addrA, 81) }), 32, 0xf0)), dprnl.StatRxMalformed},
			"CE for one that cannot":   {wire.Tunnel{Src: addrA, Dst: addrB, Marked: true, TOS: 3}.Wrap(syn(nil)), dprnl.StatRxEcn},
		}
		r.Own(client.Addr()) // would see an answer
		for name, a := range attacks {
			t.Run(name, func(t *testing.T) {
				b := c.b.meter(t)
				r.send(t, c.b, a.packet)
				want := counts{}
				if a.want != 0 {
					want[a.want] = 1
				}
				eventually(t, func() error {
					if a.want != 0 && len(b.changes(t)) == 0 {
						return fmt.Errorf("%v is not counted", a.want)
					}
					return nil
				})
				b.want(t, want)
			})
		}
		// One silence for all.
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Eth.SrcMAC.String() != r.MAC.String() })
		if n := len(c.b.web.accepted()); n != 0 {
			t.Errorf("%d connections came to the service", n)
		}
	})
}

// A marked packet is cut at every byte: it is malformed as long as a header is
// missing, and never read beyond its end.
func TestTruncated(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := bareCluster(t, m)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		inner := wire.Segment{Src: netip.AddrPortFrom(addrR, 4000), Dst: netip.AddrPortFrom(addrA, 81), Flags: "S",
			IPOptions: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}}.Bytes()
		tunnel := wire.Tunnel{Src: addrA, Dst: addrB, Marked: true}
		b := c.b.meter(t)
		for n := range inner {
			r.send(t, c.b, tunnel.Wrap(inner[:n]))
			if n >= 24 { // the IP header is whole and agrees with what there is
				cut := append([]byte(nil), inner[:n]...)
				binary.BigEndian.PutUint16(cut[2:], uint16(n))
				r.send(t, c.b, tunnel.Wrap(wire.FixChecksum(cut)))
			}
		}
		all := uint64(len(inner) + len(inner) - 24)
		eventually(t, func() error {
			if got := b.changes(t)[dprnl.StatRxMalformed]; got < all {
				return fmt.Errorf("%d of %d counted as malformed", got, all)
			}
			return nil
		})
		b.want(t, counts{dprnl.StatRxMalformed: all})
		// Whole, it gets the RST that all the others did not get.
		r.send(t, c.b, tunnel.Wrap(inner))
		rst := r.get(t, func(p *wire.Packet) bool { return p.Has("R") })
		if rst.TCP.Ack != 1 || rst.Src() != addrA || !rst.ChecksumsRight() {
			t.Errorf("RST %v, want one from %v that acknowledges 1", rst, addrA)
		}
		b.want(t, counts{dprnl.StatRxMalformed: all, dprnl.StatRxReset: 1})
	})
}

// Protocol 4 without mark is none of DPR's business if it is not from a peer,
// or the marker is the bit: the stack refuses it.
func TestUnmarked(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := bareCluster(t, m)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		inner := wire.Segment{Src: netip.AddrPortFrom(addrR, 4000), Dst: netip.AddrPortFrom(addrA, port), Flags: "S"}.Bytes()
		b := c.b.meter(t)
		r.send(t, c.b, wire.Tunnel{Src: addrR, Dst: addrB}.Wrap(inner))
		r.get(t, func(p *wire.Packet) bool {
			return p.ICMP != nil && p.ICMP.TypeCode.Type() == layers.ICMPv4TypeDestinationUnreachable
		})
		b.want(t, counts{})
		r.send(t, c.b, wire.Tunnel{Src: addrA, Dst: addrB}.Wrap(inner))
		if m == dprnl.MarkerSource {
			r.get(t, func(p *wire.Packet) bool { return p.Has("SA") && p.Src() == addrA })
			return
		}
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Eth.SrcMAC.String() != r.MAC.String() })
		b.want(t, counts{})
	})
}

// edit returns a packet with one byte changed and the IP checksum right.
func edit(packet []byte, at int, to byte) []byte {
	packet[at] = to
	return wire.FixChecksum(packet)
}

// flip returns a packet with one byte wrong.
func flip(packet []byte, at int) []byte {
	packet[at] ^= 0xff
	return packet
}
