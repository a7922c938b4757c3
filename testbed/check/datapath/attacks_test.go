// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"maps"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// stranger is a client whose packets B must not believe.
var stranger = netip.MustParseAddr("10.77.0.250")

// An attack is a packet to B that is no client's packet from a peer.
type attack struct {
	packet []byte
	want   dprnl.Stat // what is counted; 0: nothing
	marked bool       // else the stack gets it, and nothing is counted
}

// attacks are packets that a client, or somebody in its name, could have sent.
func (w way) attacks(client netip.AddrPort) map[string]attack {
	syn := func(change func(*wire.Segment)) []byte {
		s := wire.Segment{Src: client, Dst: w.addrPort(addrA, port), Flags: "S", Seq: 5}
		change(&s)
		return s.Bytes()
	}
	plain := syn(func(*wire.Segment) {})
	to := func(port uint16) []byte { return syn(func(s *wire.Segment) { s.Dst = w.addrPort(addrA, port) }) }
	marked := w.outer(addrA, addrB)
	marked.Marked = w.tunnel == 4 // whatever the marker
	strange, fragment, nowhere, again, congested := marked, marked, marked, marked, marked
	strange.Src, fragment.More, nowhere.Dst, congested.TOS = w.own(addrR), true, w.own(netip.MustParseAddr("10.77.0.99")), 3
	again.Marked, again.Proto = false, 0
	twice := marked
	twice.Proto = 0
	h, a := w.headerLen(), w.addr(addrA)
	length := map[int]int{4: 3, 6: 5}[w.client] // the low byte of the header's
	all := map[string]attack{
		"stranger":          {strange.Wrap(plain), dprnl.StatRxStranger, false},
		"not for this host": {nowhere.Wrap(plain), 0, false},
		"outer fragment":    {fragment.Wrap(plain), dprnl.StatRxMalformed, false},
	}
	for name, inner := range map[string][]byte{
		"empty":              nil,
		"inner version":      edit(syn(func(*wire.Segment) {}), 0, plain[0]^0x20),
		"inner length short": edit(syn(func(*wire.Segment) {}), length, 19),
		"inner length long":  edit(syn(func(*wire.Segment) {}), length, plain[length]+1),
		"TCP header short":   plain[:h+19],
		"TCP offset small":   edit(to(81), h+12, 0x40),
		"TCP offset large":   edit(to(81), h+12, 0xf0),
	} {
		all[name] = attack{marked.Wrap(inner), dprnl.StatRxMalformed, false}
	}
	for name, from := range w.impossible() {
		all["from "+name] = attack{marked.Wrap(syn(func(s *wire.Segment) { s.Src = netip.AddrPortFrom(netip.MustParseAddr(from), 4000) })),
			dprnl.StatRxBadAddress, false}
		all["to "+name] = attack{marked.Wrap(syn(func(s *wire.Segment) { s.Dst = netip.AddrPortFrom(netip.MustParseAddr(from), port) })),
			dprnl.StatRxBadAddress, false}
	}
	maps.Copy(all, map[string]attack{
		"from this host": {marked.Wrap(syn(func(s *wire.Segment) { s.Src = w.addrPort(addrB, 4000) })), dprnl.StatRxBadAddress, false},
		"nested":         {twice.Wrap(again.Wrap(plain)), dprnl.StatRxNested, false},
		"nested, marked": {twice.Wrap(marked.Wrap(plain)), dprnl.StatRxNested, false},
		"UDP":            {marked.Wrap(wire.Datagram(client.Addr(), a, layers.IPProtocolUDP, make([]byte, 20))), dprnl.StatRxNotServed, false},
		"ping": {marked.Wrap(wire.ICMP(client.Addr(), a, map[int]uint8{4: 8, 6: 128}[w.client], 0, 1, make([]byte, 20))),
			dprnl.StatRxNotServed, false},
		"ICMP about UDP": {marked.Wrap(wire.ICMPError(client.Addr(), a, wire.Unreachable, 0,
			wire.Datagram(a, client.Addr(), layers.IPProtocolUDP, make([]byte, 8)))), dprnl.StatRxNotServed, false},
		"RST for nobody":         {marked.Wrap(syn(func(s *wire.Segment) { s.Flags, s.Dst = "R", w.addrPort(addrA, 81) })), dprnl.StatRxNotServed, false},
		"TCP checksum":           {marked.Wrap(flip(to(81), h+16)), dprnl.StatRxChecksum, false},
		"CE for one that cannot": {congested.Wrap(plain), dprnl.StatRxEcn, false},
	})
	if w.six() {
		maps.Copy(all, w.attacks6(marked, syn))
	} else {
		for name, inner := range map[string][]byte{
			"inner header short": edit(syn(func(*wire.Segment) {}), 0, 0x44),
			"inner header long":  edit(syn(func(*wire.Segment) {}), 0, 0x4f),
			"inner checksum":     flip(syn(func(*wire.Segment) {}), 10),
		} {
			all[name] = attack{marked.Wrap(inner), dprnl.StatRxMalformed, false}
		}
	}
	for name, x := range all {
		x.marked = w.tunnel == 4
		all[name] = x
	}
	return all
}

// attacks6 are those that only IPv6 has.
func (w way) attacks6(marked wire.Tunnel, syn func(func(*wire.Segment)) []byte) map[string]attack {
	with := func(x ...wire.Extension) []byte {
		return marked.Wrap(syn(func(s *wire.Segment) { s.Extensions, s.Dst = x, w.addrPort(addrA, 81) }))
	}
	long := wire.HopByHop()
	long.Body[0] = 255 // the header is longer than the packet
	return map[string]attack{
		"extension header too long": {with(long), dprnl.StatRxMalformed, false},
	}
}

// impossible are addresses that no client's packet can have, as source or destination.
func (w way) impossible() map[string]string {
	if w.six() {
		return map[string]string{
			"loopback":     "::1",
			"multicast":    "ff02::1",
			"a site":       "ff05::2",
			"nobody":       "::",
			"IPv4 in IPv6": "::ffff:10.77.0.250",
			"link-local":   "fe80::250",
		}
	}
	return map[string]string{
		"loopback":            "127.0.0.1",
		"multicast":           "224.0.0.1",
		"broadcast":           "255.255.255.255",
		"the net's broadcast": "10.77.0.255",
		"nobody":              "0.0.0.0",
	}
}
