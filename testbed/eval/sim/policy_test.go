// SPDX-License-Identifier: MIT

//go:build cgo

package sim

import "testing"

// delay simulates a policy in a cluster and returns the mean delay.
func delay(t *testing.T, c Config, x Choice) float64 {
	t.Helper()
	c.Policy, c.Estimate, c.MaxLoad = x.Policy, x.Estimate, x.MaxLoad
	return run(t, c).DelayMean
}

// The paper's order, and what reports that are a second old cost: the herd.
func TestPaperOrder(t *testing.T) {
	c := PaperConfig()
	c.Seconds = 500
	none, random := delay(t, c, Choice{None, Corrected, 0}), delay(t, c, Choice{Random, Corrected, 0})
	corrected, reported := delay(t, c, Choice{"lowest", Corrected, 0}), delay(t, c, Choice{"lowest", Reported, 0})
	bound := delay(t, c, Choice{FreshLowest, Corrected, 0})
	t.Logf("none %.4f, random %.4f, lowest reported %.4f, lowest corrected %.4f, fresh lowest %.4f", none, random, reported, corrected, bound)
	if !(none > random && random > corrected && reported > random) {
		t.Error("want none > random > corrected, and reported > random")
	}
	if auto := delay(t, c, Choice{"lowest", Corrected, Auto}); auto > 1.1*bound {
		t.Errorf("with a MaxLoad of auto: %.4f, more than 10 in 100 above the bound %.4f", auto, bound)
	}
	if corrected > 1.05*bound {
		t.Errorf("lowest by corrected loads: %.4f, more than 5 in 100 above the bound %.4f", corrected, bound)
	}
}

// The policy offer, with a MaxLoad that follows the mean, comes near the bound
// in a small cluster, and is no worse than two fresh choices in large ones.
func TestOfferTargets(t *testing.T) {
	offer := Choice{"offer", Corrected, Auto}
	c := PaperConfig()
	c.Seconds = 1000
	if got, bound := delay(t, c, offer), delay(t, c, Choice{FreshLowest, Corrected, 0}); got > 1.05*bound {
		t.Errorf("3 hosts: %.5f, more than 5 in 100 above the bound %.5f", got, bound)
	}
	for _, n := range []int{100, 1000} {
		for _, c := range []Config{OpenConfig(n, "uniform", nil), OpenConfig(n, "zipf", Zipf(n, 1))} {
			c.Warmup, c.Seconds = 3, 1500/float64(n)
			if got, two := delay(t, c, offer), delay(t, c, Choice{FreshTwo, Corrected, 0}); got > two {
				t.Errorf("%d hosts, %s: %.5f, two fresh choices %.5f", n, c.Traffic, got, two)
			}
		}
	}
}

// Hosts of unequal capacity get connections in proportion to it.
func TestWeights(t *testing.T) {
	for _, x := range []Choice{{"lowest", Corrected, 0}, {"two", Corrected, 0}, {"offer", Corrected, Auto}} {
		c := PaperConfig()
		c.Capacity, c.Seconds = []float64{470, 117.5, 117.5}, 300
		c.Shares, c.Traffic = []float64{1, 4, 1}, "1:4:1"
		if got, none := delay(t, c, x), delay(t, c, Choice{None, Corrected, 0}); got > none/4 || got > 0.16 {
			t.Errorf("%v: %.4f, without balancing %.4f", x, got, none)
		}
	}
}

// A peer whose reports are lost is not chosen.
func TestLostReports(t *testing.T) {
	c := PaperConfig()
	c.Policy, c.Loss, c.Seconds = "lowest", 1, 100
	if r := run(t, c); r.Redirected != 0 {
		t.Errorf("%.3f redirected to peers that were never heard of", r.Redirected)
	}
}
