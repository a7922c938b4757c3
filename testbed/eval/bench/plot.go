// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

// The size of a plot.
const (
	plotWidth  = 16 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter
)

// colours are some that people who see few of them can tell apart, too.
var colours = map[string]color.Color{
	wire.DPR:    color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	wire.Tun:    color.RGBA{0x00, 0x72, 0xb2, 0xff},
	wire.DR:     color.RGBA{0x00, 0x9e, 0x73, 0xff},
	wire.Direct: color.RGBA{0xf0, 0xe4, 0x42, 0xff},
	wire.NAT:    color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	PathDirect:  color.Gray{0x60},
	PathThrough: color.RGBA{0xea, 0xae, 0x7f, 0xff},
	PathHAProxy: color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	PathSplice:  color.RGBA{0x56, 0xb4, 0xe9, 0xff},

	PathHAProxySplice: color.RGBA{0xf2, 0xcf, 0x80, 0xff},
}

// balancers are the systems that redirect, in the order of legends.
var balancers = []string{wire.DPR, wire.Tun, wire.DR, wire.NAT, wire.Direct, wire.Splice}

// dashes tell operations apart.
var dashes = map[string][]vg.Length{
	wire.Syn:         nil,
	wire.Established: {vg.Points(5), vg.Points(3)},
}

// plots writes the plots into a directory and returns their files' names.
func (r *Report) plots(dir string) ([]string, error) {
	var names []string
	for _, f := range r.Families {
		made, err := r.familyPlots(dir, f)
		if err != nil {
			return nil, err
		}
		names = append(names, made...)
	}
	return names, nil
}

// suffixes are in the names of a family's files.
var suffixes = map[family.Family]string{family.V4: "", family.V6: "-ipv6"}

func (r *Report) familyPlots(dir string, f family.Family) ([]string, error) {
	draws := []struct {
		name string
		make func() (*plot.Plot, error)
	}{
		{"flows", func() (*plot.Plot, error) {
			return r.costPlot(f, "Cost of a packet against flows in the table", "flows", r.Plan.Flows, func(c wire.Cost) (int, bool) {
				return c.Flows, c.Peers == r.Plan.Peers[0]
			})
		}},
		{"peers", func() (*plot.Plot, error) {
			return r.costPlot(f, fmt.Sprintf("Cost of a packet against peers, %s flows", count(r.Plan.PeerFlows)), "peers", r.Plan.Peers, func(c wire.Cost) (int, bool) {
				return c.Peers, c.Flows == r.Plan.PeerFlows
			})
		}},
		{"memory", func() (*plot.Plot, error) { return r.memoryPlot(f) }},
		{"http", func() (*plot.Plot, error) { return r.httpPlot(f) }},
	}
	var names []string
	for _, d := range draws {
		name := d.name + suffixes[f] + ".svg"
		p, err := d.make()
		if err == nil && p != nil {
			p.Title.Text += ", " + f.Name()
			err = p.Save(plotWidth, plotHeight, filepath.Join(dir, name))
			names = append(names, name)
		}
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
	}
	return names, nil
}

// newPlot returns an empty plot with a legend and a logarithmic x axis, marked
// where there are figures.
func newPlot(title, x, y string, sizes []int) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.Y.Min = 0
	var ticks plot.ConstantTicks
	for _, n := range sizes {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: count(n)})
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	p.Add(plotter.NewGrid())
	return p
}

// costPlot draws the figures that x picks, and where on the axis they are.
func (r *Report) costPlot(f family.Family, title, label string, sizes []int, x func(wire.Cost) (int, bool)) (*plot.Plot, error) {
	p := newPlot(title, label, "instructions", sizes)
	most := 0.0
	for _, system := range balancers {
		for _, op := range []string{wire.Syn, wire.Established} {
			var points plotter.XYs
			for _, c := range r.Cost {
				at, ok := x(c)
				if ok && c.Family == f && c.Device == wire.Inject && c.System == system && c.Op == op && c.Unit == Instructions {
					points = append(points, plotter.XY{X: float64(at), Y: c.Cost})
				}
			}
			// What was measured at one of several sizes is no curve.
			if len(points) == 1 && len(sizes) > 1 {
				continue
			}
			for _, at := range points {
				most = max(most, at.Y)
			}
			if err := addLine(p, points, system+", "+op, colours[system], dashes[op]); err != nil {
				return nil, err
			}
		}
	}
	if most == 0 {
		return nil, nil
	}
	p.Y.Max = most * 1.9 // room for the legend
	widen(p, sizes)
	return p, nil
}

// widen gives the marks at both ends of the x axis room for their labels. It comes
// after the lines, which set the axis's ends.
func widen(p *plot.Plot, sizes []int) {
	p.X.Min, p.X.Max = float64(sizes[0])/1.3, float64(sizes[len(sizes)-1])*1.3
}

// addLine adds a line with its points, unless it has none.
func addLine(p *plot.Plot, points plotter.XYs, name string, c color.Color, dash []vg.Length) error {
	if len(points) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, dots.Color, line.Dashes = c, c, dash
	line.Width = vg.Points(1.5)
	dots.Shape = draw.CircleGlyph{}
	p.Add(line, dots)
	p.Legend.Add(name, line, dots)
	return nil
}

func (r *Report) memoryPlot(f family.Family) (*plot.Plot, error) {
	var sizes []int
	for _, m := range r.Memory {
		if m.Family == f && !slices.Contains(sizes, m.Flows) {
			sizes = append(sizes, m.Flows)
		}
	}
	if len(sizes) == 0 {
		return nil, nil
	}
	slices.Sort(sizes)
	p := newPlot("Memory of a flow, all in", "flows", "bytes", sizes)
	most := 0.0
	for _, system := range balancers {
		var points plotter.XYs
		for _, m := range r.Memory {
			if m.Family == f && m.System == system {
				points = append(points, plotter.XY{X: float64(m.Flows), Y: m.BytesPerFlow})
				most = max(most, m.BytesPerFlow)
			}
		}
		if err := addLine(p, points, system, colours[system], nil); err != nil {
			return nil, err
		}
	}
	p.Y.Max = most * 1.4
	widen(p, sizes)
	return p, nil
}

func (r *Report) httpPlot(f family.Family) (*plot.Plot, error) {
	measured := slices.DeleteFunc(slices.Clone(r.HTTP), func(h HTTP) bool { return h.Family != f })
	if len(measured) == 0 {
		return nil, nil
	}
	p := plot.New()
	p.Title.Text, p.Y.Label.Text, p.Y.Min = "Whole connections", "connections per second", 0
	p.Add(plotter.NewGrid())
	var names []string
	for i, h := range measured {
		bar, err := plotter.NewBarChart(plotter.Values{h.ConnectionsPS}, vg.Points(50))
		if err != nil {
			return nil, err
		}
		bar.XMin, bar.Color, bar.LineStyle.Width = float64(i), colours[h.Path], 0
		p.Add(bar)
		names = append(names, h.Path)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	return p, nil
}
