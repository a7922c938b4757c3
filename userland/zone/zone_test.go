// SPDX-License-Identifier: MIT

package zone

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func testZone() *Zone {
	return &Zone{
		Name: "www.example.org.", TTL: 5 * time.Second, Owners: []string{"www.example.org.", "a.www.example.org."},
		Servers:    []NameServer{{"ns.www.example.org.", addr("192.0.2.9")}, {"ns2.example.net.", netip.Addr{}}},
		Hostmaster: "hostmaster.www.example.org.", Order: OrderAddress,
	}
}

func TestFormat(t *testing.T) {
	const want = `; Live hosts of the cluster, written by dprctl zone. Manual changes will be lost.
$ORIGIN www.example.org.
$TTL 5
@ IN SOA ns.www.example.org. hostmaster.www.example.org. (
	7 ; serial
	60 10 86400 5 )
@ IN NS ns.www.example.org.
@ IN NS ns2.example.net.
ns.www.example.org. IN A 192.0.2.9
www.example.org. IN A 192.0.2.2
www.example.org. IN A 192.0.2.10
a.www.example.org. IN A 192.0.2.2
a.www.example.org. IN A 192.0.2.10
`
	hosts := []netip.Addr{addr("192.0.2.10"), addr("192.0.2.2")}
	z := testZone()
	if got := string(z.Format(7, hosts)); got != want {
		t.Errorf("got\n%s", got)
	}
	z.Order = OrderRotate
	first := make(map[netip.Addr]bool)
	for serial := range uint32(4) {
		list := z.arrange(serial, hosts)
		first[list[0]] = true
		if len(list) != 2 || list[0] == list[1] {
			t.Errorf("serial %d: %v", serial, list)
		}
	}
	if len(first) != 2 || hosts[0] != addr("192.0.2.10") {
		t.Errorf("first were %v; the caller's list is %v", first, hosts)
	}
}

// Addresses of IPv6 have records of their own kind.
func TestFormatOfIPv6(t *testing.T) {
	z := testZone()
	z.Servers[0].Address = addr("2001:db8::9")
	got := string(z.Format(7, []netip.Addr{addr("2001:db8::10"), addr("2001:db8::2")}))
	const want = `ns.www.example.org. IN AAAA 2001:db8::9
www.example.org. IN AAAA 2001:db8::2
www.example.org. IN AAAA 2001:db8::10
a.www.example.org. IN AAAA 2001:db8::2
a.www.example.org. IN AAAA 2001:db8::10
`
	if !strings.HasSuffix(got, "IN NS ns2.example.net.\n"+want) {
		t.Errorf("got\n%s", got)
	}
}

func TestSerial(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct{ old, want uint32 }{
		{0, 1000}, {999, 1000}, {1000, 1001}, {5000, 5001}, {1<<32 - 1, 1000}, {1<<31 + 2000, 1000}, {1<<31 - 1, 1 << 31},
	} {
		got := Next(tt.old, now)
		if got != tt.want || int32(got-tt.old) <= 0 {
			t.Errorf("after %d: %d, want %d", tt.old, got, tt.want)
		}
	}
	for text, want := range map[string]bool{"": false, "x ; serial": false, "\t12 ; serial\n": true, "4294967296 ; serial": false} {
		if _, ok := Serial([]byte(text)); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	now := time.Unix(1000, 0)
	for _, order := range []Order{OrderAddress, OrderRotate} {
		os.Remove(path)
		z := testZone()
		z.Order = order
		for _, tt := range []struct {
			hosts   []netip.Addr
			serial  uint32
			changed bool
		}{
			{[]netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}, 1000, true},
			{[]netip.Addr{addr("192.0.2.2"), addr("192.0.2.1")}, 1000, false},
			{[]netip.Addr{addr("192.0.2.1")}, 1001, true},
			{[]netip.Addr{addr("192.0.2.1")}, 1001, false},
			{[]netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}, 1002, true},
		} {
			serial, changed, err := z.Write(path, tt.hosts, now)
			if err != nil || serial != tt.serial || changed != tt.changed {
				t.Errorf("%s, %v: serial %d, changed %v, %v", order, tt.hosts, serial, changed, err)
			}
		}
		z.TTL = time.Minute
		if serial, changed, err := z.Write(path, []netip.Addr{addr("192.0.2.1")}, now); err != nil || !changed || serial != 1003 {
			t.Errorf("another TTL: serial %d, changed %v, %v", serial, changed, err)
		}
	}
	files, err := filepath.Glob(path + "*")
	if info, serr := os.Stat(path); err != nil || serr != nil || len(files) != 1 || info.Mode().Perm() != 0o644 {
		t.Errorf("files %v, mode %v, %v", files, info.Mode(), err)
	}
	if _, _, err := testZone().Write(filepath.Join(path, "x"), []netip.Addr{addr("192.0.2.1")}, now); err == nil {
		t.Error("no error of a file that cannot be written")
	}
	if _, _, err := testZone().Write(t.TempDir(), []netip.Addr{addr("192.0.2.1")}, now); err == nil {
		t.Error("no error of a directory")
	}
}

func TestHosts(t *testing.T) {
	own := dprnl.Config{Address: addr("192.0.2.1")}
	peers := []dprnl.Peer{
		{Address: addr("192.0.2.2"), Usable: true, Listed: true},
		{Address: addr("192.0.2.3"), Listed: true, Reported: true, Age: time.Minute},
		{Address: addr("192.0.2.4"), Listed: true, State: dprnl.StateDraining},
		{Address: addr("192.0.2.5")},
	}
	draining := own
	draining.State = dprnl.StateDraining
	for name, tt := range map[string]struct {
		config dprnl.Config
		peers  []dprnl.Peer
		want   []string
	}{
		"active":                         {own, peers, []string{"192.0.2.2", "192.0.2.1"}},
		"draining":                       {draining, peers, []string{"192.0.2.2"}},
		"draining, and there is nobody":  {draining, peers[1:], []string{"192.0.2.1"}},
		"alone":                          {own, nil, []string{"192.0.2.1"}},
		"never configured":               {dprnl.Config{Address: netip.IPv4Unspecified()}, peers, nil},
		"of an older module, no address": {dprnl.Config{}, peers, nil},
	} {
		list, err := Hosts(tt.config, tt.peers)
		var got []string
		for _, a := range list {
			got = append(got, a.String())
		}
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestQualify(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, tt := range []struct{ name, origin, want string }{
		{"example.org", "", "example.org."},
		{"example.org.", "", "example.org."},
		{"www", "example.org.", "www.example.org."},
		{"www.example.net.", "example.org.", "www.example.net."},
		{"@", "example.org.", "example.org."},
		{"_x-1." + long, "", "_x-1." + long + "."},
		{"@", "", ""}, {"", "", ""}, {".", "", ""}, {"a..b", "", ""}, {"a b", "", ""}, {"-a", "", ""}, {"a-", "", ""},
		{long + "a", "", ""}, {"a;b", "", ""}, {"a\n", "", ""}, {"$ORIGIN", "", ""}, {"*.a", "", ""},
		{strings.Repeat(long+".", 4), "", ""},
	} {
		got, err := Qualify(tt.name, tt.origin)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q below %q: %q, %v", tt.name, tt.origin, got, err)
		}
	}
}
