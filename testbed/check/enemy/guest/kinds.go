// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/rawip"
)

// The flags of a segment.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
)

// blindPacket is a packet of one who knows who talks to whom, and nothing else.
type blindPacket struct {
	flags byte
	data  int
	icmp  byte // the code of an ICMP error that is sent instead, 0 for none
}

// kind is a kind of attack: packets that follow each other, again and again.
type kind struct {
	name    string
	packets []blindPacket
}

const (
	icmpPort = 3 // port unreachable
	icmpMTU  = 4 // fragmentation needed
)

// kinds are all of them. Those of several packets first bring what a host may have
// noted of the client's sequence numbers to where they want it: three numbers a
// third of the circle apart, each of which is after the one before.
var kinds = []kind{
	{"SYN", []blindPacket{{flags: syn}}},
	{"SYN with data", []blindPacket{{flags: syn, data: 20}}},
	{"ACK", []blindPacket{{flags: ack}}},
	{"data", []blindPacket{{flags: psh | ack, data: 20}}},
	{"FIN", []blindPacket{{flags: fin}}},
	{"FIN+ACK", []blindPacket{{flags: fin | ack}}},
	{"RST", []blindPacket{{flags: rst}}},
	{"RST+ACK", []blindPacket{{flags: rst | ack}}},
	{"SYN+ACK", []blindPacket{{flags: syn | ack}}},
	{"URG", []blindPacket{{flags: urg | ack, data: 1}}},
	{"no flags", []blindPacket{{}}},
	{"3 ACK, FIN, SYN", []blindPacket{{flags: ack}, {flags: ack}, {flags: ack}, {flags: fin | ack}, {flags: syn}}},
	{"3 ACK, RST, SYN", []blindPacket{{flags: ack}, {flags: ack}, {flags: ack}, {flags: rst}, {flags: syn}}},
	{"3 data, FIN, SYN", []blindPacket{{flags: ack, data: 1}, {flags: ack, data: 1}, {flags: ack, data: 1}, {flags: fin | ack}, {flags: syn}}},
	{"ICMP port unreachable", []blindPacket{{icmp: icmpPort}}},
	{"ICMP fragmentation needed", []blindPacket{{icmp: icmpMTU}}},
}

// shot makes a kind's packets. The same seed makes the same, but for the ports.
type shot struct {
	*rand.Rand
	kind
	n       int // packets so far
	seq     uint32
	from    netip.AddrPort
	to      netip.AddrPort
	planned int
}

// number is a sequence number. Half of them are random, half go around the circle
// in even steps, each at a random place of its step.
func (s *shot) number() uint32 {
	if s.n%2 == 0 || s.planned == 0 {
		return s.Uint32()
	}
	step := uint64(1<<32) / uint64(s.planned)
	return uint32(uint64(s.n)*step) + uint32(s.Uint64N(max(step, 1)))
}

// packet writes the next packet.
func (s *shot) packet(b []byte) []byte {
	at := s.n % len(s.packets)
	p := s.packets[at]
	switch {
	case len(s.packets) == 1:
		s.seq = s.number()
	case at == 0:
		s.seq = s.Uint32()
	case at < 3:
		s.seq += 0x55555555
	case p.flags == syn:
		s.seq = s.Uint32()
	case s.packets[0].data > 0 && at == 3:
		s.seq++
	}
	s.n++
	if p.icmp != 0 {
		return s.icmp(b, p.icmp)
	}
	b = b[:40+p.data]
	for i := 40; i < len(b); i++ {
		b[i] = 'x'
	}
	return rawip.TCPData(b, s.from, s.to, p.flags, s.seq, s.Uint32())
}

// icmp writes an error about a segment from the service to the client.
func (s *shot) icmp(b []byte, code byte) []byte {
	b = b[:20+8+40]
	rawip.TCP(b[28:], s.to, s.from, ack, s.seq, s.Uint32())
	clear(b[20:28])
	b[20], b[21] = 3, code // destination unreachable
	if code == icmpMTU {
		binary.BigEndian.PutUint16(b[26:], 600)
	}
	binary.BigEndian.PutUint16(b[22:], rawip.Checksum(b[20:]))
	return rawip.Header(b, s.from.Addr(), s.to.Addr(), unix.IPPROTO_ICMP, 0)
}
