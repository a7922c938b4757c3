// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// headerLen6 is the length of an IPv6 header without extensions, in bytes.
const headerLen6 = 40

// An Extension is an IPv6 extension header.
type Extension struct {
	Type layers.IPProtocol
	Body []byte // what follows the type of the next header; 7 bytes, or 8 more, and so on
}

// HopByHop is a header of hop-by-hop options, padded.
func HopByHop(options ...byte) Extension {
	return Extension{layers.IPProtocolIPv6HopByHop, sized(options)}
}

// Destination is a header of destination options, padded.
func Destination(options ...byte) Extension {
	return Extension{layers.IPProtocolIPv6Destination, sized(options)}
}

// Routing is a routing header: 0 is that of RFC 2460, which hosts refuse (RFC 5095), 4
// that of segment routing (RFC 8754). left is how many of the addresses the packet has
// still to visit.
func Routing(typ, left uint8, via ...netip.Addr) Extension {
	last := uint8(0)
	if typ == 4 && len(via) > 0 {
		last = uint8(len(via) - 1)
	}
	b := []byte{typ, left, last, 0, 0, 0}
	for _, a := range via {
		b = append(b, a.AsSlice()...)
	}
	return Extension{layers.IPProtocolIPv6Routing, sized(b)}
}

// FragmentHeader is the header of a fragment. Its offset is in units of 8 bytes.
func FragmentHeader(id uint32, offset uint16, more bool) Extension {
	field := offset << 3
	if more {
		field |= 1
	}
	b := binary.BigEndian.AppendUint16([]byte{0}, field)
	return Extension{layers.IPProtocolIPv6Fragment, binary.BigEndian.AppendUint32(b, id)}
}

// Atomic is the fragment header of a packet that is in one piece (RFC 6946).
func Atomic(id uint32) Extension { return FragmentHeader(id, 0, false) }

// sized puts the length before what an extension header has, which it pads by zeros.
func sized(b []byte) []byte {
	n := (len(b) + 2 + 7) / 8
	out := append(make([]byte, 0, n*8-1), byte(n-1))
	return append(append(out, b...), make([]byte, n*8-2-len(b))...)
}

// header6 is an IPv6 header with its extensions.
type header6 struct {
	src, dst   netip.Addr
	class      uint8
	label      uint32 // 20 bits
	hops       uint8  // 0: 64
	extensions []Extension
}

// bytes returns the packet that has the header and a payload.
func (h header6) bytes(proto layers.IPProtocol, payload []byte) []byte {
	if h.hops == 0 {
		h.hops = 64
	}
	b := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(h.class)<<20|h.label&0xfffff)
	b = append(b, 0, 0, byte(proto), h.hops)
	b = append(append(b, h.src.AsSlice()...), h.dst.AsSlice()...)
	next := 6 // where the type of the next header stands
	for _, x := range h.extensions {
		b[next], next = byte(x.Type), len(b)
		b = append(append(b, byte(proto)), x.Body...)
	}
	b = append(b, payload...)
	setLength6(b)
	return b
}

// setLength6 writes an IPv6 header's length: 0 if the packet is too long for it.
func setLength6(packet []byte) {
	n := len(packet) - headerLen6
	if n > 0xffff {
		n = 0
	}
	binary.BigEndian.PutUint16(packet[4:], uint16(n))
}

// fragment6 is Fragment of an IPv6 packet.
func fragment6(packet []byte, size int, id uint32) [][]byte {
	next, end := 6, headerLen6 // where the header that fragments repeat ends, and its last type
	for at, typ := headerLen6, layers.IPProtocol(packet[6]); ; {
		repeated := typ == layers.IPProtocolIPv6HopByHop || typ == layers.IPProtocolIPv6Routing
		if !repeated && typ != layers.IPProtocolIPv6Destination {
			break
		}
		from := at
		at, typ = at+(int(packet[at+1])+1)*8, layers.IPProtocol(packet[at])
		if repeated {
			next, end = from, at
		}
	}
	first := packet[next]
	var out [][]byte
	for rest, off := packet[end:], 0; len(rest) > 0; off += size {
		n := min(size, len(rest))
		part := append([]byte(nil), packet[:end]...)
		part[next] = byte(layers.IPProtocolIPv6Fragment)
		part = append(append(part, first), FragmentHeader(id, uint16(off/8), n < len(rest)).Body...)
		part = append(part, rest[:n]...)
		setLength6(part)
		out = append(out, part)
		rest = rest[n:]
	}
	return out
}
