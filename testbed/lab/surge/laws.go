// SPDX-License-Identifier: MIT

package surge

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// Law is a probability law on the positive numbers.
type Law interface {
	// CDF is the probability of a value of at most x.
	CDF(x float64) float64
	// Quantile is the least value whose CDF is p, 0 <= p < 1 or above.
	Quantile(p float64) float64
}

// draw draws from a law by inversion.
func draw(l Law, rng *rand.Rand) float64 { return l.Quantile(rng.Float64()) }

// The article's parameters.
var (
	// RequestSizes is the law of requested bytes.
	RequestSizes Law = distuv.Pareto{Xm: 1000, Alpha: 1}
	// StackDistances is the law of LRU stack distances, in files; 1 is the file
	// asked for last.
	StackDistances Law = distuv.LogNormal{Mu: 1.5, Sigma: 0.80}
	// InactiveOff is the law of OFF times between pages, in seconds.
	InactiveOff = CutPareto{K: 1, Alpha: 1.5, Max: MaxOff}
	// ActiveOff is the law of OFF times between the files of a page, in
	// seconds. The article takes only gaps of up to a second for active.
	ActiveOff Law = cut{distuv.Weibull{Lambda: 1.46, K: 0.382}, 1}
)

// MaxOff cuts OFF times, in seconds: the paper's runs took 200 s, and who idles
// longer than that is idle to the end whatever he draws.
const MaxOff = 200

// cut is a law whose values above max count as max.
type cut struct {
	Law
	max float64
}

func (c cut) CDF(x float64) float64 {
	if x >= c.max {
		return 1
	}
	return c.Law.CDF(x)
}

func (c cut) Quantile(p float64) float64 { return min(c.Law.Quantile(p), c.max) }

// CutPareto is a Pareto law whose values above Max count as Max.
type CutPareto struct{ K, Alpha, Max float64 }

func (p CutPareto) law() cut { return cut{distuv.Pareto{Xm: p.K, Alpha: p.Alpha}, p.Max} }

// CDF is the probability of a value of at most x.
func (p CutPareto) CDF(x float64) float64 { return p.law().CDF(x) }

// Quantile is the inverse of CDF.
func (p CutPareto) Quantile(q float64) float64 { return p.law().Quantile(q) }

// Mean is the law's mean.
func (p CutPareto) Mean() float64 { return p.K + p.beyond(p.Max) }

// beyond is the integral of 1-CDF from K to x.
func (p CutPareto) beyond(x float64) float64 {
	return p.K / (p.Alpha - 1) * (1 - math.Pow(p.K/x, p.Alpha-1))
}

// Residual is the law of what is left of such a time at a moment that has
// nothing to do with when it began: its density is (1-CDF)/Mean.
func (p CutPareto) Residual() Law { return residual{p} }

type residual struct{ of CutPareto }

func (r residual) CDF(x float64) float64 {
	switch p := r.of; {
	case x >= p.Max:
		return 1
	case x <= p.K:
		return max(x, 0) / p.Mean()
	default:
		return (p.K + p.beyond(x)) / p.Mean()
	}
}

func (r residual) Quantile(q float64) float64 {
	p := r.of
	y := q*p.Mean() - p.K
	if y <= 0 {
		return y + p.K
	}
	return min(p.Max, p.K*math.Pow(1-y*(p.Alpha-1)/p.K, -1/(p.Alpha-1)))
}

// FileSizes is the law of files' sizes: a lognormal body and a Pareto tail,
// cut at most bytes.
func FileSizes(most float64) Law {
	return cut{hybrid{
		body: distuv.LogNormal{Mu: 9.357, Sigma: 1.318}, share: 0.93,
		tail: distuv.Pareto{Xm: 133_000, Alpha: 1.1},
	}, most}
}

// hybrid is a body below the tail's least value, and a tail.
type hybrid struct {
	body  distuv.LogNormal
	share float64 // of the body
	tail  distuv.Pareto
}

func (h hybrid) CDF(x float64) float64 {
	if x >= h.tail.Xm {
		return h.share + (1-h.share)*h.tail.CDF(x)
	}
	return h.share * h.body.CDF(x) / h.body.CDF(h.tail.Xm)
}

func (h hybrid) Quantile(p float64) float64 {
	if p >= h.share {
		return h.tail.Quantile((p - h.share) / (1 - h.share))
	}
	return h.body.Quantile(p / h.share * h.body.CDF(h.tail.Xm))
}

// Variant names a set of parameters; see the package's text.
type Variant string

// The variants.
const (
	VariantPaper    Variant = "paper"
	Variant1998     Variant = "1998"
	VariantReleased Variant = "released"
)

// Variants are all variants, the default first.
var Variants = []Variant{VariantPaper, Variant1998, VariantReleased}

func (v Variant) validate() error {
	for _, known := range Variants {
		if v == known {
			return nil
		}
	}
	return fmt.Errorf("variant %q: want one of %v", string(v), Variants)
}

// Embedded is the law of the number of files of a page, the first included: its
// values are rounded down.
func (v Variant) Embedded() Law {
	if v == VariantReleased {
		return CutPareto{K: 2, Alpha: 1.245, Max: 150}
	}
	return CutPareto{K: 1, Alpha: 2.43, Max: 150}
}

// active tells whether there is an OFF time between the files of a page.
func (v Variant) active() bool { return v == Variant1998 }

// OffPerTransfer is the mean OFF time of a user per file, in seconds.
func (v Variant) OffPerTransfer() float64 {
	files := 0.0 // mean of the whole numbers: the sum of P(files >= n)
	for n := 1.0; n <= 150; n++ {
		files += 1 - below(v.Embedded(), n)
	}
	off := InactiveOff.Mean()
	if v.active() {
		off += (files - 1) * meanCut(ActiveOff, 1)
	}
	return off / files
}

// below is the probability of a value of less than x.
func below(l Law, x float64) float64 { return l.CDF(math.Nextafter(x, 0)) }

// meanCut is the mean of a law on [0, most], by the trapezoidal rule.
func meanCut(l Law, most float64) float64 {
	const steps = 100_000
	sum := 0.0
	for i := range steps {
		sum += 1 - (l.CDF(most*float64(i)/steps)+below(l, most*float64(i+1)/steps))/2
	}
	return sum * most / steps
}
