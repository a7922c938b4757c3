// SPDX-License-Identifier: MIT

package sim

import (
	"dpr/testbed/lab/flags"
	"dpr/userland/dprnl"
)

// The words for how connections are split over an open system's hosts.
const (
	uniform = "uniform"
	zipf    = "zipf"
)

// Options says which simulations of one cluster are run.
type Options struct {
	Policies []string // of the function Policies; each is simulated
	Hosts    int      // 1 to MaxHosts; 3 are the paper's cluster unless Traffic is given
	Traffic  string   // "uniform" or "zipf"; "" is the paper's of 3 hosts, else uniform
	Load     float64  // of an open system, as a part of its capacity, between 0 and 1
	Estimate string   // of a peer's load between reports: Corrected or Reported
	MaxLoad  uint64   // as in Config, or dprnl.MaxLoadAuto
	Period   float64  // of reports, in seconds, 0.001 to 3600
	SizeLaw  string   // of the transfers' sizes, one of Laws
	Seconds  float64  // measured, 0.001 to 1e6
	Seed     uint64
}

// Defaults returns the options of the paper's cluster under all policies.
func Defaults() Options {
	c := PaperConfig()
	return Options{
		Policies: Policies(), Hosts: c.Hosts, Load: openLoad, Estimate: c.Estimate, MaxLoad: c.MaxLoad,
		Period: c.Period, SizeLaw: c.SizeLaw, Seconds: c.Seconds, Seed: c.Seed,
	}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Words(&o.Policies, "policies", Policies(), "`POLICY,POLICY…` that are simulated"),
		flags.Number(&o.Hosts, "hosts", flags.From(1, MaxHosts), "`N` hosts; 3 are the paper's with its 1,500 users, others an open system"),
		flags.Word(&o.Traffic, "traffic", []string{uniform, zipf}, "how connections are split over the hosts (`SPLIT`): {range}").As("uniform; of 3 hosts 4:1:1"),
		flags.Number(&o.Load, "load", flags.Between(0.0, 1.0), "of an open system, as a `PART` of its capacity"),
		flags.Word(&o.Estimate, "estimate", []string{Corrected, Reported}, "a peer's load between reports (`WORD`): {range}"),
		flags.Value(&o.MaxLoad, "max-load", "auto or a whole number from 0 to 9223372036854775807", dprnl.ParseMaxLoad, dprnl.FormatMaxLoad, "MaxLoad, a `NUMBER` or auto"),
		flags.Number(&o.Period, "period", flags.From(minTime, maxPeriod), "of reports, `SECONDS`"),
		flags.Word(&o.SizeLaw, "sizes", Laws, "`LAW` of the transfers' sizes: {range}"),
		flags.Number(&o.Seconds, "seconds", flags.From(minTime, maxSeconds), "simulated, `SECONDS`"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of all that is random"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Configs returns the simulations, one for each policy.
func (o *Options) Configs() ([]Config, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var c Config
	switch {
	case o.Hosts == PaperConfig().Hosts && o.Traffic == "":
		c = PaperConfig()
	case o.Traffic == zipf:
		c = OpenConfig(o.Hosts, zipf, Zipf(o.Hosts, 1))
	default:
		c = OpenConfig(o.Hosts, uniform, Uniform(o.Hosts))
	}
	c.Rate *= o.Load / openLoad
	c.Estimate, c.MaxLoad, c.Period = o.Estimate, o.MaxLoad, o.Period
	c.SizeLaw, c.Seconds, c.Seed = o.SizeLaw, o.Seconds, o.Seed
	configs := make([]Config, len(o.Policies))
	for i, p := range o.Policies {
		configs[i] = c
		configs[i].Policy = p
	}
	return configs, nil
}
