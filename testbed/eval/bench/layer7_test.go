// SPDX-License-Identifier: MIT

package bench

import (
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
)

// layer7Example meets all targets.
func layer7Example() *Report {
	r := &Report{Families: []family.Family{family.V4}}
	for _, x := range []struct {
		system      string
		first, rate float64
	}{{L7Direct, 2, 300}, {L7Redirect, 3, 250}, {L7Handover, 2.6, 250}, {L7HAProxy, 4, 100}, {L7Nginx, 4, 100}} {
		for _, mode := range []string{l7Close, l7KeepAlive} {
			for _, reply := range l7Replies {
				r.Layer7 = append(r.Layer7, Layer7{System: x.system, ReplyBytes: reply.bytes, TTFBP50MS: x.first, ConnectionsPS: x.rate, Mode: mode, Limit: l7Processors})
			}
		}
	}
	return r
}

// layer7Verdicts are those on this part alone.
func layer7Verdicts(r *Report) []Verdict {
	j := &judgement{Report: r, family: family.V4}
	j.layer7()
	return j.verdicts
}

func TestLayer7Verdicts(t *testing.T) {
	set := func(system string, bytes int64, mode string, change func(*Layer7)) func(*Report) {
		return func(r *Report) {
			for i := range r.Layer7 {
				if l := &r.Layer7[i]; l.System == system && l.ReplyBytes == bytes && l.Mode == mode {
					change(l)
				}
			}
		}
	}
	slower := func(ms float64) func(*Layer7) { return func(l *Layer7) { l.TTFBP50MS = ms } }
	for _, tt := range []struct {
		name   string
		change func(*Report)
		want   string // of the one target that is missed
	}{
		{"all is well", func(*Report) {}, ""},
		{"a handover takes long", set(L7Handover, 1, l7Close, slower(2.72)), "a handover adds"},
		{"as long as a redirect", set(L7Redirect, 1, l7Close, slower(2.58)), "of a redirected"},
		{"longer for a large reply", set(L7Handover, 10_000_000, l7Close, slower(2.82)), "a reply of"},
		{"HAProxy is fast", set(L7HAProxy, 15_000, l7KeepAlive, func(l *Layer7) { l.ConnectionsPS = 101 }), "haproxy's, keepalive"},
		{"nginx is fast", set(L7Nginx, 15_000, l7Close, func(l *Layer7) { l.ConnectionsPS = 101 }), "nginx's, close"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := layer7Example()
			tt.change(r)
			verdicts := layer7Verdicts(r)
			if len(verdicts) != 7 {
				t.Fatalf("%d verdicts, want 7", len(verdicts))
			}
			var missed []string
			for _, v := range verdicts {
				if v.Outcome != Met {
					missed = append(missed, v.Target)
				}
			}
			if got := strings.Join(missed, "; "); tt.want == "" && got != "" || !strings.Contains(got, tt.want) || len(missed) > 1 {
				t.Errorf("missed %q, want %q", got, tt.want)
			}
		})
	}
	if v := layer7Verdicts(&Report{}); len(v) != 0 {
		t.Errorf("a run without this part has %d of its targets", len(v))
	}
	// All verdicts have those of this part.
	if all := layer7Example().judge(); !slices.ContainsFunc(all, func(v Verdict) bool { return strings.Contains(v.Target, "a handover adds") && v.Outcome == Met }) {
		t.Error("no verdict on handovers among all")
	}
}

// What each target is calculated from; without that it is not measured.
func TestLayer7Figures(t *testing.T) {
	type of struct {
		system string
		bytes  int64
		mode   string
	}
	first, last := int64(1), int64(10_000_000)
	r := layer7Example()
	for i := range r.Layer7 {
		if l := &r.Layer7[i]; l.System == L7Handover && l.ReplyBytes == last {
			l.TTFBP50MS = 2.7
		}
	}
	for i, want := range []struct {
		figure float64
		of     []of
	}{
		{0.3, []of{{L7Direct, first, l7Close}, {L7Handover, first, l7Close}}},
		{2.6 / 3, []of{{L7Redirect, first, l7Close}, {L7Handover, first, l7Close}}},
		{0.05, []of{{L7Direct, first, l7Close}, {L7Handover, first, l7Close}, {L7Direct, last, l7Close}, {L7Handover, last, l7Close}}},
		{2.5, []of{{L7Handover, 15_000, l7Close}, {L7HAProxy, 15_000, l7Close}}},
		{2.5, []of{{L7Handover, 15_000, l7KeepAlive}, {L7HAProxy, 15_000, l7KeepAlive}}},
		{2.5, []of{{L7Handover, 15_000, l7Close}, {L7Nginx, 15_000, l7Close}}},
		{2.5, []of{{L7Handover, 15_000, l7KeepAlive}, {L7Nginx, 15_000, l7KeepAlive}}},
	} {
		if v := layer7Verdicts(r)[i]; v.Figure == nil || math.Abs(*v.Figure-want.figure) > 1e-9 {
			t.Errorf("%+v, want %v", v, want.figure)
		}
		for _, missing := range r.Layer7 {
			less := &Report{Families: r.Families}
			for _, l := range r.Layer7 {
				if l != missing {
					less.Layer7 = append(less.Layer7, l)
				}
			}
			needed := slices.Contains(want.of, of{missing.System, missing.ReplyBytes, missing.Mode})
			if v := layer7Verdicts(less)[i]; (v.Outcome == NotMeasured) != needed {
				t.Errorf("without %s, %d bytes, %s: %q is %s", missing.System, missing.ReplyBytes, missing.Mode, v.Target, v.Outcome)
			}
		}
	}
}

