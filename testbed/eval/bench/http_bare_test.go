// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// A connection takes the way that is measured only if a backend got it.
func TestSpliceWay(t *testing.T) {
	before := []drive.Counters{{Spliced: 3}, {Served: 1}}
	after := []drive.Counters{{Spliced: 13}, {Served: 11}}
	for _, p := range barePaths {
		if err := checkWay(p, before, after, &httpload.Result{Requests: 10}); (err == nil) != (p.name == PathSplice) {
			t.Errorf("%s: %v", p.name, err)
		}
		if err := checkWay(p, before, []drive.Counters{{Spliced: 3}, {Served: 11}}, &httpload.Result{Requests: 10}); (err == nil) != (p.name != PathSplice) {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

func TestSpliceOptions(t *testing.T) {
	servers := []lab.Host{{Name: "s2", Address: "10.0.0.2"}}
	plain, splicing := haproxyConfig(servers, family.V4), haproxyConfig(servers, family.V4, spliceOptions...)
	if strings.Contains(plain, "splice") || !strings.Contains(splicing, "\toption splice-request\n\toption splice-response\n\tserver s2 ") {
		t.Errorf("%s%s", plain, splicing)
	}
	seen := map[string]bool{}
	for _, p := range append(httpPaths, barePaths...) {
		if seen[p.name] || colours[p.name] == nil {
			t.Errorf("%s is there twice, or has no colour", p.name)
		}
		seen[p.name] = true
	}
}
