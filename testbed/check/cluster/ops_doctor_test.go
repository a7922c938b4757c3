// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/lab"
)

// A breakage is one way to break a host, how to mend it, and what "dprctl check" says,
// on that host or on another one.
type breakage struct {
	name      string
	harm, fix []string // shell commands for s2
	asked     string   // the host that is asked
	check     string
	want      string
}

// breakages are of s2. In a table of nft called "broken" are firewalls as operators
// write them.
var breakages = []breakage{
	{"firewall for local destinations only", []string{"nft 'table ip broken { chain in { type filter hook input priority 0; fib daddr type != local ip protocol tcp drop; }; }'"},
		[]string{"nft delete table ip broken"}, "s2", "firewall", "redirected connections to port 80, whose destination is a peer's address"},
	{"firewall without protocol 4", []string{"nft 'table ip broken { chain pre { type filter hook prerouting priority -500; ip protocol 4 drop; }; }'"},
		[]string{"nft delete table ip broken"}, "s2", "firewall", "packets that peers redirect to this host (protocol 4)"},
	{"firewall without reports", []string{"nft 'table inet broken { chain in { type filter hook input priority 0; udp dport 7743 drop; }; }'"},
		[]string{"nft delete table inet broken"}, "s2", "firewall", "the other hosts' reports"},
	{"firewall that drops answers", []string{"nft 'table ip broken { chain out { type filter hook output priority 0; tcp sport 80 ip saddr != 10.77.0.12 drop; }; }'"},
		[]string{"nft delete table ip broken"}, "s2", "firewall", "answers to redirected connections from port 80"},
	{"network that checks sources", []string{"nft 'table ip broken { chain out { type filter hook output priority 0; oifname != \"lo\" ip saddr != 10.77.0.12 drop; }; }'"},
		[]string{"nft delete table ip broken"}, "s1", "answers", "packets that peer 10.77.0.12 sends with this host's address as source do not arrive"},
	{"no server", []string{"svc stop nginx"}, []string{"svc start nginx"}, "s2", "status", "nothing listens on port 80"},
	{"no server, asked elsewhere", []string{"svc stop nginx"}, []string{"svc start nginx"}, "s1", "status", "peer cannot serve port 80: 10.77.0.12"},
	{"another marker", []string{"dprctl config set --marker source"}, []string{"dprctl config set --marker fragbit"}, "s1", "status", "peer has another marker: 10.77.0.12"},
	{"no route to a peer", []string{"ip route add blackhole 10.77.0.13/32"}, []string{"ip route del blackhole 10.77.0.13/32"}, "s2", "routes", "there is no route to peer 10.77.0.13"},
	{"large packets get lost", []string{"nft 'table ip broken { chain pre { type filter hook prerouting priority -500; ip length > 1400 drop; }; }'"},
		[]string{"nft delete table ip broken"}, "s1", "mtu", "do not reach peer 10.77.0.12"},
	{"dpr-receive stopped", []string{"svc stop dpr-receive"}, []string{"svc start dpr-receive"}, "s2", "reports", "dpr-receive does not run"},
	{"a rule for the own address", []string{"ip rule add from 10.77.0.12 lookup 77 priority 77", "ip route add default via 10.77.0.11 table 77"},
		[]string{"ip rule del priority 77", "ip route flush table 77"}, "s2", "routes", "rule 77 sends packets from 10.77.0.12/32 by table 77"},
	{"a clock that is wrong", []string{"date -s @$(($(date +%s) + 60))"}, []string{"date -s @$(($(date +%s) - 60))"}, "s1", "reports", "time of sending is outside the clock window"},
	{"another key", []string{"cp /etc/dpr/key /tmp/key && echo 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff >/etc/dpr/key && kill -HUP $(svc pid dpr-broadcast)"},
		[]string{"cp /tmp/key /etc/dpr/key && kill -HUP $(svc pid dpr-broadcast)"}, "s1", "reports", "unknown key"},
}

// A finding is one of dprctl check's.
type finding struct {
	Check    string `json:"check"`
	Severity string `json:"severity"`
	What     string `json:"what"`
	Remedy   string `json:"remedy"`
}

// findings are what dprctl check finds on a host, but for notes and the clock: the
// lab's hosts run no NTP.
func findings(t *testing.T, host string) []finding {
	t.Helper()
	list, _, err := findingsOf(t, host)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// findingsOf is findings, with the exit status, for several hosts at a time.
func findingsOf(t *testing.T, host string) (list []finding, status int, err error) {
	ctx, cancel := stepContext(t)
	defer cancel()
	var stdout, stderr bytes.Buffer
	if status, err = shared.Exec(ctx, host, lab.Cmd{Args: []string{"dprctl", "check", "--json"}, Stdout: &stdout, Stderr: &stderr}); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", host, err)
	}
	var v struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		return nil, 0, fmt.Errorf("%s: %w in %q, %s", host, err, stdout.String(), stderr.String())
	}
	for _, f := range v.Findings {
		if f.Severity != "note" && f.Check != "clock" {
			list = append(list, f)
		}
	}
	return list, status, nil
}

// allWell says whether nothing is found on any host. The hosts are asked side by side.
func allWell(t *testing.T, hosts []lab.Host) bool {
	t.Helper()
	var well atomic.Int32
	var g errgroup.Group
	for _, h := range hosts {
		g.Go(func() error {
			found, status, err := findingsOf(t, h.Name)
			switch {
			case err != nil:
				return err
			case len(found) > 0 || status != 0:
				t.Logf("%s: %+v", h.Name, found)
			default:
				well.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return int(well.Load()) == len(hosts)
}

// A host is broken in one way after the other, in random order. Each time dprctl check
// names the cause; in between it finds nothing on any host.
func TestDoctor(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(breakages), func(i, j int) { breakages[i], breakages[j] = breakages[j], breakages[i] })
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			until(t, 2*time.Minute, "nothing is found", func() bool { return allWell(t, l.Servers()) })
			t.Cleanup(func() { run(t, "s2", "sh", "-c", strings.Join(b.fix, "; ")) })
			run(t, "s2", "sh", "-c", strings.Join(b.harm, " && "))
			until(t, 2*time.Minute, "the cause is named", func() bool {
				for _, f := range findings(t, b.asked) {
					if f.Check == b.check && strings.Contains(f.What, b.want) {
						t.Logf("%s: %s (%s)", f.Severity, f.What, f.Remedy)
						return true
					}
				}
				return false
			})
		})
	}
}
