// SPDX-License-Identifier: MIT

package lard

import (
	"encoding/json"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCache(t *testing.T) {
	c := newCache(10, []int64{4, 4, 4, 11, 10, 1})
	c.add(0)
	c.add(1)
	if !c.has(0) || !c.has(1) || c.has(2) {
		t.Fatal("want 0 and 1")
	}
	c.has(0)
	c.add(2) // 1 was asked for the longest time ago
	if !c.has(0) || c.has(1) || !c.has(2) || c.room != 2 {
		t.Errorf("want 0 and 2, and 2 bytes of room; have %d", c.room)
	}
	c.add(3) // too large
	if c.has(3) || !c.has(0) || !c.has(2) {
		t.Error("a document larger than the cache changes it")
	}
	c.add(4)
	if !c.has(4) || c.has(0) || c.has(2) || c.room != 0 {
		t.Error("one that fills the cache leaves something else there")
	}
	c.add(5)
	if c.has(4) || c.room != 9 {
		t.Error("one byte more does not discard it")
	}
}

func TestDocuments(t *testing.T) {
	c := Default()
	d := newDocuments(&c, rand.New(rand.NewPCG(1, 1)))
	sum := int64(0)
	for _, size := range d.size {
		if size < 1 {
			t.Fatalf("a document of %d bytes", size)
		}
		sum += size
	}
	if want := int64(float64(c.Memory) * c.Set); sum != want {
		t.Errorf("%d bytes, want %d", sum, want)
	}
	if mean := float64(sum) / float64(len(d.size)); math.Abs(mean-c.Mean) > 0.1*c.Mean {
		t.Errorf("mean size %.0f, want about %.0f", mean, c.Mean)
	}
	n := make([]int, len(d.size))
	r := rand.New(rand.NewPCG(2, 2))
	for range 1_000_000 {
		n[d.pick(r)]++
	}
	// 1/i^0.8: the first is asked for 16^0.8 = 9.19 times as often as the 16th.
	if ratio := float64(n[0]) / float64(n[15]); math.Abs(ratio-9.19) > 0.6 {
		t.Errorf("the first document is asked for %.2f times as often as the 16th, want 9.19", ratio)
	}
}

func TestHash(t *testing.T) {
	seen := make(map[uint64]bool)
	differ := 0
	for i := range 10000 {
		seen[hash(i)] = true
		differ += bits.OnesCount64(hash(i) ^ hash(i+1))
	}
	if len(seen) != 10000 || differ < 310_000 || differ > 330_000 {
		t.Errorf("%d hashes of 10000 documents, neighbours differ in %d bits of 640000", len(seen), differ)
	}
}

// What the paper's machine needs for documents of its figures.
func TestMachine(t *testing.T) {
	m := &Machines[0]
	for _, tt := range []struct {
		bytes int64
		disk  float64
	}{
		{1, 0.028 + 0.00041},
		{4096, 0.028 + 0.00041},
		{4097, 0.028 + 2*0.00041},
		{44 << 10, 0.028 + 11*0.00041},
		{44<<10 + 1, 0.042 + 12*0.00041},
		{100 << 10, 0.056 + 25*0.00041},
	} {
		if got := m.disk(tt.bytes); math.Abs(got-tt.disk) > 1e-9 {
			t.Errorf("reading %d bytes takes %v, want %v", tt.bytes, got, tt.disk)
		}
	}
	// "About 1075 requests per second of 8 KBytes" from memory.
	if rate := 1 / (2*m.Connect + 16*m.Transmit); math.Abs(rate-1075) > 1 {
		t.Errorf("%.0f requests of 8 KiB a second", rate)
	}
}

func TestBadConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"hosts":      func(c *Config) { c.Hosts = 0 },
		"policy":     func(c *Config) { c.Policy = "inverse" },
		"memory":     func(c *Config) { c.Memory = 0 },
		"documents":  func(c *Config) { c.Set = 1e9 },
		"thresholds": func(c *Config) { c.High = c.Low - 1 },
		"requests":   func(c *Config) { c.Requests = 0 },
	} {
		c := Default()
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %q", err, name)
		}
	}
}

func TestVerdict(t *testing.T) {
	gains := []Gain{
		{Machine: "1998", Hosts: 3, Set: 1, OverLowest: 0.5}, {Machine: "1998", Hosts: 3, Set: 2, OverLowest: 2},
		{Machine: "1998", Hosts: 3, Set: 4, OverLowest: 3}, {Machine: "1998", Hosts: 3, Set: 8, OverLowest: 1},
		{Machine: "ssd", Hosts: 3, Set: 2, OverLowest: 1},
	}
	v := verdict(gains)
	if !v.Passed || !strings.Contains(v.Detail, "2.00 (3 hosts, 2 memories) to 3.00 (3 hosts, 4 memories)") {
		t.Errorf("got %+v", v)
	}
	gains[2].OverLowest = 1.99
	if v := verdict(gains); v.Passed || (&Report{Verdict: v}).err() == nil {
		t.Errorf("passed with a gain of 1.99: %+v", v)
	}
	if v := verdict(gains[:1]); v.Passed {
		t.Error("passed without a working set that counts")
	}
}

// The files that others read, spelled out.
func TestReport(t *testing.T) {
	var results []*Result
	for _, set := range []float64{2, 4} {
		for i, policy := range Policies {
			c := Default()
			c.Set, c.Policy = set, policy
			results = append(results, &Result{Config: c, Throughput: 300 / float64(i+1), HitRate: 0.5})
		}
	}
	r := newReport(results)
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "lard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Results []struct {
			Config struct {
				Hosts  int     `json:"hosts"`
				Policy string  `json:"policy"`
				Set    float64 `json:"working_set"`
			} `json:"config"`
			Throughput float64 `json:"throughput"`
			HitRate    float64 `json:"hit_rate"`
		} `json:"results"`
		Gains []struct {
			OverLowest    float64 `json:"over_lowest"`
			OverStateless float64 `json:"over_stateless"`
		} `json:"gains"`
		Verdict struct {
			Passed bool `json:"passed"`
		} `json:"verdict"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	x := got.Results[1]
	if len(got.Results) != 6 || x.Config.Policy != "lowest" || x.Config.Set != 2 || x.Throughput != 150 || x.HitRate != 0.5 {
		t.Errorf("results %+v", got.Results)
	}
	if len(got.Gains) != 2 || got.Gains[0].OverLowest != 2 || math.Abs(got.Gains[0].OverStateless-3) > 1e-9 || !got.Verdict.Passed {
		t.Errorf("gains %+v, verdict %+v", got.Gains, got.Verdict)
	}
	picture, err := os.ReadFile(filepath.Join(dir, "lard.svg"))
	if err != nil || !strings.Contains(string(picture), "locality, 3 hosts") {
		t.Errorf("picture: %v, or it names no policy", err)
	}
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"machine 1998", "machine ssd", "50.0 %", "ok: with the machine"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
