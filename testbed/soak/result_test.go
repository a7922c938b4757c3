// SPDX-License-Identifier: MIT

package soak

import (
	"strings"
	"testing"
	"time"

	"dpr/testbed/load"
)

// soaked is a result whose named value grows by as much in an hour.
func soaked(name string, growth float64) *Result {
	r := &Result{Began: time.Now().Add(-time.Hour), Books: map[string]Books{"s1": {In: 5, Served: 4, Redirected: 1}}}
	for i := range 20 {
		values := map[string]float64{kernelMemory: 20000, residentOf + "nginx, kB": 8000, flows: 300}
		values[name] += growth * float64(i) / 20
		saw := load.NewResult(time.Minute)
		saw.Requests = 100
		r.add(time.Duration(i)*3*time.Minute, saw, map[string]map[string]float64{"s1": values})
	}
	r.end()
	return r
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		growth float64
		bad    bool
	}{
		{flows, 0, false}, {flows, 40, false}, {flows, -200, false}, {flows, 200, true},
		{kernelMemory, 500, false}, {kernelMemory, 3000, true},
		{residentOf + "nginx, kB", 900, false}, {residentOf + "nginx, kB", 3000, true},
	} {
		r := soaked(tt.name, tt.growth)
		why := strings.Join(r.failures(), "\n")
		if (why != "") != tt.bad || tt.bad && !strings.Contains(why, tt.name) {
			t.Errorf("%s grows by %v: %q", tt.name, tt.growth, why)
		}
	}
}

func TestVerdictOfFailures(t *testing.T) {
	for name, spoil := range map[string]func(*Result){
		"a request failed":       func(r *Result) { r.Failed = 1 },
		"no request":             func(r *Result) { r.Requests = 0 },
		"nothing was redirected": func(r *Result) { r.Books = nil },
		"the books":              func(r *Result) { r.Trouble = []string{"s1: the books do not balance"} },
	} {
		r := soaked(flows, 0)
		if why := r.failures(); len(why) > 0 {
			t.Fatal(why)
		}
		spoil(r)
		if len(r.failures()) == 0 {
			t.Errorf("%s, and it passed", name)
		}
	}
}

func TestParseSample(t *testing.T) {
	const text = "kernel 8544\nkernel 1312\nnginx 2000\nnginx 4000\ndpr-broadcast 5\ndpr-receive 6\ndpr-cleanup 7\n"
	v, err := parseSample(text)
	if err != nil || v[kernelMemory] != 9856 || v["resident memory of nginx, kB"] != 6000 || v["resident memory of dpr-cleanup, kB"] != 7 {
		t.Errorf("%v, %v", v, err)
	}
	for _, bad := range []string{"", "kernel x\n", strings.Replace(text, "dpr-cleanup 7\n", "", 1), strings.ReplaceAll(text, "kernel", "nginx")} {
		if _, err := parseSample(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

// A short soak lets delays grow further. Go programs have the room of their heap,
// nginx has not.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration
		want   Rule
	}{
		{meanDelay, time.Minute, Rule{0.5, 50}},
		{meanDelay, time.Hour, Rule{0.1, 5}},
		{tailDelay, time.Minute, Rule{1, 250}},
		{tailDelay, time.Hour, Rule{0.25, 25}},
		{residentOf + "dpr-receive, kB", time.Hour, Rule{0.05, 4096}},
		{residentOf + "nginx, kB", time.Hour, Rule{0.05, 1024}},
		{flows, time.Hour, Rule{0.1, 64}},
	} {
		if got := rule(tt.name, tt.length); got != tt.want {
			t.Errorf("%s in %v: %+v, want %+v", tt.name, tt.length, got, tt.want)
		}
	}
}
