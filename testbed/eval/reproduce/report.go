// SPDX-License-Identifier: MIT

package reproduce

import (
	"runtime"
	"slices"

	"gonum.org/v1/gonum/stat"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/surge"
)

// Report is the whole result; its JSON form is result.json.
type Report struct {
	Config   Config                   `json:"config"`
	Policies map[string]*PolicyResult `json:"policies"`
	Sweep    []SweepPoint             `json:"sweep,omitempty"`
	Targets  []Target                 `json:"targets"`
	// Simulated are the lab's policies and sweep as the simulator has them.
	Simulated []Simulated `json:"simulated,omitempty"`
	// Periods are the simulator's at other MaxLoads and times between reports.
	Periods []PeriodPoint `json:"periods,omitempty"`
	// Capacities are the simulator's at other capacities of a server.
	Capacities []CapacityPoint `json:"capacities,omitempty"`

	study string // Options.Study
}

// PeriodPoint is what the simulator has of a policy at a MaxLoad and a time between
// reports.
type PeriodPoint struct {
	Policy     string  `json:"policy"` // the module's
	Estimate   string  `json:"estimate"`
	Period     float64 `json:"period_s"`
	MaxLoad    uint64  `json:"max_load"`
	DelayMean  float64 `json:"delay_mean_s"`
	Rate       float64 `json:"rate"`
	Redirected float64 `json:"redirected_share"`
}

// CapacityPoint is what the simulator has of policies where servers have another
// capacity. MaxLoad is the best for TCP of those that were tried.
type CapacityPoint struct {
	Scale    float64            `json:"scale"`
	Capacity float64            `json:"capacity"` // requests per second at scale 1
	MaxLoad  uint64             `json:"max_load"`
	Delay    map[string]float64 `json:"delay_mean_s"`
	Rate     map[string]float64 `json:"rate"`
}

// Simulated is what the simulator has for a policy in the lab's own set-up.
type Simulated struct {
	Policy     string  `json:"policy"` // of Policies, or FreshLowest
	MaxLoad    uint64  `json:"max_load"`
	DelayMean  float64 `json:"delay_mean_s"`
	Rate       float64 `json:"rate"`
	Redirected float64 `json:"redirected_share"`
}

// FreshLowest is the simulator's bound: join the shortest queue, by loads as they
// are at that very moment.
const FreshLowest = "fresh-jsq"

// simulatedAs is what the simulator has of a policy; nil if nothing.
func (r *Report) simulatedAs(policy string, maxLoad uint64) *Simulated {
	for i, s := range r.Simulated {
		if s.Policy == policy && s.MaxLoad == maxLoad {
			return &r.Simulated[i]
		}
	}
	return nil
}

// Config is what was run.
type Config struct {
	Scale           float64        `json:"scale"`
	Users           int            `json:"users"`
	UsersPerProcess int            `json:"users_per_process"`
	Processes       int            `json:"processes_per_client"`
	Servers         int            `json:"servers"`
	Split           []int          `json:"split"` // each client's server
	Capacity        float64        `json:"capacity_per_server"`
	Link            int64          `json:"link_bit_per_s"`
	WireBytes       float64        `json:"mean_wire_bytes"`
	RequestBytes    float64        `json:"mean_request_bytes"`
	Files           surge.FileSpec `json:"files"`
	FileBytes       int64          `json:"file_bytes"`
	Variant         surge.Variant  `json:"variant"`
	Family          family.Mix     `json:"family"` // of the connections
	OffPerTransfer  float64        `json:"off_per_transfer_s"`
	MaxLoad         uint64         `json:"max_load"`      // of tcp
	MaxLoadSlow     uint64         `json:"max_load_slow"` // of tcp-slow
	MaxLoadFrom     string         `json:"max_load_from"`
	ReportPeriod    string         `json:"report_period"`
	SlowPeriod      string         `json:"report_period_slow"` // of tcp-slow and offer-slow
	Seconds         int            `json:"seconds"`
	Warmup          int            `json:"warmup"`
	SweepSeconds    int            `json:"sweep_seconds"`
	Repeat          int            `json:"repeat"`
	Seed            uint64         `json:"seed"`
	Policies        []string       `json:"policies"`
	Kernel          string         `json:"kernel"`
	Accelerator     string         `json:"accelerator"`
	Machine         string         `json:"machine"`
	Took            string         `json:"took"`
	// Interval is what stands for the paper's second in Table 2, in seconds.
	Interval float64 `json:"interval_s"`
}

