// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dpr/testbed/check/datapath/vnet"
)

// strict is a usual firewall: what connection tracking calls invalid is dropped
// on every way, and only new connections to the service and what belongs to
// known ones come in. The rule for new ones names what it must see.
const strict = `
table @IP@ strict {
	chain prerouting {
		type filter hook prerouting priority 0
		ct state invalid counter drop comment "invalid"
	}
	chain input {
		type filter hook input priority 0; policy drop
		iif lo accept
		@ICMP@
		ct state established,related accept
		iif e0 @IP@ saddr @CLIENT@ @IP@ daddr @A@ tcp dport 80 ct state new counter accept comment "new"
		counter comment "refused"
	}
	chain output {
		type filter hook output priority 0
		ct state invalid counter drop comment "invalid"
	}
}`

// With connection tracking and such a firewall on all hosts, and rp_filter, a
// redirected connection works, whichever side ends it and however; the rules of
// the serving host see the client's own packet.
//
//	C ── switch ── A (firewall)
//	        └───── B (firewall)
func TestFirewalls(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, h := range []*vnet.Host{c.a.Host, c.b.Host, c.c} {
			check(t, h.Sysctl("net/ipv4/conf/all/rp_filter", "1"))
			check(t, h.Sysctl("net/ipv4/conf/e0/rp_filter", "1"))
		}
		hosts := []*vnet.Host{c.a.Host, c.b.Host}
		for _, h := range hosts {
			firewall(t, h, w, strict)
		}
		want := 0
		for name, talk := range map[string]func(t *testing.T, k *conn){
			"transfer":    func(t *testing.T, k *conn) { check(t, k.upload(1<<20)); check(t, k.download(1<<20)) },
			"client ends": func(t *testing.T, k *conn) { check(t, k.Close()) },
			"client resets": func(t *testing.T, k *conn) {
				check(t, k.SetLinger(0))
				check(t, k.Close())
			},
			"server ends": func(t *testing.T, k *conn) {
				if got, err := k.ask("close"); err == nil {
					t.Errorf("answer %q", got)
				}
			},
			"server resets": func(t *testing.T, k *conn) {
				fmt.Fprintln(k, "reset")
				k.wantReset(t)
			},
		} {
			t.Run(name, func(t *testing.T) {
				k := connect(t, c.c, c.a.service())
				want++
				k.wantServed(t, "B")
				talk(t, k)
			})
		}
		t.Run("nobody listens", func(t *testing.T) {
			c.a.web.stop()
			c.b.web.stop()
			if _, err := dial(c.c, c.a.service()); !refused(err) {
				t.Errorf("connecting: %v, want refused", err)
			}
		})
		c.a.web, c.b.web = serve(t, c.a.Host, "A", port), serve(t, c.b.Host, "B", port)
		c.a.report(t, c.b, 0)
		t.Run("peer dead", func(t *testing.T) {
			k := connect(t, c.c, c.a.service())
			want++
			k.wantServed(t, "B")
			check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
			_, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			k.wantReset(t)
		})
		for _, h := range hosts {
			n := nftCounters(t, h)
			if n["invalid"] != 0 || n["refused"] != 0 {
				t.Errorf("%s: %d packets were invalid, %d refused", h.Name, n["invalid"], n["refused"])
			}
		}
		if n := nftCounters(t, c.b.Host); n["new"] != want {
			t.Errorf("B's rule for new connections saw %d, want %d", n["new"], want)
		}
		// B has sent back what nobody serves.
		if n := nftCounters(t, c.a.Host); n["new"] != 1 {
			t.Errorf("A's rule for new connections saw %d, want one", n["new"])
		}
	})
}

// firewall loads a ruleset on a host, in which @CLIENT@ is the client's address, @A@ that of
// A which it uses, @IP@ their family, @BOX@ that of a host behind A, and @ICMP@ lets pass what a host needs.
func firewall(t *testing.T, h *vnet.Host, w way, rules string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	ip, icmp := "ip", "icmp type { echo-request, destination-unreachable } accept"
	if w.six() {
		ip, icmp = "ip6", `icmpv6 type { echo-request, destination-unreachable, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert,
			mld-listener-query, mld-listener-report, mld2-listener-report, nd-router-solicit } accept`
	}
	r := strings.NewReplacer("@CLIENT@", w.addr(addrC).String(), "@A@", w.addr(addrA).String(), "@IP@", ip, "@ICMP@", icmp, "@BOX@", w.parse("172.17.0.2").String())
	_, err := h.RunInput(ctx, r.Replace(rules), "nft", "-f", "-")
	check(t, err)
}

// nftCounter matches a rule of strict that counts.
var nftCounter = regexp.MustCompile(`counter packets (\d+) .*comment "(\w+)"`)

// nftCounters returns how many packets the rules of a host's firewall saw, by
// the rules' comments.
func nftCounters(t *testing.T, h *vnet.Host) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	text, err := h.Run(ctx, "nft", "list", "ruleset")
	check(t, err)
	counters := map[string]int{}
	for _, m := range nftCounter.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[1])
		check(t, err)
		counters[m[2]] += n
	}
	if len(counters) != 3 {
		t.Fatalf("%s: %d kinds of counters instead of 3 in %s", h.Name, len(counters), text)
	}
	return counters
}
