// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

// files writes files below a new directory, and returns the path of dpr.toml there.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, DropInDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "dpr.toml")
}

const cluster = `policy = "two"
max_load = 5
[weights]
connections = 2
cpu = 3
[[service]]
port = 80
[[service]]
port = 443
[report]
authentication = "none"
[[report.network]]
interface = "eth0"
group = "239.77.43.1"
`

// A later file changes what earlier ones say: keys one by one, lists as a whole.
func TestDropIns(t *testing.T) {
	path := files(t, map[string]string{
		"dpr.toml":             cluster,
		"conf.d/10-host.toml":  "weight = 7\nmax_load = 6\n[weights]\ncpu = 4\n[[report.network]]\nunicast = \"192.0.2.1\"\n",
		"conf.d/20-saved.toml": "max_load = 7\n",
		// None of these is read.
		"conf.d/.hidden.toml": "x", "conf.d/30.toml~": "x", "conf.d/README": "x",
	})
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy != dprnl.PolicyTwo || c.Weight != 7 || c.MaxLoad != 7 || c.Weights.Connections != 2 || c.Weights.CPU != 4 ||
		len(c.Services) != 2 || len(c.Report.Networks) != 1 || c.Report.Networks[0].String() != "192.0.2.1:7743" {
		t.Errorf("%+v", c)
	}
	dir := filepath.Join(filepath.Dir(path), DropInDir)
	if want := []Override{{"max_load", path, dir + "/10-host.toml"}, {"max_load", dir + "/10-host.toml", dir + "/20-saved.toml"},
		{"report.network", path, dir + "/10-host.toml"}, {"weights.cpu", path, dir + "/10-host.toml"}}; !slices.Equal(c.Overrides, want) {
		t.Errorf("overrides %q, want %q", c.Overrides, want)
	}
	if want := []string{path, dir + "/10-host.toml", dir + "/20-saved.toml"}; !slices.Equal(c.Files, want) {
		t.Errorf("read %q, want %q", c.Files, want)
	}
}

// Each mistake is named with the file it is in, in the order in which files are read.
func TestMistakesOfDropIns(t *testing.T) {
	for name, tt := range map[string]struct {
		texts map[string]string
		want  []string // "FILE: " and what follows
	}{
		"both": {map[string]string{"dpr.toml": "\nweight = 0\n" + cluster, "conf.d/a.toml": "policy = \"best\"\nfoo = 1\n"},
			[]string{"dpr.toml: line 2: weight: 0 is", "conf.d/a.toml: line 1: policy: \"best\"", "conf.d/a.toml: line 2: foo: unknown key"}},
		"syntax": {map[string]string{"dpr.toml": "policy = 3\n", "conf.d/a.toml": "\nweight =\n", "conf.d/b.toml": "=\n"},
			[]string{"conf.d/a.toml: line 2: unexpected character", "conf.d/b.toml: line 1: "}},
		"a mistake that is replaced": {map[string]string{"dpr.toml": "weight = 0\n", "conf.d/a.toml": "weight = 1\n"}, nil},
		"a list that is replaced": {map[string]string{"dpr.toml": "[[service]]\nport = 1\n[[service]]\nadress = 3\n", "conf.d/a.toml": "\n[[service]]\nport = 80\n[[service]]\nport = 0\n"},
			[]string{"conf.d/a.toml: line 5: service.2.port: 0 is"}},
		"a list in place of a table": {map[string]string{"dpr.toml": "[report]\nport = 1\n", "conf.d/a.toml": "\nreport = [ 1 ]\n"},
			[]string{"conf.d/a.toml: line 2: report: a list is not a table"}},
		"between keys of two files": {map[string]string{"dpr.toml": "report_max_age = \"2s\"\n", "conf.d/a.toml": "[report]\nperiod = \"5s\"\n[cleanup]\ndead_after = \"9m\"\n"},
			[]string{"dpr.toml: line 1: report_max_age: 2s is not longer than report.period"}},
		"a key that is nowhere": {map[string]string{"dpr.toml": "\n[[service]]\nport = 80\n", "conf.d/a.toml": "\n\n[[service]]\naddress = \"192.0.2.1\"\n"},
			[]string{"conf.d/a.toml: line 3: service.1: missing key port"}},
		"not UTF-8": {map[string]string{"dpr.toml": "", "conf.d/a.toml": "# \xff\n"}, []string{"conf.d/a.toml: line 1: the file is not UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := files(t, tt.texts)
			c, err := Load(path)
			if (c == nil) != (len(tt.want) > 0) {
				t.Fatalf("configuration %v, error %v", c, err)
			}
			if err == nil {
				return
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("got\n%v\nwant %q", err, tt.want)
			}
			for i, line := range got {
				if !strings.HasPrefix(line, filepath.Dir(path)+"/"+tt.want[i]) {
					t.Errorf("got  %s\nwant %s", line, tt.want[i])
				}
			}
		})
	}
}

// What somebody else could have written configures nothing.
func TestDropInsOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root: it gives files to others")
	}
	harm := map[string]func(dir, file string) error{
		"directory of another": func(dir, _ string) error { return os.Chown(dir, 65534, 65534) },
		"directory for all":    func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"file of another":      func(_, file string) error { return os.Chown(file, 65534, 65534) },
		"file for a group":     func(_, file string) error { return os.Chmod(file, 0o664) },
		"link to another's": func(_, file string) error {
			other := filepath.Join(t.TempDir(), "other")
			return func() error {
				if err := os.WriteFile(other, []byte("weight = 3\n"), 0o644); err != nil {
					return err
				}
				if err := os.Chown(other, 65534, 65534); err != nil {
					return err
				}
				if err := os.Remove(file); err != nil {
					return err
				}
				return os.Symlink(other, file)
			}()
		},
		"no file": func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o755)
		},
		"dangling link": func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Symlink("/nonexistent", file)
		},
	}
	for name, do := range harm {
		t.Run(name, func(t *testing.T) {
			path := files(t, map[string]string{"dpr.toml": "weight = 1\n", "conf.d/a.toml": "weight = 2\n"})
			dir := filepath.Join(filepath.Dir(path), DropInDir)
			if err := do(dir, filepath.Join(dir, "a.toml")); err != nil {
				t.Fatal(err)
			}
			if c, err := Load(path); err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

func TestTooManyDropIns(t *testing.T) {
	texts := map[string]string{"dpr.toml": ""}
	for i := range maxDropIns {
		texts[fmt.Sprintf("%s/%d.toml", DropInDir, i)] = ""
	}
	if _, err := Load(files(t, texts)); err != nil {
		t.Errorf("%d files: %v", maxDropIns, err)
	}
	texts[DropInDir+"/more.toml"] = ""
	if _, err := Load(files(t, texts)); err == nil || !strings.Contains(err.Error(), "more than 100") {
		t.Errorf("%d files: %v", maxDropIns+1, err)
	}
}
