// SPDX-License-Identifier: MIT

package layer7

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
)

var hosts = []lab.Host{{Name: "s1", Address: "10.0.0.1"}, {Name: "s2", Address: "10.0.0.2"}, {Name: "s3", Address: "10.0.0.3"}}

// right is what servers have served that obey the rules: 10 requests for each path at each
// address, after some that do not count.
func right() (before, after []map[lab.Asked]int64) {
	for range hosts {
		before, after = append(before, map[lab.Asked]int64{}), append(after, map[lab.Asked]int64{})
	}
	for _, p := range paths {
		for _, at := range hosts {
			before[p.server][lab.Asked{Address: at.Address, Path: p.path}] = 5
			after[p.server][lab.Asked{Address: at.Address, Path: p.path}] = 15
		}
	}
	return before, after
}

func result(requests, failed uint64) *httpload.Result {
	r := httpload.NewResult(time.Minute)
	r.Requests, r.Failed = requests, failed
	return r
}

func TestChecks(t *testing.T) {
	images := lab.Asked{Address: "10.0.0.1", Path: "/images/15k"}
	for _, tt := range []struct {
		name             string
		change           func(after []map[lab.Asked]int64)
		requests, failed uint64
		want             string // of the first check that fails
	}{
		{"all is right", func([]map[lab.Asked]int64) {}, 90, 0, ""},
		{"a request failed", func([]map[lab.Asked]int64) {}, 90, 1, "no request failed"},
		{"nothing was asked", func([]map[lab.Asked]int64) {}, 0, 0, "no request failed"},
		{"one more was served", func(after []map[lab.Asked]int64) { after[1][images]++ }, 90, 0, "served once"},
		{"another one served images", func(after []map[lab.Asked]int64) { after[1][images]--; after[0][images]++ }, 90, 0, "/images/15k is served by s2"},
		{"none at one address", func(after []map[lab.Asked]int64) { after[1][images] = 5 }, 80, 0, "/images/15k is served by s2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := right()
			tt.change(after)
			err := newReport("6.1", hosts, before, after, result(tt.requests, tt.failed)).err()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	before, after := right()
	r := newReport("6.1", hosts, before, after, result(90, 0))
	dir := t.TempDir()
	var out strings.Builder
	if r.write(dir) != nil || r.draw(dir, picture) != nil || r.print(&out) != nil {
		t.Fatal("writing failed")
	}
	for _, want := range []string{"/images/15k s3 0 10 0", "ok /api/15k is served by s3 alone, at any address: s1: 10, s2: 10, s3: 10", "90 requests"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	var got struct {
		Asked []struct {
			Path    string `json:"path"`
			Address string `json:"address"`
			Served  []int  `json:"served"`
		} `json:"asked"`
	}
	data, err := os.ReadFile(filepath.Join(dir, jsonFile))
	if err != nil || json.Unmarshal(data, &got) != nil || len(got.Asked) != 9 || got.Asked[3].Path != "/images/15k" || got.Asked[3].Served[1] != 10 {
		t.Errorf("%v, %s", err, data)
	}
	svg, err := os.ReadFile(filepath.Join(dir, picture))
	if err != nil || !strings.Contains(string(svg), ">/images/15k<") || !strings.Contains(string(svg), ">s3<") {
		t.Errorf("picture: %v, or it names no path or server", err)
	}
}
