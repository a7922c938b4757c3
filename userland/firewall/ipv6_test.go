// SPDX-License-Identifier: MIT

package firewall

import (
	"net/netip"
	"strings"
	"testing"
)

var own6, peer6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")

// redirected6 is a client's SYN for the peer's address, tunnelled6 its outer packet.
func redirected6() *Packet {
	p := redirected()
	p.Destination = peer6
	return p
}

func tunnelled6() *Packet {
	return &Packet{In: "eth0", Protocol: IPv6, Source: peer6, Destination: own6, DestinationLocal: true, State: "new"}
}

// Rules of both families, for packets of both.
func TestNFTFamilies(t *testing.T) {
	for rule, want := range map[string]struct {
		packet *Packet
		drops  bool
	}{
		"drop":                                     {redirected6(), true},
		"ip6 daddr 2001:db8::2 drop":               {redirected6(), true},
		"ip6 daddr 2001:db8::/32 drop":             {redirected6(), true},
		"ip6 daddr 2001:db8::3-2001:db8::9 drop":   {redirected6(), false},
		"ip6 saddr { 2001:db8::2, fd00::/8 } drop": {tunnelled6(), true},
		"ip6 saddr != 2001:db8::2 drop":            {tunnelled6(), false},
		"ip6 saddr != 2001:db8::3 drop":            {tunnelled6(), true},
		"ip6 saddr != 2001:db8::4 drop":            {tunnelled(), false},
		"ip6 saddr ::/0 drop":                      {tunnelled(), false},
		"ip saddr 0.0.0.0/0 drop":                  {tunnelled6(), false},
		"ip saddr != 192.0.2.9 drop":               {tunnelled6(), false},
		"ip6 nexthdr 41 drop":                      {tunnelled6(), true},
		"ip6 nexthdr tcp drop":                     {tunnelled6(), false},
		"meta l4proto 41 drop":                     {tunnelled6(), true},
		"meta l4proto 4 drop":                      {tunnelled6(), false},
		"meta nfproto ipv6 drop":                   {redirected6(), true},
		"meta nfproto ipv4 drop":                   {redirected6(), false},
		"meta protocol ip6 drop":                   {redirected6(), true},
		"meta protocol ip drop":                    {redirected6(), false},
		"tcp dport 80 drop":                        {redirected6(), true},
		"icmpv6 type echo-request drop":            {redirected6(), false},
		"ip6 saddr vmap { 2001:db8::2 : drop }":    {tunnelled6(), true},
	} {
		r := nft(t, "chain in { type filter hook input priority 0;\n"+rule+"\n}")
		if got := dropped(r, Input, want.packet) != ""; got != want.drops {
			t.Errorf("%s: drops %v, want %v", rule, got, want.drops)
		}
	}
}

// A chain of one family does not see packets of the other.
func TestChainsOfOneFamily(t *testing.T) {
	const save = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination x\nCOMMIT\n"
	four, err := ParseIPTables(save)
	if err != nil {
		t.Fatal(err)
	}
	six, err := ParseIP6Tables(save + "*filter\n-A INPUT -s 2001:db8::/64 -p ipv6 -j DROP\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		r      *Ruleset
		packet *Packet
		want   string
	}{
		{four, tunnelled(), "iptables filter INPUT: policy drop"}, {four, tunnelled6(), ""}, {six, tunnelled(), ""},
		{six, tunnelled6(), "ip6tables filter INPUT: -A INPUT -s 2001:db8::/64 -p ipv6 -j DROP"}, {six, redirected6(), "ip6tables filter INPUT: policy drop"},
		{nft(t, ""), tunnelled6(), ""},
	} {
		if got := dropped(tt.r, Input, tt.packet); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if four.Translates(redirected6()) != "" || four.Translates(redirected()) == "" || six.Translates(redirected()) != "" || !strings.HasPrefix(six.Translates(redirected6()), "ip6tables nat PREROUTING: ") {
		t.Error("NAT of the other family")
	}
	r, err := ParseNFT(list(t, "table ip6 t {\nchain in { type filter hook input priority 0; policy drop;\n}\n}\ntable ip u {\nchain in { type filter hook input priority 1; policy drop;\n}\n}", "-j"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := dropped(r, Input, tunnelled()), dropped(r, Input, tunnelled6()); a != "nft ip u in: policy drop" || b != "nft ip6 t in: policy drop" {
		t.Errorf("%q, %q", a, b)
	}
	if _, err := ParseIP6Tables("x"); err == nil || !strings.HasPrefix(err.Error(), "ip6tables-save, line 1: ") {
		t.Errorf("%v", err)
	}
}
