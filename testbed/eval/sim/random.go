// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// Laws of the size of a transfer and of the time that a user waits. All have
// the mean 1 and are scaled.
const (
	// Exponential is the law without memory.
	Exponential = "exponential"
	// Constant is always the mean.
	Constant = "constant"
	// Pareto has a heavy tail of index 1.5, as the OFF times of SURGE: its
	// variance is infinite.
	Pareto = "pareto"
	// Requests is that of SURGE's requested sizes: Pareto of index 1, cut at
	// 250 times its start as in the lab's evaluation; see package reproduce.
	Requests = "requests"
	// Surge is that of SURGE's files as they are asked for: a lognormal body
	// (mu 9.357, sigma 1.318) and, of 7 in 100, a Pareto tail (from 133,000
	// bytes, index 1.1) cut at 100 times its start, as a file set is.
	Surge = "surge"
)

// Laws are the names of the laws.
var Laws = []string{Exponential, Constant, Pareto, Requests, Surge}

// SURGE's file sizes (Barford and Crovella 1998).
const (
	surgeBody  = 0.93
	surgeMu    = 9.357
	surgeSigma = 1.318
	surgeK     = 133000.0
	surgeAlpha = 1.1
	surgeCut   = 100.0

	requestsCut = 250.0
)

// SurgeMeanBytes is the mean of the law Surge in bytes: what a capacity in
// bytes per second is divided by to get one in transfers per second.
var SurgeMeanBytes = surgeBody*math.Exp(surgeMu+surgeSigma*surgeSigma/2) +
	(1-surgeBody)*surgeK*surgeAlpha/(surgeAlpha-1)*
		(1-math.Pow(surgeCut, 1-surgeAlpha))/(1-math.Pow(surgeCut, -surgeAlpha))

// law returns a function that draws from a law.
func law(name string, r *rand.Rand) (func() float64, error) {
	switch name {
	case Exponential:
		return r.ExpFloat64, nil
	case Requests:
		return func() float64 { return math.Min(1/(1-r.Float64()), requestsCut) / (1 + math.Log(requestsCut)) }, nil
	case Constant:
		return func() float64 { return 1 }, nil
	case Pareto:
		return func() float64 { return math.Pow(1-r.Float64(), -1/1.5) / 3 }, nil
	case Surge:
		return func() float64 {
			if r.Float64() < surgeBody {
				return math.Exp(surgeMu+surgeSigma*r.NormFloat64()) / SurgeMeanBytes
			}
			u := r.Float64() * (1 - math.Pow(surgeCut, -surgeAlpha))
			return surgeK * math.Pow(1-u, -1/surgeAlpha) / SurgeMeanBytes
		}, nil
	}
	return nil, fmt.Errorf("unknown law %q; there are %v", name, Laws)
}

// A picker draws indices in proportion to weights.
type picker []float64 // running sums

func newPicker(weights []float64) picker {
	p := make(picker, len(weights))
	sum := 0.0
	for i, w := range weights {
		sum += w
		p[i] = sum
	}
	return p
}

func (p picker) pick(r *rand.Rand) int {
	point := r.Float64() * p[len(p)-1]
	return min(sort.SearchFloat64s(p, point), len(p)-1)
}

// Uniform returns equal shares for n hosts.
func Uniform(n int) []float64 { return Zipf(n, 0) }

// Zipf returns shares for n hosts: the i-th is in proportion to 1/i^s.
func Zipf(n int, s float64) []float64 {
	shares := make([]float64, n)
	for i := range shares {
		shares[i] = math.Pow(float64(i+1), -s)
	}
	return shares
}
