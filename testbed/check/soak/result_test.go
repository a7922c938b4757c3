// SPDX-License-Identifier: MIT

package soak

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"dpr/testbed/check/accounting"
	"dpr/testbed/check/result"
	"dpr/testbed/lab/httpload"
)

// soaked is the result of a soak that was well, but that a host's named value grows by
// as much in an hour, evenly, or as shape has it.
func soaked(name string, growth float64, shape func(part float64) float64) *Result {
	r := &Result{
		Seed: 3, Kernel: "6.1", Began: time.Now().Add(-time.Hour), Planned: time.Hour, Hosts: []string{"s1", "s2"},
		Packets: map[string]Packets{
			"s1": {In: 5000, Served: 4000, Redirected: 990, Dropped: map[string]uint64{"rx_reset": 8, "tx_error": 2}, Readings: 21, Slack: 0},
			"s2": {In: 5000, Served: 5000, Readings: 21, Slack: 3},
		},
		before: map[string]int{"s1 nginx": 2},
	}
	for i := range 20 {
		hosts := map[string]map[string]float64{}
		for _, host := range r.Hosts {
			values := map[string]float64{kernelMemory: 20000, flows: 300}
			for _, p := range processes {
				values[residentOf+p+", kB"] = 8000
			}
			hosts[host] = values
		}
		hosts["s1"][name] += growth * shape(float64(i)/20)
		saw := httpload.NewResult(time.Minute)
		saw.Requests = 100
		r.add(time.Duration(i)*3*time.Minute, saw, 50, hosts)
	}
	r.end(map[string]int{"s1 nginx": 2})
	return r
}

func evenly(part float64) float64 { return part }

// late is nothing until the last two of twenty values.
func late(part float64) float64 {
	if part < 0.9 {
		return 0
	}
	return 1
}

func TestVerdict(t *testing.T) {
	nginx, receive := residentOf+"nginx, kB", residentOf+"dpr-receive, kB"
	for _, tt := range []struct {
		name   string
		growth float64
		shape  func(float64) float64
		bad    string
	}{
		{flows, 0, evenly, ""}, {flows, 40, evenly, ""}, {flows, -200, evenly, ""}, {flows, 200, evenly, "not steady"},
		{kernelMemory, 500, evenly, ""}, {kernelMemory, 3000, evenly, "not steady"},
		{nginx, 900, evenly, ""}, {nginx, 3000, evenly, "not steady"},
		{receive, 3000, evenly, ""}, {receive, 9000, evenly, "not steady"},
		{kernelMemory, 180000, late, "jumped at the end"}, {kernelMemory, 3000, late, ""},
		{flows, 200, late, "jumped at the end to 500: want 492 at most"}, {flows, 190, late, ""},
	} {
		r := soaked(tt.name, tt.growth, tt.shape)
		why := strings.Join(r.failures(), "\n")
		if (why != "") != (tt.bad != "") || tt.bad != "" && (!strings.Contains(why, tt.name+" of s1") || !strings.Contains(why, tt.bad)) {
			t.Errorf("%s grows by %v: %q", tt.name, tt.growth, why)
		}
	}
}

func TestPart(t *testing.T) {
	r := soaked(flows, 0, evenly)
	if p := r.Part(); !p.Passed() || p.Seed != 3 || p.Kernel != "6.1" || p.Began != r.Began || p.Seconds < 3600 || p.Results != r {
		t.Errorf("%+v", p)
	}
}

