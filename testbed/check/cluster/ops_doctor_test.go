// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
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
func findings(t *testing.T, host string) (list []finding, status int) {
	t.Helper()
	r := try(t, host, "dprctl", "check", "--json")
	var v struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("%s: %v in %q, %s", host, err, r.stdout, r.stderr)
	}
	for _, f := range v.Findings {
		if f.Severity != "note" && f.Check != "clock" {
			list = append(list, f)
		}
	}
	return list, r.status
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
			until(t, 40*time.Second, "nothing is found", func() bool {
				for _, s := range l.Servers() {
					if found, status := findings(t, s.Name); len(found) > 0 || status != 0 {
						t.Logf("%s: %+v", s.Name, found)
						return false
					}
				}
				return true
			})
			t.Cleanup(func() { run(t, "s2", "sh", "-c", strings.Join(b.fix, "; ")) })
			run(t, "s2", "sh", "-c", strings.Join(b.harm, " && "))
			var found []finding
			until(t, 40*time.Second, "the cause is named", func() bool {
				found, _ = findings(t, b.asked)
				for _, f := range found {
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
