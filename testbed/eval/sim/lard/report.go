// SPDX-License-Identifier: MIT

package lard

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// Where the paper's claim is judged: working sets, in memories of one host, and
// what locality must gain there on the machine of the paper.
const (
	judgedFrom  = 2.0
	judgedTo    = 4.0
	judgedGain  = 2.0
	judgedAmong = "1998"
)

// A Report is what all simulations found; its JSON form is the file lard.json.
type Report struct {
	Results []*Result `json:"results"`
	Gains   []Gain    `json:"gains"`
	// Verdict is on the gains of the paper's machine where the documents are 2 to
	// 4 times as large as a host's memory.
	Verdict Verdict `json:"verdict"`
}

// A Gain compares the policies in one cluster.
type Gain struct {
	Machine string  `json:"machine"`
	Hosts   int     `json:"hosts"`
	Set     float64 `json:"working_set"`
	// Locality's throughput, as a multiple of the others'.
	OverLowest    float64 `json:"over_lowest"`
	OverStateless float64 `json:"over_stateless"`
}

// A Verdict is a claim and whether it holds.
type Verdict struct {
	Claim  string `json:"claim"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// newReport compares results, which come in threes, one for each of Policies.
func newReport(results []*Result) *Report {
	r := &Report{Results: results}
	for i := 0; i < len(results); i += len(Policies) {
		locality, lowest, stateless := results[i], results[i+1], results[i+2]
		r.Gains = append(r.Gains, Gain{
			Machine: locality.Config.Machine.Name, Hosts: locality.Config.Hosts, Set: locality.Config.Set,
			OverLowest: locality.Throughput / lowest.Throughput, OverStateless: locality.Throughput / stateless.Throughput,
		})
	}
	r.Verdict = verdict(r.Gains)
	return r
}

func verdict(gains []Gain) Verdict {
	v := Verdict{Claim: fmt.Sprintf("with the machine of %s and documents of %g to %g times a host's memory, locality serves at least %g times what lowest does", judgedAmong, judgedFrom, judgedTo, judgedGain)}
	var least, most *Gain
	for i := range gains {
		g := &gains[i]
		if g.Machine != judgedAmong || g.Set < judgedFrom || g.Set > judgedTo {
			continue
		}
		if least == nil || g.OverLowest < least.OverLowest {
			least = g
		}
		if most == nil || g.OverLowest > most.OverLowest {
			most = g
		}
	}
	if least == nil {
		v.Detail = "no such working set was simulated"
		return v
	}
	v.Passed = least.OverLowest >= judgedGain
	v.Detail = fmt.Sprintf("%.2f (%d hosts, %g memories) to %.2f (%d hosts, %g memories)", least.OverLowest, least.Hosts, least.Set, most.OverLowest, most.Hosts, most.Set)
	return v
}

func (r *Report) err() error {
	if !r.Verdict.Passed {
		return fmt.Errorf("lard: not so: %s: %s", r.Verdict.Claim, r.Verdict.Detail)
	}
	return nil
}

func (r *Report) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "lard.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return r.draw(dir, "lard.svg")
}

// print writes a table for each machine, and the verdict.
func (r *Report) print(w io.Writer) error {
	for i := range Machines {
		name := Machines[i].Name
		fmt.Fprintf(w, "Requests per second, and how many of them found their document in memory; machine %s\n\n", name)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "hosts\tdocuments/memory\t")
		for _, p := range Policies {
			fmt.Fprintf(t, "%s\thits\t", p)
		}
		fmt.Fprintln(t, "over lowest\tover stateless\t")
		for k, g := range r.Gains {
			if g.Machine != name {
				continue
			}
			fmt.Fprintf(t, "%d\t%g\t", g.Hosts, g.Set)
			for _, x := range r.Results[k*len(Policies):][:len(Policies)] {
				fmt.Fprintf(t, "%.0f\t%.1f %%\t", x.Throughput, 100*x.HitRate)
			}
			fmt.Fprintf(t, "%.2f\t%.2f\t\n", g.OverLowest, g.OverStateless)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "%s: %s: %s\n", strings.ToLower(word(r.Verdict.Passed)), r.Verdict.Claim, r.Verdict.Detail)
	return err
}

func word(passed bool) string {
	if passed {
		return "OK"
	}
	return "FAILED"
}
