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

	"dpr/testbed/account"
	"dpr/testbed/lab"
	"dpr/testbed/load"
	"dpr/testbed/reliability"
)

// Books are what became of a host's packets, from the first look to the last.
type Books struct {
	In         uint64            `json:"in"`
	Served     uint64            `json:"served"` // handed to the host's own stack
	Redirected uint64            `json:"redirected"`
	Dropped    map[string]uint64 `json:"dropped"`
	Readings   int               `json:"readings"`
	Slack      int64             `json:"slack"` // packets that could be missing unnoticed
}

func newBooks(first, last account.Reading, l *account.Ledger) Books {
	b := Books{
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

	Requests uint64           `json:"requests"`
	Failed   uint64           `json:"failed"`
	Examples []string         `json:"examples,omitempty"`
	Series   []*Series        `json:"series"`
	Books    map[string]Books `json:"books"`
	Trouble  []string         `json:"trouble,omitempty"`
}

func newResult(l *lab.Lab, o Options) *Result {
	return &Result{Seed: o.Seed, Kernel: l.Kernel().Release, Began: time.Now(), Books: map[string]Books{}}
}

// add takes what was seen in an interval whose middle was at a time.
func (r *Result) add(at time.Duration, saw *load.Result, hosts map[string]map[string]float64) {
	r.Requests += saw.Requests
	r.Failed += saw.Failed
	r.Examples = append(r.Examples, saw.Examples...)
	r.point("", meanDelay, at, float64(saw.DelayMean().Microseconds())/1000)
	r.point("", tailDelay, at, float64(saw.DelayQuantile(0.99).Microseconds())/1000)
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		for _, name := range slices.Sorted(maps.Keys(hosts[host])) {
			r.point(host, name, at, hosts[host][name])
		}
	}
}

func (r *Result) point(host, name string, at time.Duration, value float64) {
	i := slices.IndexFunc(r.Series, func(s *Series) bool { return s.Host == host && s.Name == name })
	if i < 0 {
		i = len(r.Series)
		r.Series = append(r.Series, &Series{Host: host, Name: name})
	}
	r.Series[i].Points = append(r.Series[i].Points, Point{at.Hours(), value})
}

// end fits the lines.
func (r *Result) end() {
	r.Took = time.Since(r.Began)
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

// failures say why the soak did not pass.
func (r *Result) failures() []string {
	all := slices.Clone(r.Trouble)
	if r.Failed > 0 || r.Requests == 0 {
		all = append(all, fmt.Sprintf("%d of %d requests failed: %.3q", r.Failed, r.Requests, r.Examples))
	}
	redirected := uint64(0)
	for _, b := range r.Books {
		redirected += b.Redirected
	}
	if redirected == 0 {
		all = append(all, "nothing was redirected")
	}
	for _, s := range r.Series {
		if s.Fit.N > 0 && !s.Steady {
			all = append(all, fmt.Sprintf("%s %s is not steady: %.4g per hour (%.4g to %.4g), mean %.4g", s.Host, s.Name, s.Fit.Slope, s.Fit.Low, s.Fit.High, s.Fit.Mean))
		}
	}
	return all
}

// Part is what out/reliability.json has of it.
func (r *Result) Part() reliability.Part {
	return reliability.Part{
		Seed: r.Seed, Kernel: r.Kernel, Began: r.Began, Seconds: r.Took.Seconds(), Failures: r.failures(), Results: r,
	}
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
	fmt.Fprintln(t, "\nhost\tpackets in\tserved\tredirected\tdropped\tbooks read\tslack")
	for _, host := range slices.Sorted(maps.Keys(r.Books)) {
		b := r.Books[host]
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
