// SPDX-License-Identifier: MIT

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// effects are the tests, by package, that see each key take effect when a process is
// given another configuration while it runs, or when the kernel is.
var effects = map[string][]string{
	"apply TestEachValueIsApplied": {"address", "policy", "hash", "estimate", "marker", "forwarding", "answers", "orphans", "max_load", "max_flows", "report_max_age", "slow_start", "affinity", "affinity6", "affinity_time", "weight", "splice_ports", "max_splices",
		"[weights]connections", "[weights]cpu", "[weights]redirected", "[weights]sockets",
		"[timeouts]syn", "[timeouts]established", "[timeouts]fin", "[timeouts]rst"},
	"apply TestStart":      {"start"},
	"apply TestApply":      {"[[service]]port", "[[service]]address"},
	"apply TestApplyRules": {"[[service]]policy", "[[service]]hash", "[[service]]max_load", "[[service]]affinity", "[[service]]affinity6", "[[service]]affinity_time", "[[service]]load", "[[service]]forwarding", "[[service]]dispatch"},
	"apply TestApplyRulesets": {"[[service]]default_group", "[[service.group]]name", "[[service.group]]hosts", "[[service.group]]policy", "[[service.group]]locality", "[[service.group]]spill",
		"[[service.rule]]group", "[[service.rule]]host", "[[service.rule]]path", "[[service.rule]]method", "[[service.rule]]cookie", "[[service.rule]]sni", "[[service.rule]]alpn"},
	"apply TestApplyBackends":         {"[[backend]]name", "[[backend]]address", "[[backend]]port", "[[backend]]weight", "[[backend]]limit", "[[backend]]services", "[[backend]]proxy_protocol"},
	"health TestReload":               {"[[backend]]check", "[[backend]]check_path", "[[backend]]check_interval"},
	"fastpath TestService":            {"fast_path", "fast_path_devices"},
	"receive TestStatus":              {"runtime_directory"},
	"receive TestReopen":              {"[report]clock_window", "[report]key_file", "[report]previous_key_file", "[report]authentication"},
	"receive TestMaintain":            {"[[report.network]]interface", "[[report.network]]group"},
	"broadcast TestReloadTakesEffect": {"[report]port", "[[report.network]]unicast"},
	"broadcast TestPeriodIsReloaded":  {"[report]period"},
	"broadcast TestOpenMulticast":     {"[[report.network]]ttl"},
	"cleanup TestIntervals":           {"[cleanup]interval"},
	"cleanup TestReloadTakesEffect":   {"[cleanup]silent_periods", "[cleanup]dead_after"},
}

// Each key of the schema has a test that sees its effect, and those tests are there.
func TestEachKeyHasAnEffect(t *testing.T) {
	seen := map[string]string{}
	for test, names := range effects {
		pkg, name, _ := strings.Cut(test, " ")
		files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("tests of %s: %v", pkg, err)
		}
		found := false
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)")
		}
		if !found {
			t.Errorf("%s has no %s", pkg, name)
		}
		for _, key := range names {
			if seen[key] != "" {
				t.Errorf("%s: %s and %s", key, seen[key], test)
			}
			seen[key] = test
		}
	}
	n := 0
	for _, k := range keysOfFile(t) {
		lines := strings.Split(strings.TrimSpace(k.table), "\n")
		key := lines[len(lines)-1] + k.name
		if n++; seen[key] == "" {
			t.Errorf("no test sees an effect of %s", key)
		}
	}
	if n != len(seen) {
		t.Errorf("%d keys have an effect, there are %d", len(seen), n)
	}
}