// spoils make one field of a result wrong; the soak must fail with these words.
var spoils = map[string][]struct {
	spoil func(*Result)
	words string
}{
	"Kernel":  {{func(r *Result) { r.Kernel = "" }, "the kernel is not known"}},
	"Began":   {{func(r *Result) { r.Began = time.Time{} }, "not known when the soak began"}},
	"Took":    {{func(r *Result) { r.Took = 59 * time.Minute }, "it lasted 3540 s of 3600"}},
	"Planned": {{func(r *Result) { r.Planned = 2 * time.Hour }, "s of 7200"}, {func(r *Result) { r.Planned = 0 }, "s of 0"}},
	"Hosts":   {{func(r *Result) { r.Hosts = nil }, "no host was looked at"}, {func(r *Result) { r.Hosts = append(r.Hosts, "s3") }, "kernel memory, kB of s3 was not measured"}},
	"Requests": {
		{func(r *Result) { r.Requests = 0 }, "no request was made"},
		{func(r *Result) { r.Requests = 2001 }, "the intervals have 2000 requests"},
	},
	"Failed":   {{func(r *Result) { r.Failed, r.Examples = 1, []string{"reset"} }, `1 of 2000 requests failed: ["reset"]`}},
	"Examples": {{func(r *Result) { r.Examples = []string{"reset"} }, "none is counted"}},
	"Intervals": {
		{func(r *Result) { r.Intervals[1].Requests = 0 }, "interval 2 had 0 requests, the median is 100"},
		{func(r *Result) { r.Intervals[2].Requests = 24 }, "interval 3 had 24 requests"},
		{func(r *Result) { r.Intervals[19].Redirected = 0 }, "interval 20 had 0 redirected packets, the median is 50"},
		{func(r *Result) { r.Intervals[0].Redirected = 12 }, "interval 1 had 12 redirected packets"},
		{func(r *Result) { r.Intervals[0].Failed = 1 }, "1 of them failed"},
		{func(r *Result) { r.Intervals = r.Intervals[:9] }, "9 intervals: want 10"},
		{func(r *Result) {
			for i := range r.Intervals {
				r.Intervals[i] = Interval{}
			}
		}, "interval 1 had 0 redirected packets"},
	},
	"Series": {
		{func(r *Result) { r.Series = nil }, "mean delay, ms of the clients was not measured"},
		{func(r *Result) { r.Series = r.Series[:len(r.Series)-1] }, "resident memory of nginx, kB of s2 was not measured"},
		{func(r *Result) { r.Series[0].Points = r.Series[0].Points[1:] }, "mean delay, ms of the clients was measured in 19 of 20 intervals"},
		{func(r *Result) { r.Series[3].Rule.Part = 7 }, "was judged by another rule"},
		{func(r *Result) { r.Series[3].Fit.N = 0 }, "has a line through 0 of 16 values"},
		{func(r *Result) { r.Series[3].Fit.N = 15 }, "has a line through 15 of 16 values"},
		{func(r *Result) { r.Series[3].Points, r.Series[3].Fit.N = r.Series[3].Points[:5], 4 }, "has a line through 4 of 4 values"},
		{func(r *Result) { r.Series[3].Steady = false }, "is not steady"},
	},
	"Packets": {
		{func(r *Result) { delete(r.Packets, "s2") }, "the packets of s2 were not counted"},
		{func(r *Result) { delete(r.Packets, "s1") }, "the packets of s1 were not counted"},
		{func(r *Result) { r.Packets["s3"] = Packets{} }, "the packets of 3 hosts were counted, and there are 2"},
		{func(r *Result) { change(r, func(b *Packets) { b.In += 101 }) }, "5101 packets came to s1, and 5000"},
		{func(r *Result) { change(r, func(b *Packets) { b.Served -= 101 }) }, "5000 packets came to s1, and 4899"},
		{func(r *Result) { change(r, func(b *Packets) { b.Redirected += 101 }) }, "and 5101 were served"},
		{func(r *Result) { change(r, func(b *Packets) { b.Dropped = map[string]uint64{"rx_reset": 500} }) }, "and 5490 were served"},
		{func(r *Result) { change(r, func(b *Packets) { b.Slack = 101 }) }, "101 packets could be missing unnoticed on s1"},
		{func(r *Result) { change(r, func(b *Packets) { b.Slack = -1 }) }, "-1 packets could be missing unnoticed on s1"},
		{func(r *Result) { change(r, func(b *Packets) { b.Readings = 20 }) }, "the packets of s1 were counted 20 times: want 21"},
		{func(r *Result) {
			r.Packets = map[string]Packets{"s1": {In: 999, Served: 999, Readings: 21}, "s2": {In: 1000, Served: 1000, Readings: 21}}
		}, "1999 packets came in for 2000 requests"},
	},
	"Restarts": {
		{func(r *Result) { r.Restarts = map[string]int{"s1 nginx": 2} }, "s1 nginx was started again 2 times"},
		{func(r *Result) { r.Restarts = map[string]int{"s1 nginx": 1} }, "s1 nginx was started again 1 times"},
	},
	"Trouble": {{func(r *Result) { r.Trouble = []string{"s1: packets are unaccounted for"} }, "s1: packets are unaccounted for"}},
}

