// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"dpr/userland/dprnl"
)

func checkRoutes(f *Facts) []Finding {
	if !f.configured() {
		return nil
	}
	var list []Finding
	for _, p := range f.peers() {
		if r := f.Routes[p]; r.Err != "" {
			list = append(list, Finding{"routes", Problem, fmt.Sprintf("there is no route to peer %v (%s): nothing is redirected to it", p, r.Err),
				fmt.Sprintf("ip route get %v, and add the route", p)})
		}
	}
	return list
}

// leastMTU is that of IPv6 with the header of a tunnel through IPv6.
const leastMTU = 1280 + 40

// checkMTU finds peers that small packets reach and large ones do not, and ways that are
// too narrow for a tunnel.
func checkMTU(f *Facts) []Finding {
	var list []Finding
	var mute []netip.Addr
	wish := 1520
	if f.six() {
		wish = 1540
	}
	for _, p := range f.peers() {
		e, ok := f.Echoes[p]
		switch {
		case !ok:
		case !e.Small:
			mute = append(mute, p)
		case f.six() && f.Routes[p].MTU < leastMTU:
			list = append(list, Finding{"mtu", Warning,
				fmt.Sprintf("the way to peer %v has an MTU of %d: packets of 1280 bytes, which every client of IPv6 may send, do not fit it with the 40 bytes of the tunnel, and are fragmented", p, f.Routes[p].MTU),
				fmt.Sprintf("give all interfaces and switch ports between the hosts an MTU of at least %d", leastMTU)})
		case !e.Large:
			list = append(list, Finding{"mtu", Problem,
				fmt.Sprintf("packets of %d bytes do not reach peer %v or do not come back, small ones do: something between the hosts has a smaller MTU and does not say so", e.Size, p),
				fmt.Sprintf("give all interfaces and switch ports between the hosts the same MTU, %d or more if they can; do not filter ICMP", wish)})
		}
	}
	if len(mute) > 0 {
		list = append(list, Finding{"mtu", Note, "the MTU of the way was not measured, because no ICMP echo came back, to peer " + some(mute), ""})
	}
	return list
}

// checkThrough finds what would not pass a network for which answers go through the first
// host: one that drops packets with other sources than the sender's.
func checkThrough(f *Facts) []Finding {
	if !f.configured() || f.Config.Answers != dprnl.AnswersThrough {
		return nil
	}
	var list []Finding
	if f.Config.Forwarding != dprnl.ForwardingIpip {
		list = append(list, Finding{"answers", Warning,
			fmt.Sprintf("answers go through the first host, but with forwarding %v clients' packets go to peers with the clients' addresses as source: a network that drops foreign sources drops them", f.Config.Forwarding),
			`set forwarding = "ipip"`})
	}
	for _, a := range slices.SortedFunc(maps.Keys(f.Several), netip.Addr.Compare) {
		if f.holder(a) != nil {
			continue // answers from it go straight to clients
		}
		list = append(list, Finding{"answers", Warning,
			fmt.Sprintf("answers go through the first host, but several peers report the address %v: %s. One of them gets all answers from it, whichever of them clients have asked", a, some(f.Several[a])),
			"let one host have it: look for an address that was moved and not removed, a VRRP with two masters, or a host that reports what is not its own"})
	}
	for _, l := range f.Links {
		if l.Name != "lo" {
			continue
		}
		for _, p := range l.Addresses {
			if a := p.Addr(); a.IsGlobalUnicast() && a != f.Config.Address {
				list = append(list, Finding{"answers", Warning,
					fmt.Sprintf("answers go through the first host, but if other hosts have the address %v of lo, too, those from it go straight to clients: nothing in them shows which host a client has reached", a),
					"have clients use an address of each host's own"})
			}
		}
	}
	return list
}

// nearly is the share of a limit, in percent, from which on it is a finding.
const nearly = 90

// checkConntrack warns before connection tracking drops new connections. dpr does not
// need it, but what is redirected to this host passes it, if it is loaded.
func checkConntrack(f *Facts) []Finding {
	n, limit := f.Sysctls["net/netfilter/nf_conntrack_count"], f.Sysctls["net/netfilter/nf_conntrack_max"]
	if limit == 0 || n < limit/100*nearly {
		return nil
	}
	return []Finding{{"conntrack", Problem, fmt.Sprintf("connection tracking holds %d of %d connections: once it is full, new ones are dropped", n, limit),
		"sysctl net.netfilter.nf_conntrack_max, or track no connections to the service (notrack)"}}
}

// checkNeighbours warns if the kernel has no room for the addresses of all peers and as
// many clients again.
func checkNeighbours(f *Facts) []Finding {
	family := "ipv4"
	if f.six() {
		family = "ipv6"
	}
	limit := f.Sysctls["net/"+family+"/neigh/default/gc_thresh3"]
	if limit == 0 || 2*len(f.peers()) <= limit {
		return nil
	}
	return []Finding{{"neighbours", Warning, fmt.Sprintf("the kernel remembers %d neighbours at most, and there are %d peers", limit, len(f.peers())),
		"sysctl net." + family + ".neigh.default.gc_thresh3=4096, and gc_thresh2 to half of it"}}
}

