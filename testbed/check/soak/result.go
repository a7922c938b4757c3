// SPDX-License-Identifier: MIT

package soak

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"dpr/testbed/check/accounting"
	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
)

// Packets says what became of a host's packets, from the first look to the last.
type Packets struct {
	In         uint64            `json:"in"`
	Served     uint64            `json:"served"` // handed to the host's own stack
	Redirected uint64            `json:"redirected"`
	Dropped    map[string]uint64 `json:"dropped"`
	Readings   int               `json:"readings"`
	Slack      int64             `json:"slack"` // packets that could be missing unnoticed
}

func newPackets(first, last accounting.Reading, l *accounting.Ledger) Packets {
	b := Packets{
		In: last.Last.In - first.Last.In, Served: last.Last.Passed - first.Last.Passed,
		Redirected: last.Redirected() - first.Redirected(), Dropped: map[string]uint64{}, Readings: l.Readings, Slack: l.Slack(),
	}
	before := first.Dropped()
	for reason, n := range last.Dropped() {
		if n > before[reason] {
			b.Dropped[reason] = n - before[reason]
		}
	}
	return b
}

// Series is what one value did.
type Series struct {
	Host   string  `json:"host"` // "" for what clients saw
	Name   string  `json:"name"`
	Points []Point `json:"points"`
	Rule   Rule    `json:"rule"`
	Fit    Fit     `json:"fit"`
	Steady bool    `json:"steady"`
}

// Result is what a soak found.
type Result struct {
	Seed   uint64        `json:"-"`
	Kernel string        `json:"-"`
	Began  time.Time     `json:"-"`
	Took   time.Duration `json:"-"`

	Planned time.Duration `json:"planned_ns"`
	// Hosts are the servers, all of which are looked at.
	Hosts []string `json:"hosts"`

	Requests uint64             `json:"requests"`
	Failed   uint64             `json:"failed"`
	Examples []string           `json:"examples,omitempty"`
	Series   []*Series          `json:"series"`
	Packets  map[string]Packets `json:"packets"`
	// Intervals are those of the load.
	Intervals []Interval `json:"intervals"`
	// Restarts are how often each process, by "HOST NAME", was started again.
	Restarts map[string]int `json:"restarts"`
	Trouble  []string       `json:"trouble,omitempty"`

	before map[string]int // restarts when the soak began
}

// Interval is what was seen of the load in one.
type Interval struct {
	Requests   uint64 `json:"requests"`
	Failed     uint64 `json:"failed"`
	Redirected uint64 `json:"redirected_packets"` // by all hosts
}

func newResult(l *lab.Lab, o Options) *Result {
	r := &Result{Seed: o.Seed, Kernel: l.Kernel().Release, Began: time.Now(), Planned: o.Time, Packets: map[string]Packets{}}
	for _, h := range l.Servers() {
		r.Hosts = append(r.Hosts, h.Name)
	}
	return r
}

// redirected is how many packets all hosts have redirected.
func (r *Result) redirected() uint64 {
	n := uint64(0)
	for _, b := range r.Packets {
		n += b.Redirected
	}
	return n
}

// add takes what was seen in an interval whose middle was at a time, and in which as
// many packets were redirected.
func (r *Result) add(at time.Duration, saw *httpload.Result, redirected uint64, hosts map[string]map[string]float64) {
	r.Intervals = append(r.Intervals, Interval{saw.Requests, saw.Failed, redirected})
	r.Requests += saw.Requests
	r.Failed += saw.Failed
	r.Examples = append(r.Examples, saw.Examples...)
	r.point("", meanDelay, at, milliseconds(saw.DelayMean()))
	r.point("", tailDelay, at, milliseconds(saw.DelayQuantile(0.99)))
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		for _, name := range slices.Sorted(maps.Keys(hosts[host])) {
			r.point(host, name, at, hosts[host][name])
		}
	}
}

// milliseconds of a time, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *Result) point(host, name string, at time.Duration, value float64) {
	i := slices.IndexFunc(r.Series, func(s *Series) bool { return s.Host == host && s.Name == name })
	if i < 0 {
		i = len(r.Series)
		r.Series = append(r.Series, &Series{Host: host, Name: name})
	}
	r.Series[i].Points = append(r.Series[i].Points, Point{at.Hours(), value})
}

// end fits the lines; restarts are those since the lab came up.
func (r *Result) end(restarts map[string]int) {
	r.Took = time.Since(r.Began)
	r.Restarts = make(map[string]int)
	for name, n := range restarts {
		if n -= r.before[name]; n > 0 {
			r.Restarts[name] = n
		}
	}
	for _, s := range r.Series {
		s.Rule = rule(s.Name, r.Took)
		if err := s.judge(); err != nil {
			r.Trouble = append(r.Trouble, fmt.Sprintf("%s %s: %v", s.Host, s.Name, err))
		}
	}
}

// measured are the points after the warm-up.
func (s *Series) measured() []Point { return s.Points[int(warmUp*float64(len(s.Points))):] }

// judge judges the growth over the time that was measured, as if that were an
// hour.
func (s *Series) judge() (err error) {
	points := s.measured()
	if s.Fit, err = NewFit(points); err != nil {
		return err
	}
	hours := points[len(points)-1].Hours - points[0].Hours
	grown := s.Fit
	grown.Slope, grown.Low, grown.High = grown.Slope*hours, grown.Low*hours, grown.High*hours
	s.Steady = s.Rule.Steady(grown)
	return nil
}

// Print writes the result for people, without the verdict.
func (r *Result) Print(w io.Writer) error {
	fmt.Fprintf(w, "\n%.0f s on kernel %s: %d requests, %d failed\n\n", r.Took.Seconds(), r.Kernel, r.Requests, r.Failed)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "host\tvalue\tmean\tslope per hour\twith 99 % confidence\tverdict")
	for _, s := range r.Series {
		host, verdict := s.Host, "steady"
		if host == "" {
			host = "clients"
		}
		if !s.Steady {
			verdict = "GROWS"
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%+.2f\t%+.2f to %+.2f\t%s\n", host, s.Name, s.Fit.Mean, s.Fit.Slope, s.Fit.Low, s.Fit.High, verdict)
	}
	fmt.Fprintln(t, "\nhost\tpackets in\tserved\tredirected\tdropped\tcounted\tslack")
	for _, host := range slices.Sorted(maps.Keys(r.Packets)) {
		b := r.Packets[host]
		var dropped []string
		for _, reason := range slices.Sorted(maps.Keys(b.Dropped)) {
			dropped = append(dropped, fmt.Sprintf("%s %d", reason, b.Dropped[reason]))
		}
		if len(dropped) == 0 {
			dropped = []string{"0"}
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%d\t%d\n", host, b.In, b.Served, b.Redirected, strings.Join(dropped, ", "), b.Readings, b.Slack)
	}
	return t.Flush()
}
