// SPDX-License-Identifier: MIT

package ctl

import (
	"net/netip"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

func withBackend() *kernel {
	k := healthy()
	k.backends = []dprnl.BackendStatus{
		{Backend: dprnl.Backend{Name: "b", Address: netip.MustParseAddr("192.0.2.50"), Port: 8080, Weight: 2, Limit: 5, Down: true, Services: []uint16{80}, Proxy: true}, Connections: 3, Spliced: 9},
		{Backend: dprnl.Backend{Name: "six", Address: netip.MustParseAddr("2001:db8::5"), Weight: 1, Services: []uint16{80, 443}}},
	}
	return k
}

func TestBackends(t *testing.T) {
	r := dprctl(t, withBackend(), "backends")
	want := `NAME  ADDRESS      PORT  SERVICES  STATE  WEIGHT  LIMIT  PROXY  CONNS  SPLICED
b     192.0.2.50   8080  80        down   2       5      v2     3      9
six   2001:db8::5  -     80,443    up     1       -      -      0      0
`
	if r.status != ExitOK || r.out != want {
		t.Errorf("%d, %s, want\n%s", r.status, r.out, want)
	}
	object(t, dprctl(t, withBackend(), "backends list --json").out, `[
		{"name":"b","address":"192.0.2.50","port":8080,"services":[80],"weight":2,"limit":5,"down":true,"proxy_protocol":true,"connections":3,"spliced":9},
		{"name":"six","address":"2001:db8::5","port":0,"services":[80,443],"weight":1,"limit":0,"down":false,"proxy_protocol":false,"connections":0,"spliced":0}]`)
	for line, want := range map[string]string{
		// Alone it is set alone, so that the kernel asks for nothing else.
		"backends set b --up":   "backend b down false",
		"backends set b --down": "backend b down true",
		// Whether it is down is left out, unless it is to be.
		"backends set b --up --no-proxy":                         "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5 down false;backend b down false",
		"backends set b --up --port 8080":                        "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down false;backend b down false",
		"backends set b --down --limit 6":                        "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 6, PROXY protocol down true",
		"backends set b --down --services 80":                    "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down true",
		"backends set b 192.0.2.50 --down":                       "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down true",
		"backends set b --up --weight 2":                         "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down false;backend b down false",
		"backends set b --down --proxy":                          "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down true",
		"backends set b":                                         "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5, PROXY protocol down false",
		"backends set b 192.0.2.51 --port 0 --limit 0":           "backend set b at 192.0.2.51 for [80], weight 2, PROXY protocol down false",
		"backends set b --no-proxy":                              "backend set b at 192.0.2.50:8080 for [80], weight 2, limit 5 down false",
		"backends set six --proxy":                               "backend set six at 2001:db8::5 for [80 443], weight 1, PROXY protocol down false",
		"backends set six --down --weight 7 --services 443,8443": "backend set six at 2001:db8::5 for [443 8443], weight 7 down true",
		"backends set new 192.0.2.52 --limit 1":                  "backend set new at 192.0.2.52 for [80 443], weight 1, limit 1 down false",
		"backends del b":                                         "backend del b",
	} {
		k := withBackend()
		if r := dprctl(t, k, line); r.status != ExitOK || strings.Join(k.log, ";") != want {
			t.Errorf("%s: %d, %q, %s", line, r.status, k.log, r.err)
		}
	}
	for line, want := range map[string]string{
		"backends set":                       "missing argument NAME",
		"backends set a/b 192.0.2.1":         "is not 1 to 32 letters",
		"backends set x":                     "give its address",
		"backends set x --down":              "give its address",
		"backends set x 192.0.2":             "is not an IPv4 or IPv6 address",
		"backends set b --up --down":         "opposites",
		"backends set b --proxy --no-proxy":  "opposites",
		"backends set b --services 80,x":     "is not a port",
		"backends set b --weight 0":          "is not a whole number",
		"backends set b --port 65536":        "is not a whole number",
		"backends del":                       "missing argument NAME",
		"backends frob":                      "unknown command",
		"backends set b 192.0.2.1 192.0.2.2": "unexpected argument",
	} {
		k := withBackend()
		if r := dprctl(t, k, line); r.status != ExitUsage || !strings.Contains(r.err, want) || len(k.log) != 0 {
			t.Errorf("%s: %d, %q, want %q", line, r.status, r.err, want)
		}
	}
}
