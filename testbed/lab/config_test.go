// SPDX-License-Identifier: MIT

package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/family"
	"dpr/userland/config"
)

func TestConfigDefaults(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "lab" || c.Servers != 3 || c.Clients != 6 || c.Kernel != "6.1" || c.Memory != 384 || c.Progress == nil || c.Family != family.V4 {
		t.Errorf("defaults %+v", c)
	}
	if c, err := (Config{Clients: -1}).withDefaults(); c.Clients != 0 || err != nil {
		t.Errorf("Clients -1 becomes %d, %v; want 0", c.Clients, err)
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		c     Config
		names string
	}{
		{Config{Name: "a-b"}, "a-b"},
		{Config{Name: "../x"}, "../x"},
		{Config{Name: strings.Repeat("x", 17)}, "xxx"},
		{Config{Servers: -2}, "--servers -2: want 1 to 80"},
		{Config{Servers: MaxServers + 1}, "--servers 81"},
		{Config{Clients: MaxClients + 1}, "--clients 101"},
		{Config{Memory: 100}, "--memory 100: want at least 192"},
		{Config{Kernel: "new"}, "new"},
		{Config{Kernel: "6.1/../x"}, "6.1/../x"},
		{Config{Link: "8 mbit"}, "8 mbit"},
		{Config{Link: "0mbit"}, "0mbit"},
		{Config{AccessRate: "64kb; x"}, "64kb; x"},
		{Config{Older: "/x", NoDPR: true}, "another version"},
		{Config{Older: "/x", Servers: 1}, "another version"},
		{Config{Older: "/x", Family: family.V6}, "another version"},
		{Config{Family: 5}, "--family 5: want 4, 6"},
	}
	for _, tt := range tests {
		if _, err := tt.c.withDefaults(); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: error %v, want one with %s", tt.c, err, tt.names)
		}
	}
	for _, k := range []string{"6.1", "6.12", "6.1.0-56-cloud-amd64", "6.12.117+deb12-cloud-amd64", "7.3.1+deb13-cloud-amd64", "6.12~rc1"} {
		if _, err := (Config{Kernel: k}).withDefaults(); err != nil {
			t.Errorf("kernel %s: %v", k, err)
		}
	}
}

func TestMakeHosts(t *testing.T) {
	hosts := makeHosts(2, 1)
	want := []Host{
		{"s1", Server, "10.77.0.11", "fd77::11", "02:64:70:72:00:0b"},
		{"s2", Server, "10.77.0.12", "fd77::12", "02:64:70:72:00:0c"},
		{"c1", Client, "10.77.0.101", "fd77::101", "02:64:70:72:00:65"},
	}
	for i, h := range hosts {
		if h != want[i] {
			t.Errorf("host %d is %+v, want %+v", i, h, want[i])
		}
	}
	seen := map[string]bool{}
	for _, h := range makeHosts(MaxServers, MaxClients) {
		if a, err := netip.ParseAddr(h.Address6); err != nil || !network6.Contains(a) || seen[h.Address6] {
			t.Fatalf("%+v: %v", h, err)
		}
		if seen[h.Address] || seen[h.MAC] {
			t.Fatalf("%+v shares an address", h)
		}
		seen[h.Address], seen[h.Address6], seen[h.MAC] = true, true, true
	}
}

func TestDprToml(t *testing.T) {
	got := dprToml(DPRConfig{Policy: "inverse", Orphans: "ask", MaxLoad: 7, ReportPeriod: 500 * time.Millisecond}, makeHosts(1, 0)[0], family.V4)
	want := `address = "10.77.0.11"
policy = "inverse"
orphans = "ask"
max_load = 7

[report]
period = "500ms"
key_file = "/etc/dpr/key"

[[report.network]]
interface = "eth0"
group = "239.77.0.1"

[[service]]
port = 80
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, want := range []string{"address = \"fd77::11\"\n", "group = \"ff12::77:1\"\n"} {
		if got := dprToml(DPRConfig{}, makeHosts(1, 0)[0], family.V6); !strings.Contains(got, want) || strings.Contains(got, "10.77") || strings.Contains(got, "239.") {
			t.Errorf("no %s, or something of IPv4, in\n%s", want, got)
		}
	}
	if a, b := newKey(), newKey(); a == b || len(a) != 65 {
		t.Errorf("keys %q and %q", a, b)
	}
}

// The servers' own programs take what the lab writes.
func TestDprTomlParses(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(newKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range family.All {
		h := makeHosts(1, 0)[0]
		c, err := config.Parse("dpr.toml", []byte(strings.Replace(dprToml(DPRConfig{}, h, f), dprKeyPath, key, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Report.Networks; c.Address.String() != h.In(f) || len(n) != 1 || n[0].Group.String() != reportGroups[f] || n[0].Group.Is6() != c.Address.Is6() {
			t.Errorf("%s: address %s, networks %v", f.Name(), c.Address, n)
		}
	}
}

func TestHostsFile(t *testing.T) {
	const rest = "10.77.0.11 s1-4\nfd77::11 s1-6\n"
	for f, own := range map[family.Family]string{family.V4: "10.77.0.11 s1\n", family.V6: "fd77::11 s1\n"} {
		if got, want := hostsFile(makeHosts(1, 0), f), "127.0.0.1 localhost\n::1 localhost\n"+own+rest; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestHostAddresses(t *testing.T) {
	h := makeHosts(1, 0)[0]
	for f, want := range map[family.Family][3]string{
		family.V4: {"10.77.0.11", "10.77.0.11:81", "http://10.77.0.11"},
		family.V6: {"fd77::11", "[fd77::11]:81", "http://[fd77::11]"},
	} {
		if got := [3]string{h.In(f), h.Endpoint(f, 81), h.URL(f)}; got != want {
			t.Errorf("%s: got %q, want %q", f.Name(), got, want)
		}
	}
}

func TestNginxConfig(t *testing.T) {
	if c := nginxConfig("", "1k"); !strings.Contains(c, "listen 80 ") || !strings.Contains(c, "listen [::]:80 ") {
		t.Errorf("nginx does not listen to both families:\n%s", c)
	}
	if c := nginxConfig("64k", ""); !strings.Contains(c, "limit_rate 64k; sendfile_max_chunk 4k;") || strings.Contains(c, "LIMIT") {
		t.Errorf("no limit in\n%s", c)
	}
	if c := nginxConfig("4096", "1k"); !strings.Contains(c, "limit_rate 4096; sendfile_max_chunk 1k;") || !strings.Contains(c, "sendfile off;") || strings.Contains(c, "SENDING") {
		t.Errorf("no pieces in\n%s", c)
	}
	if c := nginxConfig("", ""); strings.Contains(c, "limit_rate") || strings.Contains(c, "LIMIT") || !strings.Contains(c, "sendfile on;") {
		t.Errorf("a limit in\n%s", c)
	}
}
