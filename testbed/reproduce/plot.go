// SPDX-License-Identifier: MIT

package reproduce

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The size of a figure.
const (
	plotWidth  = 16 * vg.Centimeter
	plotHeight = 8 * vg.Centimeter
)

// palette is told apart by people who see few colours, too.
var palette = []color.Color{
	color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.Gray{0x60},
}

// figure is a drawing in a file of the report's directory.
type figure struct{ File, Caption string }

// newPlot returns an empty plot.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding, p.Y.Min = vg.Points(6), 0
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = true, vg.Points(2), vg.Points(24)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	return p
}

// dotsPerInch of the figures: twice what a screen has.
const dotsPerInch = 192

// save writes a plot into a directory, as dots: a drawing's text would look as
// the reader's fonts happen to be.
func save(p *plot.Plot, dir, name, caption string) (figure, error) {
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(dotsPerInch))}
	p.Draw(draw.New(c))
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return figure{}, fmt.Errorf("drawing %s: %w", name, err)
	}
	_, err = c.WriteTo(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return figure{}, fmt.Errorf("drawing %s: %w", name, err)
	}
	return figure{name, caption}, nil
}

// addLine adds a line, with dots if asked.
func addLine(p *plot.Plot, name string, points plotter.XYs, c color.Color, dots bool, dashes ...vg.Length) error {
	line, scatter, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(1.3), dashes
	scatter.Color, scatter.Shape, scatter.Radius = c, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(line)
	if dots {
		p.Add(scatter)
		p.Legend.Add(name, line, scatter)
	} else {
		p.Legend.Add(name, line)
	}
	return nil
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
		p := newPlot(name+": connections served", "seconds", "connections per second")
		p.Y.Max = float64(most) * 1.45
		for i, h := range policy.Repeats[0].Hosts {
			points := make(plotter.XYs, len(h.Served))
			for t, n := range h.Served {
				points[t] = plotter.XY{X: float64(t), Y: float64(n)}
			}
			if err := addLine(p, h.Name, points, palette[i], false); err != nil {
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
		p := newPlot(name+": "+kind.title, kind.x, "observations")
		h := &plotter.Histogram{Width: width, FillColor: palette[1], LineStyle: plotter.DefaultLineStyle}
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

// logTicks are 1, 2 and 5 times the powers of ten.
func logTicks(least, most float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Pow(10, math.Floor(math.Log10(least))); power <= most; power *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if v := n * power; v >= least && v <= most {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.3g", v)})
			}
		}
	}
	return ticks
}

// delayFigure shows each policy's mean delays, a dot a repeat.
func (r *Report) delayFigure(dir string) (figure, error) {
	p := newPlot("Mean transfer delay", "", "seconds")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
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
		s.Color, s.Shape, s.Radius = palette[1-i], set.shape, vg.Points(4)
		p.Add(s)
		p.Legend.Add(set.name, s)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5, least/1.5, most*2
	return save(p, dir, "delay.png", "Mean transfer delay of each policy; the axis is logarithmic.")
}

// sweepFigure shows the delay against MaxLoad.
func (r *Report) sweepFigure(dir string) (figure, error) {
	p := newPlot("Delay against MaxLoad", "MaxLoad, connections", "mean delay, seconds")
	for i, policy := range []string{TCP, Corrected} {
		var points, simulated plotter.XYs
		for _, s := range r.Simulated {
			if s.Policy == policy {
				simulated = append(simulated, plotter.XY{X: float64(s.MaxLoad), Y: s.DelayMean})
			}
		}
		if len(simulated) > 0 {
			if err := addLine(p, policy+", simulated", simulated, palette[i], false, vg.Points(4), vg.Points(3)); err != nil {
				return figure{}, err
			}
		}
		for _, s := range r.Sweep {
			if s.Policy == policy {
				points = append(points, plotter.XY{X: float64(s.MaxLoad), Y: s.DelayMean})
			}
		}
		if len(points) > 0 {
			if err := addLine(p, policy+", measured", points, palette[i], true); err != nil {
				return figure{}, err
			}
		}
	}
	p.Y.Max *= 1.5
	p.Legend.Left = true
	return save(p, dir, "sweep.png", fmt.Sprintf("Mean delay of lowest against MaxLoad, with reported and corrected loads, measured in the lab for %d s each with the same users.", r.Config.SweepSeconds))
}

// each calls f for all policies that ran, in the order of tables.
func (r *Report) each(f func(name string, p *PolicyResult)) {
	for _, p := range Policies {
		if result := r.Policies[p.Name]; result != nil {
			f(p.Name, result)
		}
	}
}
