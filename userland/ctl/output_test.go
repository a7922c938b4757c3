// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
)

// What commands print for people, to the letter: columns and their titles are what
// scripts and eyes rely on.
func TestOutput(t *testing.T) {
	file := configuration(t)
	for line, want := range map[string]string{
		"status": `module    loaded
address   192.0.2.1
state     active
policy    lowest, serves below load 9
load      1 (1 connections, CPU 2.0%, 3 redirected, 4 sockets)
services  2
peers     1 usable, 1 in the load table, 2 known
flows     0 of 1000, 0 live
healthy   yes
`,
		"service list": `PORT  ADDRESS    STATE  CONNS  POLICY   MAX LOAD  HASH     AFFINITY  LOAD
80    all        up     0      default  default   default  default   host
443   192.0.2.1  up     0      default  default   default  default   host
`,
		"policy": `policy    lowest
max load  9
hash      address-port
estimate  corrected
marker    fragbit
`,
		"config": `address         192.0.2.1
state           active
policy          lowest
max load        9
hash            address-port
estimate        corrected
marker          fragbit
weight          2
weights         connections 1, cpu 0, redirected 0, sockets 0
forwarding      ipip
answers         direct
orphans         reset
max flows       1000
report max age  3s
slow start      4s
affinity        none
splices         ports 61000 to 65535, at most 65536
timeouts        syn 1s, established 1h0m0s, fin 1m0s, rst 1.5s
`,
		"peers": `ADDRESS    STATE   USABLE  ESTIMATE  LOAD  WEIGHT  CONNS  CPU    REDIR  SOCKETS  AGE    FLOWS  LIVE  REDIRECTS      FORWARDING  DOWN
192.0.2.2  active  yes     4         5     1       5      12.3%  6      7        250ms  8      7     1099511627776  direct      -
192.0.2.3  active  known   0         0     1       0      0.0%   0      0        never  0      0     0              -           -
`,
		"flows": `CLIENT                 SERVICE                PEER             STATE              IDLE     EXPIRES
10.0.0.0:1234          192.0.2.1:80           192.0.2.2        fin                  1s        1m0s
10.0.0.1:1234          192.0.2.1:80           192.0.2.2        fin                  1s        1m0s
`,
		"load": `load         1
connections  1
cpu          2.0%
redirected   3
sockets      4
`,
		"expire": `scanned  1
expired  2
reset    3
flows    4
done     true
`,
		"apply --config " + file: `address  192.0.2.1
added    port 81 on all
removed  port 80 on all
`,
		"top --once --interval 1ms": `03:04:05  policy lowest, serves below load 9; flows 0, 0 live
connections/s: 0.0 arrived, 0.0 served here, 0.0 redirected, 0.0 accepted from peers
to peers/s: 0 packets, 0.0 kB; from peers/s: 0 packets, 0.0 kB

HOST              STATE   USABLE  ESTIMATE  LOAD  WEIGHT  CONNS  CPU    REDIRECTS/S  LIVE  AGE
192.0.2.1 (self)  active  yes     1         1     2       1      2.0%   0.0          0     -
192.0.2.2         active  yes     4         5     1       5      12.3%  0.0          7     250ms
192.0.2.3         active  no      0         0     1       0      0.0%   0.0          0     never

`,
		"events": `03:04:05.006  peer-state  192.0.2.2  draining
03:04:05.006  table-full
`,
		"check " + file: file + ": no mistakes\nwarning: file: the file has no report.network: this host neither hears others nor is heard\n    remedy: add a [[report.network]]\n",
		"reports --config " + file: `since     2026-01-02 03:04:05  
accepted  5                    
clock     2                    time of sending is outside the clock window
replayed  1                    replayed or reordered
`,
	} {
		k := healthy()
		k.reports = receive.Status{Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Counts: map[string]uint64{"accepted": 5, "replayed": 1, "clock": 2}}
		if r := dprctl(t, k, line); r.status != ExitOK || r.out != want {
			t.Errorf("%s: status %d, %s\n%s\nwant\n%s", line, r.status, r.err, r.out, want)
		}
	}
	r := dprctl(t, healthy(), "stats")
	if n := strings.Count(r.out, "\n"); n < 20 || !regexp.MustCompile(`(?m)^served_off +0  The SYN decision`).MatchString(r.out) {
		t.Errorf("%d lines of counters:\n%s", n, r.out)
	}
}

