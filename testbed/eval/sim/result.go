// SPDX-License-Identifier: MIT

package sim

import (
	"maps"
	"math"
	"slices"
)

// reportBytes is a report with a HMAC as IP sees it: 108 bytes, UDP and IP headers.
const reportBytes = 108 + 8 + 20

// A Result is what a simulation measured.
type Result struct {
	Config     Config  `json:"config"`
	Requests   uint64  `json:"requests"`       // transfers that ended
	Throughput float64 `json:"throughput"`     // per second
	DelayMean  float64 `json:"delay_mean_s"`   // of a transfer, SYN to last byte
	DelayVar   float64 `json:"delay_variance"` // n-1
	DelayP90   float64 `json:"delay_p90_s"`
	DelayP99   float64 `json:"delay_p99_s"`
	// Index is the paper's: 1 + ((P90 - P10) / 2) / mean of the connections of
	// a host per unit of its weight.
	Index       float64 `json:"index"`
	Connections float64 `json:"connections_mean"` // of a host
	Redirected  float64 `json:"redirected_share"` // of all connections
	// Refusals by peers that a connection was offered to, per connection.
	Refusals float64 `json:"refusals_per_connection"`
	// ReportBytesSent is sent by all hosts together, each report once
	// (multicast); ReportBytesHeard is what one host receives.
	ReportBytesSent  float64 `json:"report_bytes_sent_per_second"`
	ReportBytesHeard float64 `json:"report_bytes_heard_per_second"`
}

// A recorder gathers what happens after the warm-up.
type recorder struct {
	from       float64
	weight     []uint32
	n          uint64
	mean, m2   float64
	delays     histogram
	decisions  uint64
	redirected uint64
	refusals   uint64
	reports    uint64
	loads      histogram
	load       float64 // sum over the samples
	samples    uint64
}

func (r *recorder) start(cfg *Config, weight []uint32) { r.from, r.weight = cfg.Warmup, weight }

func (r *recorder) decided(now float64, redirected bool, refusals int) {
	if now < r.from {
		return
	}
	r.decisions++
	if redirected {
		r.redirected++
	}
	r.refusals += uint64(refusals)
}

func (r *recorder) report(now float64) {
	if now >= r.from {
		r.reports++
	}
}

// ended counts a transfer if its end is measured: rate and delay are of the same ones.
func (r *recorder) ended(start, end float64) {
	if end < r.from {
		return
	}
	delay := end - start
	r.n++
	d := delay - r.mean
	r.mean += d / float64(r.n)
	r.m2 += d * (delay - r.mean)
	r.delays.add(delay)
}

func (r *recorder) sample(host, load int) {
	v := float64(load) / float64(r.weight[host])
	r.loads.add(v)
	r.load += float64(load)
	r.samples++
}

func (r *recorder) result(cfg *Config) *Result {
	out := &Result{Config: *cfg, Requests: r.n, Throughput: float64(r.n) / cfg.Seconds, DelayMean: r.mean,
		DelayP90: r.delays.quantile(0.9), DelayP99: r.delays.quantile(0.99)}
	if r.n > 1 {
		out.DelayVar = r.m2 / float64(r.n-1)
	}
	if mean := r.loads.mean(); mean > 0 {
		out.Index = 1 + (r.loads.quantile(0.9)-r.loads.quantile(0.1))/2/mean
	}
	if r.samples > 0 {
		out.Connections = r.load / float64(r.samples)
	}
	if r.decisions > 0 {
		out.Redirected = float64(r.redirected) / float64(r.decisions)
		out.Refusals = float64(r.refusals) / float64(r.decisions)
	}
	out.ReportBytesSent = float64(r.reports) * reportBytes / cfg.Seconds
	out.ReportBytesHeard = out.ReportBytesSent * float64(cfg.Hosts-1) / float64(cfg.Hosts)
	return out
}

// A histogram counts values of 0 and above in classes: 0 by itself, the others
// each 1 in 100 wide.
type histogram struct {
	zero  uint64
	class map[int]uint64
	n     uint64
	sum   float64
}

var classWidth = math.Log(1.01)

func (h *histogram) add(v float64) {
	h.n++
	h.sum += v
	if v <= 0 {
		h.zero++
		return
	}
	if h.class == nil {
		h.class = make(map[int]uint64)
	}
	h.class[int(math.Floor(math.Log(v)/classWidth))]++
}

func (h *histogram) mean() float64 {
	if h.n == 0 {
		return 0
	}
	return h.sum / float64(h.n)
}

// quantile returns the value that a share q of all values do not exceed, to 1 in 100.
func (h *histogram) quantile(q float64) float64 {
	rank := uint64(math.Ceil(q * float64(h.n)))
	if rank <= h.zero {
		return 0
	}
	seen := h.zero
	for _, k := range slices.Sorted(maps.Keys(h.class)) {
		if seen += h.class[k]; seen >= rank {
			return math.Exp((float64(k) + 0.5) * classWidth)
		}
	}
	return 0
}
