// SPDX-License-Identifier: MIT

package reproduce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dpr/testbed/eval/sim"
)

// studyCaptions are for the study's figures, by their files.
var studyCaptions = map[string]string{
	"sim-maxload.svg": "Mean delay against MaxLoad, the paper's cluster at scale 1.",
	"sim-period.svg":  "Mean delay against the period of reports: what stale information costs.",
	"sim-uniform.svg": "Mean delay against the number of hosts, connections coming to all alike.",
	"sim-zipf.svg":    "Mean delay against the number of hosts, connections coming by Zipf's law.",
	"sim-reports.svg": "What a host hears of reports.",
}

// studySection takes in a study of the simulator's: its figures are copied beside
// the report. nil if there is no study.
func studySection(from, to string) (*section, error) {
	if from == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(from, "sim.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var study sim.Study
	if err == nil {
		err = json.Unmarshal(b, &study)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the study in %s: %w", from, err)
	}
	s := &section{
		Title: "Simulated: MaxLoad, stale reports, and many hosts",
		Text:  []string{"A study of the simulator's, made by dprlab sim-study: three hosts are the paper's closed system at scale 1 with exponential sizes; more hosts are an open system at 90 % of its capacity. fresh-lowest and fresh-two know all loads at every moment."},
		Table: &table{Numbers: true, Head: []string{"Hosts, traffic, policy", "mean delay, ms", "P99, ms", "index", "redirected", "refusals", "reports heard, B/s"}},
	}
	for _, r := range study.Scale {
		s.Table.row(fmt.Sprintf("%d, %s: %v", r.Config.Hosts, r.Config.Traffic, r.Choice()), fmt.Sprintf("%.2f", 1e3*r.DelayMean), fmt.Sprintf("%.1f", 1e3*r.DelayP99),
			fmt.Sprintf("%.3f", r.Index), fmt.Sprintf("%.1f %%", 100*r.Redirected), fmt.Sprintf("%.3f", r.Refusals), fmt.Sprintf("%.0f", r.ReportBytesHeard))
	}
	for _, name := range study.Plots {
		b, err := os.ReadFile(filepath.Join(from, filepath.Base(name)))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(name)), b, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("taking in the study in %s: %w", from, err)
		}
		s.Figures = append(s.Figures, figure{filepath.Base(name), studyCaptions[filepath.Base(name)]})
	}
	return s, nil
}
