// SPDX-License-Identifier: MIT

package demo

import (
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
)

// Each family has filters of its own, and none that names the other's addresses.
func TestFilters(t *testing.T) {
	servers := []lab.Host{{Address: "10.0.0.1", Address6: "fd00::1"}, {Address: "10.0.0.2", Address6: "fd00::2"}}
	client := lab.Host{Address: "10.0.0.9", Address6: "fd00::9"}
	for _, tt := range []struct {
		family                      family.Family
		client, pair, tunnels, mark string
	}{
		{
			family.V4, "ip host 10.0.0.9",
			"((src host 10.0.0.9 and dst host 10.0.0.1) or (src host 10.0.0.1 and dst host 10.0.0.9))",
			"(ip proto 4 or ip proto 41)", "(ip[6] & 0x80 != 0)",
		},
		{
			family.V6, "ip6 host fd00::9 and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)",
			"((src host fd00::9 and dst host fd00::1) or (src host fd00::1 and dst host fd00::9))",
			"(ip6 proto 4 or ip6 proto 41)",
			"((src host fd00::1 or src host fd00::2) and (dst host fd00::1 or dst host fd00::2))",
		},
	} {
		c := &captures{client: client, server: servers[0], servers: servers, family: tt.family, own: tt.family}
		for got, want := range map[string]string{c.clientFilter(): tt.client, c.pair(): tt.pair, tunnels(c.own): tt.tunnels, c.mark(): tt.mark} {
			if got != want {
				t.Errorf("%s: got %s, want %s", tt.family.Name(), got, want)
			}
		}
	}
}
