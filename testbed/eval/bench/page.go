// SPDX-License-Identifier: MIT

package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

//go:embed page.html
var pageText string

// pageData is what the page's template sees.
type pageData struct {
	*Report
	Plots  []string
	Tables []costTable
	Rounds int       // of native speed
	Link   string    // rate of the servers' links in the lab of whole connections
	Missed []Verdict // with their profiles
	Met    int       // of the targets
}

// costTable is the page's table of one operation in one unit, by one device.
type costTable struct {
	Family   family.Family
	Device   string // "" if packets are injected, as most are
	Op, Unit string
	Columns  []string // "1 k flows, 3 peers"
	Rows     []costRow
}

type costRow struct {
	System string
	Cells  []string
}

// writePage writes the page, its plots and the report into a directory.
func (r *Report) writePage(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing the bench's page: %w", err)
	}
	if err := writeJSON(filepath.Join(dir, "report.json"), r); err != nil {
		return err
	}
	plots, err := r.plots(dir)
	if err != nil {
		return err
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"count":  count,
		"figure": figure,
		"mib":    func(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("writing the bench's page: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, "index.html"))
	if err != nil {
		return fmt.Errorf("writing the bench's page: %w", err)
	}
	if err := t.Execute(f, pageData{r, plots, r.tables(), nativeRounds, httpLink, distinct(r.Verdicts), r.met()}); err != nil {
		f.Close()
		return fmt.Errorf("writing the bench's page: %w", err)
	}
	return f.Close()
}

// met is how many targets are met.
func (r *Report) met() int {
	n := 0
	for _, v := range r.Verdicts {
		if v.Outcome == Met {
			n++
		}
	}
	return n
}

// figure writes a number as tables have it.
func figure(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case *v > -10 && *v < 10:
		return fmt.Sprintf("%.3f", *v)
	}
	return fmt.Sprintf("%.1f", *v)
}

// tables arranges the costs: a table an operation, family, device and unit, a column a size.
func (r *Report) tables() []costTable {
	var tables []costTable
	for _, unit := range []string{Instructions, Nanoseconds} {
		for _, op := range []string{wire.Syn, wire.Established, wire.Answer, wire.Fin, wire.Ended, wire.Receive, wire.Other} {
			for _, f := range r.Families {
				for _, device := range []string{wire.Inject, wire.Ideal} {
					if t := r.table(f, device, op, unit); len(t.Rows) > 0 {
						tables = append(tables, t)
					}
				}
			}
		}
	}
	return tables
}

func (r *Report) table(f family.Family, device, op, unit string) costTable {
	t := costTable{Family: f, Op: op, Unit: unit}
	if device != wire.Inject {
		t.Device = device
	}
	column := func(c wire.Cost) string {
		name := c.Variant
		if name == "" {
			name = fmt.Sprintf("%s flows, %d peers", count(c.Flows), c.Peers)
		}
		if c.GRO {
			name += ", GRO"
		}
		return name
	}
	cells := map[[2]string]string{}
	var systems []string
	// Receive and other are shown in all their variants, as whole packets.
	source := r.Cost
	if op == wire.Receive || op == wire.Other {
		source = r.Variants
	}
	for _, c := range source {
		if c.Family != f || c.Device != device || c.Op != op || c.Unit != unit {
			continue
		}
		if !slices.Contains(t.Columns, column(c)) {
			t.Columns = append(t.Columns, column(c))
		}
		if !slices.Contains(systems, c.System) {
			systems = append(systems, c.System)
		}
		cells[[2]string{c.System, column(c)}] = fmt.Sprintf("%.0f", c.Cost)
	}
	for _, s := range systems {
		row := costRow{System: s}
		for _, c := range t.Columns {
			row.Cells = append(row.Cells, cells[[2]string{s, c}])
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
