// SPDX-License-Identifier: MIT

package soak

import (
	"math"
	"math/rand/v2"
	"testing"
)

// line is a line of points with noise.
func line(n int, hours, mean, slope, noise float64, seed uint64) []Point {
	r := rand.New(rand.NewPCG(seed, 0))
	var all []Point
	for i := range n {
		x := hours * float64(i) / float64(n-1)
		all = append(all, Point{x, mean + slope*(x-hours/2) + noise*r.NormFloat64()})
	}
	return all
}

func TestFit(t *testing.T) {
	f, err := NewFit(line(20, 1, 100, 7, 0, 1))
	if err != nil || math.Abs(f.Slope-7) > 1e-9 || math.Abs(f.Mean-100) > 1e-9 || f.High-f.Low > 1e-6 {
		t.Errorf("%+v, %v", f, err)
	}
	// NIST's Norris data, where the slope's standard deviation is certified.
	norris := []Point{
		{0.2, 0.1}, {337.4, 338.8}, {118.2, 118.1}, {884.6, 888.0}, {10.1, 9.2}, {226.5, 228.1}, {666.3, 668.5}, {996.3, 998.5},
		{448.6, 449.1}, {777.0, 778.9}, {558.2, 559.2}, {0.4, 0.3}, {0.6, 0.1}, {775.5, 778.1}, {666.9, 668.8}, {338.0, 339.3},
		{447.5, 448.9}, {11.6, 10.8}, {556.0, 557.7}, {228.1, 228.3}, {995.8, 998.0}, {887.6, 888.8}, {120.2, 119.6}, {0.3, 0.3},
		{0.3, 0.6}, {556.8, 557.6}, {339.1, 339.3}, {887.2, 888.0}, {999.0, 998.5}, {779.0, 778.9}, {11.1, 10.2}, {118.3, 117.6},
		{229.2, 228.9}, {669.1, 668.4}, {448.9, 449.2}, {0.5, 0.2},
	}
	if f.N != 20 {
		t.Errorf("%d points", f.N)
	}
	f, err = NewFit(norris)
	const slope, deviation, quantile = 1.00211681802045, 0.429796848199937e-3, 2.7284
	if err != nil || math.Abs(f.Slope-slope) > 1e-9 || math.Abs((f.High-f.Low)/2/(deviation*quantile)-1) > 0.01 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestFitRefuses(t *testing.T) {
	if _, err := NewFit(line(5, 1, 1, 1, 1, 1)); err == nil {
		t.Error("5 points")
	}
	if _, err := NewFit(make([]Point, 10)); err == nil {
		t.Error("points of one time")
	}
}

// The bounds hold the slope in 99 of 100 lines, about.
func TestFitConfidence(t *testing.T) {
	missed := 0
	for seed := range uint64(2000) {
		f, err := NewFit(line(12, 1, 50, 3, 2, seed))
		if err != nil {
			t.Fatal(err)
		}
		if f.Low > 3 || f.High < 3 {
			missed++
		}
	}
	if missed < 5 || missed > 45 {
		t.Errorf("%d of 2000 bounds miss the slope, want about 20", missed)
	}
}

func TestRule(t *testing.T) {
	r := Rule{Part: 0.02, Floor: 5}
	for name, tt := range map[string]struct {
		f    Fit
		want bool
	}{
		"at the limit":           {Fit{Mean: 1000, Slope: 20, Low: 18, High: 22}, true},
		"0 is in the bounds":     {Fit{Mean: 1000, Slope: 300, Low: 0, High: 600}, true},
		"falls":                  {Fit{Mean: 1000, Slope: -300, Low: -400, High: -200}, true},
		"chance":                 {Fit{Mean: 1000, Slope: 300, Low: -10, High: 600}, true},
		"certain, but tiny":      {Fit{Mean: 1000, Slope: 19, Low: 18, High: 20}, true},
		"certain":                {Fit{Mean: 1000, Slope: 21, Low: 18, High: 24}, false},
		"certain, and near 0":    {Fit{Mean: 1, Slope: 6, Low: 5.5, High: 7}, false},
		"below the floor near 0": {Fit{Mean: 1, Slope: 4, Low: 3, High: 5}, true},
	} {
		if got := r.Steady(tt.f); got != tt.want {
			t.Errorf("%s: steady %v", name, got)
		}
	}
}

// The fewest points are enough, wherever the line is.
func TestFitOfFewPoints(t *testing.T) {
	points := line(leastPoints, 2, 1000, -40, 0, 1)
	for i := range points {
		points[i].Hours += 50 // far from 0
	}
	f, err := NewFit(points)
	if err != nil || math.Abs(f.Slope+40) > 1e-6 || math.Abs(f.Mean-1000) > 1e-6 || f.High-f.Low > 1e-4 || f.N != leastPoints {
		t.Errorf("%+v, %v", f, err)
	}
	// One point off the line by a known amount: 4 degrees of freedom.
	points = []Point{{0, 0}, {1, 0}, {2, 3}, {3, 0}, {4, 0}, {5, 0}}
	f, err = NewFit(points)
	const slope, margin = -3.0 * 0.5 / 17.5, 4.604 * 0.324509
	if err != nil || math.Abs(f.Slope-slope) > 1e-9 || math.Abs((f.High-f.Low)/2-margin) > 0.001 {
		t.Errorf("%+v, %v", f, err)
	}
}

// Tables have these quantiles.
func TestStudent(t *testing.T) {
	for degrees, want := range map[int]float64{1: 63.657, 2: 9.925, 10: 3.169, 11: 3.106, 12: 3.055, 20: 2.845, 30: 2.750, 1000: 2.581} {
		if got := student(degrees); math.Abs(got/want-1) > 0.005 {
			t.Errorf("%d degrees of freedom: %.4f, want %.4f", degrees, got, want)
		}
	}
}
