// SPDX-License-Identifier: MIT

package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

const contrib = "../../contrib"

// metricName matches the names of this exporter's metrics in expressions.
var metricName = regexp.MustCompile(`\bdpr_[a-z0-9_]+\b`)

// exported returns the names of all metrics that a scrape exports, those of a large
// table left in.
func exported(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(scrape(t, options(&kernel{flows: 3}))) {
		if !strings.HasPrefix(line, "#") {
			names[metricName.FindString(line)] = true
		}
	}
	return names
}

// names checks that every metric of an expression exists, and counts them.
func names(t *testing.T, known map[string]bool, where, expr string) int {
	t.Helper()
	found := metricName.FindAllString(expr, -1)
	for _, n := range found {
		if !known[n] {
			t.Errorf("%s: there is no metric %s", where, n)
		}
	}
	if len(found) == 0 {
		t.Errorf("%s: no metric in %q", where, expr)
	}
	return len(found)
}

func TestAlertRules(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(contrib, "prometheus/dpr.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Record, Alert, Expr string
				For                 string
				KeepFiringFor       string `yaml:"keep_firing_for"`
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		t.Fatal(err)
	}
	there, seen := exported(t), make(map[string]bool)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names(t, there, r.Record+r.Alert, r.Expr)
			if r.Record != "" {
				continue
			}
			if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("alert %q has no name of its own, no severity or no summary", r.Alert)
			}
			seen[r.Alert] = true
		}
	}
	for alert := range seen {
		if !fires(t, alert) {
			t.Errorf("no test shows that %s fires", alert)
		}
	}
}

// fires tells whether one of promtool's tests, which scripts/static.sh runs, wants an alert.
func fires(t *testing.T, alert string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(contrib, "prometheus", "*.test.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no tests of the rules:", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			for _, a := range test.AlertRuleTest {
				if a.Alertname == alert && len(a.ExpAlerts) > 0 {
					return true
				}
			}
		}
	}
	return false
}

func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(contrib, "grafana/dpr.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	there, ids, used := exported(t), make(map[int]bool), 0
	for _, p := range board.Panels {
		if p.Title == "" || ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 || len(p.Targets) == 0 {
			t.Errorf("panel %d %q is not in order", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			used += names(t, there, p.Title, target.Expr)
		}
	}
	if board.UID == "" || used < 30 {
		t.Errorf("uid %q, %d metrics shown", board.UID, used)
	}
}

// With BriefPeers, all that alerts ask for is there, and nothing else of peers.
func TestBriefPeers(t *testing.T) {
	o := options(&kernel{flows: 3})
	o.BriefPeers = true
	brief := make(map[string]bool)
	for line := range strings.Lines(scrape(t, o)) {
		if !strings.HasPrefix(line, "#") {
			brief[metricName.FindString(line)] = true
		}
	}
	rules, err := os.ReadFile(filepath.Join(contrib, "prometheus/dpr.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(map[string]bool)
	for _, n := range metricName.FindAllString(string(rules), -1) {
		asked[n] = true
	}
	for n := range exported(t) {
		if of := strings.HasPrefix(n, "dpr_peer_"); brief[n] != (!of || asked[n]) {
			t.Errorf("%s: exported %t, asked for by alerts %t", n, brief[n], asked[n])
		}
	}
}
