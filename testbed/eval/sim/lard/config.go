// SPDX-License-Identifier: MIT

package lard

import (
	"fmt"
	"slices"
)

// The policies of rules that are compared; see enum dpr_rules_policy.
const (
	Locality  = "locality"
	Lowest    = "lowest"
	Stateless = "stateless"
)

// Policies are their names.
var Policies = []string{Locality, Lowest, Stateless}

// A Machine is what a request costs a host, in seconds.
type Machine struct {
	Name string `json:"name"`
	// Connect is the processor's for a connection's beginning, and once more for
	// its end; Transmit that for each started 512 bytes of an answer.
	Connect  float64 `json:"connect_s"`
	Transmit float64 `json:"transmit_s"`
	// Handover and Ack are the processor's of the first host, if another one
	// serves: once, and for each two segments of the answer.
	Handover float64 `json:"handover_s"`
	Ack      float64 `json:"ack_s"`
	// Seek is the disk's for a read and once more for each further SeekEvery
	// bytes, Read that for each started 4 KiB.
	Seek      float64 `json:"seek_s"`
	SeekMore  float64 `json:"seek_more_s"`
	SeekEvery int64   `json:"seek_every_bytes"`
	Read      float64 `json:"read_s"`
}

// Machines that are simulated.
var Machines = []Machine{
	// What Pai et al. simulate (section 3), and measure of their handoff (section 6).
	{
		Name: "1998", Connect: 145e-6, Transmit: 40e-6, Handover: 194e-6, Ack: 9e-6,
		Seek: 28e-3, SeekMore: 14e-3, SeekEvery: 44 << 10, Read: 410e-6,
	},
	// Assumed, not measured: a solid-state disk of 40,000 reads a second, one after
	// the other, and 2 GB/s; a processor that sends 2.5 GB/s.
	{
		Name: "ssd", Connect: 10e-6, Transmit: 0.2e-6, Handover: 10e-6, Ack: 0.5e-6,
		Seek: 25e-6, SeekEvery: 1 << 40, Read: 2e-6,
	},
}

// A Config is one simulation.
type Config struct {
	Hosts   int     `json:"hosts"`
	Policy  string  `json:"policy"` // one of Policies
	Spill   int     `json:"spill"`  // percent, of Locality
	Machine Machine `json:"machine"`

	// Memory of a host for documents, bytes. All documents together have Set
	// times that.
	Memory int64   `json:"memory_bytes"`
	Set    float64 `json:"working_set"`
	// Zipf is the exponent of popularity: the i-th document is asked for in
	// proportion to 1/i^Zipf.
	Zipf float64 `json:"zipf"`
	// Mean of the documents' sizes, bytes. Their law is the body of SURGE's,
	// log-normal of sigma 1.318.
	Mean float64 `json:"mean_bytes"`

	// Low and High are LARD's thresholds, requests for each host: together all
	// hosts have (Hosts-1)*High + Low - 1 under way.
	Low  int `json:"low"`
	High int `json:"high"`

	Period float64 `json:"period"` // of reports, seconds

	// Warmup is how often each host is asked for each document, on average,
	// before what is measured; Requests are then measured.
	Warmup   float64 `json:"warmup"`
	Requests int     `json:"requests"`
	Seed     uint64  `json:"seed"`
}

// Default is a cluster of three hosts of LARD's thresholds.
func Default() Config {
	return Config{
		Hosts: 3, Policy: Locality, Spill: 25, Machine: Machines[0],
		Memory: 64 << 20, Set: 3, Zipf: 0.8, Mean: 27600, Low: 25, High: 65,
		Period: 1, Warmup: 3, Requests: 100_000, Seed: 1,
	}
}

// Bounds of a simulation.
const (
	maxHosts     = 64
	maxDocuments = 1 << 22
)

func (c *Config) check() error {
	switch {
	case c.Hosts < 1 || c.Hosts > maxHosts:
		return fmt.Errorf("hosts: %d is not from 1 to %d", c.Hosts, maxHosts)
	case !slices.Contains(Policies, c.Policy):
		return fmt.Errorf("policy: %q is none of %v", c.Policy, Policies)
	case c.Memory < 1 || !(c.Set > 0) || !(c.Mean >= 1):
		return fmt.Errorf("memory %d, working set %v, mean size %v: want more", c.Memory, c.Set, c.Mean)
	case float64(c.Memory)*c.Set/c.Mean > maxDocuments:
		return fmt.Errorf("working set: more than %d documents", maxDocuments)
	case c.Low < 1 || c.High < c.Low:
		return fmt.Errorf("thresholds %d and %d: want 1 <= low <= high", c.Low, c.High)
	case !(c.Period > 0) || !(c.Warmup >= 0) || c.Requests < 1:
		return fmt.Errorf("period %v, warm-up %v, %d requests: want more", c.Period, c.Warmup, c.Requests)
	}
	return nil
}

// outstanding is how many requests are under way.
func (c *Config) outstanding() int { return max(1, (c.Hosts-1)*c.High+c.Low-1) }
