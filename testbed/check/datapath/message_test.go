// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
)

// Of kmod/owner_msg.h.
const (
	ownerProtocol = 253
	ownerClaimed  = 2
	ownerStill    = 3
	ownerGone     = 4
	ownerMissed   = 11
)

// hostMessage makes a message between hosts about a connection: of an IPv4 one 24 bytes,
// of an IPv6 one 48.
func hostMessage(kind byte, number uint32, client, service netip.AddrPort) []byte {
	b := []byte("DPRo")
	if client.Addr().Is6() {
		b = []byte("DPR6")
	}
	b = binary.BigEndian.AppendUint32(append(b, kind, 0, 0, 0), number)
	b = append(append(b, client.Addr().AsSlice()...), service.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, client.Port()), service.Port())
	seal(b)
	return b
}

// message puts a message between hosts into a packet: from one's own address to the
// other's, in a packet like those that hosts redirect.
func (w way) message(from, to netip.Addr, message []byte) []byte {
	outer := w.outer(from, to)
	outer.Proto = 0 // that of the inner packet, which is of the tunnel's family
	return outer.Wrap(wire.Datagram(outer.Src, outer.Dst, ownerProtocol, message))
}

// clientPort is the port of the client of the connection that a message is about.
func clientPort(message []byte) uint16 { return binary.BigEndian.Uint16(message[len(message)-4:]) }

// ownerMessage returns the message between hosts in a tunnelled packet, if it is
// one.
func ownerMessage(p *wire.Packet) []byte {
	if !p.Tunnelled() || p.IP[1].Protocol != ownerProtocol {
		return nil
	}
	return p.IP[1].Payload
}

// ownerClaim makes the claim that answers a question.
func ownerClaim(ask []byte) []byte { return ownerAnswer(ask, ownerClaimed) }

// ownerAnswer makes an answer of a kind to a question.
func ownerAnswer(ask []byte, kind byte) []byte {
	b := append([]byte(nil), ask...)
	b[4] = kind
	seal(b)
	return b
}

// seal writes a message's checksum.
func seal(b []byte) {
	binary.BigEndian.PutUint16(b[6:], 0)
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[6:], ^uint16(sum))
}

// offered matches a redirected SYN that may be refused, taken one that may not.
func offered(p *wire.Packet) bool { return redirectedSyn(p) && unlikeOthers(p) }
func firm(p *wire.Packet) bool    { return redirectedSyn(p) && !unlikeOthers(p) }

// unlikeOthers says whether the outer header is an offer's: without DF, or with a bit of
// the flow label, which says nothing but in a SYN's.
func unlikeOthers(p *wire.Packet) bool {
	if p.IP[0].Src.Is6() {
		return redirectedSyn(p) && p.IP[0].Label&wire.OfferBit != 0
	}
	return p.IP[0].Flags&layers.IPv4DontFragment == 0
}

func redirectedSyn(p *wire.Packet) bool {
	return len(p.IP) == 2 && p.TCP != nil && p.TCP.SYN && !p.TCP.ACK
}
