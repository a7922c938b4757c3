// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"dpr/testbed/lab"
	"dpr/userland/report"
)

// settings are what bad input must not change on a server: its configuration,
// its services, the addresses, states and weights of its peers.
func settings(t *testing.T, server string) string {
	t.Helper()
	var peers []struct {
		Address string `json:"address"`
		State   string `json:"state"`
		Weight  uint32 `json:"weight"`
		Listed  bool   `json:"listed"`
	}
	decode(t, &peers, server, "peers")
	byAddress := make(map[string]string)
	for _, p := range peers {
		byAddress[p.Address] = fmt.Sprint(p.State, p.Weight, p.Listed)
	}
	view, err := json.Marshal(byAddress)
	if err != nil {
		t.Fatal(err)
	}
	return dprctl(t, server, "config", "--json") + dprctl(t, server, "service", "list", "--json") + string(view)
}

// Every wrong argument of dprctl is refused with a message that names it, and
// changes nothing.
func TestWrongArguments(t *testing.T) {
	start(t)
	before := settings(t, "s1")
	tests := []struct {
		args []string
		want string // what the message names
	}{
		{[]string{"nonsense"}, "nonsense"},
		{[]string{"--nonsense"}, "nonsense"},
		{[]string{"status", "extra"}, "extra"},
		{[]string{"policy", "set"}, "NAME"},
		{[]string{"policy", "set", "fastest"}, "fastest"},
		{[]string{"policy", "set", ""}, `""`},
		{[]string{"policy", "set", "lowest", "off"}, "off"},
		{[]string{"policy", "set", "stateless", "--hash", "colour"}, "colour"},
		{[]string{"policy", "set", "lowest", "--estimate", "guess"}, "guess"},
		{[]string{"policy", "set", "lowest", "--marker", "pen"}, "pen"},
		{[]string{"policy", "set", "lowest", "--max-load", "-1"}, "-1"},
		{[]string{"policy", "set", "lowest", "--max-load", "18446744073709551616"}, "18446744073709551616"},
		{[]string{"policy", "set", "lowest", "--max-load", "many"}, "many"},
		{[]string{"policy", "set", "lowest", "--nonsense"}, "nonsense"},
		{[]string{"policy", "nonsense"}, "nonsense"},
		{[]string{"service", "add"}, "PORT"},
		{[]string{"service", "add", "0"}, `"0"`},
		{[]string{"service", "add", "65536"}, "65536"},
		{[]string{"service", "add", "-80"}, "80"},
		{[]string{"service", "add", "http"}, "http"},
		{[]string{"service", "add", "80"}, "80"},
		{[]string{"service", "add", "81", "82"}, "82"},
		{[]string{"service", "add", "81", "--address", "10.77.0"}, "10.77.0"},
		{[]string{"service", "add", "81", "--address", "::1"}, "::1"},
		{[]string{"service", "del"}, "PORT"},
		{[]string{"service", "del", "81"}, "81"},
		{[]string{"service", "del", "0x50"}, "0x50"},
		{[]string{"peers", "add", "here"}, "here"},
		{[]string{"peers", "add", "127.0.0.1"}, "127.0.0.1"},
		{[]string{"peers", "add", "224.0.0.1"}, "224.0.0.1"},
		{[]string{"peers", "add", address(t, "s1")}, address(t, "s1")},
		{[]string{"peers", "add", address(t, "s2"), "--weight", "0"}, `"0"`},
		{[]string{"peers", "add", address(t, "s2"), "--weight", "65536"}, "65536"},
		{[]string{"peers", "del", "10.77.0.250"}, "10.77.0.250"},
		{[]string{"flows", "--client", "nobody"}, "nobody"},
		{[]string{"flows", "--port", "0"}, `"0"`},
		{[]string{"flows", "--state", "married"}, "married"},
		{[]string{"flows", "del", "10.77.0.101", "10.77.0.11:80"}, "10.77.0.101"},
		{[]string{"flows", "del", "10.77.0.101:1", "10.77.0.11:80"}, "10.77.0.101:1"},
		{[]string{"config", "set", "--address", "10.77.0.250"}, "not an address of this host"},
		{[]string{"config", "set", "--weight", "0"}, `"0"`},
		{[]string{"config", "set", "--weight-cpu", "65536"}, "65536"},
		{[]string{"config", "set", "--weight-connections", "0"}, "weight"},
		{[]string{"config", "set", "--max-flows", "0"}, `"0"`},
		{[]string{"config", "set", "--max-flows", "16777217"}, "16777217"},
		{[]string{"config", "set", "--timeout-syn", "0s"}, "0s"},
		{[]string{"config", "set", "--timeout-fin", "soon"}, "soon"},
		{[]string{"config", "set", "--report-max-age", "1000h"}, "1000h"},
		{[]string{"config", "set", "--state", "gone"}, "gone"},
		{[]string{"config", "set", "--policy", "lowest", "--max-flows", "0"}, `"0"`},
		{[]string{"expire", "--budget", "0"}, `"0"`},
		{[]string{"drain", "now"}, "now"},
		{[]string{"apply", "--config", "/nowhere.toml"}, "/nowhere.toml"},
		{[]string{"check", "/nowhere.toml"}, "/nowhere.toml"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, "_"), func(t *testing.T) {
			r := try(t, "s1", append([]string{"dprctl"}, test.args...)...)
			if r.status == 0 || !strings.Contains(r.stderr, test.want) {
				t.Errorf("status %d, message %q, want an error that names %q", r.status, r.stderr, test.want)
			}
		})
	}
	if after := settings(t, "s1"); after != before {
		t.Errorf("settings were\n%s\nand are\n%s", before, after)
	}
}

