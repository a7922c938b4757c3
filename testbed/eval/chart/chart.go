// SPDX-License-Identifier: MIT

// Package chart draws the figures of reports, all in one style.
package chart

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
	width  = 16 * vg.Centimeter
	height = 9 * vg.Centimeter
)

// Palette is one that people who see few colours can tell apart, too.
var Palette = []color.Color{
	color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.Gray{0x60},
}

// New returns an empty plot with a grid, whose legend is at its top.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = true, vg.Points(2), vg.Points(24)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	return p
}

// Style is how a line looks.
type Style struct {
	Colour int // of Palette; beyond it they repeat
	Dots   bool
	Dashed bool
}

// AddLine adds a line.
func AddLine(p *plot.Plot, name string, points plotter.XYs, s Style) error {
	line, scatter, err := plotter.NewLinePoints(points)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", name, err)
	}
	line.Color, line.Width = Palette[s.Colour%len(Palette)], vg.Points(1.3)
	if s.Dashed {
		line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	}
	scatter.Color, scatter.Shape, scatter.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(line)
	if s.Dots {
		p.Add(scatter)
		p.Legend.Add(name, line, scatter)
	} else {
		p.Legend.Add(name, line)
	}
	return nil
}

// LogY makes the y axis logarithmic, LogX the x axis.
func LogY(p *plot.Plot) { p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks) }

// LogX is described at [LogY].
func LogX(p *plot.Plot) { p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks) }

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

// dotsPerInch of PNGs: twice what a screen has.
const dotsPerInch = 192

// Save writes a plot to a file in a directory, as its name says: dots (.png), or a
// drawing (.svg), whose text looks as the reader's fonts happen to be.
func Save(p *plot.Plot, dir, name string) error {
	file := filepath.Join(dir, name)
	if filepath.Ext(name) != ".png" {
		if err := p.Save(width, height, file); err != nil {
			return fmt.Errorf("drawing %s: %w", name, err)
		}
		return nil
	}
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch))}
	p.Draw(draw.New(c))
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", name, err)
	}
	_, err = c.WriteTo(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("drawing %s: %w", name, err)
	}
	return nil
}
