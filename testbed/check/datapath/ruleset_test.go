// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/layer7"
)

// askedFor are rules by what is asked for, one of each kind of condition.
var askedFor = dprnl.Ruleset{
	Groups: []dprnl.Group{
		{Name: "a", Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}},
		{Name: "url", Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl, Spill: 25},
		{Name: "host", Policy: dprnl.GroupLocality},
	},
	Matches: []dprnl.Match{
		{Group: "a", Host: "a.example"}, {Group: "url", Host: "*.example", Path: "/img"}, {Group: "host", Cookie: "a=b", Method: "GET"},
		{Group: "a", SNI: "a.example", ALPN: "h2"}, {Group: "host", SNI: "*.example"},
	},
	Default: "url",
}

// Of a service's rules by what is asked for, the kernel decides as the implementation in
// user space does, byte by byte.
//
//	A alone
func TestRulesetDecides(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		ctx, s := t.Context(), dprnl.Service{Port: port}
		check(t, c.a.dpr.SetRuleset(ctx, s, askedFor))
		r := rand.New(rand.NewPCG(1, 1))
		for _, data := range [][]byte{
			[]byte("GET /img/x?y HTTP/1.1\r\nA: b\r\nHost: B.example.:80\r\nCookie: a=b\r\n\r\n"),
			[]byte("POST http://a.example/ HTTP/1.1\r\nHost: b\r\n\r\n"),
			[]byte("\r\nGET / HTTP/1.1\r\nCookie: c=d; a=b\r\nHost: x\r\n y\r\n\r\n"),
			[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
			layer7.ClientHello("a.example", []string{"http/1.1", "h2"}), layer7.ClientHello("b.example", nil), layer7.ClientHello("", nil),
		} {
			for n := range len(data) + 1 {
				part := append([]byte(nil), data[:n]...)
				if n > 0 && r.IntN(3) == 0 {
					part[r.IntN(n)] = byte(r.Uint32())
				}
				for _, final := range []bool{false, true} {
					got, err := c.a.dpr.TestRuleset(ctx, s, part, final, netip.AddrPort{})
					check(t, err)
					want := layer7.Decide(askedFor, part, final)
					rule, group := dprnl.RulesNone, dprnl.RulesNone
					if want.Rule >= 0 {
						rule = want.Rule
					}
					for i, g := range askedFor.Groups {
						if g.Name == want.Group {
							group = i
						}
					}
					if want.Outcome == dprnl.RulesMore && got.Outcome == dprnl.RulesMore {
						continue
					}
					if got != (dprnl.RulesResult{Outcome: want.Outcome, Rule: uint32(rule), Group: uint32(group), Hashed: want.Hashed, Hash: want.Hash}) {
						t.Fatalf("%q, final %v: %+v, want %+v", part, final, got, want)
					}
				}
			}
		}
		long := []byte("GET /" + strings.Repeat("a", 16384-5))
		for n, outcome := range map[int]dprnl.Outcome{len(long) - 1: dprnl.RulesMore, len(long): dprnl.RulesLate} {
			if got, err := c.a.dpr.TestRuleset(ctx, s, long[:n], false, netip.AddrPort{}); err != nil || got.Outcome != outcome {
				t.Errorf("%d bytes: %+v, %v", n, got, err)
			}
		}
	})
}

// A service's rules are what was set last, whatever else changes, and go with it; and they
// are replaced while they are looked at.
//
//	A alone
func TestRulesetIsKept(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		ctx, k, s := t.Context(), c.a.dpr, dprnl.Service{Port: port}
		has := func(s dprnl.Service, want dprnl.Ruleset) {
			t.Helper()
			if got, err := k.Ruleset(ctx, s); err != nil || !got.Equal(want) {
				t.Fatalf("rules %+v, %v, want %+v", got, err, want)
			}
		}
		has(s, dprnl.Ruleset{})
		check(t, k.SetRuleset(ctx, s, askedFor))
		other := dprnl.Service{Port: port, Address: c.a.addr}
		check(t, k.AddService(ctx, other))
		has(s, askedFor)
		has(other, dprnl.Ruleset{})
		single := dprnl.Ruleset{Groups: []dprnl.Group{{Name: "g"}}, Default: "g"}
		check(t, k.SetRuleset(ctx, other, single))
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyTwo)})
		check(t, k.SetService(ctx, dprnl.Service{Port: port, Rules: dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer)}}))
		has(s, askedFor)
		has(other, single)
		check(t, k.DeleteService(ctx, other))
		if _, err := k.Ruleset(ctx, other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a service that is gone has rules: %v", err)
		}
		if err := k.SetRuleset(ctx, other, single); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a service that is gone gets rules: %v", err)
		}
		check(t, k.AddService(ctx, other))
		has(other, dprnl.Ruleset{})
		has(s, askedFor)
		replaceRules(t, c, s, askedFor, single)
		check(t, k.SetRuleset(ctx, s, dprnl.Ruleset{}))
		has(s, dprnl.Ruleset{})
		if got, err := k.TestRuleset(ctx, s, []byte("GET"), false, netip.AddrPort{}); err != nil || got.Outcome != dprnl.RulesNoMatch || got.Group != dprnl.RulesNone {
			t.Errorf("without rules: %+v, %v", got, err)
		}
		// Rules that are there when the namespace goes.
		check(t, k.SetRuleset(ctx, s, askedFor))
	})
}

