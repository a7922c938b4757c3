// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// An IP is an observed header of IPv4, or of IPv6 with its extensions.
type IP struct {
	Src, Dst netip.Addr
	TOS      uint8             // or traffic class
	TTL      uint8             // or hop limit
	Protocol layers.IPProtocol // of what follows the header and its extensions
	Length   int               // of the whole packet in bytes, as the header says
	// Of IPv4, or of a fragment header, which has no flag but that more follow.
	Flags      layers.IPv4Flag
	FragOffset uint16 // in units of 8 bytes
	ID         uint32

	Label      uint32              // flow label
	Options    []layers.IPv4Option // of IPv4
	Extensions []layers.IPProtocol // types of the extension headers
	Contents   []byte              // the header
	Payload    []byte
}

// Fragment says whether the packet is a part of another.
func (ip *IP) Fragment() bool { return ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0 }

var errShort = errors.New("too short")

// parseIP takes the header of a packet apart, which is of the version.
func parseIP(b []byte, version uint8) (*IP, error) {
	switch {
	case len(b) == 0:
		return nil, errShort
	case b[0]>>4 != version:
		return nil, fmt.Errorf("version %d, want %d", b[0]>>4, version)
	case version == 6:
		return parseIP6(b)
	}
	var ip layers.IPv4
	if err := ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
		return nil, err
	}
	src, _ := netip.AddrFromSlice(ip.SrcIP)
	dst, _ := netip.AddrFromSlice(ip.DstIP)
	return &IP{
		Src: src.Unmap(), Dst: dst.Unmap(), TOS: ip.TOS, TTL: ip.TTL, Protocol: ip.Protocol, Length: int(ip.Length),
		Flags: ip.Flags, FragOffset: ip.FragOffset, ID: uint32(ip.Id), Options: ip.Options,
		Contents: ip.Contents, Payload: ip.Payload,
	}, nil
}

func parseIP6(b []byte) (*IP, error) {
	if len(b) < headerLen6 {
		return nil, errShort
	}
	word := binary.BigEndian.Uint32(b)
	ip := &IP{
		Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
		TOS: uint8(word >> 20), Label: word & 0xfffff, TTL: b[7],
		Protocol: layers.IPProtocol(b[6]), Length: headerLen6 + int(binary.BigEndian.Uint16(b[4:])),
	}
	if ip.Length == headerLen6 && ip.Protocol != layers.IPProtocolNoNextHeader {
		ip.Length = len(b) // a super-packet
	}
	b = b[:min(len(b), ip.Length)]
	at := headerLen6
	for {
		n := 8
		switch ip.Protocol {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination, layers.IPProtocolIPv6Routing:
			if len(b) < at+2 {
				return nil, errShort
			}
			n = (int(b[at+1]) + 1) * 8
		case layers.IPProtocolIPv6Fragment:
		default:
			ip.Contents, ip.Payload = b[:at], b[at:]
			return ip, nil
		}
		if len(b) < at+n {
			return nil, errShort
		}
		ip.Extensions = append(ip.Extensions, ip.Protocol)
		fragment := ip.Protocol == layers.IPProtocolIPv6Fragment
		ip.Protocol = layers.IPProtocol(b[at])
		if fragment {
			field := binary.BigEndian.Uint16(b[at+2:])
			ip.FragOffset, ip.ID = field>>3, binary.BigEndian.Uint32(b[at+4:])
			if field&1 != 0 {
				ip.Flags = layers.IPv4MoreFragments
			}
		}
		at += n
		if fragment && ip.FragOffset != 0 {
			// What follows is no header.
			ip.Contents, ip.Payload = b[:at], b[at:]
			return ip, nil
		}
	}
}
