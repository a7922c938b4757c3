// SPDX-License-Identifier: MIT

package soak

import (
	"fmt"
	"math"
)

// Point is one value of what is watched.
type Point struct {
	Hours float64 `json:"h"` // since the begin
	Value float64 `json:"v"`
}

// Fit is the line of least squares through points, and what is known of its slope.
type Fit struct {
	N     int     `json:"n"`
	Mean  float64 `json:"mean"`
	Slope float64 `json:"slope_per_hour"`
	// Low and High bound the slope with a confidence of 99 %, if the points'
	// errors are independent.
	Low  float64 `json:"slope_low"`
	High float64 `json:"slope_high"`
}

// leastPoints is how many points say something about their slope.
const leastPoints = 6

// NewFit fits a line. The points must differ in time.
func NewFit(points []Point) (Fit, error) {
	n := float64(len(points))
	if len(points) < leastPoints {
		return Fit{}, fmt.Errorf("a slope of %d points: want at least %d", len(points), leastPoints)
	}
	var meanX, meanY float64
	for _, p := range points {
		meanX += p.Hours / n
		meanY += p.Value / n
	}
	var xx, xy, rest float64
	for _, p := range points {
		xx += (p.Hours - meanX) * (p.Hours - meanX)
		xy += (p.Hours - meanX) * (p.Value - meanY)
	}
	if xx == 0 {
		return Fit{}, fmt.Errorf("a slope of %d points of one time", len(points))
	}
	f := Fit{N: len(points), Mean: meanY, Slope: xy / xx}
	for _, p := range points {
		e := p.Value - meanY - f.Slope*(p.Hours-meanX)
		rest += e * e
	}
	margin := student(len(points)-2) * math.Sqrt(rest/(n-2)/xx)
	f.Low, f.High = f.Slope-margin, f.Slope+margin
	return f, nil
}

// student is the 99.5 % quantile of Student's t distribution, to 2 %: Hill's
// expansion for many degrees of freedom, exact values for few.
func student(degrees int) float64 {
	exact := []float64{63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169}
	if degrees <= len(exact) {
		return exact[degrees-1]
	}
	const z = 2.5758
	v := float64(degrees)
	return z + (z*z*z+z)/(4*v) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*v*v)
}

// Rule says how far a value may rise. It is steady unless its slope is more than 0
// with a confidence of 99 % and would, in an hour, take it further up than a
// part of its mean and a floor: what is certain but tiny does not count, nor what
// may be chance.
type Rule struct {
	Part  float64 `json:"part"`
	Floor float64 `json:"floor"`
}

// Limit is the slope that a value of this mean may have.
func (r Rule) Limit(mean float64) float64 { return math.Max(r.Part*math.Abs(mean), r.Floor) }

// Steady says whether the slope passes.
func (r Rule) Steady(f Fit) bool { return f.Low <= 0 || f.Slope <= r.Limit(f.Mean) }
