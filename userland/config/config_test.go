// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// keyFile writes a key file and returns its path.
func keyFile(t *testing.T, digit string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(strings.Repeat(digit, 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// sample returns the installed file with a key that exists.
func sample(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("dpr.toml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "/etc/dpr/report.key", keyFile(t, "a", 0o600))
}

func TestSampleParses(t *testing.T) {
	c, err := Parse("dpr.toml", []byte(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Services = []dprnl.Service{{Port: 80, Address: netip.IPv4Unspecified()}}
	want.Report.Keys = c.Report.Keys
	want.Report.Networks = []Network{{Interface: "eth0", Group: netip.MustParseAddr("239.77.43.1"), TTL: 1}}
	if len(c.Report.Keys) != 1 || !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

// With every commented-out value enabled, the sample must still hold the
// defaults: this shows that it states them correctly and misspells no key.
func TestSampleShowsDefaults(t *testing.T) {
	text := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = |\[\[)`).ReplaceAllString(sample(t), "$1")
	// What it shows of rules by what is asked for needs another dispatch than the default.
	text = strings.ReplaceAll(text, `dispatch = "syn"`, `dispatch = "connection"`)
	text = strings.ReplaceAll(text, "/etc/dpr/previous.key", keyFile(t, "b", 0o600))
	c, err := Parse("dpr.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Address = netip.MustParseAddr("192.0.2.1")
	want.Services = []dprnl.Service{{Port: 80, Address: want.Address, Rules: dprnl.Rules{
		Policy: dprnl.Own(want.Policy), Hash: dprnl.Own(want.Hash), MaxLoad: dprnl.Own(want.MaxLoad),
		Affinity: dprnl.Own(want.Affinity), Affinity6: dprnl.Own(want.Affinity6), AffinityTime: dprnl.Own(want.AffinityTime),
		Load: dprnl.Own(dprnl.LoadOfHost), Forwarding: dprnl.Own(want.Forwarding),
		Dispatch: dprnl.Own(dprnl.DispatchConnection),
	}}}
	// Rules by what is asked for have no default, but for these of a group.
	want.Rulesets = []ServiceRules{{dprnl.Service{Port: 80, Address: want.Address}, dprnl.Ruleset{
		Groups: []dprnl.Group{{Name: "images", Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
			Policy: dprnl.GroupLowest, Locality: dprnl.LocalityUrl, Spill: dprnl.DefaultSpill}},
		Matches: []dprnl.Match{{Group: "images", Host: "*.example.org", Path: "/images", Method: "GET", Cookie: "beta=yes", SNI: "www.example.org", ALPN: "h2"}},
		Default: "images",
	}}}
	want.FastPath.Devices = []string{"eth0"}
	want.Backends = []dprnl.Backend{{Name: "printer", Address: netip.MustParseAddr("192.0.2.50"), Port: 8080, Weight: 1, Services: []uint16{80}}}
	want.Report.Keys = c.Report.Keys
	want.Report.Networks = []Network{
		{Interface: "eth0", Group: netip.MustParseAddr("239.77.43.1"), TTL: 1},
		{Unicast: netip.MustParseAddrPort("198.51.100.1:7743")},
	}
	if len(c.Report.Keys) != 2 || !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestEmptyFileIsDefaults(t *testing.T) {
	c, err := Parse("empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := Defaults(); !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	key := keyFile(t, "a", 0o600)
	open := keyFile(t, "a", 0o644)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		want []string // "LINE KEY: part of the message"
	}{
		"syntax":           {"policy = \n", []string{"1 unexpected character U+000A at start of value"}},
		"duplicate key":    {"weight = 1\nweight = 2\n", []string{"2 weight: "}},
		"unknown key":      {"\npolcy = \"off\"\n", []string{"2 polcy: unknown key"}},
		"unknown table":    {"[reprot]\nport = 1\n", []string{"1 reprot: unknown key"}},
		"unknown nested":   {"[report]\nauthentication = \"none\"\nprot = 1\n", []string{"3 report.prot: unknown key"}},
		"unknown service":  {"[[service]]\nport = 1\n[[service]]\nport = 2\nadress = \"x\"\n", []string{"5 service.2.adress: unknown key"}},
		"wrong word":       {"policy = \"best\"\n", []string{`1 policy: "best" is not a policy; want one of off, stateless, lowest, inverse`}},
		"word as number":   {"policy = 3\n", []string{"1 policy: 3 is not a string"}},
		"address":          {"address = \"10.0.0\"\n", []string{`1 address: "10.0.0" is not a host's IPv4 or IPv6 address`}},
		"address v6":       {"address = \"::1\"\n", []string{`1 address: "::1" is not`}},
		"address of link":  {"address = \"fe80::1\"\n", []string{`1 address: "fe80::1" is not a host's IPv4 or IPv6 address: it is valid on one link only`}},
		"address mapped":   {"address = \"::ffff:10.0.0.1\"\n", []string{`1 address: "::ffff:10.0.0.1" is not a host's IPv4 or IPv6 address; write 10.0.0.1`}},
		"directory":        {"runtime_directory = \"run\"\n", []string{`1 runtime_directory: "run" is not an absolute path`}},
		"address group":    {"address = \"239.1.2.3\"\n", []string{"1 address: "}},
		"address loopback": {"address = \"127.0.0.1\"\n", []string{"1 address: "}},
		"load no word":     {"max_load = \"mean\"\n", []string{"1 max_load: \"mean\" is neither a whole number from 0 to 9223372036854775807 nor \"auto\""}},
		"load in quotes":   {"max_load = \"7\"\n", []string{"1 max_load: \"7\" is neither"}},
		"number negative":  {"max_load = -1\n", []string{"1 max_load: -1 is neither a whole number from 0 to 9223372036854775807 nor \"auto\""}},
		"number text":      {"max_flows = \"many\"\n", []string{`1 max_flows: "many" is not`}},
		"number zero":      {"max_flows = 0\n", []string{"1 max_flows: 0 is not a whole number from 1 to 16777216"}},
		"number too large": {"weight = 65536\n", []string{"1 weight: 65536"}},
		"number fraction":  {"weight = 1.0\n", []string{"1 weight: 1.0 is not"}},
		"weights":          {"[weights]\ncpu = 70000\n", []string{"2 weights.cpu: 70000"}},
		"no weight":        {"weights = { connections = 0 }\n", []string{"1 weights: at least one weight"}},
		"duration number":  {"[timeouts]\nsyn = 5\n", []string{`2 timeouts.syn: 5 is not a duration`}},
		"duration bad":     {"[timeouts]\nsyn = \"5 sec\"\n", []string{`2 timeouts.syn: "5 sec" is not a duration`}},
		"duration long":    {"[timeouts]\nrst = \"200h\"\n", []string{"2 timeouts.rst: 200h0m0s is not in the range 1ms to 168h0m0s"}},
		"duration fine":    {"[timeouts]\nrst = \"1500us\"\n", []string{"2 timeouts.rst: 1.5ms is not a whole number of milliseconds"}},
		"no port":          {"[[service]]\naddress = \"10.0.0.1\"\n", []string{"1 service.1: missing key port"}},
		"port":             {"[[service]]\nport = 65536\n", []string{"2 service.1.port: 65536"}},
		"service twice":    {"[[service]]\nport = 80\n[[service]]\nport = 80\n", []string{"3 service.2: duplicate service 80, first defined in line 1"}},
		"service no list":  {"service = 80\n", []string{"1 service: 80 is not a list of tables"}},
		"table no table":   {"report = 1\n", []string{"1 report: 1 is not a table"}},
		"authentication":   {"[report]\nauthentication = \"no\"\n", []string{`2 report.authentication: "no" is neither`}},
		"key missing":      {"[report]\n[[report.network]]\nunicast = \"10.0.0.1\"\n", []string{"1 report.key_file: missing key file"}},
		"key unused":       {"[report]\nauthentication = \"none\"\nkey_file = \"" + key + "\"\n", []string{"3 report.key_file: key file given, but"}},
		"key not there":    {"[report]\nkey_file = \"/nonexistent/key\"\n", []string{"2 report.key_file: reading a key"}},
		"key mode":         {"[report]\nkey_file = \"" + open + "\"\n", []string{"2 report.key_file: key file " + open + " has mode 0644"}},
		"key short":        {"[report]\nkey_file = \"" + short + "\"\n", []string{"2 report.key_file: key file " + short + ": 3 characters"}},
		"network neither":  {"[[report.network]]\n", []string{"1 report.network.1.interface: ", "1 report.network.1.group: "}},
		"network both": {"[[report.network]]\nunicast = \"10.0.0.1\"\nttl = 3\n",
			[]string{"3 report.network.1.ttl: a network has either"}},
		"group": {"[[report.network]]\ninterface = \"eth0\"\ngroup = \"10.0.0.1\"\n", []string{"3 report.network.1.group: "}},
		"ttl":   {"[[report.network]]\ninterface = \"eth0\"\ngroup = \"239.1.1.1\"\nttl = 256\n", []string{"4 report.network.1.ttl: 256"}},
		"families": {"report.authentication = \"none\"\naddress = \"10.0.0.1\"\n[[report.network]]\nunicast = \"2001:db8::1\"\n[[report.network]]\nunicast = \"x\"\n[[report.network]]\nunicast = \"10.0.0.2\"\n",
			[]string{"3 report.network.1: the network [2001:db8::1]:7743 and this host's address, 10.0.0.1, are not both of IPv4"}},
		"families of networks": {"report.authentication = \"none\"\n[[report.network]]\ninterface = \"eth0\"\ngroup = \"ff12::7743\"\n[[report.network]]\nunicast = \"10.0.0.2\"\n",
			[]string{"5 report.network.2: the network 10.0.0.2:7743 and the network ff12::7743%eth0 are not both of IPv4"}},
		"endpoint": {"[[report.network]]\nunicast = \"10.0.0.1:0\"\n", []string{"2 report.network.1.unicast: "}},
		"network twice": {"[report]\nauthentication = \"none\"\n[[report.network]]\nunicast = \"10.0.0.1\"\n[[report.network]]\nunicast = \"10.0.0.1:7743\"\n",
			[]string{"5 report.network.2: duplicate network 10.0.0.1:7743, first defined in line 3"}},
		"age": {"report_max_age = \"1s\"\n", []string{"1 report_max_age: 1s is not longer than report.period"}},
		"dead": {"[cleanup]\nsilent_periods = 20\ndead_after = \"3s\"\n",
			[]string{"3 cleanup.dead_after: 3s is shorter than silent_periods"}},
		"all at once": {"policy = 1\nweight = 0\n[cleanup]\ninterval = \"x\"\nfoo = 1\n",
			[]string{"1 policy: ", "2 weight: ", "4 cleanup.interval: ", "5 cleanup.foo: "}},
		"inline network": {"[report]\nauthentication = \"none\"\nnetwork = [ { unicast = \"x_y\" } ]\n",
			[]string{`3 report.network.1.unicast: "x_y"`}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f.toml", []byte(tt.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, configuration %+v", err, c)
			}
			if c != nil {
				t.Error("a file with mistakes yields a configuration")
			}
			if len(e.Mistakes) != len(tt.want) {
				t.Fatalf("got %d mistakes, want %d:\n%v", len(e.Mistakes), len(tt.want), err)
			}
			for i, m := range e.Mistakes {
				got := strings.TrimPrefix(m.String(), "line ")
				got = strings.Replace(got, ": ", " ", 1)
				if !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("got  %s\nwant %s", got, tt.want[i])
				}
			}
			if !strings.HasPrefix(err.Error(), "f.toml: line ") {
				t.Errorf("the error does not start with the file and line: %v", err)
			}
		})
	}
}

func TestLoadUnreadable(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		_, err := Load(path)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), path+": cannot read the file: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("a large file: %v", err)
	}
}

func TestTwoKeysInOrder(t *testing.T) {
	text := "[report]\nkey_file = \"" + keyFile(t, "a", 0o600) + "\"\nprevious_key_file = \"" + keyFile(t, "b", 0o400) + "\"\n"
	c, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Report.Keys) != 2 || c.Report.Keys[0].ID() == c.Report.Keys[1].ID() {
		t.Errorf("keys: %v", c.Report.Keys)
	}
}

