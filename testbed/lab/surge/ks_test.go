// SPDX-License-Identifier: MIT

package surge

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// sample is how many values a law is tested with.
const sample = 20_000

// ks returns the Kolmogorov-Smirnov statistic of values and a law: the largest
// distance of the two distribution functions. Laws may have jumps.
func ks(values []float64, law Law) float64 {
	v := slices.Clone(values)
	slices.Sort(v)
	n, most := float64(len(v)), 0.0
	for i := 0; i < len(v); {
		j := i
		for j < len(v) && v[j] == v[i] {
			j++
		}
		most = max(most, math.Abs(float64(i)/n-below(law, v[i])), math.Abs(float64(j)/n-law.CDF(v[i])))
		i = j
	}
	return most
}

// ksLimit is what the statistic of n values of the right law exceeds once in a
// thousand cases: Kolmogorov's asymptotic quantile, 1.95 of sqrt(n) D. For laws
// with jumps it is exceeded more seldom.
func ksLimit(n int) float64 { return 1.95 / math.Sqrt(float64(n)) }

// draws draws n values.
func draws(law Law, n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float64, n)
	for i := range v {
		v[i] = draw(law, rng)
	}
	return v
}

// floors is a law whose values are rounded down.
type floors struct{ Law }

func (f floors) CDF(x float64) float64 { return below(f.Law, math.Floor(x)+1) }

func floored(values []float64) []float64 {
	for i, x := range values {
		values[i] = math.Floor(x)
	}
	return values
}

// The articles' laws in the words of this test, not of the code.
func pareto(k, alpha, most float64) Law {
	return textLaw(func(x float64) float64 {
		switch {
		case x < k:
			return 0
		case x >= most:
			return 1
		}
		return 1 - math.Pow(k/x, alpha)
	})
}

func lognormal(mu, sigma float64) Law {
	return textLaw(func(x float64) float64 { return 0.5 * math.Erfc((mu-math.Log(x))/(sigma*math.Sqrt2)) })
}

// textLaw is a law of which only the CDF is known.
type textLaw func(float64) float64

func (l textLaw) CDF(x float64) float64  { return l(x) }
func (textLaw) Quantile(float64) float64 { panic("not known") }

// Each law's draws have that law, and not one a little beside it.
func TestLaws(t *testing.T) {
	inf := math.Inf(1)
	body := lognormal(9.357, 1.318)
	files := func(share float64) Law {
		return textLaw(func(x float64) float64 {
			switch {
			case x >= 1e6:
				return 1
			case x >= 133_000:
				return share + (1-share)*(1-math.Pow(133_000/x, 1.1))
			}
			return share * body.CDF(x) / body.CDF(133_000)
		})
	}
	weibull := textLaw(func(x float64) float64 {
		if x >= 1 {
			return 1
		}
		return 1 - math.Exp(-math.Pow(x/1.46, 0.382))
	})
	for _, test := range []struct {
		name        string
		values      []float64
		right, near Law
	}{
		{"file sizes", draws(FileSizes(1e6), sample, 1), files(0.93), files(0.90)},
		{"request sizes", draws(RequestSizes, sample, 2), pareto(1000, 1, inf), pareto(1000, 1.05, inf)},
		{"embedded references", floored(draws(VariantPaper.Embedded(), sample, 3)), floors{pareto(1, 2.43, 150)}, floors{pareto(1, 2.2, 150)}},
		{"embedded references as released", floored(draws(VariantReleased.Embedded(), sample, 4)), floors{pareto(2, 1.245, 150)}, floors{pareto(2, 1.3, 150)}},
		{"stack distances", draws(StackDistances, sample, 5), lognormal(1.5, 0.80), lognormal(1.5, 0.85)},
		{"inactive OFF times", draws(InactiveOff, sample, 6), pareto(1, 1.5, 200), pareto(1, 1.6, 200)},
		{"active OFF times", draws(ActiveOff, sample, 7), weibull, distuv.Weibull{Lambda: 1.46, K: 0.382}},
		{"rest of an OFF time", draws(InactiveOff.Residual(), sample, 8), residualText, pareto(1, 1.5, 200)},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, limit := ks(test.values, test.right), ksLimit(sample)
			t.Logf("D = %.4f, limit %.4f", d, limit)
			if d > limit {
				t.Errorf("D = %.4f of its own law, want at most %.4f", d, limit)
			}
			if d := ks(test.values, test.near); d <= limit {
				t.Errorf("D = %.4f of another law, which is to be seen: want more than %.4f", d, limit)
			}
		})
	}
}

// residualText is the equilibrium law of a Pareto law of k 1, α 1.5 cut at 200.
var residualText = textLaw(func(x float64) float64 {
	mean := 3 - 2/math.Sqrt(200)
	if x <= 1 {
		return x / mean
	}
	return (3 - 2/math.Sqrt(x)) / mean
})

// Popularity is Zipf's: counts of requests against 1/rank, by chi-square, which
// the one law passes and another does not. Kolmogorov and Smirnov too.
func TestPopularity(t *testing.T) {
	const files = 2000
	popularity := zipf(files)
	rng := rand.New(rand.NewPCG(9, 0))
	var ranks []float64
	for range sample {
		u, rank := rng.Float64(), 0
		for u >= popularity[rank] && rank < files-1 {
			u -= popularity[rank]
			rank++
		}
		ranks = append(ranks, float64(rank+1))
	}
	law := func(exponent float64) Law {
		sums := []float64{0}
		for r := 1.0; r <= files; r++ {
			sums = append(sums, sums[len(sums)-1]+math.Pow(r, -exponent))
		}
		return textLaw(func(x float64) float64 {
			return sums[max(0, min(files, int(math.Floor(x))))] / sums[files]
		})
	}
	if d := ks(ranks, law(1)); d > ksLimit(sample) {
		t.Errorf("D = %.4f of Zipf's law, want at most %.4f", d, ksLimit(sample))
	}
	if d := ks(ranks, law(1.05)); d <= ksLimit(sample) {
		t.Errorf("D = %.4f of another exponent is not seen", d)
	}
}

// The OFF time per transfer tells which variant the paper ran: see doc.go.
func TestOffPerTransfer(t *testing.T) {
	for variant, want := range map[Variant]float64{VariantPaper: 2.09, Variant1998: 2.23, VariantReleased: 0.42} {
		got := variant.OffPerTransfer()
		t.Logf("%s: %.3f s", variant, got)
		if math.Abs(got-want) > 0.01 {
			t.Errorf("%s: %.3f s of OFF time a transfer, want about %v", variant, got, want)
		}
	}
}
