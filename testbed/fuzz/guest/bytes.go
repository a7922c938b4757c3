// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ipHeader writes an IPv4 header without options before what b holds.
func ipHeader(b []byte, from, to netip.Addr, protocol byte, fragment uint16) []byte {
	clear(b[:20])
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	src, dst := from.As4(), to.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	return ipChecksum(b)
}

// ipChecksum sets the header's checksum.
func ipChecksum(b []byte) []byte {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], checksum(b[:20]))
	return b
}

// tcpPacket writes a segment without data, of 40 bytes.
func tcpPacket(b []byte, from, to netip.AddrPort, flags byte, seq, ack uint32) []byte {
	b = ipHeader(b[:40], from.Addr(), to.Addr(), unix.IPPROTO_TCP, 0x4000)
	clear(b[20:])
	binary.BigEndian.PutUint16(b[20:], from.Port())
	binary.BigEndian.PutUint16(b[22:], to.Port())
	binary.BigEndian.PutUint32(b[24:], seq)
	binary.BigEndian.PutUint32(b[28:], ack)
	b[32], b[33], b[34], b[35] = 5<<4, flags, 0xff, 0xff
	var pseudo [32]byte
	copy(pseudo[:], b[12:20])
	pseudo[9], pseudo[11] = unix.IPPROTO_TCP, 20
	copy(pseudo[12:], b[20:40])
	binary.BigEndian.PutUint16(b[36:], checksum(pseudo[:]))
	return b
}

// checksum is that of RFC 1071, of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
