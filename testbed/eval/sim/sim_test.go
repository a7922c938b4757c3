// SPDX-License-Identifier: MIT

package sim

import (
	"math"
	"reflect"
	"testing"
)

// run simulates, or ends the test.
func run(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near fails the test unless got is within a part of want.
func near(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if !(math.Abs(got-want) <= part*want) {
		t.Errorf("%s: %.5g, want %.5g within %g", what, got, want, part)
	}
}

// alone are n hosts that redirect nothing, at a load of rho: each is an M/G/1
// queue with processor sharing.
func alone(n int, rho float64, law string) Config {
	c := OpenConfig(n, "uniform", nil)
	c.Policy, c.SizeLaw, c.Rate = None, law, rho*235*float64(n)
	c.Warmup, c.Seconds = 20, 300
	return c
}

// The mean time in a queue with processor sharing depends on the size's mean
// alone, and is 1/(mu - lambda); the number in it is geometric.
func TestProcessorSharing(t *testing.T) {
	for _, rho := range []float64{0.3, 0.8} {
		for _, law := range []string{Exponential, Constant, Surge} {
			r := run(t, alone(40, rho, law))
			near(t, law+" delay", r.DelayMean, 1/(235*(1-rho)), 0.06)
			near(t, law+" connections", r.Connections, rho/(1-rho), 0.06)
			near(t, law+" throughput", r.Throughput, rho*9400, 0.02)
		}
	}
}

// What is known of n queues, each arrival joining the shorter of two: in the
// limit of many, a share rho^(2^k - 1) has at least k.
func TestTwoChoicesKnown(t *testing.T) {
	const rho = 0.8
	c := alone(300, rho, Exponential)
	c.Policy, c.Hop, c.Seconds = FreshTwo, 0, 30
	want := 0.0
	for k := 1; k < 10; k++ {
		want += math.Pow(rho, math.Pow(2, float64(k))-1)
	}
	near(t, "connections of a host", run(t, c).Connections, want, 0.03)
}

// Of two hosts that share the work by the shorter queue, what the sum has is
// between that of one host twice as fast and that of two that do not share.
func TestFreshLowestBetweenBounds(t *testing.T) {
	const rho = 0.9
	c := alone(2, rho, Exponential)
	c.Policy, c.Hop, c.Seconds = FreshLowest, 0, 2000
	if got, pooled, apart := run(t, c).DelayMean, 1/(2*235*(1-rho)), 1/(235*(1-rho)); got < pooled || got > 0.65*apart {
		t.Errorf("delay %.5f, want a little above %.5f and far below %.5f", got, pooled, apart)
	}
}

// In a closed system rate and delay are tied: users = rate x (delay + wait).
func TestClosedSystemConserves(t *testing.T) {
	for _, policy := range Policies() {
		c := PaperConfig()
		c.Policy, c.Seconds = policy, 400
		r := run(t, c)
		near(t, policy, r.Throughput*(r.DelayMean+c.Off), float64(c.Users), 0.01)
		if r.Throughput > 3*235*1.01 {
			t.Errorf("%s: %.1f transfers per second, more than the capacity", policy, r.Throughput)
		}
	}
}

// Every connection that began ends, on the host that has it, and is then in no
// host's count of its flows.
func TestConserves(t *testing.T) {
	for _, policy := range Policies() {
		cfg := OpenConfig(20, "uniform", nil)
		cfg.Policy, cfg.MaxLoad, cfg.Estimate = policy, Auto, Corrected
		c, err := newCluster(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		for c.now < 30 {
			event, at := c.events.next()
			c.now = at
			c.handle(event)
			if c.now > 5 { // nobody comes any more
				c.events.plan(c.arrival(), never)
			}
		}
		for h := range c.servers {
			if n := c.servers[h].load(); n != 0 {
				t.Errorf("%s: host %d has %d transfers left", policy, h, n)
			}
		}
		for _, list := range c.links.from {
			for _, i := range list {
				if l := c.links.slot[i]; l.live != 0 {
					t.Errorf("%s: a flow left: %+v", policy, l)
				}
			}
		}
		if len(c.free) != len(c.conns) {
			t.Errorf("%s: %d of %d connections ended", policy, len(c.free), len(c.conns))
		}
	}
}

func TestSameSeedSameResult(t *testing.T) {
	for _, policy := range Policies() {
		c := OpenConfig(8, "zipf", Zipf(8, 1))
		c.Policy, c.MaxLoad, c.Seconds, c.Loss = policy, 2, 5, 0.1
		a, b := run(t, c), run(t, c)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two runs differ: %+v and %+v", policy, a, b)
		}
		c.Seed++
		if d := run(t, c); d.DelayMean == a.DelayMean {
			t.Errorf("%s: the seed changes nothing", policy)
		}
	}
}

// Simulations side by side do not disturb each other, and all stop at an error.
func TestRunAll(t *testing.T) {
	var configs []Config
	for _, policy := range Policies() {
		c := OpenConfig(8, "zipf", Zipf(8, 1))
		c.Policy, c.MaxLoad, c.Seconds = policy, Auto, 2
		configs = append(configs, c, c)
	}
	told := 0
	results, err := RunAll(t.Context(), configs, func(done, all int, _ *Result) {
		told++
		if done != told || all != len(configs) {
			t.Errorf("told of %d of %d, want %d of %d", done, all, told, len(configs))
		}
	})
	if err != nil || told != len(configs) {
		t.Fatalf("told of %d of %d, %v", told, len(configs), err)
	}
	for i, c := range configs {
		if !reflect.DeepEqual(results[i], run(t, c)) {
			t.Errorf("%s: beside others the result is another one", c.Policy)
		}
	}
	configs[3].Hosts = 0
	if _, err := RunAll(t.Context(), configs, nil); err == nil {
		t.Error("a configuration without hosts accepted")
	}
}

func TestMistakes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"hosts":    func(c *Config) { c.Hosts = 0 },
		"capacity": func(c *Config) { c.Capacity = []float64{1, 2} },
		"shares":   func(c *Config) { c.Shares = []float64{1} },
		"users":    func(c *Config) { c.Rate = 5 },
		"off":      func(c *Config) { c.Off = 0 },
		"law":      func(c *Config) { c.SizeLaw = "normal" },
		"policy":   func(c *Config) { c.Policy = "best" },
		"estimate": func(c *Config) { c.Estimate = "none" },
		"period":   func(c *Config) { c.Period = 0 },
		"delay":    func(c *Config) { c.Delay = 2 },
		"loss":     func(c *Config) { c.Loss = math.NaN() },
	} {
		c := PaperConfig()
		change(&c)
		if r, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: no error, but %+v", name, r)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1001 {
		h.add(float64(i) / 100)
	}
	near(t, "median", h.quantile(0.5), 5, 0.011)
	near(t, "P90", h.quantile(0.9), 9, 0.011)
	near(t, "mean", h.mean(), 5, 1e-9)
	if h.quantile(0.0005) != 0 {
		t.Error("the least value is not 0")
	}
}
