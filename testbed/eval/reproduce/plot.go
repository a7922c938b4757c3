// SPDX-License-Identifier: MIT

package reproduce

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"dpr/testbed/eval/chart"
)

// figure is a drawing in a file of the report's directory.
type figure struct{ File, Caption string }

// save writes a plot into a directory.
func save(p *plot.Plot, dir, name, caption string) (figure, error) {
	return figure{name, caption}, chart.Save(p, dir, name)
}

// fromZero returns an empty plot whose y axis begins at 0.
func fromZero(title, x, y string) *plot.Plot {
	p := chart.New(title, x, y)
	p.Y.Min = 0
	return p
}

// servedFigures are the paper's figures 2 to 4: what each server served in each
// second, in the first repeat. All have the same scale.
func (r *Report) servedFigures(dir string) ([]figure, error) {
	most := 0
	r.each(func(_ string, p *PolicyResult) {
		for _, h := range p.Repeats[0].Hosts {
			for _, n := range h.Served {
				most = max(most, n)
			}
		}
	})
	var all []figure
	var failed error
	r.each(func(name string, policy *PolicyResult) {
		p := fromZero(r.of(name+": connections served"), "seconds", "connections per second")
		p.Y.Max = float64(most) * 1.45
		for i, h := range policy.Repeats[0].Hosts {
			points := make(plotter.XYs, len(h.Served))
			for t, n := range h.Served {
				points[t] = plotter.XY{X: float64(t), Y: float64(n)}
			}
			if err := chart.AddLine(p, h.Name, points, chart.Style{Colour: i}); err != nil {
				failed = err
			}
		}
		f, err := save(p, dir, "served-"+name+".png", fmt.Sprintf("%s: connections per second of each server (as figures 2 to 4 of the paper), first repeat.%s", name, paperFigure[name]))
		if err != nil {
			failed = err
		}
		all = append(all, f)
	})
	return all, failed
}

// paperFigure says which of the paper's figures has the same policy.
var paperFigure = map[string]string{None: " The paper's figure 2.", Random: " The paper's figure 3.", TCP: " The paper's figure 4."}

// histogram is a kind of figure: how often something was observed, over all
// repeats.
type histogram struct {
	file, title, x string
	values         func(*RunResult) []float64
	caption        func(policy string, p *PolicyResult) string
}

// histograms are the paper's figures 5, 6 and 9, in what its Table 2 counts and in
// what their axis says.
func (r *Report) histograms() []histogram {
	return []histogram{{
		"histogram-", "connections served", fmt.Sprintf("connections served by the cluster in %.1f s", r.Config.Interval),
		func(run *RunResult) []float64 { return run.PerInterval },
		func(policy string, p *PolicyResult) string {
			return fmt.Sprintf("%s: how often the cluster served so many connections in what stands for a second of the paper's, all repeats. Index %.2f.", policy, p.Index)
		},
	}, {
		"open-", "open connections", "connections that a server has open",
		func(run *RunResult) []float64 {
			var all []float64
			for _, h := range run.Hosts {
				for _, n := range h.OpenAt {
					all = append(all, float64(n))
				}
			}
			return all
		},
		func(policy string, p *PolicyResult) string {
			return fmt.Sprintf("%s: how often a server had so many connections open, once a second, all servers and repeats. Index %.2f.", policy, p.OpenIndex)
		},
	}}
}

// mostBins is how many bins a histogram has at most.
const mostBins = 40

