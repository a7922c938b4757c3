// SPDX-License-Identifier: MIT

package reproduce

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"dpr/testbed/lab/surge"
)

// RunResult is what one run of a policy measured.
type RunResult struct {
	Seed uint64 `json:"seed"`
	// The delays are of the files that arrived while it was measured.
	DelayMean     float64 `json:"delay_mean_s"`
	DelayVariance float64 `json:"delay_variance"` // n-1
	DelayMedian   float64 `json:"delay_p50_s"`
	DelayP90      float64 `json:"delay_p90_s"`
	DelayP99      float64 `json:"delay_p99_s"`
	Requests      int     `json:"requests"` // files that arrived
	Rate          float64 `json:"rate"`     // of these, per second
	Unfinished    int     `json:"unfinished"`
	Failed        int     `json:"failed"` // no answer or a wrong one, in the warm-up too
	// Table2 is the paper's Table 2.
	Table2
	// OpenIndex is the same index of the connections that each server has open.
	OpenIndex  float64 `json:"open_index"`
	Redirected float64 `json:"redirected_share"` // of all connections, 0 to 1
	Direct     float64 `json:"direct_share"`     // of packets to peers, without a tunnel, 0 to 1
	MeanSize   float64 `json:"mean_size"`        // bytes
	LagMean    float64 `json:"lag_mean_s"`       // of Record.Lag
	Hosts      []Host  `json:"hosts"`
	CPU        CPU     `json:"cpu"`
	// PerInterval are Table2's observations.
	PerInterval []float64 `json:"per_interval"`
}

// Table2 is a row of the paper's Table 2: how many connections the cluster
// served in what stands for a second of the paper's.
type Table2 struct {
	Mean  float64 `json:"connections_mean"`
	P10   float64 `json:"connections_p10"`
	P90   float64 `json:"connections_p90"`
	Index float64 `json:"index"` // 1 + ((P90 - P10) / 2) / Mean
}

// Host is a server's part of a run.
type Host struct {
	Name     string  `json:"name"`
	Requests int     `json:"requests"`
	Rate     float64 `json:"rate"`
	Open     float64 `json:"open_mean"` // connections, on average
	// Served is how many connections ended in each second, and OpenAt how many
	// were open at its beginning.
	Served []int `json:"served_per_second"`
	OpenAt []int `json:"open_at"`
}

func (r *RunResult) String() string {
	s := fmt.Sprintf("%6.1f/s, delay %5.3f s, index %.2f, %2.0f %% redirected; CPU %.0f %%, servers",
		r.Rate, r.DelayMean, r.Index, 100*r.Redirected, 100*r.CPU.Machine)
	for i, h := range r.Hosts {
		s += fmt.Sprintf(" %.0f/s", h.Rate)
		if i < len(r.CPU.Servers) {
			s += fmt.Sprintf(" at %.0f %%", 100*r.CPU.Servers[i])
		}
	}
	return s
}

// analyse works out what users saw in a window after the warm-up.
func analyse(saw *surge.Result, servers []string, warmup, window time.Duration, scale float64) (*RunResult, error) {
	seconds := int(window / time.Second)
	r := &RunResult{Unfinished: saw.Unfinished, Failed: saw.Failed}
	for _, name := range servers {
		r.Hosts = append(r.Hosts, Host{Name: name, Served: make([]int, seconds), OpenAt: make([]int, seconds)})
	}
	index := make([]int, len(saw.Hosts))
	for i, name := range saw.Hosts {
		if index[i] = slices.Index(servers, name); index[i] < 0 {
			return nil, fmt.Errorf("an answer from %q, which is no server", name)
		}
	}
	var delays, ends []float64
	var bytes, lag float64
	for _, rec := range saw.Records {
		h := &r.Hosts[index[rec.Host]]
		due, end := rec.Due-warmup, rec.Due+rec.Delay-warmup
		// Open at a second's beginning: from connect to the end of the file.
		for at := max(0, ceilSeconds(due+rec.Lag)); at < seconds && time.Duration(at)*time.Second < end; at++ {
			h.OpenAt[at]++
		}
		if end < 0 || end >= window {
			continue
		}
		h.Requests++
		h.Served[int(end/time.Second)]++
		delays = append(delays, rec.Delay.Seconds())
		ends = append(ends, end.Seconds())
		bytes += float64(rec.Size)
		lag += rec.Lag.Seconds()
	}
	if len(delays) < 2 {
		return nil, errors.New("next to no file arrived")
	}
	n := float64(len(delays))
	r.Requests, r.Rate, r.MeanSize, r.LagMean = len(delays), n/window.Seconds(), bytes/n, lag/n
	r.DelayMean, r.DelayVariance = stat.MeanVariance(delays, nil)
	slices.Sort(delays)
	r.DelayMedian, r.DelayP90, r.DelayP99 = quantile(delays, 0.5), quantile(delays, 0.9), quantile(delays, 0.99)
	r.PerInterval = perInterval(ends, window.Seconds(), 1/scale)
	r.Table2 = newTable2(r.PerInterval)
	r.hosts(window)
	return r, nil
}

// ceilSeconds rounds up to whole seconds.
func ceilSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	return stat.Quantile(q, stat.Empirical, sorted, nil)
}

// hosts finishes the servers' parts.
func (r *RunResult) hosts(window time.Duration) {
	var open []float64
	for i := range r.Hosts {
		h := &r.Hosts[i]
		h.Rate = float64(h.Requests) / window.Seconds()
		for _, n := range h.OpenAt {
			open = append(open, float64(n))
			h.Open += float64(n) / float64(len(h.OpenAt))
		}
	}
	r.OpenIndex = newTable2(open).Index
}

// perInterval counts how many of the moments, in seconds, are in each interval of
// a length, one a second. Where servers have a part of the paper's capacity, an
// interval as much longer than a second sees as many connections as the paper's
// second, and so as much of chance.
func perInterval(moments []float64, window, length float64) []float64 {
	length = min(length, window)
	var counts []float64
	for from := 0.0; from+length <= window+1e-9; from++ {
		n := 0.0
		for _, t := range moments {
			if t >= from && t < from+length {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts
}

// newTable2 works out a row from its observations.
func newTable2(observations []float64) Table2 {
	sorted := slices.Sorted(slices.Values(observations))
	t := Table2{Mean: stat.Mean(sorted, nil), P10: quantile(sorted, 0.1), P90: quantile(sorted, 0.9)}
	if t.Mean > 0 {
		t.Index = 1 + (t.P90-t.P10)/2/t.Mean
	}
	return t
}
