// SPDX-License-Identifier: MIT

package lard

import (
	"math"
	"math/rand/v2"
	"sort"
)

// sigma is that of the body of SURGE's file sizes (Barford and Crovella 1998).
const sigma = 1.318

// documents are all that can be asked for, the most popular one first.
type documents struct {
	size []int64
	sum  []float64 // running sums of popularity
}

// newDocuments draws documents until they have so many bytes.
func newDocuments(c *Config, r *rand.Rand) *documents {
	d := &documents{}
	mu := math.Log(c.Mean) - sigma*sigma/2
	all, popularity := float64(c.Memory)*c.Set, 0.0
	for bytes := 0.0; bytes < all; {
		size := math.Ceil(math.Exp(mu + sigma*r.NormFloat64()))
		size = math.Max(1, math.Min(size, all-bytes))
		bytes += size
		popularity += math.Pow(float64(len(d.size)+1), -c.Zipf)
		d.size, d.sum = append(d.size, int64(size)), append(d.sum, popularity)
	}
	return d
}

// pick draws a document.
func (d *documents) pick(r *rand.Rand) int {
	point := r.Float64() * d.sum[len(d.sum)-1]
	return min(sort.SearchFloat64s(d.sum, point), len(d.sum)-1)
}

// hash is a document's, as a URL's: any two differ in about half of all bits
// (the finalizer of SplitMix64).
func hash(document int) uint64 {
	x := uint64(document) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
