// SPDX-License-Identifier: MIT

package sim

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"

	"gonum.org/v1/plot/plotter"

	"dpr/testbed/eval/chart"
	"dpr/userland/dprnl"
)

// WriteCSV writes results as a table, one a row.
func WriteCSV(w io.Writer, results []*Result) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"hosts", "traffic", "policy", "estimate", "max_load", "period_s", "requests", "throughput",
		"delay_mean_s", "delay_variance", "delay_p90_s", "delay_p99_s", "index", "redirected_share", "refusals_per_connection",
		"report_bytes_sent_per_second", "report_bytes_heard_per_second"}}
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	for _, r := range results {
		c := &r.Config
		rows = append(rows, []string{strconv.Itoa(c.Hosts), c.Traffic, c.Policy, c.Estimate, dprnl.FormatMaxLoad(c.MaxLoad), f(c.Period),
			strconv.FormatUint(r.Requests, 10), f(r.Throughput), f(r.DelayMean), f(r.DelayVar), f(r.DelayP90), f(r.DelayP99), f(r.Index),
			f(r.Redirected), f(r.Refusals), f(r.ReportBytesSent), f(r.ReportBytesHeard)})
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}

// A series is a line of a plot.
type series struct {
	name   string
	points plotter.XYs
}

// A figure is a plot to be drawn.
type figure struct {
	file, title, x, y string
	logX              bool
	lines             []*series
}

// line returns the figure's line of a name, a new one if there is none.
func (f *figure) line(name string) *series {
	for _, s := range f.lines {
		if s.name == name {
			return s
		}
	}
	f.lines = append(f.lines, &series{name: name})
	return f.lines[len(f.lines)-1]
}

func (f *figure) add(name string, x, y float64) {
	s := f.line(name)
	s.points = append(s.points, plotter.XY{X: x, Y: y})
}

func (f *figure) draw(dir string) error {
	p := chart.New(f.title, f.x, f.y)
	chart.LogY(p)
	if f.logX {
		chart.LogX(p)
	}
	for i, s := range f.lines {
		if err := chart.AddLine(p, s.name, s.points, chart.Style{Colour: i, Dots: true, Dashed: i >= len(chart.Palette)}); err != nil {
			return err
		}
	}
	return chart.Save(p, dir, f.file)
}

// SweepPlots draws a sweep into a directory: delay against MaxLoad at one
// second between reports, and delay against that time at the best MaxLoad of
// each. It returns the files' names.
func SweepPlots(dir string, results []*Result) ([]string, error) {
	load := &figure{file: "sim-maxload.svg", title: "Delay against MaxLoad, reports once a second", x: "MaxLoad, connections", y: "mean delay, s"}
	period := &figure{file: "sim-period.svg", title: "Herd effect: delay against the reports' period, best MaxLoad", x: "period, s", y: "mean delay, s", logX: true}
	best := map[string]map[float64]float64{}
	for _, r := range results {
		c := &r.Config
		name := c.Policy + ", " + c.Estimate
		if c.Period == 1 && c.MaxLoad != Auto {
			load.add(name, float64(c.MaxLoad), r.DelayMean)
		}
		period.line(name)
		if best[name] == nil {
			best[name] = map[float64]float64{}
		}
		if d, ok := best[name][c.Period]; !ok || r.DelayMean < d {
			best[name][c.Period] = r.DelayMean
		}
	}
	for _, r := range results { // in the order of periods, each once
		name := r.Config.Policy + ", " + r.Config.Estimate
		if d, ok := best[name][r.Config.Period]; ok {
			period.add(name, r.Config.Period, d)
			delete(best[name], r.Config.Period)
		}
	}
	return drawAll(dir, load, period)
}

// ScalePlots draws clusters of different sizes: delay against the number of
// hosts for each traffic, and the reports' bytes. It returns the files' names.
func ScalePlots(dir string, results []*Result) ([]string, error) {
	byTraffic := map[string]*figure{}
	figures := []*figure{
		{file: "sim-uniform.svg", title: "Delay against the number of hosts, uniform traffic", x: "hosts", y: "mean delay, s", logX: true},
		{file: "sim-zipf.svg", title: "Delay against the number of hosts, Zipf's traffic", x: "hosts", y: "mean delay, s", logX: true},
	}
	byTraffic["uniform"], byTraffic["zipf"] = figures[0], figures[1]
	bytes := &figure{file: "sim-reports.svg", title: "Reports that a host hears", x: "hosts", y: "bytes per second", logX: true}
	seen := map[int]bool{}
	for _, r := range results {
		f := byTraffic[r.Config.Traffic]
		if f == nil {
			continue
		}
		f.add(r.Choice().String(), float64(r.Config.Hosts), r.DelayMean)
		if !seen[r.Config.Hosts] {
			seen[r.Config.Hosts] = true
			bytes.add("108 bytes a report, once a second", float64(r.Config.Hosts), r.ReportBytesHeard)
		}
	}
	return drawAll(dir, append(figures, bytes)...)
}

func drawAll(dir string, figures ...*figure) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("drawing: %w", err)
	}
	var names []string
	for _, f := range figures {
		if len(f.lines) == 0 {
			continue
		}
		if err := f.draw(dir); err != nil {
			return nil, err
		}
		names = append(names, f.file)
	}
	return names, nil
}
