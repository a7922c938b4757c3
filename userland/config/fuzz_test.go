// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// Any text is either a configuration that the kernel takes, or has mistakes that
// are in its lines.
func FuzzParse(f *testing.F) {
	sample, err := os.ReadFile("dpr.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	for _, text := range []string{
		"", "policy = \"two\"\nweight = 3\n", "[timeouts]\nsyn = \"5s\"\n", "[weights]\ncpu = 7\nsockets = 1\n", "max_load = \"auto\"\n",
		"[[service]]\nport = 80\naddress = \"10.0.0.1\"\n[[service]]\nport = 81\n", "service = [ { port = 1 } ]\n",
		"[report]\nauthentication = \"none\"\n[[report.network]]\nunicast = \"10.0.0.1:7\"\n", "address = \"2001:db8::1\"\n[[service]]\nport = 80\naddress = \"fe80::1%eth0\"\n", "a.b.c = [1, {d = 2}, [3]]\n", "\xef\xbb\xbf\"\\u0000\" = 1979-05-27\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("key_file")) {
			return // Parse reads the file, whichever it is
		}
		c, err := Parse("f.toml", text)
		if err != nil {
			checkMistakes(t, c, err, bytes.Count(text, []byte("\n"))+1)
			return
		}
		for name, d := range map[string]time.Duration{
			"syn": c.Timeouts.Syn, "established": c.Timeouts.Established, "fin": c.Timeouts.Fin, "rst": c.Timeouts.Rst, "age": c.ReportMaxAge,
		} {
			if d < time.Millisecond || d > dprnl.MaxTimeout*time.Millisecond || d%time.Millisecond != 0 {
				t.Errorf("%s is %v", name, d)
			}
		}
		if c.Weight < 1 || c.Weight > dprnl.MaxWeight || c.MaxFlows < 1 || c.MaxFlows > dprnl.MaxFlows || c.Weights == (dprnl.Weights{}) {
			t.Errorf("weight %d, %d flows, weights %+v", c.Weight, c.MaxFlows, c.Weights)
		}
		seen := map[dprnl.Service]bool{}
		for _, s := range c.Services {
			if s.Port == 0 || !s.Address.IsValid() || s.Address.Is4In6() || s.Address.Zone() != "" || seen[s] {
				t.Errorf("services %v", c.Services)
			}
			seen[s] = true
		}
	})
}

func checkMistakes(t *testing.T, c *Config, err error, lines int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || len(e.Mistakes) == 0 || c != nil {
		t.Fatalf("%v, configuration %+v", err, c)
	}
	for _, m := range e.Mistakes {
		if m.Line < 1 || m.Line > lines || m.Message == "" {
			t.Errorf("a mistake in line %d of %d: %v", m.Line, lines, m)
		}
	}
}
