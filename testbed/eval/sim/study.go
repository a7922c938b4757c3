// SPDX-License-Identifier: MIT

package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"dpr/testbed/lab/flags"
)

// StudyOptions say what of a study is done, and where it goes.
type StudyOptions struct {
	Dir      string   // of the tables and plots
	Sweep    bool     // MaxLoad and period
	Sizes    []int    // of the clusters, 1 to MaxHosts, beside the paper's; none: not done
	Seconds  float64  // simulated for each point of a sweep, 0.001 to 1e6
	Seed     uint64   // of all
	Progress Progress // may be nil
}

// StudyDefaults returns the options of a whole study.
func StudyDefaults() StudyOptions {
	return StudyOptions{Dir: "out/sim", Sweep: true, Sizes: ScaleSizes, Seconds: 500, Seed: 1}
}

// Flags describes the fields that a command line sets.
func (o *StudyOptions) Flags() flags.Set {
	return flags.Set{
		flags.Numbers(&o.Sizes, "hosts", flags.From(1, MaxHosts), "sizes of the clusters, beside the paper's (`N,N…`)"),
		flags.Number(&o.Seconds, "seconds", flags.From(minTime, maxSeconds), "simulated for each MaxLoad and period, `SECONDS`"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of all that is random"),
		flags.String(&o.Dir, "out", "`DIRECTORY` of sim.json, sim.md, tables and plots"),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *StudyOptions) Validate() error { return o.Flags().Check() }

// A Study is what a study found.
type Study struct {
	Sweep []*Result `json:"sweep,omitempty"`
	Scale []*Result `json:"scale,omitempty"`
	Plots []string  `json:"plots"` // files in the directory
}

// Run does the study and writes sim.json, sim-sweep.csv, sim-scale.csv, sim.md
// and plots into the directory.
func (o StudyOptions) Run(ctx context.Context) (*Study, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	s := &Study{}
	if o.Sweep {
		base := PaperConfig()
		base.Seconds, base.Seed = o.Seconds, o.Seed
		if err := s.part(ctx, o, &s.Sweep, SweepConfigs(base, SweepMaxLoads, SweepPeriods), "sim-sweep.csv", SweepPlots); err != nil {
			return nil, err
		}
	}
	if len(o.Sizes) > 0 {
		if err := s.part(ctx, o, &s.Scale, ScaleConfigs(o.Sizes, o.Seed), "sim-scale.csv", ScalePlots); err != nil {
			return nil, err
		}
	}
	if err := write(o.Dir, "sim.json", func(w io.Writer) error { return json.NewEncoder(w).Encode(s) }); err != nil {
		return nil, err
	}
	return s, write(o.Dir, "sim.md", func(w io.Writer) error { return WriteTable(w, s.Scale) })
}

func (s *Study) part(ctx context.Context, o StudyOptions, into *[]*Result, configs []Config, table string,
	plots func(dir string, results []*Result) ([]string, error)) error {
	results, err := RunAll(ctx, configs, o.Progress)
	if err != nil {
		return err
	}
	*into = results
	if err := write(o.Dir, table, func(w io.Writer) error { return WriteCSV(w, results) }); err != nil {
		return err
	}
	names, err := plots(o.Dir, results)
	s.Plots = append(s.Plots, names...)
	return err
}

func write(dir, name string, f func(io.Writer) error) error {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	err = f(file)
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// WriteTable writes results as a table in Markdown, a cluster after the other,
// with each delay as a multiple of that of the shortest queue, or where that is
// not simulated, of the better one of two fresh choices.
func WriteTable(w io.Writer, results []*Result) error {
	bounds := map[string]float64{}
	key := func(r *Result) string { return fmt.Sprintf("%d %s", r.Config.Hosts, r.Config.Traffic) }
	for _, policy := range []string{FreshTwo, FreshLowest} {
		for _, r := range results {
			if r.Config.Policy == policy && (policy == FreshLowest && r.Config.Hosts == 3 || policy == FreshTwo && r.Config.Hosts > 3) {
				bounds[key(r)] = r.DelayMean
			}
		}
	}
	_, err := fmt.Fprintln(w, "| hosts | traffic | policy | mean delay, ms | of the bound | P99, ms | index | redirected | refusals | reports heard, B/s |\n"+
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range results {
		if err != nil {
			break
		}
		ratio := "-"
		if b := bounds[key(r)]; b > 0 {
			ratio = fmt.Sprintf("%.3f", r.DelayMean/b)
		}
		_, err = fmt.Fprintf(w, "| %d | %s | %v | %.2f | %s | %.1f | %.3f | %.3f | %.3f | %.0f |\n", r.Config.Hosts, r.Config.Traffic, r.Choice(),
			1e3*r.DelayMean, ratio, 1e3*r.DelayP99, r.Index, r.Redirected, r.Refusals, r.ReportBytesHeard)
	}
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}
