// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

const ruled = `[[service]]
port = 80
dispatch = "connection"
default_group = "all"
[[service.group]]
name = "all"
[[service.group]]
name = "images"
hosts = ["192.0.2.1"]
policy = "locality"
[[service.rule]]
group = "images"
path = "/images"
[[service]]
port = 81
[[service]]
port = 82
address = "192.0.2.1"
dispatch = "connection"
[[service.group]]
name = "g"
[[service.rule]]
group = "g"
sni = "*.example.org"
`

func TestServiceRules(t *testing.T) {
	c, err := Parse("f", []byte(ruled))
	if err != nil {
		t.Fatal(err)
	}
	want := dprnl.Ruleset{
		Groups: []dprnl.Group{
			{Name: "all", Locality: dprnl.LocalityUrl, Spill: 25},
			{Name: "images", Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl, Spill: 25},
		},
		Matches: []dprnl.Match{{Group: "images", Path: "/images"}}, Default: "all",
	}
	if got := c.Ruleset(c.Services[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := c.Ruleset(c.Services[1]); !got.None() {
		t.Errorf("got %+v", got)
	}
	own := c.Services[2]
	own.Rules.MaxLoad = dprnl.Own(uint64(1))
	if got := c.Ruleset(own); len(got.Matches) != 1 || got.Matches[0].SNI != "*.example.org" {
		t.Errorf("got %+v", got)
	}
	if len(c.Rulesets) != 2 {
		t.Errorf("%+v", c.Rulesets)
	}
}

// Where the host is chosen by the SYN, rules would have no effect: they are refused, once for
// each service, with the reason.
func TestRulesNeedHandover(t *testing.T) {
	_, err := Parse("f", []byte(strings.ReplaceAll(ruled, "\"connection\"", "\"syn\"")))
	var e *Error
	if !errors.As(err, &e) || len(e.Mistakes) != 2 {
		t.Fatal(err)
	}
	for i, line := range []int{5, 20} {
		if m := e.Mistakes[i]; m.Line != line || !strings.HasSuffix(m.Key, ".group") || !strings.Contains(m.Message, `dispatch = "connection"`) {
			t.Errorf("%v", m)
		}
	}
	_, err = Parse("f", []byte("[[service]]\nport = 80\ndefault_group = \"x\"\n"))
	if !errors.As(err, &e) || len(e.Mistakes) != 1 || e.Mistakes[0].Line != 3 {
		t.Error(err)
	}
}

// A file for one service has the same tables, and its mistakes have their lines.
func TestParseRuleset(t *testing.T) {
	r, err := ParseRuleset("f", []byte("default_group = \"g\"\n[[group]]\nname = \"g\"\n[[rule]]\ngroup = \"g\"\nhost = \"A.example\"\n"))
	if err != nil || len(r.Groups) != 1 || len(r.Matches) != 1 || r.Matches[0].Host != "A.example" || r.Default != "g" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParseRuleset("f", nil); err != nil || !r.None() {
		t.Errorf("%+v, %v", r, err)
	}
	for text, want := range map[string][]string{
		"x = 1\n": {"f: line 1: x: unknown key; known keys are group, rule, default_group"},
		"x = \n":  {"f: line 1"},
		"[[group]]\nname = \"g\"\n[[rule]]\ngroup = \"h\"\npath = \"/\"\n":                                             {`f: line 4: rule.1.group: there is no group "h"`},
		"[[group]]\nname = \"g\"\n[[rule]]\npath = \"/\"\n":                                                            {"f: line 3: rule.1: missing key group"},
		"[[group]]\npolicy = \"x\"\n[[rule]]\ngroup = 1\n":                                                             {"f: line 1: group.1: missing key name", `f: line 2: group.1.policy: "x" is not a policy of a group`, "f: line 4: rule.1.group: 1 is not a string"},
		"[[group]]\nname = \"g\"\n[[rule]]\ngroup = \"g\"\n":                                                           {"f: line 3: rule.1: a rule needs a condition"},
		"[[group]]\nname = \"g\"\n[[rule]]\ngroup = \"g\"\npath = \"/a b\"\nmethod = \"A B\"\n":                        {"f: line 5: rule.1.path", "f: line 6: rule.1.method"},
		"[[group]]\nname = \"g\"\n[[rule]]\ngroup = \"g\"\npath = \"/\"\nregex = \"x\"\n":                              {"f: line 6: rule.1.regex: unknown key; known keys are group, host, path, method, cookie, sni, alpn"},
		"[[group]]\nname = \"g\"\nhost = \"x\"\n":                                                                      {"f: line 3: group.1.host: unknown key; known keys are name, hosts, policy, locality, spill"},
		strings.Repeat("[[group]]\nname = \"g\"\n", 1) + strings.Repeat("[[rule]]\ngroup = \"g\"\npath = \"/\"\n", 65): {"f: line 195: rule.65: too many rules: the limit is 64"},
	} {
		r, err := ParseRuleset("f", []byte(text))
		if err == nil || !r.None() {
			t.Errorf("%q: %+v", text, r)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(want) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		for i := range lines {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("%q: %s, want %s", text, lines[i], want[i])
			}
		}
	}
}
