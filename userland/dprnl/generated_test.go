// SPDX-License-Identifier: MIT

package dprnl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"dpr/userland/dprnl/internal/header"
)

// The constants must be those of the header.
func TestGenerated(t *testing.T) {
	f, err := os.Open("../../include/dpr.h")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := header.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := header.Generate(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("generated.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("generated.go differs from include/dpr.h: run go generate ./userland/dprnl")
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want []string }{
		{PolicyWords(), []string{"off", "stateless", "lowest", "inverse", "two", "offer"}},
		{HashWords(), []string{"address-port", "port"}},
		{EstimateWords(), []string{"corrected", "reported"}},
		{MarkerWords(), []string{"fragbit", "source"}},
		{StateWords(), []string{"active", "draining", "leaving"}},
		{FlowStateWords(), []string{"syn", "established", "fin", "rst", "ended"}},
	} {
		if strings.Join(tt.got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("words %v, want %v", tt.got, tt.want)
		}
	}
	for i, w := range PolicyWords() {
		var p Policy
		if err := p.UnmarshalText([]byte(w)); err != nil || p != Policy(i) || p.String() != w {
			t.Errorf("%s: %v, %v", w, p, err)
		}
	}
	p := PolicyLowest
	err := p.UnmarshalText([]byte("Lowest"))
	if err == nil || p != PolicyLowest || err.Error() != `"Lowest" is not a policy; want one of off, stateless, lowest, inverse, two, offer` {
		t.Errorf("%v, %v", p, err)
	}
	var e EventType
	if err := e.UnmarshalText(nil); err == nil {
		t.Error("the empty word is an event")
	}
	if text, err := Policy(99).MarshalText(); err != nil || string(text) != "99" || Policy(99).String() != "policy 99" {
		t.Errorf("a value of a newer module: %s, %v", text, err)
	}
}

func TestStats(t *testing.T) {
	if StatServedBelowMaxLoad.String() != "served_below_max_load" ||
		StatServedBelowMaxLoad.Help() != "The SYN decision: served: own load was below MaxLoad." {
		t.Errorf("%v: %s", StatServedBelowMaxLoad, StatServedBelowMaxLoad.Help())
	}
	if !StatFlows.Gauge() || StatRedirected.Gauge() {
		t.Error("gauges and counters are mixed up")
	}
	if Stat(0).String() != "stat_0" || Stat(999).Help() != "" || new(Stats).Get(999) != 0 {
		t.Error("counters that do not exist")
	}
	var s Stats
	s.values[StatRedirected] = 1<<64 - 1
	n := 0
	for k := range s.All() {
		n++
		if k.String() == "" || !strings.Contains(k.Help(), ": ") {
			t.Errorf("counter %d: %q, %q", k, k, k.Help())
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]uint64
	if err := json.Unmarshal(data, &m); err != nil || len(m) != n || m["redirected"] != 1<<64-1 {
		t.Errorf("%d counters in %s, %v", n, data, err)
	}
}

// The documentation names this version of the family, and the protocol that goes with it.
func TestDocumentedVersions(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var c Client
	c.family.Version = GenlVersion
	for _, want := range []string{
		fmt.Sprintf("The family is `%s`, version %d, with the multicast group `%s`.", GenlName, GenlVersion, GenlGroupEvents),
		fmt.Sprintf("| 10 | the protocol of redirected packets that the host knows (1): %d;", c.Protocol()),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/protocol.md does not say %q", want)
		}
	}
}
