// SPDX-License-Identifier: MIT

package demo

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"dpr/testbed/eval/chart"
)

// barWidth is that of one host's bar.
const barWidth = 40

// WritePicture draws who served how many connections under each policy, to a file in a
// directory.
func (r *Report) WritePicture(dir, name string) error {
	var delays []string
	for _, run := range r.Runs {
		delays = append(delays, fmt.Sprintf("%s: %.0f ms", run.Policy, run.DelayMeanMS))
	}
	p := chart.New("Who served the connections of "+r.Family.Name()+" (mean delay "+strings.Join(delays, ", ")+")", "policy", "connections")
	p.Y.Min = 0
	hosts := r.hosts()
	for i, host := range hosts {
		var served plotter.Values
		for _, run := range r.Runs {
			served = append(served, float64(run.Hosts[i].Served))
		}
		bars, err := plotter.NewBarChart(served, vg.Points(barWidth))
		if err != nil {
			return fmt.Errorf("drawing %s: %w", name, err)
		}
		bars.Color = chart.Palette[i%len(chart.Palette)]
		bars.LineStyle.Width = 0
		bars.Offset = vg.Points(barWidth * (float64(i) - float64(len(hosts)-1)/2))
		p.Add(bars)
		p.Legend.Add(host, bars)
	}
	var policies []string
	for _, run := range r.Runs {
		policies = append(policies, run.Policy)
	}
	p.NominalX(policies...)
	p.X.Min, p.X.Max = -0.5, float64(len(policies))-0.5
	p.Y.Max *= 1.2 // room for the legend
	return chart.Save(p, dir, name)
}
