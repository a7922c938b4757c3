// SPDX-License-Identifier: MIT

package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// goodRuns are two runs that pass every check.
func goodRuns() []PolicyRun {
	return []PolicyRun{
		{Policy: "off", Requests: 100, Hosts: []HostRun{{"s1", 64, 0}, {"s2", 18, 0}, {"s3", 18, 0}}, DelayMeanMS: 700, DelayP99MS: 1500, Throughput: 90},
		{Policy: "lowest", Requests: 120, Hosts: []HostRun{{"s1", 41, 40}, {"s2", 40, 1}, {"s3", 39, 2}}, DelayMeanMS: 250, DelayP99MS: 400, Throughput: 110},
	}
}

// failedChecks names the checks that did not pass.
func failedChecks(runs []PolicyRun) []string {
	var names []string
	for _, c := range verdicts(runs) {
		if !c.Passed {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestVerdicts(t *testing.T) {
	if failed := failedChecks(goodRuns()); failed != nil {
		t.Fatalf("good runs fail %q", failed)
	}
	if n := len(verdicts(goodRuns())); n != 8 {
		t.Errorf("%d checks, want 8", n)
	}
	tests := []struct {
		name   string
		change func(off, lowest *PolicyRun)
		want   string
	}{
		{"a failed request", func(_, lowest *PolicyRun) { lowest.Failed = 1 }, "lowest: no request failed"},
		{"no requests", func(off, _ *PolicyRun) { off.Requests = 0 }, "off: no request failed"},
		{"a connection more", func(off, _ *PolicyRun) { off.Hosts[1].Served++ }, "off: every connection was served once"},
		{"a connection less", func(_, lowest *PolicyRun) { lowest.Hosts[1].Served-- }, "lowest: every connection was served once"},
		{"even under off", func(off, _ *PolicyRun) { off.Hosts[0].Served, off.Hosts[1].Served = 50, 32 }, "off: the busiest host serves at least 60 %"},
		{"uneven under lowest", func(_, lowest *PolicyRun) { lowest.Hosts[0].Served, lowest.Hosts[1].Served = 49, 32 }, "lowest: no host serves more than 40 %"},
		{"redirects under off", func(off, _ *PolicyRun) { off.Hosts[2].Redirected = 1 }, "off: nothing was redirected"},
		{"no redirects under lowest", func(_, lowest *PolicyRun) {
			for i := range lowest.Hosts {
				lowest.Hosts[i].Redirected = 0
			}
		}, "lowest: connections were redirected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			runs := goodRuns()
			test.change(&runs[0], &runs[1])
			found := false
			for _, name := range failedChecks(runs) {
				found = found || name == test.want
			}
			if !found {
				t.Errorf("failed checks %q, want %q", failedChecks(runs), test.want)
			}
		})
	}
}

func TestReportFile(t *testing.T) {
	report := &Report{Kernel: "6.1.0-1-cloud-amd64", Family: family.Both, Runs: goodRuns(), Checks: verdicts(goodRuns())}
	file := filepath.Join(t.TempDir(), "new", "demo.json")
	if err := report.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The shape others read, spelled out.
	var got struct {
		Kernel *string `json:"kernel"`
		Family *string `json:"family"`
		Runs   []struct {
			Policy *string `json:"policy"`
			Hosts  []struct {
				Name       *string `json:"name"`
				Served     *uint64 `json:"served"`
				Redirected *uint64 `json:"redirected"`
			} `json:"hosts"`
			Requests    *uint64  `json:"requests"`
			Failed      *uint64  `json:"failed"`
			DelayMeanMS *float64 `json:"delay_mean_ms"`
			DelayP99MS  *float64 `json:"delay_p99_ms"`
			Throughput  *float64 `json:"throughput"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if *got.Kernel != "6.1.0-1-cloud-amd64" || *got.Family != "both" || len(got.Runs) != 2 || len(got.Runs[1].Hosts) != 3 {
		t.Fatalf("got %s", data)
	}
	run := got.Runs[1]
	if *run.Policy != "lowest" || *run.Requests != 120 || *run.Failed != 0 || *run.DelayMeanMS != 250 || *run.DelayP99MS != 400 || *run.Throughput != 110 {
		t.Errorf("run %s", data)
	}
	if h := run.Hosts[0]; *h.Name != "s1" || *h.Served != 41 || *h.Redirected != 40 {
		t.Errorf("host %s", data)
	}
}

// The picture names policies and hosts, and has a bar for each host under each policy.
func TestPicture(t *testing.T) {
	dir := t.TempDir()
	report := &Report{Family: family.Only6, Runs: goodRuns()}
	if err := report.WritePicture(dir, picture); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, picture))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">off<", ">lowest<", ">s1<", ">s2<", ">s3<", "lowest: 250 ms", "connections of IPv6 "} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the picture has no %q", want)
		}
	}
}

func TestReportTableAndErr(t *testing.T) {
	report := &Report{Family: family.Only4, Runs: goodRuns(), Checks: verdicts(goodRuns())}
	var out strings.Builder
	if err := report.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Connections of IPv4:", "s3 redirected", "64 (64%)", "110.0", "ok      off: no request failed: 0 of 100 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := report.Err(); err != nil {
		t.Errorf("error %v for a good report", err)
	}
	report.Checks[3].Passed = false
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), report.Checks[3].Name) {
		t.Errorf("error %v, want one that names %q", err, report.Checks[3].Name)
	}
}

func TestNewRunCountsDifferences(t *testing.T) {
	servers := []lab.Host{{Name: "s1"}, {Name: "s2"}}
	before := []drive.Counters{{Served: 10, Redirected: 5}, {Served: 20, Redirected: 6}}
	after := []drive.Counters{{Served: 13, Redirected: 9}, {Served: 27, Redirected: 6}}
	run := newRun("lowest", servers, before, after, httpload.NewResult(time.Minute))
	want := []HostRun{{"s1", 3, 4}, {"s2", 7, 0}}
	if len(run.Hosts) != 2 || run.Hosts[0] != want[0] || run.Hosts[1] != want[1] {
		t.Errorf("hosts %+v, want %+v", run.Hosts, want)
	}
}