// change changes the packets of s1.
func change(r *Result, how func(*Packets)) {
	b := r.Packets["s1"]
	how(&b)
	r.Packets["s1"] = b
}

// Each field of a result can fail the soak, and each time the words are its own.
func TestSpoiltSoaksFail(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Result]()) {
		// Any seed is a good one.
		if f.IsExported() && f.Name != "Seed" && len(spoils[f.Name]) == 0 {
			t.Errorf("no result is spoilt by its field %s", f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spoils)) {
		for _, s := range spoils[name] {
			r := soaked(flows, 0, evenly)
			if why := r.failures(); len(why) > 0 {
				t.Fatal(why)
			}
			s.spoil(r)
			if why := strings.Join(r.failures(), "\n"); !strings.Contains(why, s.words) {
				t.Errorf("%s: failures %q, want %q", name, why, s.words)
			}
		}
	}
}

// The bounds themselves are still right.
func TestBoundsAreRight(t *testing.T) {
	r := soaked(flows, 0, evenly)
	r.Took = r.Planned
	r.Intervals[1].Requests, r.Intervals[2].Requests = 25, 175
	r.Intervals[0].Redirected = 13
	change(r, func(b *Packets) { b.Slack, b.In = 100, b.In+100 })
	if why := r.failures(); len(why) > 0 {
		t.Error(why)
	}
}

// A series that cannot be judged is trouble, and restarts before the soak are not its.
func TestEnd(t *testing.T) {
	r := &Result{Began: time.Now(), before: map[string]int{"s1 nginx": 2, "s2 nginx": 1}}
	r.point("s1", flows, time.Minute, 7)
	r.end(map[string]int{"s1 nginx": 5, "s2 nginx": 1})
	if len(r.Trouble) != 1 || !strings.Contains(r.Trouble[0], "s1 flows: a slope of 1 points") {
		t.Errorf("%q", r.Trouble)
	}
	if len(r.Restarts) != 1 || r.Restarts["s1 nginx"] != 3 {
		t.Errorf("restarts %v", r.Restarts)
	}
}

// What is seen of an interval goes where it belongs.
func TestAdd(t *testing.T) {
	r := &Result{Requests: 1, Failed: 1, Packets: map[string]Packets{"s1": {Redirected: 3}, "s2": {Redirected: 4}}}
	saw := httpload.NewResult(time.Minute)
	saw.Requests, saw.Failed, saw.Examples = 100, 2, []string{"reset"}
	r.add(90*time.Minute, saw, r.redirected(), map[string]map[string]float64{"s2": {flows: 5}, "s1": {flows: 4, kernelMemory: 3}})
	if r.Requests != 101 || r.Failed != 3 || len(r.Examples) != 1 || r.Intervals[0] != (Interval{100, 2, 7}) {
		t.Errorf("%+v", r)
	}
	var all []string
	for _, s := range r.Series {
		all = append(all, fmt.Sprintf("%s %s %v", s.Host, s.Name, s.Points))
	}
	want := []string{" mean delay, ms [{1.5 0}]", " 99 % of delays, ms [{1.5 0}]", "s1 flows [{1.5 4}]", "s1 kernel memory, kB [{1.5 3}]", "s2 flows [{1.5 5}]"}
	if !slices.Equal(all, want) {
		t.Errorf("series %q, want %q", all, want)
	}
}