// Whoever changes keys writes one file after the other: in between both hold the same key, and a
// process that starts then must.
func TestOneKeyTwice(t *testing.T) {
	key := keyFile(t, "a", 0o600)
	for _, previous := range []string{"", "previous_key_file = \"" + key + "\"\n"} {
		c, err := Parse("f", []byte("[report]\nkey_file = \""+key+"\"\n"+previous+"[[report.network]]\nunicast = \"10.0.0.1\"\n"))
		if err != nil || len(c.Report.Keys) != 1 || c.Report.SameKey != (previous != "") {
			t.Errorf("%q: %+v, %v", previous, c, err)
		}
	}
}

func TestHostAddress(t *testing.T) {
	c := Defaults()
	if _, err := c.HostAddress(); err == nil {
		t.Error("an address from nowhere")
	}
	c.Report.Networks = []Network{{Unicast: netip.MustParseAddrPort("10.0.0.1:1")}, {Interface: "lo"}}
	if a, err := c.HostAddress(); err != nil || a != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("first address of lo: %v, %v", a, err)
	}
	c.Report.Networks[1].Interface = "none0"
	if _, err := c.HostAddress(); err == nil || !strings.Contains(err.Error(), "none0") {
		t.Errorf("an interface that is not there: %v", err)
	}
	c.Address = netip.MustParseAddr("10.0.0.2")
	if a, err := c.HostAddress(); err != nil || a != c.Address {
		t.Errorf("given address: %v, %v", a, err)
	}
}