// A host that is not in order says all that is wrong.
func TestOutputOfTrouble(t *testing.T) {
	k := healthy()
	k.config.Address, k.config.State, k.config.MaxLoad = netip.IPv4Unspecified(), dprnl.StateDraining, dprnl.MaxLoadAuto
	k.services, k.stats = nil, flows(900, 5)
	k.peers[0].Usable, k.peers[0].Age = false, 5*time.Second
	want := `module    loaded
address   (not configured)
state     draining
policy    lowest, serves below load auto
load      1 (1 connections, CPU 2.0%, 3 redirected, 4 sockets)
services  0
peers     0 usable, 1 in the load table, 2 known
flows     900 of 1000, 5 live
healthy   no: this host has no address configured (dprctl apply)
              no service is configured: nothing is redirected (dprctl service add)
              this host is draining: it gets no new connections (dprctl undrain)
              no peer is usable: this host serves every connection
              the routing table is nearly full: 900 of 1000 flows
cluster   silent peers: 192.0.2.2 for 5s
`
	if r := dprctl(t, k, "status"); r.out != want {
		t.Errorf("%s\nwant\n%s", r.out, want)
	}
	if r := dprctl(t, k, "config"); !strings.HasPrefix(r.out, "address         (not configured)\n") {
		t.Errorf("%s", r.out)
	}
	if r := dprctl(t, k, "peers"); !strings.Contains(r.out, "192.0.2.2  active  no ") || !strings.Contains(r.out, " 5s ") {
		t.Errorf("%s", r.out)
	}
	f := &faulty{kernel: k, fails: map[string]error{"dial": dprnl.ErrNotLoaded}}
	env, out, _ := world(f)
	if status := Run(t.Context(), []string{"dprctl", "status"}, env); status != ExitNoModule || !strings.HasPrefix(out.String(), "module   not loaded\nhealthy  no: ") {
		t.Errorf("status %d\n%s", status, out)
	}
	// Failures outweigh an unhealthy host.
	f = &faulty{kernel: k, fails: map[string]error{"Peers": fmt.Errorf("broken")}}
	env, _, _ = world(f)
	if status := Run(t.Context(), []string{"dprctl", "status", "--check"}, env); status != ExitFailure {
		t.Errorf("status %d", status)
	}
}

