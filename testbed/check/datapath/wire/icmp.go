// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// An Error is a kind of ICMP error, of either family.
type Error uint8

// The errors that both families have.
const (
	TooBig           Error = iota + 1 // fragmentation needed, packet too big
	Unreachable                       // a host that does not answer
	TimeExceeded                      // too many routers
	ParameterProblem                  // a wrong header
)

// typeCode returns the type and code of an error in a family's ICMP.
func (e Error) typeCode(six bool) [2]uint8 {
	if six {
		return map[Error][2]uint8{TooBig: {2, 0}, Unreachable: {1, 3}, TimeExceeded: {3, 0}, ParameterProblem: {4, 0}}[e]
	}
	return map[Error][2]uint8{TooBig: {3, 4}, Unreachable: {3, 1}, TimeExceeded: {11, 0}, ParameterProblem: {12, 0}}[e]
}

// ICMPError returns an ICMP error that quotes the beginning of a packet. mtu is that of
// the next hop, in TooBig.
func ICMPError(src, dst netip.Addr, e Error, mtu uint16, quote []byte) []byte {
	tc := e.typeCode(src.Is6())
	return ICMP(src, dst, tc[0], tc[1], mtu, quote)
}

// ICMP returns a message of the ICMP of the addresses' family. rest is the second half of
// the header's second word: the next hop's MTU.
func ICMP(src, dst netip.Addr, typ, code uint8, rest uint16, quote []byte) []byte {
	b := append([]byte{typ, code, 0, 0, 0, 0, byte(rest >> 8), byte(rest)}, quote...)
	if !src.Is6() {
		binary.BigEndian.PutUint16(b[2:], ^uint16(ones(b)))
		return Datagram(src, dst, layers.IPProtocolICMPv4, b)
	}
	return icmp6(src, dst, 0, b)
}

// icmp6 returns an ICMPv6 message with its checksum. hops is the hop limit, 0: 64.
func icmp6(src, dst netip.Addr, hops uint8, b []byte) []byte {
	sum := ones(append(pseudo(src, dst, layers.IPProtocolICMPv6, len(b)), b...))
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return header6{src: src, dst: dst, hops: hops}.bytes(layers.IPProtocolICMPv6, b)
}

// A Message is an observed one of ICMP or ICMPv6.
type Message struct {
	Type, Code uint8
	Rest       uint32 // the header's second word; its lower half in IPv4 is the next hop's MTU
	Six        bool   // it is of ICMPv6
}

// Reports says whether the packet is an ICMP error of a kind.
func (p *Packet) Reports(e Error) bool {
	return p.ICMP != nil && [2]uint8{p.ICMP.Type, p.ICMP.Code} == e.typeCode(p.ICMP.Six)
}

// Undeliverable says whether the packet reports that another went nowhere: its host, port
// or protocol is not there.
func (p *Packet) Undeliverable() bool {
	if p.ICMP == nil {
		return false
	}
	if p.ICMP.Six {
		return p.ICMP.Type == 1 || p.ICMP.Type == 4
	}
	return p.ICMP.Type == 3
}

// NextMTU returns the next hop's MTU in an error TooBig.
func (p *Packet) NextMTU() int {
	switch {
	case !p.Reports(TooBig):
		return 0
	case p.ICMP.Six:
		return int(p.ICMP.Rest)
	default:
		return int(p.ICMP.Rest & 0xffff)
	}
}

// Neighbour discovery (RFC 4861).
const (
	solicitation  = 135
	advertisement = 136
)

// Discovery says whether the packet is one by which IPv6 hosts find each other: of
// neighbour discovery, or about groups.
func (p *Packet) Discovery() bool {
	return p.ICMP != nil && p.ICMP.Six && (p.ICMP.Type >= 130 && p.ICMP.Type <= 137 || p.ICMP.Type == 143)
}

// solicited returns the address whose owner a neighbour solicitation asks for.
func (p *Packet) solicited() (netip.Addr, bool) {
	if p.ICMP == nil || !p.ICMP.Six || p.ICMP.Type != solicitation || len(p.Payload) < 16 || p.Src().IsUnspecified() {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(p.Payload[:16])
}

// advertise answers a solicitation: the address has that MAC.
func advertise(target, to netip.Addr, mac []byte) []byte {
	const answers, overrides = 0x40, 0x20
	b := []byte{advertisement, 0, 0, 0, answers | overrides, 0, 0, 0}
	b = append(append(b, target.AsSlice()...), 2, 1) // option: the target's link-layer address, 8 bytes
	return icmp6(target, to, 255, append(b, mac...))
}