func TestRenumbered(t *testing.T) {
	lo, gone := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.77")
	c := Defaults()
	c.Report.Networks = []Network{{Interface: "lo"}}
	if a, err := c.Renumbered(gone); err != nil || a != lo {
		t.Errorf("an address that is gone: %v, %v; want %v", a, err, lo)
	}
	c.Report.Networks[0].Interface = "none0"
	if a, err := c.Renumbered(lo); err != nil || a != lo {
		t.Errorf("an address that is there: %v, %v; want it", a, err)
	}
	if _, err := c.Renumbered(gone); err == nil || !strings.Contains(err.Error(), "none0") {
		t.Errorf("an address that is gone, as is the interface: %v", err)
	}
	c.Address = gone
	if a, err := c.Renumbered(gone); err != nil || a != gone {
		t.Errorf("an address that the file names: %v, %v; want it", a, err)
	}
}

func TestDurationsSurvive(t *testing.T) {
	c, err := Parse("f", []byte("report_max_age = \"5s\"\n[report]\nperiod = \"2.5s\"\n"))
	if err != nil || c.Report.Period != 2500*time.Millisecond || c.ReportMaxAge != 5*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
}

// A program that needs no keys reads none, and minds no mistake of theirs.
func TestExporterReadsNoKey(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": "weight = 3\n[report]\nkey_file = \"/nonexistent/key\"\n[[report.network]]\nunicast = \"192.0.2.1\"\n"})
	if c, err := Load(path); err == nil {
		t.Errorf("a key that is not there is read: %+v", c)
	}
	c, err := LoadWithoutKeys(path)
	if err != nil || c.Weight != 3 || len(c.Report.Keys) != 0 || len(c.Report.Networks) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}
