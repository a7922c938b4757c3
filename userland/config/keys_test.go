// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// key is a key of the configuration: values at its limits and beyond them, and what it
// changes.
type key struct {
	table string // as it is written
	name  string
	good  []string // the least, the most, others
	bad   []string // just beyond
	// other keys that its values need
	with string
	get  func(*Config) any
}

func words(list ...string) []string {
	for i := range list {
		list[i] = `"` + list[i] + `"`
	}
	return list
}

const backendTable = "[[backend]]"

const top, service, network, group = "", "[[service]]", "[[report.network]]", `interface = "lo"` + "\n" + `group = "239.1.1.1"`

// Tables of a service's rules by what is asked for.
const groups, rules = "[[service.group]]", "[[service.rule]]"

func keysOfFile(t *testing.T) []key {
	unicasts := words("1.0.0.1", "10.0.0.1", "126.255.255.255", "128.0.0.0", "223.255.255.255", "2001:db8::1", "fd00::ffff")
	notUnicast := words("0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255", "::", "::1", "ff02::1", "fe80::1", "fe80::1%eth0", "2001:db8::1%eth0", "::ffff:10.0.0.1", "10.0.0", "x")
	age := "report_max_age = \"2h\"\n"
	number := func(table, name string, least, most int, get func(*Config) any) key {
		return key{table, name, []string{fmt.Sprint(least), fmt.Sprint(most), fmt.Sprint(least + 1)},
			[]string{fmt.Sprint(least - 1), fmt.Sprint(most + 1), "-1", "1.5", `"1"`, "true", "[]", "{}"}, "", get}
	}
	duration := func(table, name, least, less, most, more string, get func(*Config) any) key {
		return key{table, name, words(least, most), append(words(less, more, "1500us", "-1s", "x"), "5", "2.0", "[1]", "{ a = 1 }"), "", get}
	}
	list := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("%q", fmt.Sprint("e", i))
		}
		return "[ " + strings.Join(names, ", ") + " ]"
	}
	week, longer := "168h", "168h0m0.001s"
	all := []key{
		{top, "address", unicasts, notUnicast, "", func(c *Config) any { return c.Address }},
		{top, "runtime_directory", words("/a", "/"+strings.Repeat("b", maxDirectory-1), "/x/../y/"), words("a", "/"+strings.Repeat("b", maxDirectory), ""), "", func(c *Config) any { return c.RuntimeDir }},
		{top, "policy", words("off", "stateless", "inverse", "two", "offer"), append(words("best", ""), "1"), "", func(c *Config) any { return c.Policy }},
		{top, "hash", words("port"), words("x"), "", func(c *Config) any { return c.Hash }},
		{top, "estimate", words("reported"), words("x"), "", func(c *Config) any { return c.Estimate }},
		{top, "marker", words("source"), words("x"), "", func(c *Config) any { return c.Marker }},
		{top, "forwarding", words("auto", "direct"), append(words("tunnel", ""), "1"), "", func(c *Config) any { return c.Forwarding }},
		{top, "answers", words("through"), append(words("back", ""), "1"), "", func(c *Config) any { return c.Answers }},
		{top, "orphans", words("ask"), words("x"), "", func(c *Config) any { return c.Orphans }},
		{top, "max_load", append(words("auto"), "1", "9223372036854775807"), append(words("7", "mean"), "-1", "1.5"), "", func(c *Config) any { return c.MaxLoad }},
		number(top, "max_flows", 1, dprnl.MaxFlows, func(c *Config) any { return c.MaxFlows }),
		duration(top, "slow_start", "0s", "-1ms", week, longer, func(c *Config) any { return c.SlowStart }),
		number(top, "affinity", 0, 32, func(c *Config) any { return c.Affinity }),
		number(top, "affinity6", 1, 128, func(c *Config) any { return c.Affinity6 }),
		duration(top, "affinity_time", "0s", "-1ms", week, longer, func(c *Config) any { return c.AffinityTime }),
		{top, "report_max_age", words("1001ms", week), words("1s", longer), "", func(c *Config) any { return c.ReportMaxAge }},
		{top, "start", words("draining"), append(words("leaving", "x", ""), "1"), "", func(c *Config) any { return c.Start }},
		number(top, "weight", 1, dprnl.MaxWeight, func(c *Config) any { return c.Weight }),
		{top, "splice_ports", words("1024-65535", "61000-61000", "5000-6000"), append(words("1023-2000", "2000-1999", "61000", "61000-65536", "a-b", "-", ""), "61000"), "", func(c *Config) any { return c.SplicePorts }},
		number(top, "max_splices", 1, dprnl.MaxSplices, func(c *Config) any { return c.MaxSplices }),
		{backendTable, "name", words("x", "A-z_0.", strings.Repeat("a", dprnl.MaxBackendName)), append(words("", "a b", "ä", strings.Repeat("a", dprnl.MaxBackendName+1)), "1"), "address = \"192.0.2.1\"\nservices = [ 80 ]\n", backendsOf},
		{backendTable, "address", unicasts, notUnicast, "name = \"x\"\nservices = [ 80 ]\n", backendsOf},
		{backendTable, "port", []string{"1", "65535"}, []string{"0", "65536", `"1"`}, inBackend, backendsOf},
		{backendTable, "weight", []string{"1", "65535"}, []string{"0", "65536", `"1"`}, inBackend, backendsOf},
		{backendTable, "limit", []string{"0", "4294967295"}, []string{"-1", "4294967296", `"1"`}, inBackend, backendsOf},
		{backendTable, "services", []string{"[ 80 ]", "[ 443 ]", "[ 80, 443 ]"}, []string{"[]", "80", "[ 0 ]", "[ 65536 ]", `[ "80" ]`, "[ 81 ]", "[ 80, 80 ]", "[ " + strings.Repeat("80, ", dprnl.MaxBackendServices+1) + "]"}, "name = \"x\"\naddress = \"192.0.2.1\"\n", backendsOf},
		{backendTable, "proxy_protocol", []string{"true", "false"}, []string{"2", `"v1"`, `"true"`, `""`, "[]"}, inBackend, backendsOf},
		{backendTable, "check", words("tcp", "http", "none"), append(words("udp", ""), "1"), inBackend, checksOf},
		{backendTable, "check_path", words("/", "/a?b=c"), append(words("", "a", "http://a/", "//a/b", "/ "), "1"), inBackend + "check = \"http\"\n", checksOf},
		duration(backendTable, "check_interval", "100ms", "99ms", "1h", "1h0m0.001s", checksOf),
		number("[weights]", "connections", 0, dprnl.MaxWeight, func(c *Config) any { return c.Weights.Connections }),
		number("[weights]", "cpu", 0, dprnl.MaxWeight, func(c *Config) any { return c.Weights.CPU }),
		number("[weights]", "redirected", 0, dprnl.MaxWeight, func(c *Config) any { return c.Weights.Redirected }),
		number("[weights]", "sockets", 0, dprnl.MaxWeight, func(c *Config) any { return c.Weights.Sockets }),
		duration("[timeouts]", "syn", "1ms", "0s", week, longer, func(c *Config) any { return c.Timeouts.Syn }),
		duration("[timeouts]", "established", "1ms", "0s", week, longer, func(c *Config) any { return c.Timeouts.Established }),
		duration("[timeouts]", "fin", "1ms", "0s", week, longer, func(c *Config) any { return c.Timeouts.Fin }),
		duration("[timeouts]", "rst", "1ms", "0s", week, longer, func(c *Config) any { return c.Timeouts.Rst }),
		number(service, "port", 1, 65535, func(c *Config) any { return fmt.Sprint(c.Services) }),
		{service, "address", unicasts, notUnicast, "port = 80\n", func(c *Config) any { return fmt.Sprint(c.Services) }},
		{service, "policy", words("off", "stateless", "inverse", "two", "offer", "lowest"), append(words("best", ""), "1"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "hash", words("port", "address-port"), append(words("x"), "1"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "max_load", append(words("auto"), "0", "1", "9223372036854775807"), append(words("7", "mean"), "-1", "1.5"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "affinity", []string{"0", "32", "24"}, []string{"33", "-1", `"1"`}, "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{top, "fast_path", words("off", "xdp", "xdp-forced"), append(words("on", ""), "1", "true"), "fast_path_devices = [ \"e\" ]\n", func(c *Config) any { return c.FastPath.Mode }},
		{top, "fast_path_devices", []string{`[ "e" ]`, `[ "abcdefghijklmno", "b.2" ]`, list(MaxFastPathDevices)},
			[]string{"[]", `"e"`, "[ 1 ]", `[ "" ]`, `[ "a/b" ]`, `[ "a b" ]`, `[ ".." ]`, `[ "abcdefghijklmnop" ]`, `[ "a", "a" ]`, list(MaxFastPathDevices + 1)}, "fast_path = \"xdp\"\n",
			func(c *Config) any { return fmt.Sprint(c.FastPath.Devices) }},
		{service, "affinity6", []string{"1", "128", "56"}, []string{"0", "129", `"1"`}, "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "affinity_time", words("0s", week, "1ms"), append(words("-1ms", longer), "5"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "load", words("service", "host"), append(words("both", ""), "1"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "dispatch", words("syn", "connection", "request"), append(words("tunnel", ""), "1"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "forwarding", words("ipip", "auto", "direct"), append(words("tunnel", ""), "1"), "port = 80\n", func(c *Config) any { return c.Services[0].Rules }},
		{service, "default_group", words("g", "h"), append(words("", "x"), "1"), "port = 80\ndispatch = \"connection\"\ngroup = [ { name = \"g\" }, { name = \"h\" } ]\n", rulesetOf},
		{groups, "name", words("g", "A-z_0.", strings.Repeat("a", dprnl.MaxRulesName)), append(words("", "a b", "z", strings.Repeat("a", dprnl.MaxRulesName+1)), "1"), "", rulesetOf},
		{groups, "hosts", []string{`[ "192.0.2.1" ]`, `[ "192.0.2.1", "2001:db8::1" ]`}, []string{"[]", "[ 1 ]", `"192.0.2.1"`, `[ "x" ]`, `[ "0.0.0.0" ]`, `[ "192.0.2.1", "192.0.2.1" ]`}, "name = \"g\"\n", rulesetOf},
		{groups, "policy", words("lowest", "offer", "stateless", "locality"), append(words("off", ""), "1"), "name = \"g\"\n", rulesetOf},
		{groups, "locality", words("host", "url"), append(words("path", ""), "1"), "name = \"g\"\n", rulesetOf},
		{groups, "spill", []string{"0", "1000", "25"}, []string{"-1", "1001", "1.5", `"1"`}, "name = \"g\"\n", rulesetOf},
		{rules, "group", words("z", "y"), append(words("", "x"), "1"), "path = \"/\"\n", rulesetOf},
		{rules, "host", words("a", "*.a.example", "[2001:db8::1]", "A_b"), append(words("", "a.", "a:80", "*.[::1]", "a b", strings.Repeat("a", 256)), "1"), inZ, rulesetOf},
		{rules, "path", words("/", "/a/%41"), append(words("", "a", "/a b", "/?", "/#", "/"+strings.Repeat("a", 255)), "1"), inZ, rulesetOf},
		{rules, "method", words("GET", "x", strings.Repeat("A", 32)), append(words("", "A B", strings.Repeat("A", 33)), "1"), inZ, rulesetOf},
		{rules, "cookie", words("a=b", "a=", "a=b=c"), append(words("", "a", "=b", "a=b;c=d", "a= b"), "1"), inZ, rulesetOf},
		{rules, "sni", words("a", "*.a.example"), append(words("", "a.", "*.[::1]"), "1"), inZ, rulesetOf},
		{rules, "alpn", words("h2", "http/1.1"), append(words("", strings.Repeat("a", 256)), "1"), inZ, rulesetOf},
		duration("[report]", "period", "10ms", "9ms", "1h", "1h0m0.001s", func(c *Config) any { return c.Report.Period }),
		number("[report]", "port", 1, 65535, func(c *Config) any { return c.Report.Port }),
		duration("[report]", "clock_window", "1s", "999ms", "1h", "1h0m0.001s", func(c *Config) any { return c.Report.ClockWindow }),
		{"[report]", "authentication", nil, append(words("x", ""), "1"), "", nil},
		{"[report]", "key_file", words(keyFile(t, "a", 0o600)), words("/nonexistent"), "", func(c *Config) any { return len(c.Report.Keys) }},
		{"[report]", "previous_key_file", words(keyFile(t, "b", 0o600)), words("/nonexistent"), "", func(c *Config) any { return len(c.Report.Keys) }},
		{network, "interface", words("abcdefghijklmno", "lo"), words("", "abcdefghijklmnop"), "group = \"239.1.1.1\"\n", func(c *Config) any { return fmt.Sprint(c.Report.Networks) }},
		{network, "group", words("224.0.0.0", "239.255.255.255", "ff02::1", "ff05::1:3", "ff12::7743", "ff0e::1"), words("223.255.255.255", "240.0.0.0", "2001:db8::1", "ff00::1", "ff01::1", "ff0f::1", "ff02::1%eth0", "x"), "interface = \"lo\"\n", func(c *Config) any { return fmt.Sprint(c.Report.Networks) }},
		{network, "ttl", []string{"2", "255"}, []string{"0", "256", `"1"`}, group + "\n", func(c *Config) any { return c.Report.Networks[0].TTL }},
		{network, "unicast", append(unicasts, words("10.0.0.1:1", "10.0.0.1:65535", "[2001:db8::1]:5", "s2", "S-2.example.org.", "3com.example.org:1", strings.Repeat("a.", 126)+"a")...),
			append(slices.DeleteFunc(slices.Clone(notUnicast), func(s string) bool { return s == `"x"` }), words("", ".", "-s", "s-", "s..t", "s_2", "s 2", "s2:", "s2:0", "s2:x", "s2:65536", "10.0.0", "s.10", strings.Repeat("a", 64), strings.Repeat("a.", 127)+"a", "10.0.0.1:0", "10.0.0.1:65536", "127.0.0.1:5", "[2001:db8::1]:0", "[2001:db8::1]", "[::1]:5", "[fe80::1%eth0]:5", "[10.0.0.1]:5", "0.0.0.0:1")...), "", func(c *Config) any { return fmt.Sprint(c.Report.Networks) }},
		duration("[cleanup]", "interval", "10ms", "9ms", "1h", "1h0m0.001s", func(c *Config) any { return c.Cleanup.Interval }),
		{"[cleanup]", "silent_periods", []string{"1", "1000"}, []string{"0", "1001"}, "dead_after = \"1h\"\n", func(c *Config) any { return c.Cleanup.SilentPeriods }},
		{"[cleanup]", "dead_after", words("1s", "2s", week), words("999ms", longer), "silent_periods = 1\n", func(c *Config) any { return c.Cleanup.DeadAfter }},
	}
	for i := range all {
		if all[i].name == "period" {
			all[i].with = ""
			all[i].table = age + "cleanup = { silent_periods = 1, dead_after = \"2h\" }\n[report]"
		}
		if strings.HasPrefix(all[i].table, "[weights]") && all[i].name == "connections" {
			all[i].with = "cpu = 1\n"
		}
		if all[i].table == groups || all[i].table == rules {
			all[i].table = "[[service]]\nport = 80\ndispatch = \"connection\"\ndefault_group = \"z\"\n[[service.group]]\nname = \"y\"\n[[service.group]]\nname = \"z\"\n" + all[i].table
		}
		if all[i].name == "check_interval" {
			all[i].with = inBackend + "check = \"tcp\"\n"
		}
		if all[i].table == backendTable {
			all[i].table = "[[service]]\nport = 80\n[[service]]\nport = 443\n" + backendTable
		}
		if all[i].table == network {
			all[i].table = "report.authentication = \"none\"\n" + network
		}
	}
	return all
}

// inZ is what a rule needs besides a condition.
const inZ = "group = \"z\"\n"

// inBackend is what a backend needs.
const inBackend = "name = \"x\"\naddress = \"192.0.2.1\"\nservices = [ 80 ]\n"

// backendsOf is the backends.
func backendsOf(c *Config) any { return fmt.Sprint(c.Backends) }

// checksOf is how the backends are checked.
func checksOf(c *Config) any { return fmt.Sprint(c.Checks) }

// rulesetOf is the rules of the one service.
func rulesetOf(c *Config) any { return fmt.Sprint(c.Rulesets) }

func (k key) text(value string) string {
	return strings.TrimSpace(k.table+"\n"+k.with+k.name+" = "+value) + "\n"
}

// Each key takes what is within its limits, refuses what is beyond them with a line and
// its name, and changes the configuration by itself.
func TestEachKey(t *testing.T) {
	for _, k := range keysOfFile(t) {
		seen := map[any]bool{}
		for _, value := range k.good {
			c, err := Parse("f", []byte(k.text(value)))
			if err != nil {
				t.Errorf("%s%s = %s is refused: %v", k.table, k.name, value, err)
				continue
			}
			seen[k.get(c)] = true
		}
		if len(k.good) > 0 && len(seen) != len(k.good) {
			t.Errorf("%s%s: %d values have %d effects: %v", k.table, k.name, len(k.good), len(seen), seen)
		}
		if d := Defaults(); len(k.good) == 1 && k.get != nil && seen[k.get(&d)] {
			t.Errorf("%s%s has no effect", k.table, k.name)
		}
		for _, value := range k.bad {
			c, err := Parse("f", []byte(k.text(value)))
			var e *Error
			if !errors.As(err, &e) || c != nil {
				t.Errorf("%s%s = %s is taken: %+v", k.table, k.name, value, c)
				continue
			}
			line := strings.Count(k.text(value), "\n")
			if !slices.ContainsFunc(e.Mistakes, func(m Mistake) bool { return strings.HasSuffix(m.Key, k.name) && m.Line == line }) {
				t.Errorf("%s%s = %s: %v", k.table, k.name, value, err)
			}
		}
	}
}

// The keys above are all that there are: what the parser says of an unknown key lists
// those that it knows.
func TestEachKeyIsTried(t *testing.T) {
	have := map[string]bool{}
	for _, k := range keysOfFile(t) {
		lines := strings.Split(strings.TrimSpace(k.table), "\n")
		have[lines[len(lines)-1]+k.name] = true
	}
	list := regexp.MustCompile(`known keys are (.*)`)
	n := 0
	for _, table := range []string{top, "[weights]", "[timeouts]", service, groups, rules, backendTable, "[report]", network, "[cleanup]"} {
		text := table + "\nfrob = 1\n"
		switch table {
		case service:
			text += "port = 1\n"
		case groups:
			text = "[[service]]\nport = 1\ndispatch = \"connection\"\n" + text + "name = \"g\"\n"
		case rules:
			text = "[[service]]\nport = 1\ndispatch = \"connection\"\n" + text + "group = \"g\"\n"
		}
		_, err := Parse("f", []byte(text))
		if err == nil {
			t.Fatalf("an unknown key of %q is taken", table)
		}
		m := list.FindStringSubmatch(err.Error())
		if m == nil {
			t.Fatalf("%s: %v", table, err)
		}
		for _, name := range strings.Split(m[1], ", ") {
			switch {
			case table == top && slices.Contains([]string{"weights", "timeouts", "service", "backend", "report", "cleanup"}, name), table == "[report]" && name == "network", table == service && (name == "group" || name == "rule"):
				continue
			case !have[table+name]:
				t.Errorf("nothing tries %s of %q", name, table)
			}
			n++
		}
	}
	if n != len(have) {
		t.Errorf("%d keys are known, %d are tried", n, len(have))
	}
}

// Values take their places: each field of the configuration has a key that sets it.
func TestEachFieldHasAKey(t *testing.T) {
	text := `address = "10.0.0.9"
runtime_directory = "/a/../b"
policy = "two"
hash = "port"
estimate = "reported"
marker = "source"
forwarding = "direct"
answers = "through"
orphans = "ask"
max_load = 5
max_flows = 6
report_max_age = "7s"
slow_start = "24s"
affinity6 = 56
splice_ports = "2000-3000"
max_splices = 26
fast_path = "xdp"
fast_path_devices = [ "eth8", "eth9" ]
weight = 8
weights = { connections = 9, cpu = 10, redirected = 11, sockets = 12 }
timeouts = { syn = "13s", established = "14s", fin = "15s", rst = "16s" }
[[service]]
port = 17
address = "10.0.0.8"
dispatch = "connection"
default_group = "d"
[[service.group]]
name = "d"
hosts = [ "10.0.0.7" ]
policy = "locality"
locality = "host"
spill = 25
[[service.rule]]
group = "d"
host = "a"
path = "/b"
method = "C"
cookie = "d=e"
sni = "f"
alpn = "g"
[[service]]
port = 18
[[backend]]
name = "x"
address = "10.0.0.6"
port = 27
weight = 28
limit = 29
proxy_protocol = "v2"
services = [ 18 ]
check = "http"
check_path = "/c"
check_interval = "30s"
[report]
period = "2s"
port = 19
clock_window = "9s"
authentication = "none"
[[report.network]]
interface = "eth7"
group = "239.0.0.7"
ttl = 21
[[report.network]]
unicast = "10.0.0.7"
[cleanup]
interval = "22s"
silent_periods = 23
dead_after = "46s"
`
	c, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Address: netip.MustParseAddr("10.0.0.9"), RuntimeDir: "/b", Policy: dprnl.PolicyTwo, MaxLoad: 5, MaxFlows: 6, ReportMaxAge: 7 * time.Second, SlowStart: 24 * time.Second, Affinity6: 56,
		SplicePorts: Ports{2000, 3000}, MaxSplices: 26, FastPath: FastPath{FastPathXDP, []string{"eth8", "eth9"}},
		Backends: []dprnl.Backend{{Name: "x", Address: netip.MustParseAddr("10.0.0.6"), Port: 27, Weight: 28, Limit: 29, Services: []uint16{18}, Proxy: true}},
		Checks:   []Check{{"x", netip.MustParseAddrPort("10.0.0.6:27"), CheckHTTP, "/c", true, 30 * time.Second}},
		Hash:     c.Hash, Estimate: c.Estimate, Marker: c.Marker, Forwarding: dprnl.ForwardingDirect, Answers: dprnl.AnswersThrough, Orphans: c.Orphans, Weight: 8,
		Weights:  dprnl.Weights{Connections: 9, CPU: 10, Redirected: 11, Sockets: 12},
		Timeouts: dprnl.Timeouts{Syn: 13 * time.Second, Established: 14 * time.Second, Fin: 15 * time.Second, Rst: 16 * time.Second},
		Services: []dprnl.Service{{Port: 17, Address: netip.MustParseAddr("10.0.0.8"), Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}, {Port: 18, Address: netip.IPv4Unspecified()}},
		Rulesets: []ServiceRules{{dprnl.Service{Port: 17, Address: netip.MustParseAddr("10.0.0.8")}, dprnl.Ruleset{
			Groups:  []dprnl.Group{{Name: "d", Hosts: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Policy: dprnl.GroupLocality, Locality: dprnl.LocalityHost, Spill: 25}},
			Matches: []dprnl.Match{{Group: "d", Host: "a", Path: "/b", Method: "C", Cookie: "d=e", SNI: "f", ALPN: "g"}}, Default: "d",
		}}},
		Report: Report{Period: 2 * time.Second, Port: 19, ClockWindow: 9 * time.Second, Networks: []Network{
			{Interface: "eth7", Group: netip.MustParseAddr("239.0.0.7"), TTL: 21}, {Unicast: netip.MustParseAddrPort("10.0.0.7:19")},
		}},
		Cleanup: Cleanup{Interval: 22 * time.Second, SilentPeriods: 23, DeadAfter: 46 * time.Second},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	if c.Hash.String() != "port" || c.Estimate.String() != "reported" || c.Marker.String() != "source" || c.Orphans.String() != "ask" {
		t.Errorf("%v %v %v %v", c.Hash, c.Estimate, c.Marker, c.Orphans)
	}
	if c.MemoryPath() != "/b/reports" || c.ApplyingPath() != "/b/applying" || c.CountsPath() != "/b/receive.sock" || c.FastPathSocket() != "/b-fastpath/socket" {
		t.Errorf("%s, %s, %s, %s", c.MemoryPath(), c.ApplyingPath(), c.CountsPath(), c.FastPathSocket())
	}
	if a, b := c.Report.Networks[0].String(), c.Report.Networks[1].String(); a != "239.0.0.7%eth7" || b != "10.0.0.7:19" {
		t.Errorf("%s, %s", a, b)
	}
}

// Mistakes that need more than a key.
func TestMoreMistakes(t *testing.T) {
	many := strings.Repeat("[[service]]\nport = 1\n", 1)
	for i := 2; i <= dprnl.MaxServices; i++ {
		many += fmt.Sprintf("[[service]]\nport = %d\n", i)
	}
	if _, err := Parse("f", []byte(many)); err != nil {
		t.Errorf("%d services: %v", dprnl.MaxServices, err)
	}
	if _, err := Parse("f", []byte(many+"[[service]]\nport = 60000\n")); err == nil || !strings.Contains(err.Error(), "too many services") {
		t.Errorf("one more service: %v", err)
	}
	none := "report = { authentication = \"none\" }\n"
	for want, text := range map[string]string{
		fmt.Sprintf("too many services: the limit is %d", dprnl.MaxServices): many + "[[service]]\nport = 60000\n[[service]]\nport = 60001\n",
		"duplicate network 239.1.1.1%lo, first defined in line 3":            "[report]\nauthentication = \"none\"\n[[report.network]]\n" + group + "\nttl = 1\n[[report.network]]\n" + group + "\nttl = 2\n",
		"3 is not a table; write [[service]]":                                "service = [ 3 ]\n",
		"a table is not a whole number":                                      "weight = { a = 1 }\n",
		"a list is not a whole number":                                       "weight = [ 1 ]\n",
		"1.25 is not a whole number":                                         "weight = 1.25\n",
		`fast_path: "xdp" needs the devices`:                                 "fast_path = \"xdp\"\n",
		`fast_path_devices: "b" is there twice`:                              "fast_path_devices = [ \"b\", \"a\", \"b\" ]\n",
		"a: unknown key; known keys are":                                     none + "b = 1\na = 2\n",
		`20s is longer than 10s, and service 80 has dispatch = "connection"`: "[[service]]\nport = 22\n[[service]]\nport = 80\ndispatch = \"connection\"\n[report]\nauthentication = \"none\"\nclock_window = \"20s\"\n",
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), want) != 1 {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Mistakes come in the order of their lines.
	_, err := Parse("f", []byte("zz = 1\naa = 1\nweight = 0\npolicy = 1\n"))
	var e *Error
	if !errors.As(err, &e) || len(e.Mistakes) != 4 {
		t.Fatal(err)
	}
	for i, m := range e.Mistakes {
		if m.Line != i+1 {
			t.Errorf("%v", err)
		}
	}
	// Limits across keys themselves.
	for _, text := range []string{
		"[cleanup]\nsilent_periods = 3\ndead_after = \"3s\"\n",
		"[[service]]\nport = 80\ndispatch = \"request\"\n[report]\nauthentication = \"none\"\nclock_window = \"10s\"\n",
		"[[service]]\nport = 80\ndispatch = \"syn\"\n[report]\nauthentication = \"none\"\nclock_window = \"10001ms\"\n",
	} {
		if _, err := Parse("f", []byte(text)); err != nil {
			t.Error(err)
		}
	}
}
