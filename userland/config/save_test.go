// SPDX-License-Identifier: MIT

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// save saves keys as dprctl does.
func save(t *testing.T, path string, keys map[string]any) *Config {
	t.Helper()
	s, err := Prepare(path, keys)
	if err != nil {
		t.Fatal(err)
	}
	before, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	after, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Files) < len(before.Files) {
		t.Errorf("%q, before: %q", after.Files, before.Files)
	}
	return after
}

// What is saved adds to what was saved, and changes what other files say.
func TestSave(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": cluster, "conf.d/10-host.toml": "weight = 3\n"})
	if err := os.Remove(filepath.Join(filepath.Dir(path), "conf.d/10-host.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), DropInDir)); err != nil {
		t.Fatal(err)
	}
	save(t, path, map[string]any{"policy": "offer", "weights.cpu": uint32(9), "max_load": "auto"})
	c := save(t, path, map[string]any{"max_load": uint64(8), "timeouts.fin": "3m0s"})
	if c.Policy != dprnl.PolicyOffer || c.Weights.CPU != 9 || c.Weights.Connections != 2 || c.MaxLoad != 8 || c.Timeouts.Fin != 3*time.Minute || len(c.Services) != 2 {
		t.Errorf("%+v", c)
	}
	text, err := os.ReadFile(c.Files[1])
	if err != nil || !strings.HasPrefix(string(text), savedHeader) {
		t.Errorf("%q, %v", text, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), DropInDir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// Nothing is written if it would be wrong, or of no effect.
func TestSaveRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		texts map[string]string
		keys  map[string]any
		want  string
	}{
		"a mistake with other files": {map[string]string{"dpr.toml": "[report]\nperiod = \"2s\"\n"}, map[string]any{"report_max_age": "1s"}, "99-saved.toml: line 4: report_max_age: 1s is not longer"},
		"a mistake before":           {map[string]string{"dpr.toml": "weight = 0\n"}, map[string]any{"policy": "off"}, "dpr.toml: line 1: weight: 0"},
		"a file that is read later":  {map[string]string{"dpr.toml": "", "conf.d/zz.toml": "policy = \"two\"\n"}, map[string]any{"policy": "off"}, "zz.toml, which is read later, has it too"},
		"a broken saved file":        {map[string]string{"dpr.toml": "", "conf.d/99-saved.toml": "policy\n"}, map[string]any{"policy": "off"}, "99-saved.toml: line 1: "},
		"no table":                   {map[string]string{"dpr.toml": "", "conf.d/99-saved.toml": "weights = 3\n"}, map[string]any{"weights.cpu": 1}, "weights is 3, not a table"},
	} {
		t.Run(name, func(t *testing.T) {
			path := files(t, tt.texts)
			if s, err := Prepare(path, tt.keys); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, %v", s, err)
			}
			entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), DropInDir))
			if err != nil || len(entries) != len(tt.texts)-1 {
				t.Errorf("%v, %v", entries, err)
			}
		})
	}
}

func TestSaveAborted(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": ""})
	s, err := Prepare(path, map[string]any{"policy": "off"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(s.Path)); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	// Who comes next need not wait.
	save(t, path, map[string]any{"policy": "off"})
}