// PolicyResult has the medians of a policy's repeats.
type PolicyResult struct {
	DelayMean     float64 `json:"delay_mean_s"`
	DelayVariance float64 `json:"delay_variance"`
	Requests      float64 `json:"requests"`
	Rate          float64 `json:"rate"`
	Index         float64 `json:"index"`
	OpenIndex     float64 `json:"open_index"`
	Redirected    float64 `json:"redirected_share"`
	Direct        float64 `json:"direct_share"`
	DelayMedian   float64 `json:"delay_p50_s"`
	DelayP90      float64 `json:"delay_p90_s"`
	DelayP99      float64 `json:"delay_p99_s"`
	// Spread has the least and the most of the repeats.
	Spread  map[string][2]float64 `json:"spread"`
	Repeats []*RunResult          `json:"repeats"`
}

// newReport returns a report of nothing yet.
func newReport(o *Options, m *model) *Report {
	return &Report{
		study: o.Study, Policies: map[string]*PolicyResult{},
		Config: Config{
			Scale: m.scale, Users: m.users(), UsersPerProcess: m.usersPerProcess, Processes: paperProcesses,
			Servers: servers, Split: split, Capacity: m.capacity(), Link: m.link, WireBytes: m.wire,
			RequestBytes: m.files.MeanRequest(), Files: o.Files, FileBytes: m.files.Bytes(),
			Variant: o.Variant, Family: o.Family, OffPerTransfer: o.Variant.OffPerTransfer(), ReportPeriod: "1s", SlowPeriod: Policy{Slow: true}.period(m.scale).String(),
			Seconds: o.Seconds, Warmup: o.Warmup, SweepSeconds: o.SweepSeconds, Repeat: o.Repeat, Seed: o.Seed, Policies: o.Policies,
			Machine: machine(), Interval: 1 / m.scale,
		},
	}
}

// of adds the families of the connections to a title of what the lab measured.
func (r *Report) of(title string) string { return title + ", " + r.Config.Family.Name() }

// machine describes the machine that everything ran on.
func machine() string {
	return runtime.GOARCH + ", " + plural(runtime.NumCPU(), "processor")
}

// add adds a run.
func (r *Report) add(policy string, run *RunResult) {
	p := r.Policies[policy]
	if p == nil {
		p = &PolicyResult{}
		r.Policies[policy] = p
	}
	p.Repeats = append(p.Repeats, run)
}

// finish works out the medians and the verdicts.
func (r *Report) finish() {
	for _, p := range r.Policies {
		p.Spread = map[string][2]float64{}
		for name, f := range map[string]struct {
			to   *float64
			from func(*RunResult) float64
		}{
			"delay_mean_s":     {&p.DelayMean, func(r *RunResult) float64 { return r.DelayMean }},
			"delay_variance":   {&p.DelayVariance, func(r *RunResult) float64 { return r.DelayVariance }},
			"requests":         {&p.Requests, func(r *RunResult) float64 { return float64(r.Requests) }},
			"rate":             {&p.Rate, func(r *RunResult) float64 { return r.Rate }},
			"index":            {&p.Index, func(r *RunResult) float64 { return r.Index }},
			"open_index":       {&p.OpenIndex, func(r *RunResult) float64 { return r.OpenIndex }},
			"redirected_share": {&p.Redirected, func(r *RunResult) float64 { return r.Redirected }},
			"direct_share":     {&p.Direct, func(r *RunResult) float64 { return r.Direct }},
			"delay_p50_s":      {&p.DelayMedian, func(r *RunResult) float64 { return r.DelayMedian }},
			"delay_p90_s":      {&p.DelayP90, func(r *RunResult) float64 { return r.DelayP90 }},
			"delay_p99_s":      {&p.DelayP99, func(r *RunResult) float64 { return r.DelayP99 }},
		} {
			var values []float64
			for _, run := range p.Repeats {
				values = append(values, f.from(run))
			}
			slices.Sort(values)
			*f.to = median(values)
			p.Spread[name] = [2]float64{values[0], values[len(values)-1]}
		}
	}
	r.Targets = r.judge()
}

// median of sorted values: the mean of the middle two if there are two.
func median(sorted []float64) float64 {
	n := len(sorted)
	return stat.Mean(sorted[(n-1)/2:n/2+1], nil)
}
