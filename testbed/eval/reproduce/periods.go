// SPDX-License-Identifier: MIT

package reproduce

import (
	"cmp"
	"fmt"
	"slices"

	"gonum.org/v1/plot/plotter"

	"dpr/testbed/eval/chart"
)

// periodSection shows MaxLoad and the time between reports, as simulated.
func (r *Report) periodSection(dir string) (section, error) {
	period, err := r.periodFigure(dir)
	if err != nil {
		return section{}, err
	}
	maxLoad, err := r.maxLoadFigure(dir)
	if err != nil {
		return section{}, err
	}
	s := section{
		Title:   "MaxLoad and the time between reports",
		Text:    []string{"Simulated, in the lab's set-up. The least mean delay of any MaxLoad, that MaxLoad in parentheses, and the mean delay without a MaxLoad: by reported loads it grows with the age of the reports. This is the herd."},
		Table:   &table{Numbers: true, Head: []string{"Reports every"}},
		Figures: []figure{period, maxLoad},
	}
	for _, policy := range simPolicies {
		for _, estimate := range simEstimates {
			s.Table.Head = append(s.Table.Head, policy+", "+estimate, "MaxLoad 0")
		}
	}
	for _, seconds := range simPeriods {
		cells := []string{fmt.Sprintf("%g s", seconds)}
		for _, policy := range simPolicies {
			for _, estimate := range simEstimates {
				best := r.bestOfPeriod(policy, estimate, seconds)
				cells = append(cells, fmt.Sprintf("%.3f (%d)", best.DelayMean, best.MaxLoad), fmt.Sprintf("%.3f", r.periodsOf(policy, estimate, seconds)[0].DelayMean))
			}
		}
		s.Table.row(cells...)
	}
	return s, nil
}

// periodsOf returns a policy's points at one time between reports, by MaxLoad.
func (r *Report) periodsOf(policy, estimate string, period float64) []PeriodPoint {
	return slices.DeleteFunc(slices.Clone(r.Periods), func(p PeriodPoint) bool {
		return p.Policy != policy || p.Estimate != estimate || p.Period != period
	})
}

// bestOfPeriod is that of least delay.
func (r *Report) bestOfPeriod(policy, estimate string, period float64) PeriodPoint {
	return slices.MinFunc(r.periodsOf(policy, estimate, period), func(a, b PeriodPoint) int { return cmp.Compare(a.DelayMean, b.DelayMean) })
}

// periodFigure shows the delay against the time between reports.
func (r *Report) periodFigure(dir string) (figure, error) {
	p := chart.New("Delay against the age of reports", "seconds between reports", "mean delay, seconds")
	chart.LogX(p)
	chart.LogY(p)
	line := 0
	for _, policy := range simPolicies {
		for _, estimate := range simEstimates {
			var best, without plotter.XYs
			for _, seconds := range simPeriods {
				best = append(best, plotter.XY{X: seconds, Y: r.bestOfPeriod(policy, estimate, seconds).DelayMean})
				without = append(without, plotter.XY{X: seconds, Y: r.periodsOf(policy, estimate, seconds)[0].DelayMean})
			}
			if err := chart.AddLine(p, policy+", "+estimate, best, chart.Style{Colour: line, Dots: true}); err != nil {
				return figure{}, err
			}
			if err := chart.AddLine(p, policy+", "+estimate+", MaxLoad 0", without, chart.Style{Colour: line, Dashed: true}); err != nil {
				return figure{}, err
			}
			line++
		}
	}
	p.Legend.Left = true
	p.Y.Max *= 6
	return save(p, dir, "period.png", "Mean delay against the time between reports, at the best MaxLoad and at MaxLoad 0; simulated.")
}

// maxLoadFigure shows the delay against MaxLoad, with reports every second.
func (r *Report) maxLoadFigure(dir string) (figure, error) {
	p := fromZero("Delay against MaxLoad, reports every second", "MaxLoad, connections", "mean delay, seconds")
	line := 0
	for _, policy := range simPolicies {
		for _, estimate := range simEstimates {
			var points plotter.XYs
			for _, x := range r.periodsOf(policy, estimate, 1) {
				points = append(points, plotter.XY{X: float64(x.MaxLoad), Y: x.DelayMean})
			}
			if err := chart.AddLine(p, policy+", "+estimate, points, chart.Style{Colour: line, Dots: true}); err != nil {
				return figure{}, err
			}
			line++
		}
	}
	p.Legend.Left = true
	p.Y.Max *= 1.4
	return save(p, dir, "maxload.png", "Mean delay against MaxLoad; simulated.")
}