// asking are the kinds of interfaces on which neighbours are asked for.
var asking = []string{"", "device", "bridge", "bond", "ipvlan", "macvlan", "team", "veth", "vlan"}

// checkLinkLocal finds interfaces with IPv6 addresses and without one of the link. An answer to
// another host's client has that host's address as source, which the kernel does not ask
// neighbours from: it takes the one of the link, or does not ask at all.
func checkLinkLocal(f *Facts) []Finding {
	var list []Finding
	for _, l := range f.Links {
		six, local := false, false
		for _, p := range l.Addresses {
			six = six || p.Addr().Is6() && p.Addr().IsGlobalUnicast()
			local = local || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()
		}
		if six && !local && l.Up && l.Name != "lo" && slices.Contains(asking, l.Kind) {
			list = append(list, Finding{"link_local", Warning,
				l.Name + " has IPv6 addresses, but none of the link (fe80::/10): from it this host does not find IPv6 clients that other hosts redirect here, and they get no answer",
				"LinkLocalAddressing=ipv6 in the .network file of systemd-networkd, or sysctl net.ipv6.conf." + l.Name + ".addr_gen_mode=0 before the interface comes up"})
		}
	}
	return list
}

// checkSynCookies warns of a host that a flood of SYNs closes: dpr's routing table, when
// full, leaves new connections to the host's own TCP, and relies on its SYN cookies.
func checkSynCookies(f *Facts) []Finding {
	if v, known := f.Sysctls["net/ipv4/tcp_syncookies"]; !known || v != 0 {
		return nil
	}
	return []Finding{{"syn_cookies", Warning, "SYN cookies are off: during a flood of SYNs, this host answers no client",
		"sysctl net.ipv4.tcp_syncookies=1"}}
}

func checkReversePath(f *Facts) []Finding {
	if f.Filtered == 0 {
		return nil
	}
	for _, name := range f.devices() {
		if max(f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Sysctls["net/ipv4/conf/"+name+"/rp_filter"]) == 1 {
			return []Finding{{"rp_filter", Warning,
				fmt.Sprintf("reverse path filtering is strict on %s and has dropped %d packets since boot", name, f.Filtered),
				fmt.Sprintf("if \"nstat TcpExtIPReversePathFilter\" grows: routes between the hosts are not symmetric; correct them, or sysctl net.ipv4.conf.%s.rp_filter=2", name)}}
		}
	}
	return nil
}

// checkReportPaths finds networks on which reports of peers are dropped: a report has its
// host's one address as source on all networks, so that on the others it comes by an
// interface that does not lead there.
func checkReportPaths(f *Facts) []Finding {
	if !f.configured() || f.File == nil || f.six() { // the kernel filters packets of IPv4 only
		return nil
	}
	var list []Finding
	for _, n := range f.File.Report.Networks {
		l := f.link(n.Interface)
		if l == nil || l.Master != "" || max(f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Sysctls["net/ipv4/conf/"+l.Name+"/rp_filter"]) != 1 {
			continue
		}
		for _, p := range f.peers() {
			if d := f.Routes[p].Device; d != "" && d != l.Name {
				list = append(list, Finding{"rp_filter", Warning,
					fmt.Sprintf("reverse path filtering is strict on %s, a network for reports, and the way to peer %v is %s: its reports are dropped there", l.Name, p, d),
					fmt.Sprintf("sysctl net.ipv4.conf.%s.rp_filter=2", l.Name)})
				break
			}
		}
	}
	return list
}

// checkSourceRules finds rules that send this host's own answers another way than
// those that have a peer's address as source.
func checkSourceRules(f *Facts) []Finding {
	if !f.configured() {
		return nil
	}
	var list []Finding
	for _, r := range f.Rules {
		if !r.Source.Contains(f.Config.Address) {
			continue
		}
		var other []netip.Addr
		for _, p := range f.peers() {
			if !r.Source.Contains(p) {
				other = append(other, p)
			}
		}
		if len(other) > 0 {
			list = append(list, Finding{"routes", Warning,
				fmt.Sprintf("rule %d sends packets from %v by table %d; answers to redirected connections have the source %v and take another way", r.Priority, r.Source, r.Table, some(other)),
				fmt.Sprintf("ip rule add from ADDRESS lookup %d, for the address of each host", r.Table)})
		}
	}
	return list
}

// checkSnooping finds bridges of this host that soon drop the reports' multicasts.
func checkSnooping(f *Facts) []Finding {
	if f.File == nil {
		return nil
	}
	var list []Finding
	for _, n := range f.File.Report.Networks {
		l := f.link(n.Interface)
		if l == nil {
			continue
		}
		if l.Kind != "bridge" {
			if l = f.link(l.Master); l == nil || l.Kind != "bridge" {
				continue
			}
		}
		if l.Snooping && !l.Querier {
			list = append(list, Finding{"multicast", Warning,
				fmt.Sprintf("the bridge %s filters multicasts (%s) and has no querier: unless another device asks, reports stop after some minutes", l.Name, f.snooping()),
				fmt.Sprintf("ip link set %s type bridge mcast_querier 1, or use unicast networks", l.Name)})
		}
	}
	return list
}