// Of silent peers five are named; who never reported, is late by nothing or leaves is
// not silent.
func TestSilentPeers(t *testing.T) {
	silent := func(n int) string {
		var peers []dprnl.Peer
		for i := range n {
			peers = append(peers, dprnl.Peer{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Reported: true, Age: 1001 * time.Millisecond})
		}
		peers = append(peers, dprnl.Peer{Age: time.Hour}, dprnl.Peer{Reported: true, Age: time.Second}, dprnl.Peer{Reported: true, Age: time.Hour, State: dprnl.StateLeaving})
		return silentPeers(peers, time.Second)
	}
	const five = "10.0.0.0 for 1s, 10.0.0.1 for 1s, 10.0.0.2 for 1s, 10.0.0.3 for 1s, 10.0.0.4 for 1s"
	for n, want := range map[int]string{0: "", 1: "10.0.0.0 for 1s", 5: five, 6: five + ", and 1 more", 8: five + ", and 3 more"} {
		if got := silent(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for flows, full := range map[uint64]bool{899: false, 900: true} {
		v := statusView{Configured: true, Services: 1, Peers: peersSummary{Usable: 1}, Flows: flows}
		if got := problems(healthy().config, v, nil); (len(got) == 1) != full {
			t.Errorf("%d flows: %q", flows, got)
		}
	}
	c := healthy().config
	c.MaxFlows = 1 // of which 90 % is nothing
	if got := problems(c, statusView{Configured: true, Services: 1, Peers: peersSummary{Usable: 1}}, nil); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// On a terminal the screen is cleared, elsewhere a line is left between; rates are of
// the interval before.
func TestTopGoesOn(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		f := &faulty{kernel: healthy(), fails: map[string]error{}}
		env, out, errs := world(f)
		env.Terminal = terminal
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		env.Now = func() time.Time {
			if n++; n == 3 {
				cancel()
			}
			f.kernel.peers[0].Redirects += 1000
			return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		}
		if status := Run(ctx, []string{"dprctl", "top", "--interval", "2ms"}, env); status != ExitOK || errs.Len() > 0 {
			t.Errorf("status %d, %s", status, errs)
		}
		clears, screens := strings.Count(out.String(), clearScreen), strings.Count(out.String(), "HOST ")
		if terminal && clears != screens || !terminal && clears != 0 || screens < 3 {
			t.Errorf("terminal %t: %d screens, %d cleared", terminal, screens, clears)
		}
		if terminal && strings.Contains(out.String(), "\n\n"+clearScreen) {
			t.Error("an empty line ends a screen that is cleared")
		}
		if got := strings.Count(out.String(), "\n\n03:04:05"); !terminal && got != screens-1 || terminal && got != 0 {
			t.Errorf("terminal %t: %d empty lines between %d screens", terminal, got, screens)
		}
	}
	var b bytes.Buffer
	formatTop(&b, topView{Rates: ratesView{Connections: 1.25, Served: 2, Redirected: 3, Accepted: 4, TxPackets: 5, TxBytes: 6_400_000, RxPackets: 7, RxBytes: 8_000_000}, Hosts: []topHost{{Usable: false, Self: true}}})
	for _, want := range []string{"1.2 arrived, 2.0 served here, 3.0 redirected, 4.0 accepted", "to peers/s: 5 packets, 6400.0 kB; from peers/s: 7 packets, 8000.0 kB", " no "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %s", want, &b)
		}
	}
	for n, want := range map[uint32]string{0: "0.0%", 7: "0.7%", 123: "12.3%", 1000: "100.0%"} {
		if got := percent(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
	if got := seconds(1234 * time.Millisecond); got != "1.2s" {
		t.Errorf("%s", got)
	}
}

// A zone that is written again and again says the same trouble once, also if all was
// well in between, and runs its command until it succeeds.
func TestZoneGoesOn(t *testing.T) {
	f := &faulty{kernel: healthy(), fails: map[string]error{}}
	env, out, errs := world(f)
	path := t.TempDir() + "/zone"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	dial := env.Dial
	env.Dial = func() (Kernel, error) {
		n++
		f.fails["Peers"] = nil
		switch n {
		case 2, 3, 5:
			f.fails["Peers"] = fmt.Errorf("broken")
		case 7:
			cancel()
		}
		return dial()
	}
	args := []string{"dprctl", "zone", "example.org", "--output", path, "--every", "1ms", "--reload-command", "echo said; exit 0"}
	if status := Run(ctx, args, env); status != ExitOK {
		t.Errorf("status %d, %s", status, errs)
	}
	if got := strings.Count(errs.String(), "dprctl: zone: broken\n"); got != 2 {
		t.Errorf("said %d times: %s", got, errs)
	}
	if strings.Count(errs.String(), "said\n") != 1 {
		t.Errorf("the command's words: %s", errs)
	}
	if out.String() != "example.org.  serial 1767323045: [192.0.2.1 192.0.2.2]\n" {
		t.Errorf("%q", out)
	}
	for s, want := range map[string]string{"ns.x.org.": "outside must not have one", "a..b": "not a DNS name"} {
		if _, err := nameServer(s, "x.org."); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"@=192.0.2.1", "ns=192.0.2.1"} {
		if server, err := nameServer(s, "x.org."); err != nil || server.Address.String() != "192.0.2.1" {
			t.Errorf("%s: %+v, %v", s, server, err)
		}
	}
	for _, s := range []string{"ns=x", "ns=fe80::1%lo"} {
		if _, err := nameServer(s, "x.org."); err == nil {
			t.Errorf("%s is taken", s)
		}
	}
}

// Whoever looks sees which group is asked about orphans, if one is.
func TestConfigGroup(t *testing.T) {
	group := netip.MustParseAddr("239.77.43.1")
	for want, change := range map[string]func(*dprnl.Config){
		"orphans         ask, first the group 239.77.43.1\n": func(*dprnl.Config) {},
		"orphans         ask\n":                              func(c *dprnl.Config) { c.Address = netip.MustParseAddr("2001:db8::1") },
		"orphans         reset\n":                            func(c *dprnl.Config) { c.Orphans = dprnl.OrphansReset },
	} {
		k := healthy()
		k.config.Orphans, k.config.Group = dprnl.OrphansAsk, group
		change(&k.config)
		if r := dprctl(t, k, "config"); r.status != ExitOK || !strings.Contains(r.out, want) {
			t.Errorf("status %d, %s\n%s\nwant %q", r.status, r.err, r.out, want)
		}
	}
}
