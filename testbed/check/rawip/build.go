// SPDX-License-Identifier: MIT

// Package rawip builds IPv4 packets in place, and sends many of them with one
// system call through a packet socket.
package rawip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Header writes an IPv4 header without options before what b holds.
func Header(b []byte, from, to netip.Addr, protocol byte, fragment uint16) []byte {
	clear(b[:20])
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	src, dst := from.As4(), to.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	return HeaderChecksum(b)
}

// Header6 writes an IPv6 header, of a packet as long as b, and returns b.
func Header6(b []byte, from, to netip.Addr, next byte) []byte {
	clear(b[:40])
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	src, dst := from.As16(), to.As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	return b
}

// TCP6 is TCP for IPv6: 60 bytes.
func TCP6(b []byte, from, to netip.AddrPort, flags byte, seq, ack uint32) []byte {
	b = Header6(b[:60], from.Addr(), to.Addr(), unix.IPPROTO_TCP)
	var pseudo [40]byte
	copy(pseudo[:], b[8:40])
	pseudo[35], pseudo[39] = 20, unix.IPPROTO_TCP
	segment(b[40:], pseudo[:], from, to, flags, seq, ack)
	return b
}

// HeaderChecksum sets the header's checksum.
func HeaderChecksum(b []byte) []byte {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:20]))
	return b
}

// TCP writes a segment without data, of 40 bytes.
func TCP(b []byte, from, to netip.AddrPort, flags byte, seq, ack uint32) []byte {
	return TCPData(b[:40], from, to, flags, seq, ack)
}

// TCPData writes the headers of a segment before the data that b holds from its
// 40th byte on.
func TCPData(b []byte, from, to netip.AddrPort, flags byte, seq, ack uint32) []byte {
	b = Header(b, from.Addr(), to.Addr(), unix.IPPROTO_TCP, 0x4000)
	var pseudo [12]byte
	copy(pseudo[:], b[12:20])
	pseudo[9] = unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(pseudo[10:], uint16(len(b)-20))
	segment(b[20:], pseudo[:], from, to, flags, seq, ack)
	return b
}

// segment writes a TCP header, before data that are there.
func segment(b, pseudo []byte, from, to netip.AddrPort, flags byte, seq, ack uint32) {
	clear(b[:20])
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13], b[14], b[15] = 5<<4, flags, 0xff, 0xff
	binary.BigEndian.PutUint16(b[16:], Checksum(pseudo, b))
}

// Checksum is that of RFC 1071 over parts, all of which but the last have an even
// number of bytes.
func Checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
