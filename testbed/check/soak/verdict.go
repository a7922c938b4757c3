// SPDX-License-Identifier: MIT

package soak

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"dpr/testbed/check/result"
)

// The bounds of what a verdict relies on.
const (
	// leastPart is the part of the median that each interval must have, of requests
	// and of redirected packets: the load is the same in all.
	leastPart = 0.25
	// mostSlack is how many packets may be missing unnoticed on a host. They are
	// counted when nothing moves.
	mostSlack = 100
	// jump is how many times what a value may grow by in all it may be above its
	// median at the end: a line of least squares does not see what happens last.
	jump = 3
	// atEnd are the values at the end that must not all be so far up.
	atEnd = 2
)

// failures say why the soak did not pass.
func (r *Result) failures() []string {
	v := result.Verdict{Why: slices.Clone(r.Trouble)}
	r.judgeRun(&v)
	r.judgeLoad(&v)
	r.judgeSeries(&v)
	r.judgePackets(&v)
	for _, name := range slices.Sorted(maps.Keys(r.Restarts)) {
		v.Want(r.Restarts[name] == 0, "%s was started again %d times", name, r.Restarts[name])
	}
	return v.Why
}

func (r *Result) judgeRun(v *result.Verdict) {
	v.Want(r.Kernel != "", "the kernel is not known")
	v.Want(!r.Began.IsZero(), "it is not known when the soak began")
	v.Want(r.Took >= r.Planned && r.Planned >= Least, "it lasted %.0f s of %.0f", r.Took.Seconds(), r.Planned.Seconds())
	v.Want(len(r.Intervals) >= leastIntervals, "%d intervals: want %d", len(r.Intervals), leastIntervals)
	v.Want(len(r.Hosts) > 0, "no host was looked at")
}

func (r *Result) judgeLoad(v *result.Verdict) {
	requests, failed := uint64(0), uint64(0)
	var eachRequests, eachRedirected []float64
	for _, i := range r.Intervals {
		requests += i.Requests
		failed += i.Failed
		eachRequests = append(eachRequests, float64(i.Requests))
		eachRedirected = append(eachRedirected, float64(i.Redirected))
	}
	v.Want(r.Failed == 0, "%d of %d requests failed: %q", r.Failed, r.Requests, r.Examples[:min(3, len(r.Examples))])
	v.Want(len(r.Examples) == 0 || r.Failed > 0, "requests are said to have failed, and none is counted: %q", r.Examples)
	v.Want(r.Requests > 0, "no request was made")
	v.Want(requests == r.Requests && failed == r.Failed, "the intervals have %d requests, %d of them failed; the soak %d and %d",
		requests, failed, r.Requests, r.Failed)
	steady(v, "requests", eachRequests)
	if r.Took < short {
		inARow(v, "redirected packets", eachRedirected)
	} else {
		steady(v, "redirected packets", eachRedirected)
	}
}

// row is how many short intervals together must have a redirected packet: who is
// the least loaded host for seconds is chance.
const row = 3

// inARow wants some of each row of intervals to have something.
func inARow(v *result.Verdict, what string, each []float64) {
	without := 0
	for i, n := range each {
		if without++; n > 0 {
			without = 0
		}
		v.Want(without < row, "the %d intervals up to %d had no %s", row, i+1, what)
	}
}

// steady wants each interval to have some of what the others have.
func steady(v *result.Verdict, what string, each []float64) {
	if len(each) == 0 {
		return
	}
	least := leastPart * median(each)
	for i, n := range each {
		v.Want(n > 0 && n >= least, "interval %d had %.0f %s, the median is %.0f", i+1, n, what, median(each))
	}
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// expected are the series that a soak has, by host.
func (r *Result) expected() map[string][]string {
	all := map[string][]string{"": {meanDelay, tailDelay}}
	for _, h := range r.Hosts {
		all[h] = []string{kernelMemory, flows}
		for _, p := range processes {
			all[h] = append(all[h], residentOf+p+", kB")
		}
	}
	return all
}

func (r *Result) judgeSeries(v *result.Verdict) {
	expected := r.expected()
	for _, host := range slices.Sorted(maps.Keys(expected)) {
		for _, name := range expected[host] {
			v.Want(slices.ContainsFunc(r.Series, func(s *Series) bool { return s.Host == host && s.Name == name }),
				"%s of %s was not measured", name, who(host))
		}
	}
	for _, s := range r.Series {
		what := fmt.Sprintf("%s of %s", s.Name, who(s.Host))
		v.Want(len(s.Points) == len(r.Intervals), "%s was measured in %d of %d intervals", what, len(s.Points), len(r.Intervals))
		v.Want(s.Rule == rule(s.Name, r.Took), "%s was judged by another rule than its own: %+v", what, s.Rule)
		v.Want(s.Fit.N == len(s.measured()) && s.Fit.N >= leastPoints, "%s has a line through %d of %d values", what, s.Fit.N, len(s.measured()))
		v.Want(s.Steady, "%s is not steady: %.4g per hour (%.4g to %.4g), mean %.4g", what, s.Fit.Slope, s.Fit.Low, s.Fit.High, s.Fit.Mean)
		if last, most, ok := s.end(); !ok {
			v.Want(false, "%s jumped at the end to %.4g: want %.4g at most", what, last, most)
		}
	}
}

func who(host string) string {
	if host == "" {
		return "the clients"
	}
	return host
}

// end says whether the last values are no further above the median than jumps are.
// last is the least of them.
func (s *Series) end() (last, most float64, ok bool) {
	points := s.measured()
	if len(points) <= atEnd {
		return 0, 0, true // judgeSeries wants more
	}
	var values []float64
	last = math.Inf(1)
	for i, p := range points {
		values = append(values, p.Value)
		if i >= len(points)-atEnd {
			last = min(last, p.Value)
		}
	}
	middle := median(values)
	most = middle + jump*s.Rule.Limit(middle)
	return last, most, last <= most
}

func (r *Result) judgePackets(v *result.Verdict) {
	in := uint64(0)
	for _, host := range r.Hosts {
		b, ok := r.Packets[host]
		if !ok {
			v.Want(false, "the packets of %s were not counted", host)
			continue
		}
		in += b.In
		out := b.Served + b.Redirected
		for _, n := range b.Dropped {
			out += n
		}
		v.Want(b.Slack >= 0 && b.Slack <= mostSlack, "%d packets could be missing unnoticed on %s: want %d at most", b.Slack, host, mostSlack)
		v.Want(math.Abs(float64(b.In)-float64(out)) <= mostSlack, "%d packets came to %s, and %d were served, redirected or dropped", b.In, host, out)
		v.Want(b.Readings == len(r.Intervals)+1, "the packets of %s were counted %d times: want %d", host, b.Readings, len(r.Intervals)+1)
	}
	v.Want(in >= r.Requests, "%d packets came in for %d requests", in, r.Requests)
	v.Want(len(r.Packets) <= len(r.Hosts), "the packets of %d hosts were counted, and there are %d", len(r.Packets), len(r.Hosts))
}

// Part is what out/reliability.json has of it.
func (r *Result) Part() result.Part {
	return result.Part{
		Seed: r.Seed, Kernel: r.Kernel, Began: r.Began, Seconds: r.Took.Seconds(), Failures: r.failures(), Results: r,
	}
}
