// SPDX-License-Identifier: MIT

package scripts

import (
	"os/exec"
	"path"
	"strings"
	"testing"
)

// allowed is what the packages below a directory may import of this module. The
// longest directory that matches counts.
var allowed = map[string][]string{
	"cmd":          {"userland"},
	"cmd/dprlab":   {"userland", "testbed"},
	"scripts":      {"scripts", "testbed/lab"},
	"testbed/lab":  {"userland", "testbed/lab"},
	"testbed/eval": {"userland", "testbed/lab", "testbed/eval"},
	// What breaks clusters never measures, and the other way round.
	"testbed/check": {"userland", "testbed/lab", "testbed/check", "contrib"},
	"userland":      {"userland"},
	"contrib":       {"contrib"},
}

// below says whether a package is in a directory or below it.
func below(pkg, dir string) bool {
	return pkg == dir || strings.HasPrefix(pkg, dir+"/")
}

// wrong names the imports that a package may not have.
func wrong(pkg string, imports []string) []string {
	rule := pkg
	for allowed[rule] == nil && rule != "." {
		rule = path.Dir(rule)
	}
	var bad []string
next:
	for _, p := range imports {
		for _, dir := range allowed[rule] {
			if below(p, dir) {
				continue next
			}
		}
		bad = append(bad, p)
	}
	return bad
}

// Imports go one way: userland, testbed/lab, then testbed/eval and testbed/check.
func TestImportsGoOneWay(t *testing.T) {
	const form = `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}`
	out, err := exec.Command("go", "list", "-tags", "lab", "-f", form, "dpr/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		var own []string
		for _, p := range strings.Fields(line) {
			if p, ok := strings.CutPrefix(p, "dpr/"); ok {
				own = append(own, p)
			}
		}
		n += len(own) - 1
		for _, p := range wrong(own[0], own[1:]) {
			t.Errorf("%s imports %s", own[0], p)
		}
	}
	if n < 100 {
		t.Errorf("only %d imports were seen", n)
	}
}

func TestWrongImportsAreNamed(t *testing.T) {
	for _, c := range []struct {
		pkg, imports string
		want         bool
	}{
		{"userland/ctl", "testbed/lab", true},
		{"cmd/dprctl", "testbed/lab", true},
		{"testbed/lab/guest", "testbed/check/chaos", true},
		{"testbed/lab", "testbed/labs", true},
		{"testbed/eval/bench", "testbed/check/soak", true},
		{"testbed/check/soak", "testbed/eval/bench", true},
		{"testbed/other", "userland/ctl", true},
		{"testbed/check/soak", "testbed/check/accounting", false},
		{"cmd/dprlab", "testbed/eval/bench", false},
	} {
		if got := wrong(c.pkg, []string{c.imports}) != nil; got != c.want {
			t.Errorf("%s may not import %s: %v, want %v", c.pkg, c.imports, got, c.want)
		}
	}
}
