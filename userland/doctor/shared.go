// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
)

// silentLink tells whether a link is one on which hosts put addresses that they do not
// answer for: lo, or a device that leads nowhere.
func (l *Link) silentLink() bool { return l.Name == "lo" || l.Kind == "dummy" }

// shared returns this host's addresses on lo and dummy devices that other hosts report,
// too, and those hosts.
func (f *Facts) shared(hosts []receive.HostStatus) map[netip.Addr][]netip.Addr {
	all := map[netip.Addr][]netip.Addr{}
	for _, l := range f.Links {
		if !l.silentLink() {
			continue
		}
		for _, p := range l.Addresses {
			for _, h := range hosts {
				for _, a := range h.Addresses {
					if a == p.Addr() && a.IsGlobalUnicast() && a != f.Config.Address && h.Address != f.Config.Address {
						all[a] = append(all[a], h.Address)
					}
				}
			}
		}
	}
	return all
}

// several returns the addresses that more than one peer reports besides its own, and those peers.
func (f *Facts) several(hosts []receive.HostStatus) map[netip.Addr][]netip.Addr {
	all := map[netip.Addr][]netip.Addr{}
	peers := f.peers()
	for _, h := range hosts {
		if !slices.Contains(peers, h.Address) {
			continue
		}
		for _, a := range h.Addresses {
			all[a] = append(all[a], h.Address)
		}
	}
	maps.DeleteFunc(all, func(_ netip.Addr, with []netip.Addr) bool { return len(with) < 2 })
	return all
}

// onLink returns the link in whose network an address is that this host has on lo or a
// dummy device.
func (f *Facts) onLink(a netip.Addr) *Link {
	for i := range f.Links {
		l := &f.Links[i]
		if l.silentLink() {
			continue
		}
		for _, p := range l.Addresses {
			if p.Bits() < a.BitLen() && p.Contains(a) {
				return l
			}
		}
	}
	return nil
}

// setting returns what counts for a link: the larger one of its own and that of all.
func (f *Facts) setting(l *Link, name string) int {
	return max(f.Sysctls["net/ipv4/conf/all/"+name], f.Sysctls["net/ipv4/conf/"+l.Name+"/"+name])
}

// checkShared looks at addresses that peers have, too. Hosts of one link must not answer
// ARP requests for such an address, unless one is the holder, which has it on the link
// itself; and they must not use it in their own requests, from which neighbours learn. What
// does not fit is found where it can do harm: where the address is in a link's network.
func checkShared(f *Facts) []Finding {
	var list []Finding
	moves := false
	for _, l := range f.Links {
		if !l.silentLink() {
			continue
		}
		for _, p := range l.Addresses {
			a := p.Addr()
			with := f.Shared[a]
			if len(with) == 0 {
				continue
			}
			moves = moves || l.Name == "lo"
			on := f.onLink(a)
			if on == nil || !a.Is4() {
				continue
			}
			if n := f.setting(on, "arp_ignore"); n != 1 && n != 2 && n != 8 {
				list = append(list, Finding{"arp", Warning,
					fmt.Sprintf("this host has %v on %s, as does peer %s, and answers ARP requests for it on %s: any of the hosts gets clients' packets", a, l.Name, some(with), on.Name),
					"sysctl net.ipv4.conf.all.arp_ignore=1"})
			}
			if f.setting(on, "arp_announce") < 2 {
				list = append(list, Finding{"arp", Warning,
					fmt.Sprintf("this host has %v on %s, as does peer %s, and uses it in ARP requests on %s: neighbours take the address for its own", a, l.Name, some(with), on.Name),
					"sysctl net.ipv4.conf.all.arp_announce=2"})
			}
		}
	}
	if moves && f.Config.Orphans != dprnl.OrphansAsk {
		list = append(list, Finding{"orphans", Warning,
			fmt.Sprintf("peers have an address of this host's lo, too, and orphans are answered by a RST (orphans = %q): when another host gets clients' packets, their connections end", f.Config.Orphans),
			fmt.Sprintf("set orphans = %q on all hosts", dprnl.OrphansAsk)})
	}
	return list
}

// bonds returns the bonds that an interface's packets may leave by.
func (f *Facts) bonds(name string) []*Link {
	var list []*Link
	for i := range f.Links {
		l := &f.Links[i]
		switch master := f.link(l.Master); {
		case l.Name == name && l.Kind == "bond":
			list = append(list, l)
		case l.Name == name && l.Parent != "":
			list = append(list, f.bonds(l.Parent)...)
		case master != nil && master.Name == name && master.Kind == "bridge":
			list = append(list, f.bonds(l.Name)...)
		}
	}
	return list
}

// checkBonds finds bonds that put other link-layer addresses into packets than the one by which
// the host answers ARP requests. By that one peers know who has sent a packet without a tunnel.
func checkBonds(f *Facts) []Finding {
	if !f.configured() || !f.sendsDirect() {
		return nil
	}
	var list []Finding
	seen := map[string]bool{}
	for _, name := range f.devices() {
		for _, l := range f.bonds(name) {
			if (l.Mode != "balance-tlb" && l.Mode != "balance-alb") || seen[l.Name] {
				continue
			}
			seen[l.Name] = true
			list = append(list, Finding{"forwarding", Warning,
				fmt.Sprintf("the bond %s has the mode %s, and so several link-layer addresses as source: peers do not see who has sent a packet without a tunnel, and connections that move may end or hang", l.Name, l.Mode),
				`use another mode, such as 802.3ad or active-backup, or set forwarding = "ipip" on all hosts`})
		}
	}
	return list
}

// sendsDirect tells whether this host redirects some packets without a tunnel, if peers are on
// its link.
func (f *Facts) sendsDirect() bool {
	return f.Config.Forwarding != dprnl.ForwardingIpip || slices.ContainsFunc(f.Services, func(s dprnl.Service) bool {
		return s.Rules.Forwarding.Or(f.Config.Forwarding) != dprnl.ForwardingIpip
	})
}

// checkForwarding advises to leave out the tunnels where all peers are on this host's link,
// and take what comes without.
func checkForwarding(f *Facts) []Finding {
	if !f.configured() || f.Config.Forwarding != dprnl.ForwardingIpip || f.Config.Answers != dprnl.AnswersDirect || !f.foreignPass() {
		return nil
	}
	n := 0
	for _, p := range f.Peers {
		if !p.Listed || p.State == dprnl.StateLeaving {
			continue
		}
		if p.Forwarding != dprnl.ForwardingDirect {
			return nil
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return []Finding{{"forwarding", Note, fmt.Sprintf("all peers (%d) are on this host's link: redirected packets need no tunnels", n),
		"dprctl config set --forwarding auto, and the key forwarding in the file: no bytes are added, and clients keep their MSS"}}
}
