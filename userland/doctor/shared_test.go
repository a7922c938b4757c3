// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
	"dpr/userland/testnetns"
)

// An address of the hosts' link, one outside, and one of IPv6.
var (
	near  = netip.MustParseAddr("192.0.2.80")
	away  = netip.MustParseAddr("198.51.100.80")
	near6 = netip.MustParseAddr("2001:db8::80")
)

// share gives the host an address of a link that peers report, too.
func share(f *Facts, link, kind string, a netip.Addr, with ...netip.Addr) {
	f.Links = append(f.Links, Link{Name: link, Kind: kind, Up: true, Addresses: []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}})
	var hosts []receive.HostStatus
	for _, h := range with {
		hosts = append(hosts, receive.HostStatus{Address: h, Addresses: []netip.Addr{away.Next(), a}})
	}
	f.Shared, f.Config.Orphans, f.File.Orphans = f.shared(hosts), dprnl.OrphansAsk, dprnl.OrphansAsk
}

func arp(f *Facts, where string, ignore, announce int) {
	f.Sysctls["net/ipv4/conf/"+where+"/arp_ignore"], f.Sysctls["net/ipv4/conf/"+where+"/arp_announce"] = ignore, announce
}

// What is said of an address that peers have, too, and of what hosts of one link do not
// need; nothing where it does no harm.
func TestShared(t *testing.T) {
	const answers, uses = "arp: this host has 192.0.2.80 on lo, as does peer 192.0.2.2, and answers ARP requests for it on br0",
		"arp: this host has 192.0.2.80 on lo, as does peer 192.0.2.2, and uses it in ARP requests on br0"
	direct := func(f *Facts) {
		for i := range f.Peers {
			f.Peers[i].Forwarding = dprnl.ForwardingDirect
		}
	}
	const tunnels = "forwarding: all peers (2) are on this host's link"
	for name, tt := range map[string]struct {
		change func(*Facts)
		want   []string
	}{
		"on the link":           {func(f *Facts) { share(f, "lo", "device", near, peer) }, []string{answers, uses}},
		"two peers":             {func(f *Facts) { share(f, "lo", "device", near, peer, other); arp(f, "all", 1, 0) }, []string{"as does peer 192.0.2.2, 192.0.2.3, and uses"}},
		"on a dummy device":     {func(f *Facts) { share(f, "d0", "dummy", near, peer); arp(f, "all", 1, 0) }, []string{"192.0.2.80 on d0, as does"}},
		"silent":                {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "all", 1, 2) }, nil},
		"silent on the link":    {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "br0", 1, 2) }, nil},
		"silent in other ways":  {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "br0", 2, 2) }, nil},
		"silent altogether":     {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "br0", 8, 2) }, nil},
		"silent elsewhere":      {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "eth0", 1, 2) }, []string{answers, uses}},
		"silent by scope only":  {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "all", 3, 2) }, []string{answers}},
		"announces by network":  {func(f *Facts) { share(f, "lo", "device", near, peer); arp(f, "all", 1, 1) }, []string{uses}},
		"outside the link":      {func(f *Facts) { share(f, "lo", "device", away, peer) }, nil},
		"IPv6":                  {func(f *Facts) { share(f, "lo", "device", near6, peer) }, nil},
		"nobody else's":         {func(f *Facts) { share(f, "lo", "device", near) }, nil},
		"a device's":            {func(f *Facts) { share(f, "eth7", "device", away, peer) }, nil},
		"its own":               {func(f *Facts) { share(f, "lo", "device", own, peer) }, nil},
		"this host's own words": {func(f *Facts) { share(f, "lo", "device", near, own) }, nil},
		"orphans": {func(f *Facts) {
			share(f, "lo", "device", away, peer)
			f.Config.Orphans, f.File.Orphans = dprnl.OrphansReset, dprnl.OrphansReset
		}, []string{`orphans: peers have an address of this host's lo, too, and orphans are answered by a RST (orphans = "reset")`}},
		"orphans, dummy": {func(f *Facts) {
			share(f, "d0", "dummy", away, peer)
			f.Config.Orphans, f.File.Orphans = dprnl.OrphansReset, dprnl.OrphansReset
		}, nil},

		"one link":                {direct, []string{tunnels}},
		"one link, but for one":   {func(f *Facts) { direct(f); f.Peers[1].Forwarding = dprnl.ForwardingIpip }, nil},
		"one link, but for none":  {func(f *Facts) { direct(f); f.Peers[1] = dprnl.Peer{Address: other} }, []string{"all peers (1)"}},
		"one link, one leaves":    {func(f *Facts) { direct(f); f.Peers[1].State, f.Peers[1].Forwarding = dprnl.StateLeaving, 0 }, []string{"all peers (1)"}},
		"alone":                   {func(f *Facts) { f.Peers = nil }, []string{"reports: within"}},
		"one link, auto":          {func(f *Facts) { direct(f); f.Config.Forwarding = dprnl.ForwardingAuto }, nil},
		"one link, through":       {func(f *Facts) { direct(f); f.Config.Answers = dprnl.AnswersThrough }, nil},
		"one link, sources":       {func(f *Facts) { direct(f); f.Answers[peer] = Answer{Tunnel: true, Own: true} }, []string{"answers: packets that peer"}},
		"one link, sources, mute": {func(f *Facts) { direct(f); f.Answers = nil }, nil},
	} {
		f := well()
		tt.change(f)
		if name == "alone" {
			f.Heard = 0
		}
		got := Examine(f)
		if name == "its own" { // a peer has the same address: that is another matter
			got = slices.DeleteFunc(got, func(g Finding) bool { return g.Check != "arp" })
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %+v, want %q", name, got, tt.want)
			continue
		}
		for _, want := range tt.want {
			if !slices.ContainsFunc(got, func(g Finding) bool { return strings.Contains(g.Check+": "+g.What, want) && g.Remedy != "" }) {
				t.Errorf("%s: %+v, want %s", name, got, want)
			}
		}
	}
	f := well()
	direct(f)
	if got := Examine(f); len(got) != 1 || got[0].Severity != Note || !strings.Contains(got[0].Remedy, "--forwarding auto") {
		t.Errorf("%+v", got)
	}
}

// An address of lo that a peer reports, and the settings, are seen as they are.
func TestGatherShared(t *testing.T) {
	n := testnetns.New(t)
	for _, line := range []string{
		"ip link add br0 type bridge", "ip link set br0 up", "ip link set lo up",
		"ip address add 192.0.2.1/24 dev br0", fmt.Sprintf("ip address add %v/32 dev lo", near),
	} {
		n.Run(line)
	}
	g := gather(t, n, "all")
	if with := g.Facts.Shared[near]; len(g.Facts.Shared) != 1 || !slices.Equal(with, []netip.Addr{peer}) {
		t.Errorf("shared: %v", g.Facts.Shared)
	}
	count := func(g gathered) (n int) {
		for _, x := range g.Findings {
			if x.Check == "arp" {
				n++
			}
		}
		return n
	}
	if got := count(g); got != 2 {
		t.Errorf("%d findings in %+v, want 2", got, g.Findings)
	}
	n.Run("sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.br0.arp_announce=2")
	if g := gather(t, n, "all"); count(g) != 0 {
		t.Errorf("%+v, want nothing about ARP", g.Findings)
	}
}
