// SPDX-License-Identifier: MIT

package lard

// A Result is what a simulation measured.
type Result struct {
	Config     Config  `json:"config"`
	Documents  int     `json:"documents"`
	Requests   int     `json:"requests"`
	Throughput float64 `json:"throughput"` // requests per second of all hosts
	HitRate    float64 `json:"hit_rate"`   // of requests, 0 to 1
	DelayMean  float64 `json:"delay_mean_s"`
	Handed     float64 `json:"handed_over_share"`
	// The busiest and the least busy host's shares of the time.
	CPUMost  float64 `json:"cpu_most"`
	CPULeast float64 `json:"cpu_least"`
	DiskMost float64 `json:"disk_most"`
}

// A record gathers what happens after the warm-up, which is a number of requests.
type record struct {
	skip, want   int
	ended        int
	from, until  float64
	hits, misses int
	handed       int
	delays       float64
}

func (r *record) measures() bool { return r.ended >= r.skip }
func (r *record) done() bool     { return r.ended >= r.skip+r.want }

func (r *record) hit() {
	if r.measures() {
		r.hits++
	}
}

func (r *record) miss() {
	if r.measures() {
		r.misses++
	}
}

func (r *record) answered(now, start float64, handed bool) {
	if r.measures() {
		r.until = now
		r.delays += now - start
		if handed {
			r.handed++
		}
	} else {
		r.from = now
	}
	r.ended++
}

func (c *cluster) result() *Result {
	r := &c.record
	seconds := r.until - r.from
	out := &Result{
		Config: c.cfg, Documents: len(c.docs.size), Requests: r.want,
		Throughput: float64(r.want) / seconds,
		HitRate:    float64(r.hits) / float64(max(1, r.hits+r.misses)),
		DelayMean:  r.delays / float64(r.want),
		Handed:     float64(r.handed) / float64(r.want),
		CPULeast:   1,
	}
	for i := range c.hosts {
		cpu, disk := c.hosts[i].measured.cpu/seconds, c.hosts[i].measured.disk/seconds
		out.CPUMost, out.CPULeast = max(out.CPUMost, cpu), min(out.CPULeast, cpu)
		out.DiskMost = max(out.DiskMost, disk)
	}
	return out
}