// A wrong configuration file is refused with the line and the key, by dprctl and
// by every process, and changes nothing.
func TestWrongConfiguration(t *testing.T) {
	l := start(t)
	before := settings(t, "s1")
	right := run(t, "s1", "cat", "/etc/dpr/dpr.toml")
	lines := strings.Count(right, "\n")
	tests := []struct {
		name, old, changed string // old is replaced; "" appends
		want               []string
	}{
		{"unknown key", "", "[cleanup]\ncolour = \"red\"\n", []string{"cleanup.colour", fmt.Sprint(lines + 2)}},
		{"no TOML", "", "{]\n", []string{fmt.Sprint(lines + 1)}},
		{"port out of range", "port = 80", "port = 80000", []string{"port", "80000"}},
		{"port as text", "port = 80", `port = "http"`, []string{"port"}},
		{"service twice", "", "[[service]]\nport = 80\n", []string{"80", fmt.Sprint(lines + 1)}},
		{"no such key file", `"/etc/dpr/key"`, `"/etc/dpr/nokey"`, []string{"key_file", "/etc/dpr/nokey"}},
		{"key file for all to read", `"/etc/dpr/key"`, `"/tmp/openkey"`, []string{"key_file", "/tmp/openkey"}},
		{"no key", `key_file = "/etc/dpr/key"`, "", []string{"key_file"}},
		{"group not multicast", `"239.77.0.1"`, `"10.77.0.1"`, []string{"group", "10.77.0.1"}},
		{"policy", "[report]", "policy = \"best\"\n[report]", []string{"policy", "best"}},
		{"period", "[report]", "[report]\nperiod = \"1 day\"", []string{"period", "1 day"}},
		{"address", address(t, "s1"), "10.77.0.300", []string{"address", "10.77.0.300"}},
		{"weight", "[report]", "weight = 0\n[report]", []string{"weight", "0"}},
	}
	run(t, "s1", "sh", "-c", "cp /etc/dpr/key /tmp/openkey && chmod 644 /tmp/openkey")
	t.Cleanup(func() { run(t, "s1", "rm", "-f", "/tmp/openkey", "/tmp/wrong.toml") })
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			wrong := right + test.changed
			if test.old != "" {
				wrong = strings.Replace(right, test.old, test.changed, 1)
			}
			if wrong == right {
				t.Fatalf("%q is not in %q", test.old, right)
			}
			push(t, l, "s1", wrong, "/tmp/wrong.toml")
			for _, command := range [][]string{
				{"dprctl", "check", "/tmp/wrong.toml"},
				{"dprctl", "apply", "--config", "/tmp/wrong.toml"},
				{"dpr-broadcast", "-config", "/tmp/wrong.toml"},
				{"dpr-receive", "-config", "/tmp/wrong.toml"},
				{"dpr-cleanup", "-config", "/tmp/wrong.toml"},
			} {
				r := try(t, "s1", command...)
				for _, want := range append(test.want, "wrong.toml") {
					if r.status == 0 || !strings.Contains(r.stderr, want) {
						t.Errorf("%s: status %d, message %q, want an error that names %q", command[0], r.status, r.stderr, want)
					}
				}
			}
		})
	}
	if after := settings(t, "s1"); after != before {
		t.Errorf("settings were\n%s\nand are\n%s", before, after)
	}
}