// Packets are what changed since the first look.
func TestNewPackets(t *testing.T) {
	reading := func(n uint64) accounting.Reading {
		return accounting.Reading{Last: accounting.Entry{In: 100 * n, Passed: 60 * n}, Stats: map[string]uint64{
			"tx_packets": 50 * n, "tx_owner_messages": 10 * n, "rx_reset": 2 * n, "tx_error": 7,
		}}
	}
	l := accounting.Opened()
	l.Readings = 4
	b := newPackets(reading(1), reading(3), &l)
	if b.In != 200 || b.Served != 120 || b.Redirected != 80 || len(b.Dropped) != 1 || b.Dropped["rx_reset"] != 4 || b.Readings != 4 || b.Slack != 0 {
		t.Errorf("%+v", b)
	}
}

// A soak with failures says them once.
func TestFailuresAreSaidOnce(t *testing.T) {
	r := soaked(flows, 0, evenly)
	r.Failed, r.Intervals[0].Failed, r.Examples = 1, 1, []string{"reset"}
	if why := r.failures(); len(why) != 1 || why[0] != `1 of 2000 requests failed: ["reset"]` {
		t.Errorf("%q", why)
	}
}

// The delays are the mean and the 99 % quantile, in milliseconds.
func TestDelays(t *testing.T) {
	h := hdrhistogram.New(1, 60_000_000, 3)
	for i := range 1000 {
		us := int64(10_000)
		if i >= 980 {
			us = 900_000
		}
		if err := h.RecordValue(us); err != nil {
			t.Fatal(err)
		}
	}
	delays, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"requests": 1000, "delay_sum_ns": 27_800 * time.Millisecond, "duration_ns": time.Minute, "delays": delays})
	if err != nil {
		t.Fatal(err)
	}
	saw := httpload.NewResult(time.Minute)
	if err := json.Unmarshal(b, saw); err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	r.add(time.Minute, saw, 0, nil)
	for i, want := range []float64{27.8, 900} {
		if got := r.Series[i].Points[0].Value; math.Abs(got/want-1) > 0.01 {
			t.Errorf("%s: %v, want %v", r.Series[i].Name, got, want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	if got := milliseconds(1234567 * time.Nanosecond); got != 1.234 {
		t.Errorf("%v", got)
	}
}

// What a value may grow by, as the package's documentation says.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration
		want   Rule
	}{
		{kernelMemory, time.Hour, Rule{0.02, 1024}}, {residentOf + "nginx, kB", time.Hour, Rule{0.05, 1024}},
		{residentOf + "dpr-receive, kB", time.Hour, Rule{0.05, 4096}}, {flows, time.Hour, Rule{0.10, 64}}, {flows, time.Minute, Rule{0.10, 64}},
		{meanDelay, short, Rule{0.10, 5}}, {meanDelay, short - 1, Rule{0.50, 50}}, {tailDelay, short, Rule{0.25, 25}}, {tailDelay, short - 1, Rule{1, 250}},
	} {
		if got := rule(tt.name, tt.length); got != tt.want {
			t.Errorf("%s in %v: %+v, want %+v", tt.name, tt.length, got, tt.want)
		}
	}
}

// The shortest soak, with the fewest values.
func TestLeast(t *testing.T) {
	r := &Result{Kernel: "6.1", Began: time.Now().Add(-Least), Planned: Least, Hosts: []string{"s1"}, Packets: map[string]Packets{
		"s1": {In: 1000, Served: 1000, Readings: leastIntervals + 1},
	}}
	for i := range leastIntervals {
		values := map[string]float64{kernelMemory: 1, flows: 1}
		for _, p := range processes {
			values[residentOf+p+", kB"] = 1
		}
		saw := httpload.NewResult(time.Minute)
		saw.Requests = 100
		r.add(time.Duration(i)*time.Second, saw, 1, map[string]map[string]float64{"s1": values})
	}
	r.end(nil)
	if why := r.failures(); len(why) > 0 {
		t.Error(why)
	}
	// Fewer values than a line takes, all of them in it.
	s := r.Series[0]
	s.Points, s.Fit.N = s.Points[:leastPoints-1], 4
	if why := strings.Join(r.failures(), "\n"); !strings.Contains(why, "has a line through 4 of 4 values") {
		t.Error(why)
	}
	s.Points = s.Points[:2]
	if _, _, ok := s.end(); !ok {
		t.Error("two values jump")
	}
}

