// SPDX-License-Identifier: MIT

package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

// The manual and the package's documentation name every metric; the kernel's
// counters are documented together.
func TestManual(t *testing.T) {
	counters := make(map[string]bool)
	var none dprnl.Stats
	for s := range none.All() {
		counters["dpr_"+s.String()+"_total"] = true
	}
	for _, file := range []string{"../../man/dpr-exporter.8", "doc.go"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for name := range exported(t) {
			column, isPeer := strings.CutPrefix(name, "dpr_peer_")
			switch {
			case name == "" || counters[name]:
			case isPeer && file == "doc.go":
			case isPeer:
				if !regexp.MustCompile(`(?m)^\.Sy .*\b` + column + `\b`).MatchString(text) {
					t.Errorf("%s does not have the column %s of dpr_peer_*", file, column)
				}
			case !regexp.MustCompile(name + `\b`).MatchString(text):
				t.Errorf("%s does not have %s", file, name)
			}
		}
		there := exported(t)
		for _, name := range metricName.FindAllString(text, -1) {
			name = strings.TrimSuffix(name, "_")
			if name != "dpr_peer" && !there[name] {
				t.Errorf("%s has %s", file, name)
			}
		}
	}
}
