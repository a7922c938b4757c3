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
	clear(b[20:40])
	binary.BigEndian.PutUint16(b[20:], from.Port())
	binary.BigEndian.PutUint16(b[22:], to.Port())
	binary.BigEndian.PutUint32(b[24:], seq)
	binary.BigEndian.PutUint32(b[28:], ack)
	b[32], b[33], b[34], b[35] = 5<<4, flags, 0xff, 0xff
	var pseudo [12]byte
	copy(pseudo[:], b[12:20])
	pseudo[9] = unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(pseudo[10:], uint16(len(b)-20))
	binary.BigEndian.PutUint16(b[36:], Checksum(pseudo[:], b[20:]))
	return b
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
