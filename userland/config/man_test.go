// SPDX-License-Identifier: MIT

package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// keys are those of the sample, which TestSampleShowsDefaults knows to be
// complete as the decoder names all that it knows.
func keys(t *testing.T) []string {
	t.Helper()
	var list []string
	prefix := ""
	for line := range strings.Lines(sample(t)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if m := regexp.MustCompile(`^\[+([a-z.]+)\]+`).FindStringSubmatch(line); m != nil {
			prefix = m[1] + "."
		} else if m := regexp.MustCompile(`^([a-z0-9_]+) = `).FindStringSubmatch(line); m != nil && !slices.Contains(list, prefix+m[1]) {
			list = append(list, prefix+m[1])
		}
	}
	return list
}

// The sample has every key that the decoder knows: what it says of a wrong one
// lists them.
func TestSampleIsComplete(t *testing.T) {
	have := keys(t)
	for table, prefix := range map[string]string{"": "", "[weights]\n": "weights.", "[timeouts]\n": "timeouts.", "[[service]]\n": "service.", "[[service]]\n[[service.group]]\nname = \"g\"\n": "service.group.", "[[service]]\n[[service.rule]]\ngroup = \"g\"\n": "service.rule.",
		"[[backend]]\n": "backend.", "[report]\n": "report.", "[[report.network]]\n": "report.network.", "[cleanup]\n": "cleanup."} {
		_, err := Parse("x", []byte(table+"wrong = 1\n"))
		if err == nil {
			t.Fatal("no error")
		}
		_, known, _ := strings.Cut(err.Error(), "known keys are ")
		known, _, _ = strings.Cut(known, "\n")
		for name := range strings.SplitSeq(known, ", ") {
			full := prefix + name
			isTable := slices.ContainsFunc(have, func(k string) bool { return strings.HasPrefix(k, full+".") })
			if !isTable && !slices.Contains(have, full) {
				t.Errorf("%s is not in dpr.toml", full)
			}
		}
	}
}

// The manual has every key, and no other, with its default.
func TestManual(t *testing.T) {
	data, err := os.ReadFile("../../man/dpr.toml.5")
	if err != nil {
		t.Fatal(err)
	}
	var page []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Ic (\S+)$`).FindAllStringSubmatch(string(data), -1) {
		page = append(page, m[1])
	}
	want := keys(t)
	if len(want) < 30 {
		t.Fatalf("only %d keys: %q", len(want), want)
	}
	for _, k := range want {
		if !slices.Contains(page, k) {
			t.Errorf("%s is not in dpr.toml.5", k)
		}
	}
	for _, k := range page {
		if !slices.Contains(want, k) {
			t.Errorf("dpr.toml.5 has a key %s", k)
		}
	}
	manualDefaults(t, string(data))
}

// manualDefaults compares the defaults in the manual with those in the sample,
// which another test checks.
func manualDefaults(t *testing.T, page string) {
	t.Helper()
	shown := make(map[string]string)
	prefix := ""
	for line := range strings.Lines(sample(t)) {
		if m := regexp.MustCompile(`^#?\[+([a-z.]+)\]+`).FindStringSubmatch(line); m != nil {
			prefix = m[1] + "."
		} else if m := regexp.MustCompile(`^#([a-z0-9_]+) = ("[^"]*"|[0-9]+)`).FindStringSubmatch(line); m != nil {
			shown[prefix+m[1]] = strings.Trim(m[2], `"`)
		}
	}
	checked := 0
	for _, item := range strings.Split(page, "\n.It Ic ")[1:] {
		name, text, _ := strings.Cut(item, "\n")
		m := regexp.MustCompile(`Default:\n?\s*(?:\.Qq (\S+)|(\d+))`).FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if got := m[1] + m[2]; got != shown[name] && name != "policy" {
			t.Errorf("%s: the manual's default is %s, the sample's %s", name, got, shown[name])
		}
		checked++
	}
	if checked < 20 {
		t.Errorf("only %d defaults compared", checked)
	}
}