// replaceRules replaces rules again and again while others have the kernel decide by them.
func replaceRules(t *testing.T, c *cluster, s dprnl.Service, one, other dprnl.Ruleset) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		var k *dprnl.Client
		check(t, c.a.Do(func() (err error) { k, err = dprnl.New(); return err }))
		defer k.Close()
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := k.TestRuleset(ctx, s, []byte("GET / HTTP/1.1\r\nHost: a.example\r\n"), false, netip.MustParseAddrPort("192.0.2.200:9"))
				if ctx.Err() == nil && (err != nil || got.Group != 0) {
					t.Errorf("while rules are replaced: %+v, %v", got, err)
					return
				}
			}
		})
	}
	for i := range 200 {
		check(t, c.a.dpr.SetRuleset(t.Context(), s, []dprnl.Ruleset{one, other}[i%2]))
	}
	cancel()
	wg.Wait()
}

// Within a group the host is chosen as the group's policy says, of those that can serve; and
// every host sends a URL to the same one.
//
//	A, B, D know each other
func TestRulesetHost(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		d := c.server(t, "D", addrD)
		d.web = serve(t, d.Host, "D", port)
		c.know(t, c.a, d)
		c.know(t, c.b, d)
		c.redirect(t, c.b, d)
		c.b.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), ReportMaxAge: ptr(time.Hour), WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0))})
		c.b.report(t, c.a, 0)
		c.b.report(t, d, 0)
		ctx, s := t.Context(), dprnl.Service{Port: port}
		one := func(name string, hosts ...netip.Addr) dprnl.Group { return dprnl.Group{Name: name, Hosts: hosts} }
		rules := dprnl.Ruleset{
			Groups: []dprnl.Group{
				one("a", c.a.addr), one("d", d.addr), one("bd", c.b.addr, d.addr), one("nobody", netip.MustParseAddr("192.0.2.99")),
				{Name: "url", Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl, Spill: dprnl.MaxRulesSpill},
				{Name: "client", Policy: dprnl.GroupStateless},
			},
			Default: "url",
		}
		for _, g := range rules.Groups {
			rules.Matches = append(rules.Matches, dprnl.Match{Group: g.Name, Path: "/" + g.Name})
		}
		for _, h := range []*server{c.a, c.b} {
			check(t, h.dpr.SetRuleset(ctx, s, rules))
		}
		host := func(h *server, path string, client netip.AddrPort) netip.Addr {
			t.Helper()
			got, err := h.dpr.TestRuleset(ctx, s, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"), false, client)
			check(t, err)
			return got.Host
		}
		client := netip.AddrPortFrom(w.addr(addrC), 1000)
		is := func(what, path string, want netip.Addr) {
			t.Helper()
			if got := host(c.a, path, client); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		is("this host alone", "/a", c.a.addr)
		is("a peer alone", "/d", d.addr)
		is("nobody", "/nobody", netip.Addr{})
		c.a.report(t, c.b, 5)
		is("the lower of two", "/bd", d.addr)
		c.a.report(t, d, 9)
		is("the other", "/bd", c.b.addr)
		check(t, c.a.dpr.DeletePeer(ctx, c.b.addr, false))
		is("the one that is left", "/bd", d.addr)
		c.a.report(t, c.b, 0)
		c.a.report(t, d, 0)
		seen := map[netip.Addr]int{}
		for i := range 60 {
			path := fmt.Sprintf("/url/%d", i)
			of := host(c.a, path, client)
			if other := host(c.b, path, client); other != of || host(c.a, path, netip.AddrPortFrom(client.Addr(), uint16(i))) != of {
				t.Errorf("A sends %s to %v, B to %v", path, of, other)
			}
			seen[of]++
		}
		for i := range 60 {
			from := netip.AddrPortFrom(client.Addr(), uint16(1+i))
			if of, other := host(c.a, "/client", from), host(c.b, "/client", from); of != other {
				t.Errorf("A sends %v to %v, B to %v", from, of, other)
			}
		}
		if len(seen) != 3 {
			t.Errorf("60 files are on %v", seen)
		}
		c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		for i := range 60 {
			if host(c.a, fmt.Sprintf("/url/%d", i), client) == c.a.addr {
				t.Error("a host that drains gets files")
				break
			}
		}
		is("a host that drains serves what no other can", "/a", c.a.addr)
		c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateActive), Policy: ptr(dprnl.PolicyOff)})
		is("with the policy off", "/d", netip.Addr{})
	})
}
