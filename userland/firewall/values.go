// SPDX-License-Identifier: MIT

package firewall

import (
	"net/netip"
	"strings"
)

// sameName compares an interface with a pattern that may end in a wildcard.
func sameName(name, pattern string, wildcard byte) answer {
	if name == "" {
		return maybe
	}
	if n := len(pattern); n > 0 && pattern[n-1] == wildcard {
		return is(strings.HasPrefix(name, pattern[:n-1]))
	}
	return is(name == pattern)
}

// within tells whether an address is in a prefix. All addresses are in that of
// length 0, the unknown as well.
func within(a netip.Addr, p netip.Prefix) answer {
	if p.Bits() == 0 {
		return yes
	}
	if !a.IsValid() {
		return maybe
	}
	return is(p.Contains(a))
}

// A span is a range of numbers.
type span struct{ low, high int }

func (s span) has(n int) answer { return is(s.low <= n && n <= s.high) }

// portOf returns the answer for a port, which may be unknown.
func portOf(port uint16, s span) answer {
	if port == 0 {
		return maybe
	}
	return s.has(int(port))
}

// hasPorts tells whether a packet's protocol has ports.
func hasPorts(p *Packet) bool { return p.Protocol == TCP || p.Protocol == UDP }

// addressType tells whether a packet's destination is of a type as iptables and nft
// call it. A redirected packet is for an address of another host: unicast.
func addressType(p *Packet, name string) answer {
	switch strings.ToLower(name) {
	case "local":
		return is(p.DestinationLocal)
	case "unicast":
		return is(!p.DestinationLocal && !p.Destination.IsMulticast())
	case "multicast":
		return is(p.Destination.IsMulticast())
	case "broadcast", "anycast", "blackhole", "unreachable", "prohibit", "unspec":
		return no
	}
	return maybe
}

// flagBits are the names of TCP's flags.
var flagBits = map[string]int{"fin": FIN, "syn": SYN, "rst": RST, "psh": PSH, "ack": ACK, "urg": URG, "none": 0, "all": FIN | SYN | RST | PSH | ACK | URG}

// flagSet returns the bits of a list of names.
func flagSet(names []string) (int, bool) {
	set := 0
	for _, n := range names {
		bits, ok := flagBits[strings.ToLower(n)]
		if !ok {
			return 0, false
		}
		set |= bits
	}
	return set, true
}

// flagsAre tells whether of the flags in mask exactly want are set.
func flagsAre(mask, want int) match {
	return func(p *Packet) answer { return both(is(p.Protocol == TCP), is(p.Flags&mask == want)) }
}

// stateIn tells whether the packet's state of connection tracking is one of some.
func stateIn(p *Packet, names []string) answer {
	if p.State == "" {
		return maybe
	}
	for _, n := range names {
		if strings.EqualFold(n, p.State) {
			return yes
		}
	}
	return no
}

// protocols are the names that the tools print.
var protocols = map[string]int{"icmp": 1, "igmp": 2, "ipencap": IPIP, "ipip": IPIP, "ip-in-ip": IPIP, "ipv4": IPIP, "tcp": TCP, "udp": UDP,
	"dccp": 33, "ipv6": IPv6, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136}