// push writes a file on a server.
func push(t *testing.T, l *lab.Lab, server, content, path string) {
	t.Helper()
	local := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Push(t.Context(), server, local, path); err != nil {
		t.Fatal(err)
	}
}

// Datagrams that are no reports of a host of this cluster are refused, each
// with a reason in the log and in the counts, and change nothing. Only authentication stands in
// the way of some.
func TestWrongReports(t *testing.T) {
	l := start(t)
	before := settings(t, "s1")
	file := capture(t, l, "s1", "udp and dst port "+reportPort(t, "s1")+" and src host "+address(t, "s2"))
	time.Sleep(2 * period)
	captured := payloads(t, file())
	if len(captured) == 0 {
		t.Fatal("no report was captured")
	}
	stranger := report.Report{
		Host: netip.MustParseAddr(address(t, "c1")), Boot: report.BootID{1}, Sequence: 1, Time: time.Now(), Period: period, Weight: 1,
	}
	plain, err := stranger.Append(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Append(nil, report.NewKey([report.KeyLen]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(foreign)
	copy(forged[8:12], captured[0][8:12]) // the id of the cluster's key
	head := func(version, authentication byte, length uint16) []byte {
		b := make([]byte, max(8, length))
		copy(b, "DPRr")
		b[4], b[5], b[6], b[7] = version, authentication, byte(length>>8), byte(length)
		return b
	}
	datagrams := [][]byte{
		{},
		{0},
		[]byte("hello"),
		make([]byte, 76),
		make([]byte, 108),
		make([]byte, 1400),
		plain, foreign, forged,
		head(9, 1, 108),            // another version
		head(1, 9, 108),            // an unknown authentication
		head(1, 1, 76),             // too short for its HMAC
		append(head(1, 1, 108), 0), // longer than it says
		head(1, 1, 108)[:107],      // shorter than it says
		append(head(1, 1, 108)[:8:8], // says more than there is
			make([]byte, 4)...),
	}
	port, counted := reportPort(t, "s1"), refusals(t, "s1")
	send := func(target string) error {
		conn, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			return err
		}
		defer conn.Close()
		// A client has no route for multicasts, so it must say by where.
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if err := ipv4.NewPacketConn(conn).SetMulticastInterface(eth0); err != nil {
			return err
		}
		to, err := net.ResolveUDPAddr("udp4", net.JoinHostPort(target, port))
		if err != nil {
			return err
		}
		for _, d := range datagrams {
			if _, err := conn.WriteTo(d, to); err != nil {
				return fmt.Errorf("send %d bytes to %s: %w", len(d), target, err)
			}
			// One at a time, so that none is lost for want of room.
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	}
	for _, target := range []string{address(t, "s1"), "239.77.0.1"} {
		if err := l.InNamespace("c1", func() error { return send(target) }); err != nil {
			t.Fatal(err)
		}
	}
	until(t, 20*time.Second, "all are counted by their reason", func() bool {
		now := refusals(t, "s1")
		for _, why := range []string{"truncated", "magic", "version", "authentication", "length", "unauthenticated", "unknown_key", "bad_hmac"} {
			if now[why] == counted[why] {
				t.Logf("not yet %s", why)
				return false
			}
		}
		return true
	})
	// A known stranger would show within a period.
	time.Sleep(1500 * time.Millisecond)
	if p, known := peerOf(t, "s1", "c1"); known {
		t.Errorf("a stranger is a peer: %+v", p)
	}
	if after := settings(t, "s1"); after != before {
		t.Errorf("settings were\n%s\nand are\n%s", before, after)
	}
	var log strings.Builder
	if err := l.Logs(t.Context(), "s1", &log, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), address(t, "c1")) {
		t.Errorf("the log of s1 does not name the sender %s:\n%s", address(t, "c1"), log.String())
	}
}

// reportPort is the UDP port that a server's dpr-receive listens on.
func reportPort(t *testing.T, server string) string {
	t.Helper()
	for line := range strings.Lines(run(t, server, "ss", "-Hulnp")) {
		fields := strings.Fields(line)
		if len(fields) >= 4 && strings.Contains(line, "dpr-receive") {
			return fields[3][strings.LastIndex(fields[3], ":")+1:]
		}
	}
	t.Fatalf("%s: no UDP socket of dpr-receive", server)
	return ""
}
