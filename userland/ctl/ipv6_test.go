// SPDX-License-Identifier: MIT

package ctl

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// six is a host of IPv6 with a peer and a flow.
func six() *kernel {
	k := healthy()
	k.config.Address = netip.MustParseAddr("2001:db8::1")
	k.services[1].Address = netip.MustParseAddr("2001:db8::80")
	k.peers = k.peers[:1]
	k.peers[0].Address = netip.MustParseAddr("2001:db8:0:1:2:3:4:2")
	k.flows = 1
	k.more = []dprnl.Flow{{
		FlowKey: dprnl.FlowKey{Client: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:54321"), Service: netip.MustParseAddrPort("[2001:db8::1]:80")},
		Peer:    k.peers[0].Address, State: dprnl.FlowEstablished, Idle: time.Second, Expires: time.Minute,
	}}
	return k
}

// Tables are as wide as their addresses.
func TestTablesOfIPv6(t *testing.T) {
	for line, want := range map[string]string{
		"flows": `CLIENT                                          SERVICE                PEER                  STATE              IDLE     EXPIRES
[2001:db8:1111:2222:3333:4444:5555:6666]:54321  [2001:db8::1]:80       2001:db8:0:1:2:3:4:2  established          1s        1m0s
10.0.0.0:1234                                   192.0.2.1:80           192.0.2.2             fin                  1s        1m0s
`,
		"peers": `ADDRESS               STATE   USABLE  ESTIMATE  LOAD  WEIGHT  CONNS  CPU    REDIR  SOCKETS  AGE    FLOWS  LIVE  REDIRECTS      FORWARDING  DOWN
2001:db8:0:1:2:3:4:2  active  yes     4         5     1       5      12.3%  6      7        250ms  8      7     1099511627776  direct      -
`,
		"service list": `PORT  ADDRESS       STATE  CONNS  POLICY   MAX LOAD  HASH     AFFINITY  LOAD
80    all           up     0      default  default   default  default   host
443   2001:db8::80  up     0      default  default   default  default   host
`,
	} {
		if r := dprctl(t, six(), line); r.status != ExitOK || r.out != want {
			t.Errorf("%s: status %d, %s\n%s\nwant\n%s", line, r.status, r.err, r.out, want)
		}
	}
	r := dprctl(t, six(), "top --once --interval 1ms")
	if !strings.Contains(r.out, "\n2001:db8::1 (self)    active") || !strings.Contains(r.out, "\n2001:db8:0:1:2:3:4:2  active") {
		t.Errorf("%s", r.out)
	}
}

// What is wide later than the first flows is written as it is, and none is left out.
func TestManyFlows(t *testing.T) {
	for _, n := range []int{0, 1, flowsMeasured - 1, flowsMeasured, flowsMeasured + 1, 3 * flowsMeasured} {
		k := healthy()
		k.flows = n
		r := dprctl(t, k, "flows")
		if lines := strings.Count(r.out, "\n"); r.status != ExitOK || lines != n+1 || !strings.HasPrefix(r.out, "CLIENT ") {
			t.Errorf("%d flows: %d lines", n, lines)
		}
	}
}

// Addresses of IPv6 in commands.
func TestCommandsOfIPv6(t *testing.T) {
	for line, want := range map[string]string{
		"service add 80 --address 2001:db8::1":            "service add [2001:db8::1]:80",
		"service del --address 2001:db8::1 80":            "service del [2001:db8::1]:80",
		"service add 80 --address ::":                     "service add 80",
		"service add 80 --address ::ffff:192.0.2.1":       "service add 192.0.2.1:80",
		"peers add 2001:db8::2":                           "peer 2001:db8::2",
		"peers del --dead 2001:db8::2":                    "peer del 2001:db8::2 true",
		"flows del [2001:db8::9]:1234 [2001:db8::1]:80":   "flow del [2001:db8::9]:1234 [2001:db8::1]:80",
		"flows del [::ffff:192.0.2.9]:1234 192.0.2.1:80":  "flow del 192.0.2.9:1234 192.0.2.1:80",
		"config set --address 2001:db8::1 --affinity6 56": "config",
	} {
		k := six()
		if r := dprctl(t, k, line); r.status != ExitOK || !slices.Equal(k.log, []string{want}) {
			t.Errorf("%s: %+v, %q", line, r, k.log)
		}
	}
	k := six()
	if r := dprctl(t, k, "flows --client 2001:db8::9 --peer 2001:db8::2"); r.status != ExitOK || k.filter.Client.String() != "2001:db8::9" || k.filter.Peer.String() != "2001:db8::2" {
		t.Errorf("%+v, %+v", r, k.filter)
	}
}

// A client of IPv6 is followed from host to host.
func TestTraceOfIPv6(t *testing.T) {
	client := "[2001:db8:1111:2222:3333:4444:5555:6666]:54321"
	k := six()
	k.flows = 0
	k.answers = map[string]string{"2001:db8:0:1:2:3:4:2": `[{"host":"2001:db8:0:1:2:3:4:2","flows":[],"connections":[{"client":"2001:db8:1111:2222:3333:4444:5555:6666","client_port":54321,
		"address":"2001:db8::1","port":80,"state":"established","unread":7,"unconfirmed":1448,"retransmits":2}]}]`}
	r := dprctl(t, k, "trace "+client)
	want := `2001:db8::1 (this host)
  ` + client + ` to [2001:db8::1]:80: redirected to 2001:db8:0:1:2:3:4:2; established, client silent for 1s
2001:db8:0:1:2:3:4:2
  ` + client + ` to [2001:db8::1]:80: served here; established, 7 bytes not read by the server, 1448 not confirmed by the client, 2 retransmits
`
	if r.status != ExitOK || r.out != want {
		t.Errorf("%+v, want\n%s", r, want)
	}
	if !slices.Equal(k.ran, []string{"ssh -o BatchMode=yes 2001:db8:0:1:2:3:4:2 dprctl trace --here --json " + client}) {
		t.Errorf("ran %q", k.ran)
	}
	if k.traced != netip.MustParseAddrPort(client) {
		t.Errorf("traced %v", k.traced)
	}
	if r := dprctl(t, six(), "trace --here 2001:db8::9"); r.status != ExitOK {
		t.Errorf("%+v", r)
	}
	if r := dprctl(t, six(), "trace fe80::9%eth0"); r.status == ExitOK || !strings.Contains(r.err, "CLIENT[:PORT] \"fe80::9%eth0\"") {
		t.Errorf("%+v", r)
	}
}

// A peer of the other family is named, with the reason.
func TestPeerOfOtherFamily(t *testing.T) {
	k := six()
	k.peers = append(k.peers, dprnl.Peer{Address: netip.MustParseAddr("192.0.2.2"), Listed: true, Reported: true, Barred: dprnl.BarredFamily, Age: time.Second})
	if r := dprctl(t, k, "status"); !strings.Contains(r.out, "peer has an address of the other family, IPv4 or IPv6, than this host: 192.0.2.2: no new connections for it") {
		t.Errorf("%s", r.out)
	}
	if r := dprctl(t, k, "status --cluster"); !strings.Contains(r.out, "its address is of the other family than this host's") {
		t.Errorf("%s", r.out)
	}
	if r := dprctl(t, k, "peers"); !strings.Contains(r.out, "  family  ") {
		t.Errorf("%s", r.out)
	}
}

// The zone of a cluster of IPv6.
func TestZoneOfIPv6(t *testing.T) {
	r := dprctl(t, six(), "zone example.org")
	if r.status != ExitOK || !strings.Contains(r.out, "ns.example.org. IN AAAA 2001:db8::1\n") || !strings.Contains(r.out, "example.org. IN AAAA 2001:db8:0:1:2:3:4:2\n") {
		t.Errorf("%+v", r)
	}
	if r := dprctl(t, six(), "zone example.org --ns ns1=2001:db8::53"); !strings.Contains(r.out, "ns1.example.org. IN AAAA 2001:db8::53\n") {
		t.Errorf("%+v", r)
	}
}

// What --save saves of an IPv6 host is read back.
func TestSaveOfIPv6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	if err := os.WriteFile(path, []byte("[[service]]\nport = 80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := dprctl(t, six(), "config set --address 2001:db8::7 --affinity6 48 --save --config "+path); r.status != ExitOK {
		t.Fatalf("%+v", r)
	}
	c, err := config.Load(path)
	if err != nil || c.Address != netip.MustParseAddr("2001:db8::7") || c.Affinity6 != 48 {
		t.Errorf("%+v, %v", c, err)
	}
}
