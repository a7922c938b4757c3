// SPDX-License-Identifier: MIT

package config

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"dpr/userland/testnetns"
)

// A file of IPv6: addresses, groups, and the family of reports that follows.
func TestFileOfIPv6(t *testing.T) {
	c, err := Parse("f", []byte(`address = "2001:db8::1"
[[service]]
port = 80
address = "2001:db8::80"
[report]
authentication = "none"
[[report.network]]
interface = "eth0"
group = "ff12::7743"
ttl = 3
[[report.network]]
unicast = "2001:db8::2"
[[report.network]]
unicast = "[2001:db8::3]:7"
[[report.network]]
unicast = "hosts.example.org"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Network{
		{Interface: "eth0", Group: netip.MustParseAddr("ff12::7743"), TTL: 3},
		{Unicast: netip.MustParseAddrPort("[2001:db8::2]:7743")},
		{Unicast: netip.MustParseAddrPort("[2001:db8::3]:7")},
		{Name: "hosts.example.org", Port: 7743},
	}
	for i, n := range c.Report.Networks {
		if n != want[i] {
			t.Errorf("network %d: %+v, want %+v", i, n, want[i])
		}
	}
	if c.Address != netip.MustParseAddr("2001:db8::1") || c.Services[0].String() != "[2001:db8::80]:80" || !c.Report.IPv6 {
		t.Errorf("%+v", c)
	}
	for text, six := range map[string]bool{
		"":                                false,
		"address = \"10.0.0.1\"\n":        false,
		"address = \"2001:db8::1\"\n":     true,
		"unicast = \"10.0.0.1\"\n":        false,
		"unicast = \"2001:db8::1\"\n":     true,
		"unicast = \"[2001:db8::1]:7\"\n": true,
		"unicast = \"s2\"\n":              false,
	} {
		head := "report.authentication = \"none\"\n"
		if strings.HasPrefix(text, "unicast") {
			head += "[[report.network]]\n"
		}
		if c, err := Parse("f", []byte(head+text)); err != nil || c.Report.IPv6 != six {
			t.Errorf("%q: %v, want %t", text, err, six)
		}
	}
}

// Where the file has no address and the group is an IPv6 one, the interface's oldest
// address counts that stays and that others reach.
func TestHostAddressOfIPv6(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	n.Run("ip link add d0 type veth peer name d1")
	n.Run("ip link set d0 addrgenmode none up")
	n.Run("ip addr add fe80::1/64 dev d0 nodad")
	n.Run("ip addr add 192.0.2.1/24 dev d0")
	c := Defaults()
	c.Report.Networks = []Network{{Interface: "d0", Group: netip.MustParseAddr("ff12::7743")}}
	n.Do(func() {
		if a, err := c.HostAddress(); err == nil || !strings.Contains(err.Error(), "interface d0 has no IPv6 address") {
			t.Errorf("%v, %v", a, err)
		}
		n.Run("ip addr add 2001:db8::1/64 dev d0 nodad preferred_lft 0")
		n.Run("ip addr add 2001:db8::2/64 dev d0 nodad")
		n.Run("ip addr add 2001:db8::3/64 dev d0 nodad")
		two := netip.MustParseAddr("2001:db8::2")
		if a, err := c.HostAddress(); err != nil || a != two {
			t.Errorf("%v, %v", a, err)
		}
		if a, err := c.Renumbered(two); err != nil || a != two {
			t.Errorf("%v, %v", a, err)
		}
		n.Run("ip addr del 2001:db8::2/64 dev d0")
		if a, err := c.Renumbered(two); err != nil || a != netip.MustParseAddr("2001:db8::3") {
			t.Errorf("renumbered: %v, %v", a, err)
		}
		c.Report.Networks[0].Group = netip.MustParseAddr("239.77.43.1")
		if a, err := c.HostAddress(); err != nil || a != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("%v, %v", a, err)
		}
	})
}
