// SPDX-License-Identifier: MIT

// Package wire builds, sends, observes and takes apart single packets of IPv4 and IPv6.
// The addresses say which of them a packet is.
package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Mark is the marker bit of a redirected packet's outer IPv4 header: the reserved
// bit of the fragment field.
const Mark = layers.IPv4EvilBit

// OfferBit marks an offer in the flow label of an outer IPv6 header. The bits below it
// are the SYN's number, or the reason of a refusal.
const OfferBit = 1 << 16

// A Segment is a TCP segment in an IP packet.
type Segment struct {
	Src, Dst   netip.AddrPort
	Flags      string // letters of "SAFRPU", and "E" and "C" for ECE and CWR
	Seq, Ack   uint32
	Window     uint16 // 0: 65535
	Options    []layers.TCPOption
	Payload    []byte
	IPOptions  []layers.IPv4Option // of IPv4
	Extensions []Extension         // of IPv6
	TOS        uint8               // or traffic class
	TTL        uint8               // or hop limit; 0: 64
	ID         uint16              // of IPv4
	MayFrag    bool                // without DF; IPv6 has none
	Label      uint32              // flow label of IPv6, 20 bits
}

// Bytes returns the IP packet, with lengths and checksums.
func (s Segment) Bytes() []byte {
	has := func(f string) bool { return strings.Contains(s.Flags, f) }
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.Src.Port()), DstPort: layers.TCPPort(s.Dst.Port()),
		Seq: s.Seq, Ack: s.Ack, Window: s.Window, Options: s.Options,
		SYN: has("S"), ACK: has("A"), FIN: has("F"), RST: has("R"), PSH: has("P"), URG: has("U"), ECE: has("E"), CWR: has("C"),
	}
	if tcp.Window == 0 {
		tcp.Window = 65535
	}
	if s.Src.Addr().Is6() {
		h := header6{src: s.Src.Addr(), dst: s.Dst.Addr(), class: s.TOS, label: s.Label, hops: s.TTL, extensions: s.Extensions}
		must(tcp.SetNetworkLayerForChecksum(&layers.IPv6{SrcIP: s.Src.Addr().AsSlice(), DstIP: s.Dst.Addr().AsSlice()}))
		return h.bytes(layers.IPProtocolTCP, serialize(tcp, gopacket.Payload(s.Payload)))
	}
	ip := header(s.Src.Addr(), s.Dst.Addr(), layers.IPProtocolTCP)
	ip.TOS, ip.Id, ip.Options = s.TOS, s.ID, s.IPOptions
	if s.TTL != 0 {
		ip.TTL = s.TTL
	}
	if !s.MayFrag {
		ip.Flags = layers.IPv4DontFragment
	}
	must(tcp.SetNetworkLayerForChecksum(ip))
	return serialize(ip, tcp, gopacket.Payload(s.Payload))
}

