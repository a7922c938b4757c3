// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dpr/userland/dprnl"
	"dpr/userland/firewall"
	"dpr/userland/testnetns"
)

var own6, peer6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")

// local6 is an address of the link.
var local6 = netip.MustParsePrefix("fe80::1/64")

// wellSix is a host of IPv6 that nothing is wrong with.
func wellSix() *Facts {
	f := well()
	f.File.Address, f.File.Report.IPv6 = own6, true
	f.File.Report.Networks[0].Group = netip.MustParseAddr("ff12::7743")
	f.Config.Address = own6
	f.Peers = []dprnl.Peer{{Address: peer6, Listed: true}}
	f.Links[0].Addresses = append(f.Links[0].Addresses, netip.PrefixFrom(own6, 64), local6)
	f.Routes = map[netip.Addr]Route{peer6: {Device: "br0", MTU: 1500}}
	f.Echoes = map[netip.Addr]Echo{peer6: {Small: true, Large: true, Size: 1500}}
	return f
}

// Troubles that hosts of IPv6 have, or do not have.
func TestTroublesOfIPv6(t *testing.T) {
	six := func(rule string) *firewall.Ruleset {
		r, err := firewall.ParseIP6Tables("*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*mangle\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rule + "\nCOMMIT\n")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, tt := range map[string]struct {
		change func(*Facts)
		want   string // empty: nothing
		remedy string
	}{
		"well":        {func(*Facts) {}, "", ""},
		"address":     {func(f *Facts) { f.Links[0].Addresses = nil }, "no interface has this host's address 2001:db8::1", ""},
		"route":       {func(f *Facts) { f.Routes[peer6] = Route{Err: "network is unreachable"}; clear(f.Echoes) }, "there is no route to peer 2001:db8::2", "ip route get 2001:db8::2"},
		"narrow":      {func(f *Facts) { f.Routes[peer6] = Route{Device: "br0", MTU: 1319} }, "the way to peer 2001:db8::2 has an MTU of 1319", "at least 1320"},
		"wide enough": {func(f *Facts) { f.Routes[peer6] = Route{Device: "br0", MTU: 1320} }, "", ""},
		"mtu":         {func(f *Facts) { f.Echoes[peer6] = Echo{Small: true, Size: 1500} }, "packets of 1500 bytes do not reach peer 2001:db8::2", "1540 or more"},
		"snooping":    {func(f *Facts) { f.Links[0].Snooping = true }, "filters multicasts (MLD snooping) and has no querier", "mcast_querier 1"},
		"deaf":        {func(f *Facts) { f.Heard = 0 }, "no report of another host was accepted", "MLD snooping without querier"},
		"out":         {func(f *Facts) { f.Firewall = []*firewall.Ruleset{six("-A OUTPUT -p 41 -j DROP")} }, "the firewall drops packets that this host redirects (protocol 41): ip6tables mangle OUTPUT", "accept IP protocol 41"},
		"out, IPv4":   {func(f *Facts) { f.Firewall = []*firewall.Ruleset{six("-A OUTPUT -p 4 -j DROP")} }, "redirects (protocol 4): ip6tables", "accept IP protocol 4 to"},
		"rules of v4": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, "*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n")}
		}, "", ""},
		"reports":               {func(f *Facts) { f.Firewall = []*firewall.Ruleset{six("-A INPUT -d ff12::7743 -j DROP")} }, "the firewall drops the other hosts' reports", "accept UDP to port 7743"},
		"service":               {func(f *Facts) { f.Firewall = []*firewall.Ruleset{six("-A INPUT -d 2001:db8::2 -p tcp -j DROP")} }, "the firewall drops redirected connections to port 80", "accept TCP to port 80"},
		"neighbours":            {func(f *Facts) { f.Sysctls["net/ipv6/neigh/default/gc_thresh3"] = 1 }, "the kernel remembers 1 neighbours at most", "sysctl net.ipv6.neigh.default.gc_thresh3=4096"},
		"of IPv4":               {func(f *Facts) { f.Sysctls["net/ipv4/neigh/default/gc_thresh3"] = 1 }, "", ""},
		"tunnel":                {func(f *Facts) { f.Links = append(f.Links, Link{Name: "tun6", Kind: "ip6tnl", Remote: peer6, Up: true}) }, "the tunnel tun6 to peer 2001:db8::2 and dpr share protocols 4 and 41: between IPv6 addresses dpr takes all", "another kind"},
		"no link-local address": {func(f *Facts) { f.Links[0].Addresses = f.Links[0].Addresses[:2] }, "br0 has IPv6 addresses, but none of the link", "LinkLocalAddressing=ipv6"},
		"link-local address elsewhere": {func(f *Facts) {
			f.Links = append(f.Links, Link{Name: "eth9", Kind: "device", Up: true, Addresses: []netip.Prefix{netip.PrefixFrom(peer6, 64)}})
		}, "eth9 has IPv6 addresses, but none of the link", "net.ipv6.conf.eth9.addr_gen_mode=0"},
		"no neighbours": {func(f *Facts) {
			alone := []netip.Prefix{netip.MustParsePrefix("2001:db8::9/128")}
			f.Links = append(f.Links, Link{Name: "lo", Up: true, Addresses: alone}, Link{Name: "dummy0", Kind: "dummy", Up: true, Addresses: alone},
				Link{Name: "eth9", Addresses: alone})
		}, "", ""},
		"other tunnel": {func(f *Facts) { f.Links = append(f.Links, Link{Name: "gre6", Kind: "ip6gre", Remote: peer6, Up: true}) }, "", ""},
		"rp_filter": {func(f *Facts) {
			f.Sysctls["net/ipv4/conf/all/rp_filter"] = 1
			second(f)
			f.File.Report.Networks[1].Group = netip.MustParseAddr("ff12::7743")
		}, "", ""},
	} {
		f := wellSix()
		tt.change(f)
		got := Examine(f)
		if tt.want == "" {
			if len(got) > 0 {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if !slices.ContainsFunc(got, func(x Finding) bool {
			return strings.Contains(x.What, tt.want) && strings.Contains(x.Remedy, tt.remedy)
		}) {
			t.Errorf("%s: %+v, want %q, %q", name, got, tt.want, tt.remedy)
		}
	}
	// A host of IPv4 with clients of IPv6.
	f := well()
	f.Links[0].Addresses = append(f.Links[0].Addresses, netip.PrefixFrom(own6, 64), local6)
	f.Firewall = []*firewall.Ruleset{rules(t, "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p ipv6 -j DROP\nCOMMIT\n")}
	if got := Examine(f); len(got) != 1 || !strings.Contains(got[0].What, "redirects (protocol 41): iptables filter OUTPUT") {
		t.Errorf("%+v", got)
	}
	f.Links[0].Addresses = append(f.Links[0].Addresses[:1], local6)
	if got := Examine(f); len(got) != 0 {
		t.Errorf("without such clients: %+v", got)
	}
	f.Config.Marker, f.File.Marker = dprnl.MarkerSource, dprnl.MarkerSource
	f.Links = append(f.Links, Link{Name: "sit1", Kind: "sit", Remote: peer, Up: true})
	if got := Examine(f); len(got) != 1 || !strings.Contains(got[0].What, "the tunnel sit1 to peer 192.0.2.2 and dpr share protocol 41: with marker") {
		t.Errorf("%+v", got)
	}
}

// A host of IPv6 is seen as it is.
//
//	own6 (v0, MTU 1500) ── veth ── peer6 (v1, MTU 1400 after the start)
func TestGatherOfIPv6(t *testing.T) {
	a, b := testnetns.New(t), testnetns.New(t)
	a.Run(fmt.Sprintf("ip link add v0 type veth peer name v1 netns %d", b.PID()))
	a.Run("ip link set v0 up")
	a.Run("ip address add 2001:db8::1/64 dev v0 nodad")
	a.Run("ip -6 rule add from 2001:db8::1 lookup 7 priority 100")
	b.Run("ip link set v1 up")
	b.Run("ip address add 2001:db8::2/64 dev v1 nodad")
	f := gather(t, a, "six").Facts
	if v := f.holder(own6); v == nil || v.Name != "v0" {
		t.Errorf("%+v", f.Links)
	}
	if r := f.Routes[peer6]; r.Device != "v0" || r.MTU != 1500 || r.Err != "" {
		t.Errorf("route: %+v", r)
	}
	if r := f.Routes[netip.MustParseAddr("2001:db8:1::1")]; !strings.Contains(r.Err, "unreachable") {
		t.Errorf("no route: %+v", r)
	}
	if len(f.Rules) != 1 || f.Rules[0] != (Rule{100, netip.PrefixFrom(own6, 128), 7}) {
		t.Errorf("rules: %+v", f.Rules)
	}
	if e := f.Echoes[peer6]; e != (Echo{true, true, 1500}) {
		t.Errorf("echo: %+v", e)
	}
	b.Run("ip link set v1 mtu 1400")
	if e := gather(t, a, "six").Facts.Echoes[peer6]; e != (Echo{true, false, 1500}) {
		t.Errorf("echo past a small MTU: %+v", e)
	}
	a.Run("nft add table inet t")
	a.Run("nft add chain inet t in { type filter hook output priority 0; }")
	a.Run("nft add rule inet t in meta l4proto 41 drop")
	g := gather(t, a, "six")
	if !slices.ContainsFunc(g.Findings, func(x Finding) bool { return strings.Contains(x.What, "redirects (protocol 41): nft inet t in: ") }) {
		t.Errorf("%+v: want the firewall's rule", g.Findings)
	}
}
