// SPDX-License-Identifier: MIT

package sim

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// A Progress is called after each simulation, with how many ended and how many there are.
type Progress func(done, all int, r *Result)

// RunAll runs simulations side by side; results come in the order of the
// configurations. An error ends all.
func RunAll(ctx context.Context, configs []Config, progress Progress) ([]*Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu      sync.Mutex
		done    int
		wg      sync.WaitGroup
		next    = make(chan int)
		results = make([]*Result, len(configs))
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				r, err := Run(ctx, configs[i])
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				results[i] = r
				done++
				if progress != nil {
					progress(done, len(configs), r)
				}
				mu.Unlock()
			}
		})
	}
	for i := range configs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return results, context.Cause(ctx)
}

// Auto is the MaxLoad that follows the cluster, DPR_MAX_LOAD_AUTO.
const Auto = math.MaxUint64

// SweepConfigs are a paper-like cluster under the policies lowest and inverse,
// with reported and corrected loads, for each MaxLoad and each period of reports.
func SweepConfigs(base Config, maxLoads []uint64, periods []float64) []Config {
	var all []Config
	for _, policy := range []string{"lowest", "inverse"} {
		for _, estimate := range []string{Reported, Corrected} {
			for _, period := range periods {
				for _, maxLoad := range maxLoads {
					c := base
					c.Policy, c.Estimate, c.Period, c.MaxLoad = policy, estimate, period, maxLoad
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// SweepMaxLoads and SweepPeriods are what a sweep goes through.
var (
	SweepMaxLoads = []uint64{0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80, 120, 200, Auto}
	SweepPeriods  = []float64{0.1, 0.25, 0.5, 1, 2, 5}
)

// A Choice is a policy with its settings.
type Choice struct {
	Policy, Estimate string
	MaxLoad          uint64
}

// Choices are what clusters of different sizes are compared under.
var Choices = []Choice{
	{None, Corrected, 0}, {Random, Corrected, 0}, {Interpretation, Corrected, 0}, {Acceptance, Corrected, 0},
	{"lowest", Reported, 0}, {"lowest", Corrected, 0}, {"inverse", Corrected, 0}, {"two", Corrected, 0}, {"two", Corrected, Auto},
	{"offer", Corrected, Auto}, {FreshTwo, Corrected, 0}, {FreshLowest, Corrected, 0},
}

// String names a choice.
func (c Choice) String() string {
	switch {
	case !moduleKnows(c.Policy):
		return c.Policy
	case c.MaxLoad == Auto:
		return fmt.Sprintf("%s, %s, MaxLoad auto", c.Policy, c.Estimate)
	}
	return fmt.Sprintf("%s, %s, MaxLoad %d", c.Policy, c.Estimate, c.MaxLoad)
}

// Choice returns what the cluster was simulated under.
func (r *Result) Choice() Choice {
	return Choice{r.Config.Policy, r.Config.Estimate, r.Config.MaxLoad}
}

func moduleKnows(policy string) bool {
	for _, p := range ModulePolicies() {
		if p == policy {
			return true
		}
	}
	return false
}

// work is how many connections a simulation of a large cluster has, about.
const work = 1_000_000

// ScaleConfigs are clusters from the paper's to large ones: the paper's closed
// one, then open ones of each number of hosts, under uniform and under Zipf's
// traffic. What costs more time than it tells is left out: policies that
// compare all peers beyond the paper's cluster and a hundred hosts.
func ScaleConfigs(sizes []int, seed uint64) []Config {
	var all []Config
	add := func(c Config) {
		for _, x := range Choices {
			if c.Hosts > 100 && (x.Policy == FreshLowest || x.Policy == "lowest" || x.Policy == "inverse" || x.Policy == "two") {
				continue
			}
			c.Policy, c.Estimate, c.MaxLoad, c.Seed = x.Policy, x.Estimate, x.MaxLoad, seed
			all = append(all, c)
		}
	}
	paper := PaperConfig()
	paper.Seconds = 2000
	add(paper)
	for _, n := range sizes {
		for _, c := range []Config{OpenConfig(n, uniform, Uniform(n)), OpenConfig(n, zipf, Zipf(n, 1))} {
			c.Seconds = min(120, max(2, work/c.Rate))
			c.Warmup = max(2, min(20, c.Seconds/4))
			add(c)
		}
	}
	return all
}

// ScaleSizes are the numbers of hosts that are simulated.
var ScaleSizes = []int{10, 100, 1000, 10000}