// header returns an IPv4 header for serialize, without DF.
func header(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

// A Tunnel is the outer header of a redirected packet.
type Tunnel struct {
	Src, Dst   netip.Addr
	Marked     bool  // in an IPv4 header; an IPv6 one has no place for a mark
	TOS        uint8 // or traffic class
	ID         uint16
	DF         bool              // in an IPv4 header
	Offer      bool              // in an IPv6 header; in an IPv4 one that is what has no DF
	Label      uint32            // what else the flow label has, beside ID and Offer
	More       bool              // more fragments
	Offset     uint16            // in units of 8 bytes
	Proto      layers.IPProtocol // 0: that of the inner packet's version
	Options    []layers.IPv4Option
	Extensions []Extension
}

// Wrap puts the outer header before a packet.
func (t Tunnel) Wrap(inner []byte) []byte {
	if t.Proto == 0 {
		t.Proto = layers.IPProtocolIPv4
		if len(inner) > 0 && inner[0]>>4 == 6 {
			t.Proto = layers.IPProtocolIPv6
		}
	}
	if t.Src.Is6() {
		h := header6{src: t.Src, dst: t.Dst, class: t.TOS, label: t.Label | uint32(t.ID), extensions: t.Extensions}
		if t.Offer {
			h.label |= OfferBit
		}
		if t.More || t.Offset != 0 {
			h.extensions = append(h.extensions[:len(h.extensions):len(h.extensions)], FragmentHeader(1, t.Offset, t.More))
		}
		return h.bytes(t.Proto, inner)
	}
	ip := header(t.Src, t.Dst, t.Proto)
	ip.TOS, ip.Id, ip.Options, ip.FragOffset = t.TOS, t.ID, t.Options, t.Offset
	if t.More {
		ip.Flags |= layers.IPv4MoreFragments
	}
	if t.DF {
		ip.Flags |= layers.IPv4DontFragment
	}
	if t.Marked {
		ip.Flags |= Mark
	}
	return serialize(ip, gopacket.Payload(inner))
}

// Datagram returns an IP packet of any protocol, if IPv4 without DF.
func Datagram(src, dst netip.Addr, proto layers.IPProtocol, payload []byte) []byte {
	if src.Is6() {
		return header6{src: src, dst: dst}.bytes(proto, payload)
	}
	return serialize(header(src, dst, proto), gopacket.Payload(payload))
}

// Fragment cuts an IP packet into fragments of at most size bytes of payload, a multiple
// of 8. IPv4 options without the copied bit are only in the first; hop-by-hop options and
// routing headers of IPv6 are in each, other extension headers are cut like payload.
func Fragment(packet []byte, size int, id uint32) [][]byte {
	if packet[0]>>4 == 6 {
		return fragment6(packet, size, id)
	}
	var ip layers.IPv4
	must(ip.DecodeFromBytes(packet, gopacket.NilDecodeFeedback))
	ip.Id = uint16(id)
	var later []layers.IPv4Option
	for _, o := range ip.Options {
		if o.OptionType&0x80 != 0 {
			later = append(later, o)
		}
	}
	var out [][]byte
	for rest, off := ip.Payload, 0; len(rest) > 0; off += size {
		n := min(size, len(rest))
		part := ip
		part.Flags, part.FragOffset = 0, uint16(off/8)
		if off > 0 {
			part.Options = later
		}
		if n < len(rest) {
			part.Flags = layers.IPv4MoreFragments
		}
		out = append(out, serialize(&part, gopacket.Payload(rest[:n])))
		rest = rest[n:]
	}
	return out
}

// FixChecksum sets the checksum of an IPv4 header that was changed by hand.
func FixChecksum(packet []byte) []byte {
	n := min(int(packet[0]&15)*4, len(packet))
	if n < 12 {
		return packet
	}
	packet[10], packet[11] = 0, 0
	binary.BigEndian.PutUint16(packet[10:], ^uint16(ones(packet[:n&^1])))
	return packet
}

// Partial leaves the checksum of a TCP packet without options or extensions of IP to a device, as
// Linux does: the sum of the pseudo-header is in its place.
func Partial(packet []byte) []byte {
	at, src, dst := 20, packet[12:16], packet[16:20]
	if packet[0]>>4 == 6 {
		at, src, dst = 40, packet[8:24], packet[24:40]
	}
	from, _ := netip.AddrFromSlice(src)
	to, _ := netip.AddrFromSlice(dst)
	binary.BigEndian.PutUint16(packet[at+16:], uint16(ones(pseudo(from, to, layers.IPProtocolTCP, len(packet)-at))))
	return packet
}

// ones is the one's complement sum of 16-bit words.
func ones(b []byte) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// pseudo is the pseudo-header that checksums of TCP and ICMPv6 are over, too.
func pseudo(src, dst netip.Addr, proto layers.IPProtocol, length int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return append(binary.BigEndian.AppendUint32(b, uint32(length)), 0, 0, 0, byte(proto))
}

func serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	must(gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return buf.Bytes()
}

// must is for what only a wrong call of this package can cause.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("wire: %v", err))
	}
}
