// SPDX-License-Identifier: MIT

// Package wire builds, sends, observes and takes apart single packets.
package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Mark is the marker bit of a redirected packet's outer header: the reserved
// bit of the fragment field.
const Mark = layers.IPv4EvilBit

// A Segment is a TCP segment in an IPv4 packet.
type Segment struct {
	Src, Dst  netip.AddrPort
	Flags     string // letters of "SAFRPU", and "E" and "C" for ECE and CWR
	Seq, Ack  uint32
	Window    uint16 // 0: 65535
	Options   []layers.TCPOption
	Payload   []byte
	IPOptions []layers.IPv4Option
	TOS       uint8
	TTL       uint8 // 0: 64
	ID        uint16
	MayFrag   bool // without DF
}

// Bytes returns the IP packet, with lengths and checksums.
func (s Segment) Bytes() []byte {
	ip := header(s.Src.Addr(), s.Dst.Addr(), layers.IPProtocolTCP)
	ip.TOS, ip.Id, ip.Options = s.TOS, s.ID, s.IPOptions
	if s.TTL != 0 {
		ip.TTL = s.TTL
	}
	if !s.MayFrag {
		ip.Flags = layers.IPv4DontFragment
	}
	has := func(f string) bool { return strings.Contains(s.Flags, f) }
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.Src.Port()), DstPort: layers.TCPPort(s.Dst.Port()),
		Seq: s.Seq, Ack: s.Ack, Window: s.Window, Options: s.Options,
		SYN: has("S"), ACK: has("A"), FIN: has("F"), RST: has("R"), PSH: has("P"), URG: has("U"), ECE: has("E"), CWR: has("C"),
	}
	if tcp.Window == 0 {
		tcp.Window = 65535
	}
	must(tcp.SetNetworkLayerForChecksum(ip))
	return serialize(ip, tcp, gopacket.Payload(s.Payload))
}

// Header returns an IPv4 header for Serialize, without DF.
func header(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

// A Tunnel is the outer header of a redirected packet.
type Tunnel struct {
	Src, Dst netip.Addr
	Marked   bool
	TOS      uint8
	ID       uint16
	More     bool   // more fragments
	Offset   uint16 // in units of 8 bytes
	Proto    layers.IPProtocol
	Options  []layers.IPv4Option
}

// Wrap puts the outer header before a packet.
func (t Tunnel) Wrap(inner []byte) []byte {
	if t.Proto == 0 {
		t.Proto = layers.IPProtocolIPv4
	}
	ip := header(t.Src, t.Dst, t.Proto)
	ip.TOS, ip.Id, ip.Options, ip.FragOffset = t.TOS, t.ID, t.Options, t.Offset
	if t.More {
		ip.Flags |= layers.IPv4MoreFragments
	}
	if t.Marked {
		ip.Flags |= Mark
	}
	return serialize(ip, gopacket.Payload(inner))
}

// Datagram returns an IPv4 packet of any protocol, without DF.
func Datagram(src, dst netip.Addr, proto layers.IPProtocol, payload []byte) []byte {
	return serialize(header(src, dst, proto), gopacket.Payload(payload))
}

// ICMP returns an ICMP error that quotes the beginning of a packet. rest is the
// second half of the ICMP header's second word: the next hop's MTU.
func ICMP(src, dst netip.Addr, typ, code uint8, rest uint16, quote []byte) []byte {
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, code), Seq: rest}
	return serialize(header(src, dst, layers.IPProtocolICMPv4), icmp, gopacket.Payload(quote))
}

// Fragment cuts an IPv4 packet into fragments of at most size bytes of payload,
// a multiple of 8. Options without the copied bit are only in the first.
func Fragment(packet []byte, size int) [][]byte {
	var ip layers.IPv4
	must(ip.DecodeFromBytes(packet, gopacket.NilDecodeFeedback))
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
	sum := uint32(0)
	for i := 0; i+1 < n; i += 2 {
		sum += uint32(packet[i])<<8 | uint32(packet[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	packet[10], packet[11] = byte(^sum>>8), byte(^sum)
	return packet
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