// The form of bench.json, spelled out.
func TestLayer7Shape(t *testing.T) {
	data, err := json.Marshal(layer7Example().summary())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		L7 []struct {
			System        *string  `json:"system"`
			ReplyBytes    *int64   `json:"reply_bytes"`
			TTFBP50       *float64 `json:"ttfb_p50_ms"`
			TTFBP99       *float64 `json:"ttfb_p99_ms"`
			ConnectionsPS *float64 `json:"connections_per_s"`
			Mode          *string  `json:"mode"`
			Limit         *string  `json:"limit"`
		} `json:"l7"`
	}
	if err := json.Unmarshal(data, &got); err != nil || len(got.L7) != 40 {
		t.Fatalf("%v, %d entries", err, len(got.L7))
	}
	x := got.L7[0]
	if *x.System != "direct" || *x.ReplyBytes != 1 || *x.TTFBP50 != 2 || *x.TTFBP99 != 0 || *x.ConnectionsPS != 300 || *x.Mode != "close" || *x.Limit != "processors" {
		t.Errorf("%s", data)
	}
}

func TestQuantile(t *testing.T) {
	v := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(v, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("quantile of nothing")
	}
}

// A user times the first byte, keeps its connection if asked to, and refuses wrong answers.
func TestLayer7User(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		_, _ = io.WriteString(w, "12345")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	address := s.Listener.Addr().String()
	dial := func() (net.Conn, error) { return net.Dial("tcp", address) }
	for _, keep := range []bool{true, false} {
		connections.Store(0)
		u := &l7User{dial: dial, target: address, ask: l7Ask{path: "/", bytes: 5, keep: keep}}
		for range 3 {
			first, err := u.request(t.Context())
			if err != nil || first < 20*time.Millisecond || first > 10*time.Second {
				t.Errorf("first byte after %v, %v", first, err)
			}
		}
		u.close()
		if got, want := connections.Load(), map[bool]int32{true: 1, false: 3}[keep]; got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
	}
	u := &l7User{dial: dial, target: address, ask: l7Ask{path: "/", bytes: 6}}
	if _, err := u.request(t.Context()); err == nil {
		t.Error("an answer that is too short is taken")
	}
	u.close()
}

func TestLayer7Sums(t *testing.T) {
	b := &l7Bench{sums: make(map[l7Key]*l7Sum)}
	k := l7Key{L7Direct, l7Close, l7Links, 15}
	b.sum(l7Key{system: "nothing"})
	s := b.sum(k)
	s.first, s.rates, s.users = []time.Duration{time.Millisecond, 3 * time.Millisecond, 2 * time.Millisecond}, []float64{10, 30}, 16
	all := b.all()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	if x := all[0]; x.TTFBP50MS != 2 || x.TTFBP99MS != 3 || math.Abs(x.ConnectionsPS-20) > 1e-9 || x.Users != 16 || x.Limit != l7Links {
		t.Errorf("%+v", x)
	}
}

func TestLayer7Configs(t *testing.T) {
	servers := []lab.Host{{Name: "s2", Address: "10.0.0.2"}, {Name: "s3", Address: "10.0.0.3"}}
	for name, text := range map[string]string{"rules": l7Rules(servers), "haproxy": l7HAProxyConfig(servers), "nginx": l7NginxConfig(servers)} {
		for _, want := range []string{"10.0.0.2", "10.0.0.3", "/images"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %s:\n%s", name, want, text)
			}
		}
	}
}

func TestCheckL7Way(t *testing.T) {
	for _, tt := range []struct {
		system             string
		served, redirected uint64
		right              bool
	}{
		{L7Direct, 0, 0, true}, {L7Direct, 0, 1, false}, {L7HAProxy, 1, 0, false},
		{L7Handover, 0, 5, true}, {L7Handover, 0, 0, false}, {L7Redirect, 0, 5, true}, {L7Redirect, 1, 5, false},
	} {
		before := drive.Counters{Served: 7, Redirected: 9}
		if err := checkL7Way(tt.system, before, drive.Counters{Served: 7 + tt.served, Redirected: 9 + tt.redirected}); (err == nil) != tt.right {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
