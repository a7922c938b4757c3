// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"slices"
)

// Estimates of a peer's load between its reports; see enum dpr_estimate.
const (
	Corrected = "corrected"
	Reported  = "reported"
)

// A Config is one simulation. Times are seconds.
type Config struct {
	Hosts int `json:"hosts"`
	// Capacity of each host in transfers of mean size per second; one number
	// is for all. A host's weight, the relative capacity that it reports, is
	// in proportion.
	Capacity []float64 `json:"capacity"`
	// Shares of the new connections, or of the users, that come to each host
	// in the first place, in any unit. Empty: all alike.
	Shares []float64 `json:"-"`
	// Traffic names the shares in results.
	Traffic string `json:"traffic"`

	// Users of a closed system: each asks its host for one transfer, waits for
	// Off seconds after its end, and asks again. 0: an open one.
	Users  int     `json:"users,omitempty"`
	Off    float64 `json:"off,omitempty"`     // mean
	OffLaw string  `json:"off_law,omitempty"` // one of Laws
	// Rate of an open system: new connections per second at all hosts
	// together, independent of each other.
	Rate float64 `json:"rate,omitempty"`

	SizeLaw string `json:"size_law"` // one of Laws

	Policy   string `json:"policy"` // one of Policies
	Estimate string `json:"estimate"`
	// MaxLoad is a load per unit of weight, as an operator configures it on
	// hosts of weight 1. Below it a host serves.
	MaxLoad uint64 `json:"max_load"`

	Period float64 `json:"period"` // of reports
	Jitter float64 `json:"jitter"` // of the period, a part of it, either way
	Delay  float64 `json:"delay"`  // of a report, from its reading to its use
	Loss   float64 `json:"loss"`   // share of reports that nobody hears
	Hop    float64 `json:"hop"`    // what a redirection adds to a transfer's delay

	Warmup  float64 `json:"warmup"`  // not measured
	Seconds float64 `json:"seconds"` // measured
	Seed    uint64  `json:"seed"`
}

// MaxHosts is the largest cluster that is simulated: as many hosts as know
// each other (DPR_MAX_PEERS).
const MaxHosts = 16384

// Bounds of times, in seconds.
const (
	minTime    = 0.001
	maxPeriod  = 3600.0
	maxSeconds = 1e6
)

// openLoad is the load of an open system, as a part of its capacity.
const openLoad = 0.9

// PaperConfig is the paper's cluster: three hosts, six clients split 4:1:1 over
// them, 1,500 users that wait 2 s after each transfer, reports once a second. A
// host's 235 transfers per second are what follows from the paper's throughput.
func PaperConfig() Config {
	return Config{
		Hosts: 3, Capacity: []float64{235}, Shares: []float64{4, 1, 1}, Traffic: "4:1:1",
		Users: 1500, Off: 2, OffLaw: Exponential, SizeLaw: Exponential,
		Policy: "lowest", Estimate: Corrected,
		Period: 1, Jitter: 0.05, Delay: 0.001, Hop: 0.0002,
		Warmup: 20, Seconds: 200, Seed: 1,
	}
}

// OpenConfig is a cluster of n hosts of the paper's capacity under a load of
// 90 in 100, new connections split over them by the shares.
func OpenConfig(n int, traffic string, shares []float64) Config {
	return Config{
		Hosts: n, Capacity: []float64{235}, Shares: shares, Traffic: traffic,
		Rate: openLoad * 235 * float64(n), SizeLaw: Exponential,
		Policy: "lowest", Estimate: Corrected,
		Period: 1, Jitter: 0.05, Delay: 0.001, Hop: 0.0002,
		Warmup: 5, Seconds: 20, Seed: 1,
	}
}

// check says what of a configuration is wrong, and fills in what may be left out.
func (c *Config) check() error {
	if c.Hosts < 1 || c.Hosts > MaxHosts {
		return fmt.Errorf("hosts: %d is not from 1 to %d", c.Hosts, MaxHosts)
	}
	if len(c.Capacity) != 1 && len(c.Capacity) != c.Hosts {
		return fmt.Errorf("capacity: %d numbers for %d hosts; want one, or one for each", len(c.Capacity), c.Hosts)
	}
	for _, v := range c.Capacity {
		if !(v > 0) {
			return fmt.Errorf("capacity: %v is not above 0", v)
		}
	}
	if len(c.Capacity) == 1 {
		c.Capacity = slices.Repeat(c.Capacity, c.Hosts)
	}
	if len(c.Shares) == 0 {
		c.Shares = Uniform(c.Hosts)
	}
	if len(c.Shares) != c.Hosts {
		return fmt.Errorf("shares: %d numbers for %d hosts", len(c.Shares), c.Hosts)
	}
	sum := 0.0
	for _, v := range c.Shares {
		if !(v >= 0) {
			return fmt.Errorf("shares: %v is below 0", v)
		}
		sum += v
	}
	if !(sum > 0) {
		return fmt.Errorf("shares: none is above 0")
	}
	if (c.Users > 0) == (c.Rate > 0) {
		return fmt.Errorf("users: %d and rate: %v; want one of them above 0", c.Users, c.Rate)
	}
	if c.Users > 0 && !(c.Off > 0) {
		return fmt.Errorf("off: %v is not above 0", c.Off)
	}
	if c.OffLaw == "" {
		c.OffLaw = Exponential
	}
	if c.Estimate != Corrected && c.Estimate != Reported {
		return fmt.Errorf("estimate: %q is neither %s nor %s", c.Estimate, Corrected, Reported)
	}
	for _, f := range []struct {
		name        string
		value       float64
		least, most float64
	}{
		{"period", c.Period, minTime, maxPeriod}, {"jitter", c.Jitter, 0, 0.9}, {"delay", c.Delay, 0, c.Period / 2},
		{"loss", c.Loss, 0, 1}, {"hop", c.Hop, 0, 10}, {"warmup", c.Warmup, 0, maxSeconds}, {"seconds", c.Seconds, minTime, maxSeconds},
	} {
		if !(f.value >= f.least && f.value <= f.most) {
			return fmt.Errorf("%s: %v is not from %v to %v", f.name, f.value, f.least, f.most)
		}
	}
	return nil
}
