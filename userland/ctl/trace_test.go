// SPDX-License-Identifier: MIT

package ctl

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dpr/userland/sockets"
)

// A connection is followed from the host that redirects it to the one that serves it.
func TestTrace(t *testing.T) {
	k := healthy()
	k.flows = 1
	k.answers = map[string]string{"192.0.2.2": `[{"host":"192.0.2.2","flows":[],"connections":[{"client":"10.0.0.0","client_port":1234,
		"address":"192.0.2.1","port":80,"state":"established","unread":7,"unconfirmed":1448,"retransmits":2}]}]`}
	r := dprctl(t, k, "trace 10.0.0.0:1234")
	want := `192.0.2.1 (this host)
  10.0.0.0:1234 to 192.0.2.1:80: redirected to 192.0.2.2; fin, client silent for 1s
192.0.2.2
  10.0.0.0:1234 to 192.0.2.1:80: served here; established, 7 bytes not read by the server, 1448 not confirmed by the client, 2 retransmits
`
	if r.status != ExitOK || r.out != want {
		t.Errorf("%+v, want\n%s", r, want)
	}
	if !slices.Equal(k.ran, []string{"ssh -o BatchMode=yes 192.0.2.2 dprctl trace --here --json 10.0.0.0:1234"}) {
		t.Errorf("ran %q", k.ran)
	}
	if k.filter.Client != netip.MustParseAddr("10.0.0.0") || k.filter.ClientPort != 1234 || k.traced != netip.MustParseAddrPort("10.0.0.0:1234") {
		t.Errorf("filter %+v, traced %v", k.filter, k.traced)
	}

	k.ran, k.answers = nil, nil
	r = dprctl(t, k, "trace --ssh rsh 10.0.0.0")
	if r.status != ExitFailure || !strings.Contains(r.err, "asking 192.0.2.2: no such host") || !strings.Contains(r.out, "192.0.2.2\n  could not be asked\n") {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(k.ran, []string{"rsh 192.0.2.2 dprctl trace --here --json 10.0.0.0"}) || k.traced.Port() != 0 {
		t.Errorf("ran %q", k.ran)
	}
	k.runErr = errors.New("exit status 2: dprctl: flag provided but not defined: -here")
	if r := dprctl(t, k, "trace 10.0.0.0"); r.status != ExitFailure || !strings.Contains(r.err, "asking 192.0.2.2: its dprctl is of a version that cannot be asked") {
		t.Errorf("an older version: %+v", r)
	}
	k.runErr = nil
	for answer, want := range map[string]string{"[]": "no answer of one host", "x": "invalid character"} {
		k.answers = map[string]string{"192.0.2.2": answer}
		if r := dprctl(t, k, "trace 10.0.0.0"); r.status != ExitFailure || !strings.Contains(r.err, want) {
			t.Errorf("%q: %+v", answer, r)
		}
	}
}

// This host alone, all peers, and JSON.
func TestTraceHosts(t *testing.T) {
	k := healthy()
	k.flows = 0
	k.conns = []sockets.Connection{{Client: netip.MustParseAddrPort("10.0.0.9:7"), Service: netip.MustParseAddrPort("192.0.2.2:80"), State: "time-wait"}}
	r := dprctl(t, k, "trace --here --json 10.0.0.9")
	object(t, r.out, `[{"host":"192.0.2.1","flows":[],"connections":[{"client":"10.0.0.9","client_port":7,"address":"192.0.2.2","port":80,"state":"time-wait","unread":0,"unconfirmed":0,"retransmits":0}]}]`)
	if len(k.ran) != 0 {
		t.Errorf("ran %q", k.ran)
	}
	k.conns = nil
	k.answers = map[string]string{"192.0.2.2": `[{"host":"192.0.2.2"}]`, "192.0.2.3": `[{"host":"192.0.2.3"}]`}
	r = dprctl(t, k, "trace --all 10.0.0.9")
	if want := "192.0.2.1 (this host)\n  neither a flow nor a connection of this client\n192.0.2.2\n  neither a flow nor a connection of this client\n"; r.status != ExitOK || !strings.HasPrefix(r.out, want) {
		t.Errorf("%+v", r)
	}
	for line, want := range map[string]string{
		"trace": "missing argument", "trace x": "CLIENT[:PORT]", "trace --here --all 10.0.0.9": "exclude each other", "trace 10.0.0.9 --ssh=": "missing command",
	} {
		if r := dprctl(t, k, line); r.status != ExitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", line, r)
		}
	}
}