// histogramFigures draws one kind, with the same axis for all policies.
func (r *Report) histogramFigures(dir string, kind histogram) ([]figure, error) {
	least, most := math.Inf(1), 0.0
	r.each(func(_ string, p *PolicyResult) {
		for _, run := range p.Repeats {
			for _, n := range kind.values(run) {
				least, most = min(least, n), max(most, n)
			}
		}
	})
	width := max(1, math.Ceil((most-least)/mostBins))
	var all []figure
	var failed error
	r.each(func(name string, policy *PolicyResult) {
		p := fromZero(r.of(name+": "+kind.title), kind.x, "observations")
		h := &plotter.Histogram{Width: width, FillColor: chart.Palette[1], LineStyle: plotter.DefaultLineStyle}
		h.LineStyle.Width = vg.Points(0.4)
		for from := least; from <= most; from += width {
			h.Bins = append(h.Bins, plotter.HistogramBin{Min: from, Max: from + width})
		}
		for _, run := range policy.Repeats {
			for _, n := range kind.values(run) {
				h.Bins[int((n-least)/width)].Weight++
			}
		}
		p.Add(h)
		p.X.Min, p.X.Max = least-width, most+2*width
		f, err := save(p, dir, kind.file+name+".png", kind.caption(name, policy))
		if err != nil {
			failed = err
		}
		all = append(all, f)
	})
	return all, failed
}

// delayFigure shows each policy's mean delays, a dot a repeat.
func (r *Report) delayFigure(dir string) (figure, error) {
	p := chart.New(r.of("Mean transfer delay"), "", "seconds")
	chart.LogY(p)
	var names []string
	var ours, paper plotter.XYs
	least, most := math.Inf(1), 0.0
	r.each(func(name string, policy *PolicyResult) {
		x := float64(len(names))
		names = append(names, name)
		for _, run := range policy.Repeats {
			ours = append(ours, plotter.XY{X: x, Y: run.DelayMean})
		}
		if row, ok := Paper[name]; ok {
			paper = append(paper, plotter.XY{X: x, Y: row.DelayMean})
		}
	})
	for _, points := range []plotter.XYs{ours, paper} {
		for _, xy := range points {
			least, most = min(least, xy.Y), max(most, xy.Y)
		}
	}
	for i, set := range []struct {
		name   string
		points plotter.XYs
		shape  draw.GlyphDrawer
	}{{"ours, each repeat", ours, draw.CircleGlyph{}}, {"the paper's", paper, draw.PyramidGlyph{}}} {
		if len(set.points) == 0 {
			continue
		}
		s, err := plotter.NewScatter(set.points)
		if err != nil {
			return figure{}, err
		}
		s.Color, s.Shape, s.Radius = chart.Palette[1-i], set.shape, vg.Points(4)
		p.Add(s)
		p.Legend.Add(set.name, s)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5, least/1.5, most*2
	return save(p, dir, "delay.png", "Mean transfer delay of each policy; the axis is logarithmic.")
}

// sweepFigure shows the delay against MaxLoad.
func (r *Report) sweepFigure(dir string) (figure, error) {
	p := fromZero(r.of("Delay against MaxLoad"), "MaxLoad, connections", "mean delay, seconds")
	for i, policy := range swept {
		var points, simulated plotter.XYs
		for _, s := range r.Simulated {
			if s.Policy == policy {
				simulated = append(simulated, plotter.XY{X: float64(s.MaxLoad), Y: s.DelayMean})
			}
		}
		slices.SortFunc(simulated, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		if len(simulated) > 0 {
			if err := chart.AddLine(p, policy+", simulated", simulated, chart.Style{Colour: i, Dashed: true}); err != nil {
				return figure{}, err
			}
		}
		for _, s := range r.Sweep {
			if s.Policy == policy {
				points = append(points, plotter.XY{X: float64(s.MaxLoad), Y: s.DelayMean})
			}
		}
		if len(points) > 0 {
			if err := chart.AddLine(p, policy+", measured", points, chart.Style{Colour: i, Dots: true}); err != nil {
				return figure{}, err
			}
		}
	}
	p.Y.Max *= 1.5
	p.Legend.Left = true
	return save(p, dir, "sweep.png", fmt.Sprintf("Mean delay of lowest against MaxLoad, with reported and corrected loads, and with reported loads as stale as the paper's (tcp-slow), measured in the lab for %d s each with the same users.", r.Config.SweepSeconds))
}

// each calls f for all policies that ran, in the order of tables.
func (r *Report) each(f func(name string, p *PolicyResult)) {
	for _, p := range Policies {
		if result := r.Policies[p.Name]; result != nil {
			f(p.Name, result)
		}
	}
}
