// SPDX-License-Identifier: MIT

package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// Report is what the demo found; its JSON form is the file out/demo.json.
type Report struct {
	// Kernel is the release of the servers' kernel.
	Kernel string `json:"kernel"`
	// Family has the families of the connections.
	Family family.Mix `json:"family"`
	// Runs has one entry a policy, in the order they ran.
	Runs []PolicyRun `json:"runs"`
	// Checks are the demo's verdicts.
	Checks []Check `json:"checks"`
}

// PolicyRun is one policy's minute.
type PolicyRun struct {
	Policy string `json:"policy"`
	// Hosts has one entry a server, in order.
	Hosts []HostRun `json:"hosts"`
	// Requests counts requests sent, each a connection; Failed those without
	// a correct answer.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	// Failures is Failed by class.
	Failures map[httpload.Class]uint64 `json:"failures,omitempty"`
	// The delays are of the correct answers.
	DelayMeanMS float64 `json:"delay_mean_ms"`
	DelayP99MS  float64 `json:"delay_p99_ms"`
	// Throughput is correct answers per second.
	Throughput float64 `json:"throughput"`
}

// HostRun is one server's share of a run.
type HostRun struct {
	Name string `json:"name"`
	// Served counts connections that the server's nginx accepted.
	Served uint64 `json:"served"`
	// Redirected counts connections that the server handed to others.
	Redirected uint64 `json:"redirected"`
}

// Check is one thing that must be so.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// served is the number of connections all hosts of the run accepted.
func (r *PolicyRun) served() uint64 {
	var n uint64
	for _, h := range r.Hosts {
		n += h.Served
	}
	return n
}

// busiest is the largest share of the connections that one host served, 0 to 1.
func (r *PolicyRun) busiest() (name string, share float64) {
	total := r.served()
	for _, h := range r.Hosts {
		if s := float64(h.Served) / float64(max(1, total)); s > share {
			name, share = h.Name, s
		}
	}
	return name, share
}

// WriteTable prints the runs and the verdicts.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "Connections of %s:\n", r.Family.Name())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := []string{"policy"}
	for _, h := range r.hosts() {
		header = append(header, h+" served", h+" redirected")
	}
	header = append(header, "requests", "failed", "mean ms", "p99 ms", "requests/s", "")
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, run := range r.Runs {
		fmt.Fprintf(t, "%s\t", run.Policy)
		for _, h := range run.Hosts {
			fmt.Fprintf(t, "%d (%.0f%%)\t%d\t", h.Served, 100*float64(h.Served)/float64(max(1, run.served())), h.Redirected)
		}
		fmt.Fprintf(t, "%d\t%d\t%.0f\t%.0f\t%.1f\t\n", run.Requests, run.Failed, run.DelayMeanMS, run.DelayP99MS, run.Throughput)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintln(w)
	for _, c := range r.Checks {
		verdict := "ok    "
		if !c.Passed {
			verdict = "FAILED"
		}
		if _, err := fmt.Fprintf(w, "%s  %s: %s\n", verdict, c.Name, c.Detail); err != nil {
			return fmt.Errorf("print the verdicts: %w", err)
		}
	}
	return nil
}

// hosts are the servers' names.
func (r *Report) hosts() []string {
	var names []string
	if len(r.Runs) > 0 {
		for _, h := range r.Runs[0].Hosts {
			names = append(names, h.Name)
		}
	}
	return names
}

// WriteFile writes the report as JSON, making the file's directory.
func (r *Report) WriteFile(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Err is nil if every check passed, else it names those that did not.
func (r *Report) Err() error {
	var failed []string
	for _, c := range r.Checks {
		if !c.Passed {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("demo: not as it should be: %s", strings.Join(failed, "; "))
	}
	return nil
}
