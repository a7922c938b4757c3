// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"fmt"
	"slices"

	"dpr/testbed/eval/sim"
)

// simulatedPolicies are the simulator's policies and estimates, by names of ours.
var simulatedPolicies = map[string]sim.Choice{
	None:        {Policy: sim.None, Estimate: sim.Corrected},
	Random:      {Policy: sim.Random, Estimate: sim.Corrected},
	TCP:         {Policy: "lowest", Estimate: sim.Reported},
	Corrected:   {Policy: "lowest", Estimate: sim.Corrected},
	Two:         {Policy: "two", Estimate: sim.Corrected, MaxLoad: sim.Auto},
	TCPSlow:     {Policy: "lowest", Estimate: sim.Reported},
	OfferSlow:   {Policy: "offer", Estimate: sim.Corrected, MaxLoad: sim.Auto},
	Offer:       {Policy: "offer", Estimate: sim.Corrected, MaxLoad: sim.Auto},
	FreshLowest: {Policy: sim.FreshLowest, Estimate: sim.Corrected},
}

// How long a simulation of the lab's set-up goes on, in seconds: as long as so many
// runs of the lab that its own chance is small beside theirs.
const (
	simSeconds = 1500
	simWarmup  = 50
	// There are many of MaxLoad and period.
	simPeriodSeconds = 500
)

// simConfig is the lab's set-up in the simulator, at a scale and with servers of a
// capacity of the paper's.
func (r *Report) simConfig(policy string, maxLoad uint64, scale, capacity float64) sim.Config {
	c := sim.PaperConfig()
	c.Capacity, c.Users = []float64{capacity * scale}, int(paperAllUsers*scale+0.5)
	c.Off, c.OffLaw, c.SizeLaw = r.Config.OffPerTransfer, sim.Pareto, sim.Requests
	choice := simulatedPolicies[policy]
	c.Policy, c.Estimate, c.MaxLoad = choice.Policy, choice.Estimate, maxLoad
	if p, err := byName(policy); err == nil {
		c.Period = p.period(scale).Seconds()
	}
	if !slices.Contains(swept, policy) {
		c.MaxLoad = choice.MaxLoad
	}
	c.Warmup, c.Seconds, c.Seed = simWarmup, simSeconds, r.Config.Seed
	return c
}

// simulate has the simulator do what the lab did, and the lab's set-up at other
// capacities.
func (r *Report) simulate(ctx context.Context) error {
	type point struct {
		policy string
		load   uint64
	}
	var points []point
	var configs []sim.Config
	add := func(policy string, load uint64) {
		if p := (point{policy, load}); !slices.Contains(points, p) {
			points = append(points, p)
			configs = append(configs, r.simConfig(policy, load, r.Config.Scale, Capacity))
		}
	}
	for _, policy := range append(names(), FreshLowest) {
		// How packets get to peers is nothing to the simulator.
		if _, ok := simulatedPolicies[policy]; ok {
			add(policy, r.maxLoad(policy))
		}
	}
	for _, s := range r.Sweep {
		add(s.Policy, s.MaxLoad)
	}
	results, err := sim.RunAll(ctx, configs, nil)
	if err != nil {
		return fmt.Errorf("simulating the lab: %w", err)
	}
	for i, p := range points {
		r.Simulated = append(r.Simulated, Simulated{p.policy, p.load, results[i].DelayMean, results[i].Throughput, results[i].Redirected})
	}
	if err := r.simulatePeriods(ctx); err != nil {
		return err
	}
	return r.simulateCapacities(ctx)
}

// What is simulated of MaxLoad and the time between reports.
var (
	simPeriods   = []float64{0.1, 0.5, 1, 2, 5, 10} // seconds
	simMaxLoads  = []uint64{0, 2, 4, 8, 16, 32}
	simPolicies  = []string{"lowest", "inverse"}
	simEstimates = []string{sim.Reported, sim.Corrected}
)

// simulatePeriods has lowest and inverse run at many MaxLoads and periods, by
// reported and corrected loads, in the lab's set-up.
func (r *Report) simulatePeriods(ctx context.Context) error {
	var configs []sim.Config
	for _, policy := range simPolicies {
		for _, estimate := range simEstimates {
			for _, period := range simPeriods {
				for _, maxLoad := range simMaxLoads {
					c := r.simConfig(TCP, maxLoad, r.Config.Scale, Capacity)
					c.Policy, c.Estimate, c.Period, c.Seconds = policy, estimate, period, simPeriodSeconds
					configs = append(configs, c)
				}
			}
		}
	}
	results, err := sim.RunAll(ctx, configs, nil)
	if err != nil {
		return fmt.Errorf("simulating periods: %w", err)
	}
	for _, s := range results {
		c := &s.Config
		r.Periods = append(r.Periods, PeriodPoint{c.Policy, c.Estimate, c.Period, c.MaxLoad, s.DelayMean, s.Throughput, s.Redirected})
	}
	return nil
}

// simulateCapacities finds what ratios other capacities would give, within the
// paper's bounds.
func (r *Report) simulateCapacities(ctx context.Context) error {
	maxLoads := []uint64{0, 4, 8, 16}
	for _, scale := range slices.Compact([]float64{r.Config.Scale, 1}) {
		for _, capacity := range []float64{CapacityLeast, Capacity, CapacityMost} {
			var configs []sim.Config
			for _, policy := range []string{None, Random, Corrected, FreshLowest} {
				configs = append(configs, r.simConfig(policy, 0, scale, capacity))
			}
			for _, load := range maxLoads {
				configs = append(configs, r.simConfig(TCP, load, scale, capacity))
			}
			results, err := sim.RunAll(ctx, configs, nil)
			if err != nil {
				return fmt.Errorf("simulating other capacities: %w", err)
			}
			best := slices.MinFunc(results[4:], func(a, b *sim.Result) int {
				switch {
				case a.DelayMean < b.DelayMean:
					return -1
				case a.DelayMean > b.DelayMean:
					return 1
				}
				return 0
			})
			r.Capacities = append(r.Capacities, CapacityPoint{
				Scale: scale, Capacity: capacity, MaxLoad: best.Config.MaxLoad,
				Delay: map[string]float64{None: results[0].DelayMean, Random: results[1].DelayMean, Corrected: results[2].DelayMean, FreshLowest: results[3].DelayMean, TCP: best.DelayMean},
				Rate:  map[string]float64{None: results[0].Throughput, Random: results[1].Throughput, Corrected: results[2].Throughput, FreshLowest: results[3].Throughput, TCP: best.Throughput},
			})
		}
	}
	return nil
}