// One of the last values is above what is allowed, the other is not.
func TestEndOfSeries(t *testing.T) {
	s := Series{Rule: Rule{Floor: 1}}
	for _, v := range []float64{0, 0, 0, 0, 0, 0, 0, 0, 3, 9} {
		s.Points = append(s.Points, Point{float64(len(s.Points)), v})
	}
	if last, most, ok := s.end(); last != 3 || most != 3 || !ok {
		t.Errorf("%v, %v, %t", last, most, ok)
	}
	s.Points[8].Value = 3.1
	if last, _, ok := s.end(); last != 3.1 || ok {
		t.Errorf("%v, %t", last, ok)
	}
	s.Points[9].Value = 2
	if _, _, ok := s.end(); !ok {
		t.Error("what came down again is a jump")
	}
}

// In a short soak an interval may be without redirected packets, three in a row may not.
func TestShortSoakRedirects(t *testing.T) {
	for name, tt := range map[string]struct {
		each []float64
		want string
	}{
		"some":  {[]float64{0, 0, 5, 0, 0, 1}, ""},
		"none":  {[]float64{1, 0, 0, 0, 1}, "the 3 intervals up to 4 had no x"},
		"first": {[]float64{0, 0, 0}, "the 3 intervals up to 3 had no x"},
		"last":  {[]float64{1, 1, 0, 0, 0}, "up to 5"},
	} {
		var v result.Verdict
		inARow(&v, "x", tt.each)
		if why := strings.Join(v.Why, "\n"); !strings.Contains(why, tt.want) || (why == "") != (tt.want == "") {
			t.Errorf("%s: %q", name, why)
		}
	}
	r := soaked(flows, 0, evenly)
	r.Took, r.Planned = short-1, short-1
	for _, s := range r.Series {
		s.Rule = rule(s.Name, r.Took)
	}
	r.Intervals[1].Redirected = 1
	if why := r.failures(); len(why) > 0 {
		t.Error(why)
	}
	r.Intervals[1].Redirected, r.Intervals[2].Redirected, r.Intervals[3].Redirected = 0, 0, 0
	if why := strings.Join(r.failures(), "\n"); !strings.Contains(why, "the 3 intervals up to 4 had no redirected packets") {
		t.Error(why)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{5, 1}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{9, 1, 2, 4}, 3}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("%v: %v", tt.values, got)
		}
	}
	var v result.Verdict
	steady(&v, "x", nil)
	if len(v.Why) > 0 {
		t.Error(v.Why)
	}
}

// The growth is that over the time that was measured, not that in an hour.
func TestGrowthOverTheTime(t *testing.T) {
	for _, hours := range []float64{0.1, 10} {
		s := Series{Name: flows, Rule: rule(flows, time.Hour)}
		for i := range 50 {
			// 50 more flows in all, of 1,000: allowed, whatever it is in an hour.
			noise := float64(i%2)*40 - 20
			s.Points = append(s.Points, Point{50 + hours*float64(i)/50, 1000 + 50*float64(i)/50 + noise})
		}
		if err := s.judge(); err != nil || !s.Steady {
			t.Errorf("%v hours: %+v, %v", hours, s.Fit, err)
		}
		for i := range s.Points {
			s.Points[i].Value += 200 * float64(i) / 50
		}
		if err := s.judge(); err != nil || s.Steady {
			t.Errorf("%v hours, grown: %+v, %v", hours, s.Fit, err)
		}
	}
}

func TestPrint(t *testing.T) {
	r := soaked(kernelMemory, 3000, evenly)
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"3600 s on kernel 6.1: 2000 requests, 0 failed", "host value mean slope per hour with 99 % confidence verdict", "host packets in served redirected dropped counted slack", "clients mean delay, ms 0.0 +0.00 +0.00 to +0.00 steady", "s1 kernel memory, kB 21", "GROWS s1 resident",
		"s1 5000 4000 990 rx_reset 8, tx_error 2 21 0", "s2 5000 5000 0 0 21 3",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
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
func TestRuleOfEachValue(t *testing.T) {
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

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPrintFails(t *testing.T) {
	if err := soaked(flows, 0, evenly).Print(brokenWriter{}); err == nil {
		t.Error("what cannot be printed is no error")
	}
}
