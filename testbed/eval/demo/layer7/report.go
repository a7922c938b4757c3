// SPDX-License-Identifier: MIT

package layer7

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"dpr/testbed/eval/chart"
	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
)

// A Report is what the demo found; its JSON form is the file demo-l7.json.
type Report struct {
	Kernel   string   `json:"kernel"`
	Servers  []string `json:"servers"`
	Requests uint64   `json:"requests"`
	Failed   uint64   `json:"failed"`
	// DelayMeanMS and DelayP99MS are of a whole request, from SYN to last byte.
	DelayMeanMS float64 `json:"delay_mean_ms"`
	DelayP99MS  float64 `json:"delay_p99_ms"`
	// Asked has an entry for each path at each server's address.
	Asked  []Asked `json:"asked"`
	Checks []Check `json:"checks"`
}

// Asked is who served what clients asked one address for.
type Asked struct {
	Path    string   `json:"path"`
	Address string   `json:"address"` // the server that has it
	Served  []uint64 `json:"served"`  // by server
}

// Check is one thing that must be so.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// newReport puts what the servers have served meanwhile together.
func newReport(kernel string, servers []lab.Host, before, after []map[lab.Asked]int64, result *httpload.Result) *Report {
	r := &Report{
		Kernel: kernel, Requests: result.Requests, Failed: result.Failed,
		DelayMeanMS: 1e3 * result.DelayMean().Seconds(), DelayP99MS: 1e3 * result.DelayQuantile(0.99).Seconds(),
	}
	for _, s := range servers {
		r.Servers = append(r.Servers, s.Name)
	}
	for _, p := range paths {
		for _, at := range servers {
			a := Asked{Path: p.path, Address: at.Name}
			for i := range servers {
				key := lab.Asked{Address: at.Address, Path: p.path}
				a.Served = append(a.Served, uint64(after[i][key]-before[i][key]))
			}
			r.Asked = append(r.Asked, a)
		}
	}
	r.Checks = r.checks()
	return r
}

// served is how often a server served a path.
func (r *Report) served(path string, server int) (n uint64) {
	for _, a := range r.Asked {
		if a.Path == path {
			n += a.Served[server]
		}
	}
	return n
}

func (r *Report) checks() []Check {
	all := []Check{{
		Name: "no request failed", Passed: r.Failed == 0 && r.Requests > 0,
		Detail: fmt.Sprintf("%d of %d failed", r.Failed, r.Requests),
	}}
	var sum uint64
	for _, a := range r.Asked {
		for _, n := range a.Served {
			sum += n
		}
	}
	all = append(all, Check{"every request was served once", sum == r.Requests, fmt.Sprintf("%d served of %d", sum, r.Requests)})
	for _, p := range paths {
		c := Check{Name: fmt.Sprintf("%s is served by %s alone, at any address", p.path, r.Servers[p.server]), Passed: true}
		for _, a := range r.Asked {
			if a.Path != p.path {
				continue
			}
			c.Detail += fmt.Sprintf(", %s: %d", a.Address, a.Served[p.server])
			for i, n := range a.Served {
				if (i == p.server) != (n > 0) {
					c.Passed = false
				}
			}
		}
		c.Detail = strings.TrimPrefix(c.Detail, ", ")
		if !c.Passed {
			c.Detail += "; others: see the table (a client that is silent for a second gets the default group: this machine may be too busy)"
		}
		all = append(all, c)
	}
	return all
}

func (r *Report) err() error {
	for _, c := range r.Checks {
		if !c.Passed {
			return fmt.Errorf("demo: not so: %s: %s", c.Name, c.Detail)
		}
	}
	return nil
}

func (r *Report) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, jsonFile), append(data, '\n'), 0o644)
}

// print writes the table and the verdicts.
func (r *Report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\npath\tasked at\tserved by %s\t\n", strings.Join(r.Servers, "\t"))
	for _, a := range r.Asked {
		fmt.Fprintf(t, "%s\t%s\t", a.Path, a.Address)
		for _, n := range a.Served {
			fmt.Fprintf(t, "%d\t", n)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d requests, mean delay %.1f ms, p99 %.1f ms\n", r.Requests, r.DelayMeanMS, r.DelayP99MS)
	for _, c := range r.Checks {
		word := "ok    "
		if !c.Passed {
			word = "FAILED"
		}
		if _, err := fmt.Fprintf(w, "%s %s: %s\n", word, c.Name, c.Detail); err != nil {
			return err
		}
	}
	return nil
}

// barWidth is that of one server's bar.
const barWidth = 30

// draw writes a picture of who served what.
func (r *Report) draw(dir, name string) error {
	p := chart.New("Who served what, asked at any server's address", "path", "requests")
	p.Y.Min = 0
	var names []string
	for _, x := range paths {
		names = append(names, x.path)
	}
	for i, server := range r.Servers {
		var served plotter.Values
		for _, x := range paths {
			served = append(served, float64(r.served(x.path, i)))
		}
		bars, err := plotter.NewBarChart(served, vg.Points(barWidth))
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = chart.Palette[i%len(chart.Palette)], 0
		bars.Offset = vg.Points(barWidth * (float64(i) - float64(len(r.Servers)-1)/2))
		p.Add(bars)
		p.Legend.Add(server, bars)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	p.Y.Max *= 1.2 // room for the legend
	return chart.Save(p, dir, name)
}
