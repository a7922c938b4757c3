// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"math"
	"net/netip"

	"dpr/userland/dprnl"
	"dpr/userland/firewall"
)

// hookPriority is dpr's own in PREROUTING: chains below see the outer packet, those
// above the client's.
const hookPriority = -450

// A way is one that packets take through this host's firewall.
type way struct {
	what   string
	packet firewall.Packet
	hooks  []firewall.Hook
	low    int // of chains in PREROUTING
	high   int
	remedy string
}

// checkFirewall sends packets through the rules: those that dpr needs, between this host
// and each peer. A rule that drops them for all peers is named once.
func checkFirewall(f *Facts) []Finding {
	if !f.configured() {
		return nil
	}
	var list []Finding
	for _, why := range f.Unread {
		list = append(list, Finding{"firewall", Note, "rules were not looked at: " + why, ""})
	}
	seen := map[string]bool{}
	for _, p := range f.peers() {
		for _, w := range f.ways(p) {
			d := f.dropped(&w)
			if d == nil || seen[w.what+d.String()] {
				continue
			}
			seen[w.what+d.String()] = true
			list = append(list, Finding{"firewall", Problem, fmt.Sprintf("the firewall drops %s: %v", w.what, d), w.remedy})
		}
	}
	return list
}

func (f *Facts) dropped(w *way) *firewall.Drop {
	for _, r := range f.Firewall {
		for _, h := range w.hooks {
			low, high := math.MinInt, math.MaxInt
			if h == firewall.Prerouting {
				low, high = w.low, w.high
			}
			if d := r.Drops(h, low, high, &w.packet); d != nil {
				return d
			}
		}
	}
	return nil
}

// ways are those that packets take between this host and a peer.
func (f *Facts) ways(peer netip.Addr) []way {
	own, dev := f.Config.Address, f.Routes[peer].Device
	const first, last = math.MinInt, math.MaxInt
	var list []way
	for _, protocol := range f.protocols() {
		list = append(list,
			way{fmt.Sprintf("packets that peers redirect to this host (protocol %d)", protocol),
				firewall.Packet{In: dev, Protocol: protocol, Source: peer, Destination: own, DestinationLocal: true, State: "new"},
				[]firewall.Hook{firewall.Ingress, firewall.Prerouting}, first, hookPriority,
				fmt.Sprintf("accept IP protocol %d from the other hosts before that rule", protocol)},
			way{fmt.Sprintf("packets that this host redirects (protocol %d)", protocol),
				firewall.Packet{Out: dev, Protocol: protocol, Source: own, Destination: peer, State: "new"},
				[]firewall.Hook{firewall.Output, firewall.Postrouting}, first, last,
				fmt.Sprintf("accept IP protocol %d to the other hosts before that rule", protocol)})
	}
	if f.File != nil && f.File.Report.Port != 0 {
		list = append(list, way{"the other hosts' reports",
			firewall.Packet{In: dev, Protocol: firewall.UDP, Source: peer, Destination: f.group(own), DestinationPort: f.File.Report.Port,
				State: "new", DestinationLocal: f.group(own) == own},
			[]firewall.Hook{firewall.Ingress, firewall.Prerouting, firewall.Input}, first, last,
			fmt.Sprintf("accept UDP to port %d from the other hosts before that rule", f.File.Report.Port)})
	}
	for _, s := range f.Services {
		direct := firewall.Packet{In: f.device(), Protocol: firewall.TCP, Destination: own, DestinationPort: s.Port, Flags: firewall.SYN, State: "new", DestinationLocal: true}
		redirected := direct
		redirected.In, redirected.Destination, redirected.DestinationLocal = dev, peer, false
		answer := firewall.Packet{Out: dev, Protocol: firewall.TCP, Source: peer, SourcePort: s.Port, Flags: firewall.SYN | firewall.ACK, State: "established"}
		out := []firewall.Hook{firewall.Output, firewall.Postrouting}
		if f.Config.Answers == dprnl.AnswersThrough {
			// What leaves this host is a tunnel's packet; and peers' answers leave it.
			out = out[:1]
			sent := answer
			sent.Source, sent.State = own, "untracked"
			list = append(list, way{fmt.Sprintf("answers of peers from port %d, which this host sends on to clients", s.Port), sent,
				[]firewall.Hook{firewall.Output, firewall.Postrouting}, first, last,
				fmt.Sprintf("accept untracked TCP packets from port %d before that rule", s.Port)})
		}
		list = append(list,
			way{fmt.Sprintf("connections to port %d", s.Port), direct,
				[]firewall.Hook{firewall.Prerouting, firewall.Input}, hookPriority, last,
				fmt.Sprintf("accept TCP to port %d before that rule", s.Port)},
			way{fmt.Sprintf("redirected connections to port %d, whose destination is a peer's address", s.Port), redirected,
				[]firewall.Hook{firewall.Prerouting, firewall.Input}, hookPriority, last,
				fmt.Sprintf("accept TCP to port %d and the other hosts' addresses before that rule", s.Port)},
			way{fmt.Sprintf("answers to redirected connections from port %d, whose source is a peer's address", s.Port), answer,
				out, first, last,
				"accept packets of established connections from the other hosts' addresses before that rule"})
	}
	return list
}

// protocols are those of redirected packets: of clients of the families of which this
// host has addresses that others can reach.
func (f *Facts) protocols() []int {
	four, six := f.Config.Address.Is4(), f.six()
	for _, l := range f.Links {
		for _, p := range l.Addresses {
			if p.Addr().IsGlobalUnicast() {
				four, six = four || p.Addr().Is4(), six || p.Addr().Is6()
			}
		}
	}
	var list []int
	if four {
		list = append(list, firewall.IPIP)
	}
	if six {
		list = append(list, firewall.IPv6)
	}
	return list
}

// device is the one with this host's address, empty if there is none.
func (f *Facts) device() string {
	if l := f.holder(f.Config.Address); l != nil {
		return l.Name
	}
	return ""
}

// group is where reports go: to the first multicast group, else to this host.
func (f *Facts) group(own netip.Addr) netip.Addr {
	for _, n := range f.File.Report.Networks {
		if n.Group.IsValid() {
			return n.Group
		}
	}
	return own
}

// checkPublished finds services whose connections NAT sends elsewhere.
func checkPublished(f *Facts) []Finding {
	if !f.configured() {
		return nil
	}
	var list []Finding
	for _, s := range f.Services {
		p := firewall.Packet{In: f.device(), Protocol: firewall.TCP, Destination: f.Config.Address, DestinationPort: s.Port, Flags: firewall.SYN, State: "new", DestinationLocal: true}
		for _, r := range f.Firewall {
			rule := r.Translates(&p)
			if rule == "" {
				continue
			}
			list = append(list, Finding{"published", Warning,
				fmt.Sprintf("port %d is published by DNAT (%s): this host serves what clients bring, and sends back what peers redirect to it", s.Port, rule),
				"let the container use the host's network, or publish the port by a process that listens on the host"})
		}
	}
	return list
}
