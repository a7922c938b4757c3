// SPDX-License-Identifier: MIT

package vnet

import (
	"net/netip"
	"testing"
)

func TestTwin(t *testing.T) {
	for addr, want := range map[string]string{
		"10.77.0.11":    "fd00:10:77::11",
		"10.77.0.250":   "fd00:10:77::250",
		"192.0.2.7":     "fd00:192:0:2::7",
		"198.51.100.1":  "fd00:198:51:100::1",
		"0.0.0.0":       "::",
		"127.0.0.1":     "::1",
		"2001:db8::1":   "2001:db8::1",
		"fe80::1%eth0":  "fe80::1%eth0",
		"255.255.255.0": "fd00:255:255:255::",
	} {
		if got := Twin(netip.MustParseAddr(addr)); got != netip.MustParseAddr(want) {
			t.Errorf("beside %s there is %v, want %s", addr, got, want)
		}
	}
}

func TestTwinPrefix(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.77.0.0/24":   "fd00:10:77::/64",
		"10.77.0.12/24":  "fd00:10:77::12/64",
		"10.88.0.0/16":   "fd00:10:88::/48",
		"10.0.0.0/8":     "fd00:10::/32",
		"0.0.0.0/0":      "::/0",
		"192.0.2.7/32":   "fd00:192:0:2::7/128",
		"172.16.0.1/30":  "fd00:172:16::1/126",
		"2001:db8::/32":  "2001:db8::/32",
		"198.51.100.1/0": "fd00:198:51:100::1/0",
	} {
		got := TwinPrefix(netip.MustParsePrefix(prefix))
		if got != netip.MustParsePrefix(want) {
			t.Errorf("beside %s there is %v, want %s", prefix, got, want)
		}
	}
	// An address is in its network, and in no other.
	net := TwinPrefix(netip.MustParsePrefix("10.77.0.0/24"))
	for addr, in := range map[string]bool{"10.77.0.1": true, "10.77.0.254": true, "10.77.1.1": false, "10.78.0.1": false} {
		if got := net.Contains(Twin(netip.MustParseAddr(addr))); got != in {
			t.Errorf("%v has the twin of %s: %v, want %v", net, addr, got, in)
		}
	}
}
