// SPDX-License-Identifier: MIT

package reproduce

import (
	"strings"
	"testing"
	"time"
)

// Reports that come more or less often than the period says, on any server, mean that
// a reload did not take effect.
func TestReportsFollowThePeriod(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	before := heard{[]uint64{100, 200, 300}, at}
	after := func(grown ...uint64) heard {
		h := heard{at: at.Add(100 * time.Second)}
		for i, n := range grown {
			h.accepted = append(h.accepted, before.accepted[i]+n)
		}
		return h
	}
	const second, slow = time.Second, 6250 * time.Millisecond
	for name, tt := range map[string]struct {
		period time.Duration
		later  heard
		want   string
	}{
		"every second":        {second, after(200, 200, 200), ""},
		"some are lost":       {second, after(150, 196, 202), ""},
		"every 6.25 s":        {slow, after(32, 31, 33), ""},
		"the old period":      {slow, after(200, 32, 32), "server 1 heard 200 reports in 100 s, one every 6.25s of each peer are 32"},
		"still the slow one":  {second, after(200, 32, 200), "server 2 heard 32 reports"},
		"none":                {second, after(200, 200, 0), "server 3 heard 0 reports"},
		"none of slow ones":   {slow, after(32, 32, 0), "server 3 heard 0 reports"},
		"a receiver is anew":  {second, heard{[]uint64{3, 400, 500}, at.Add(100 * time.Second)}, "server 1 heard -97 reports"},
		"a server is missing": {second, after(200, 200), "counted on 3 servers, then on 2"},
	} {
		err := before.every(tt.period, tt.later)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// 200 reports are due, give or take 30 % and two of each peer; of slow ones 32.
	for name, tt := range map[string]struct {
		period  time.Duration
		reports uint64
		ok      bool
	}{
		"fewest": {second, 136, true}, "too few": {second, 135, false}, "most": {second, 264, true}, "too many": {second, 265, false},
		"fewest slow ones": {slow, 19, true}, "too few slow ones": {slow, 18, false}, "most slow ones": {slow, 45, true}, "too many slow ones": {slow, 46, false},
	} {
		due := uint64(200 * second / tt.period)
		if err := before.every(tt.period, after(due, tt.reports, due)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	two := heard{[]uint64{1, 1}, at}
	if err := two.every(second, heard{[]uint64{101, 101}, at.Add(100 * time.Second)}); err != nil {
		t.Errorf("two servers: %v", err)
	}
	alone := heard{[]uint64{1}, at}
	if err := alone.every(second, alone); err == nil {
		t.Error("a server alone hears what it should")
	}
}

func TestParseAccepted(t *testing.T) {
	if n, err := parseAccepted([]byte(`{"started":"2026-01-02T03:04:05Z","counts":{"accepted":7,"own":3}}`)); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for text, want := range map[string]string{"": "JSON", "{}": "no count", `{"counts":{"own":1}}`: "no count"} {
		if _, err := parseAccepted([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
