// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"net/netip"

	"dpr/userland/dprnl"
	"dpr/userland/layer7"
)

// rulesets are rules by what is asked for, of several groups; the last is none.
var rulesets = []dprnl.Ruleset{
	{
		Groups: []dprnl.Group{
			{Name: "some", Hosts: []netip.Addr{peerAddressOf(0, false), peerAddressOf(1, false), peerAddressOf(2, true), netip.MustParseAddr("10.0.0.1")}},
			{Name: "url", Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl, Spill: 25},
		},
		Matches: []dprnl.Match{
			{Group: "some", Host: "a.example", Cookie: "a=b"}, {Group: "url", Host: "*.example", Path: "/x", Method: "GET"}, {Group: "some", SNI: "*.example", ALPN: "h2"},
		},
		Default: "url",
	},
	{Groups: []dprnl.Group{{Name: "host", Policy: dprnl.GroupLocality}}, Default: "host"},
	{},
}

// requests are what clients send first.
var requests = [][]byte{
	[]byte("GET /x/y?z HTTP/1.1\r\nHost: b.example:80\r\nCookie: c=d; a=b\r\n\r\n"),
	[]byte("OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"),
	layer7.ClientHello("c.example", []string{"h2", "http/1.1"}),
}

// request draws one of them, or a part of it.
func (m *maker) request() []byte {
	r := requests[m.IntN(len(requests))]
	return r[:len(r)-m.IntN(2)*m.IntN(len(r)+1)]
}

// scratched returns a copy, half of the time with some bytes changed.
func (m *maker) scratched(b []byte) []byte {
	b = append([]byte(nil), b...)
	for range m.IntN(2) * m.IntN(4) {
		if len(b) > 0 {
			b[m.IntN(len(b))] = byte(m.Uint32())
		}
	}
	return b
}

// addressOf draws a client's address, or none.
func addressOf(m *maker) netip.Addr {
	if m.oneIn(3) {
		return netip.Addr{}
	}
	return netip.MustParseAddr([]string{"10.0.0.9", "fd00::9"}[m.IntN(2)])
}

// setRules gives a service rules, and adds it first if need be.
func setRules(r dprnl.Ruleset) func(context.Context, *dprnl.Client) error {
	return func(ctx context.Context, c *dprnl.Client) error {
		if err := tolerate(c.AddService(ctx, addedService)); err != nil {
			return err
		}
		return c.SetRuleset(ctx, addedService, r)
	}
}

// testRules has the kernel decide, and compares it with what another implementation says.
func (l *loaded) testRules(ctx context.Context, s dprnl.Service) error {
	rules, err := l.c.Ruleset(ctx, s)
	if err != nil || rules.None() {
		return err
	}
	m := &maker{Rand: l.Rand}
	data, final := m.scratched(m.request()), l.IntN(2) == 0
	got, err := l.c.TestRuleset(ctx, s, data, final, netip.AddrPortFrom(addressOf(m), uint16(l.IntN(3))))
	if err != nil {
		return err
	}
	if want := layer7.Decide(rules, data, final); got.Outcome != want.Outcome || got.Hashed != want.Hashed || got.Hash != want.Hash {
		return fmt.Errorf("rules %+v decide %+v of %q, not %+v", rules, got, data, want)
	}
	return nil
}
