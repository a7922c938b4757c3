// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var flagName = regexp.MustCompile(`(?m)^  -([a-z-]+)`)

// The manual of each process has the flags that --help lists, and no others, and
// the exit statuses of this package.
func TestManuals(t *testing.T) {
	for _, name := range []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup", "dpr-fastpath", "dpr-exporter"} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), name)
			if out, err := exec.Command("go", "build", "-o", program, "dpr/cmd/"+name).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var help bytes.Buffer
			cmd := exec.Command(program, "-help")
			cmd.Stderr = &help
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			page, err := os.ReadFile("../../man/" + name + ".8")
			if err != nil {
				t.Fatal(err)
			}
			want, got := matches(flagName, help.String()), matches(regexp.MustCompile(`(?m)^\.It Fl ([a-z-]+)`), string(page))
			if len(want) < 3 || !slices.Equal(got, want) {
				t.Errorf("the manual has %q, --help %q", got, want)
			}
			_, statuses, _ := strings.Cut(string(page), ".Sh EXIT STATUS")
			for _, status := range matches(regexp.MustCompile(`(?m)^\.It (\d)$`), statuses) {
				if !slices.Contains([]string{"0", "1", "2", "4"}, status) {
					t.Errorf("exit status %s", status)
				}
			}
		})
	}
}

func matches(re *regexp.Regexp, text string) []string {
	var list []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return list
}

// The pages are without a formatter's complaints: mandoc's where it is
// installed, else groff's by man, else at least every block that is opened is
// closed.
func TestManualsAreWellFormed(t *testing.T) {
	pages, err := filepath.Glob("../../man/*.[578]")
	if err != nil || len(pages) != 8 {
		t.Fatalf("pages %q, %v", pages, err)
	}
	for _, p := range pages {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for open, end := range map[string]string{".Bl ": ".El", ".Bd ": ".Ed"} {
			if strings.Count(text, "\n"+open) != strings.Count(text, "\n"+end+"\n")+strings.Count(text, "\n"+end+" ") {
				t.Errorf("%s: %s and %s do not match", p, open, end)
			}
		}
		for _, section := range []string{"NAME", "DESCRIPTION", "SEE ALSO"} {
			if !strings.Contains(text, "\n.Sh "+section+"\n") {
				t.Errorf("%s: no section %s", p, section)
			}
		}
		lint(t, p)
	}
}

// lint runs what formatters there are.
func lint(t *testing.T, page string) {
	t.Helper()
	if mandoc, err := exec.LookPath("mandoc"); err == nil {
		// It looks for other manuals where they are installed only.
		out, _ := exec.Command(mandoc, "-Tlint", "-Wall", page).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "referenced manual not found") {
				t.Error(strings.TrimSpace(line))
			}
		}
	}
	if man, err := exec.LookPath("man"); err == nil {
		var complaints bytes.Buffer
		cmd := exec.Command(man, "--warnings", "-l", page)
		cmd.Stderr = &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("man %s: %v: %s", page, err, complaints.String())
		}
	}
}
