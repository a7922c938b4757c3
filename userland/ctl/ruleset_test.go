// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

// ruled is a host whose services have rules.
func ruled() *kernel {
	k := healthy()
	k.rulesets = map[uint16]dprnl.Ruleset{
		80: {
			Groups: []dprnl.Group{
				{Name: "images", Policy: dprnl.GroupLocality, Locality: dprnl.LocalityUrl, Spill: 25, Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}},
				{Name: "beta", Policy: dprnl.GroupOffer},
			},
			Matches: []dprnl.Match{{Group: "images", Host: "*.example.org", Path: "/images"}, {Group: "beta", Cookie: "beta=yes"}},
			Default: "beta",
		},
		443: {Groups: []dprnl.Group{{Name: "g"}}, Matches: []dprnl.Match{{Group: "g", SNI: "a.example", ALPN: "h2"}}},
	}
	return k
}

const rulesFile = `default_group = "g"
[[group]]
name = "g"
[[rule]]
group = "g"
path = "/x"
`

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a command line whose words may have blanks.
func run(k Kernel, words ...string) result {
	var out, errs bytes.Buffer
	r := result{}
	r.status = Run(context.Background(), append([]string{"dprctl"}, words...), Environment{
		Out: &out, Err: &errs, Dial: func() (Kernel, error) { r.dialled = true; return k, nil },
	})
	r.out, r.err = out.String(), errs.String()
	return r
}

func TestRulesList(t *testing.T) {
	const want = `PORT  ADDRESS    RULE  CONDITIONS                         GROUP
80    all        1     host *.example.org, path /images   images
80    all        2     cookie beta=yes                    beta
80    all        -     all else                           beta
443   192.0.2.1  1     sni a.example, alpn h2             g
443   192.0.2.1  -     all else                           (policy of the service)

PORT  ADDRESS    GROUP   POLICY                        HOSTS
80    all        images  locality by url, spill 25%    192.0.2.1 192.0.2.2
80    all        beta    offer                         all
443   192.0.2.1  g       lowest                        all
`
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if r := dprctl(t, ruled(), "rules list"); squeeze(r.out) != squeeze(want) || strings.Count(r.out, "\n") != strings.Count(want, "\n") || r.status != ExitOK {
		t.Errorf("%+v", r)
	}
	if r := dprctl(t, healthy(), "rules list"); r.out != "PORT  ADDRESS  RULE  CONDITIONS  GROUP\n" {
		t.Errorf("%+v", r)
	}
	r := dprctl(t, ruled(), "rules list --json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if list[0]["default_group"] != "beta" || list[1]["default_group"] != nil || list[0]["address"] != "0.0.0.0" || list[1]["port"] != 443.0 {
		t.Errorf("%v", list)
	}
	group, rule := list[0]["groups"].([]any)[0].(map[string]any), list[0]["rules"].([]any)[0].(map[string]any)
	if group["name"] != "images" || group["policy"] != "locality" || group["locality"] != "url" || group["spill"] != 25.0 || len(group["hosts"].([]any)) != 2 ||
		len(rule) != 3 || rule["host"] != "*.example.org" || rule["path"] != "/images" || rule["group"] != "images" {
		t.Errorf("%v, %v", group, rule)
	}
	if r := dprctl(t, healthy(), "rules list --json"); r.out != "[]\n" {
		t.Errorf("%+v", r)
	}
}

func TestRulesSet(t *testing.T) {
	file := writeFile(t, rulesFile)
	k := ruled()
	if r := dprctl(t, k, "rules set 80 "+file); r.status != ExitOK || r.out != "" || len(k.log) != 1 || k.log[0] != "rules 80 1" || k.rulesets[80].Default != "g" {
		t.Errorf("%+v, %v", r, k.log)
	}
	if r := dprctl(t, k, "rules set 443 "+file+" --address 192.0.2.1"); r.status != ExitOK || k.log[1] != "rules 192.0.2.1:443 1" {
		t.Errorf("%+v, %v", r, k.log)
	}
	if r := dprctl(t, k, "rules del --address 192.0.2.1 443"); r.status != ExitOK || k.log[2] != "rules 192.0.2.1:443 0" || !k.rulesets[443].None() {
		t.Errorf("%+v, %v", r, k.log)
	}
	for line, want := range map[string]string{
		"rules":                            "missing command",
		"rules set 80":                     "missing argument FILE",
		"rules set x " + file:              "is not a port",
		"rules set 80 /nonesuch":           "no such file",
		"rules set 80 " + writeFile(t, ""): "has no rules",
		"rules set 80 " + writeFile(t, "[[rule]]\n"):   "line 1: rule.1: missing key group",
		"rules set 80 " + filepath.Dir(file):           "is a directory",
		"rules test":                                   "give METHOD and URL, or --sni",
		"rules test GET":                               "give METHOD and URL, or --sni",
		"rules test GET / x":                           "unexpected argument",
		"rules test GET / --sni a":                     "either METHOD and URL, or --sni",
		"rules test GET ftp://a/":                      "begins neither",
		"rules test GET http:///x":                     "has no host",
		"rules test GET / --alpn h2":                   "--alpn of a handshake",
		"rules test --sni a --header a:b":              "--header is of a request",
		"rules test GET https://a/ --header a:b":       "--header is of a request",
		"rules test GET / --client 1 --file x":         "is not an IPv4 or IPv6 address",
		"rules test GET / --client ::1 --file x":       "--client or --file",
		"rules test GET / --port x":                    "is not a port",
		"rules test GET http://a:99999/":               "is not a port",
		"rules test GET / --port 8080":                 "service 8080 has no rules",
		"rules test GET / --file /nonesuch":            "no such file",
		"rules test GET / --file " + writeFile(t, "x"): "line 1",
	} {
		if r := dprctl(t, ruled(), line); r.status == ExitOK || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v, want %q", line, r, want)
		}
	}
	if r := run(ruled(), "rules", "test", "GET", "/a b"); r.status != ExitUsage || !strings.Contains(r.err, "has blanks") {
		t.Errorf("%+v", r)
	}
}

func TestRulesTest(t *testing.T) {
	file := writeFile(t, rulesFile)
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"GET", "http://www.example.org/images/a?b"}, "outcome match; rule 1, host *.example.org, path /images; group images; hash HASH; why rule 1 holds: host is \"www.example.org\", path is \"/images/a\""},
		{[]string{"GET", "http://WWW.example.org.:80/x", "--header", "Cookie: beta=yes"}, "outcome match; rule 2, cookie beta=yes; group beta; " +
			"why rule 1 does not hold: path is \"/x\", not \"/images\"; why rule 2 holds: cookie is \"beta=yes\""},
		{[]string{"GET", "/images", "--header", "Host: a.example.org", "--header", "A: b"}, "outcome match; rule 1, host *.example.org, path /images; group images; hash HASH; why rule 1 holds: host is \"a.example.org\", path is \"/images\""},
		{[]string{"OPTIONS", "*"}, "outcome no-match; rule none; group beta; why rule 1 does not hold: host is not there, not \"*.example.org\"; why rule 2 does not hold: cookie is not there, not \"beta=yes\""},
		{[]string{"GET", "*"}, "outcome bad; rule none; group beta; why no server would understand this request"},
		{[]string{"GET", "http://a?b"}, "outcome no-match; rule none; group beta; why rule 1 does not hold: host is \"a\", not \"*.example.org\"; why rule 2 does not hold: cookie is not there, not \"beta=yes\""},
		{[]string{"--sni", "A.example", "--alpn", "http/1.1", "--alpn", "h2"}, "outcome match; rule 1, sni a.example, alpn h2; group g; why rule 1 holds: sni is \"A.example\", alpn is \"http/1.1 h2\""},
		{[]string{"GET", "https://a.example/x"}, "outcome no-match; rule none; group (policy of the service); why rule 1 does not hold: alpn is not there, not \"h2\""},
		{[]string{"GET", "https://192.0.2.1/x", "--port", "443"}, "outcome no-match; rule none; group (policy of the service); why rule 1 does not hold: sni is not there, not \"a.example\""},
		{[]string{"--alpn", "h2"}, "outcome no-match; rule none; group (policy of the service); why rule 1 does not hold: sni is not there, not \"a.example\""},
		{[]string{"GET", "/x", "--client", "192.0.2.9", "--header", "cookie:beta=yes"}, "outcome match; rule 2, cookie beta=yes; group beta; host 192.0.2.2; " +
			"why rule 1 does not hold: path is \"/x\", not \"/images\"; why rule 2 holds: cookie is \"beta=yes\""},
		{[]string{"--sni", "x", "--client", "192.0.2.9"}, "outcome no-match; rule none; group (policy of the service); why rule 1 does not hold: sni is \"x\", not \"a.example\""},
		{[]string{"GET", "/x/y", "--file", file}, "outcome match; rule 1, path /x; group g; why rule 1 holds: path is \"/x/y\""},
		{[]string{"GET", "http://[2001:db8::1]:8080/y", "--file", file}, "outcome no-match; rule none; group g; why rule 1 does not hold: path is \"/y\", not \"/x\""},
		{[]string{"GET", "http://a/x", "--port", "80", "--address", "192.0.2.9"}, "outcome no-match; rule none; group beta; why rule 1 does not hold: host is \"a\", not \"*.example.org\"; why rule 2 does not hold: cookie is not there, not \"beta=yes\""},
	} {
		r := run(ruled(), append([]string{"rules", "test"}, tt.words...)...)
		var lines []string
		for line := range strings.Lines(r.out) {
			if name, rest, _ := strings.Cut(strings.TrimSpace(line), " "); name == "hash" && len(strings.TrimSpace(rest)) == 16 {
				lines = append(lines, "hash HASH")
			} else {
				lines = append(lines, name+" "+strings.TrimSpace(rest))
			}
		}
		if got := strings.Join(lines, "; "); got != tt.want || r.status != ExitOK || r.err != "" {
			t.Errorf("%q: got %s (%+v)\nwant %s", tt.words, got, r, tt.want)
		}
		if r.dialled == strings.Contains(strings.Join(tt.words, " "), "--file") {
			t.Errorf("%q: asks the kernel: %v", tt.words, r.dialled)
		}
	}
	r := run(ruled(), "rules", "test", "GET", "/x", "--json", "--header", "cookie: beta=yes")
	var v map[string]any
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v["outcome"] != "match" || v["rule"] != 2.0 || v["group"] != "beta" || v["hash"] != nil || len(v["why"].([]any)) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	r = run(ruled(), "rules", "test", "--sni", "b", "--json")
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v["outcome"] != "no-match" || v["rule"] != nil || v["group"] != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// A kernel that decides otherwise than this program is not believed, nor contradicted.
func TestRulesTestDisagrees(t *testing.T) {
	right := dprnl.RulesResult{Outcome: dprnl.RulesMatch, Rule: 1, Group: 1}
	for _, change := range []func(*dprnl.RulesResult){
		func(*dprnl.RulesResult) {},
		func(r *dprnl.RulesResult) { r.Outcome = dprnl.RulesNoMatch }, func(r *dprnl.RulesResult) { r.Rule = 0 }, func(r *dprnl.RulesResult) { r.Rule = dprnl.RulesNone },
		func(r *dprnl.RulesResult) { r.Group = 0 }, func(r *dprnl.RulesResult) { r.Group = dprnl.RulesNone }, func(r *dprnl.RulesResult) { r.Group = 2 },
		func(r *dprnl.RulesResult) { r.Hashed = true }, func(r *dprnl.RulesResult) { r.Hash = 1 },
	} {
		k, got := ruled(), right
		change(&got)
		k.result = &got
		r := run(k, "rules", "test", "GET", "/x", "--header", "cookie: beta=yes")
		if same := got == right; same != (r.status == ExitOK) || same == strings.Contains(r.err, "decides otherwise") {
			t.Errorf("%+v: %+v", got, r)
		}
	}
}

func TestRulesFail(t *testing.T) {
	for method, line := range map[string]string{"Services": "rules list", "Ruleset": "rules list", "SetRuleset": "rules del 80", "TestRuleset": "rules test GET /"} {
		k := &faulty{kernel: ruled(), fails: map[string]error{method: errors.New("broken")}}
		if r := run(k, strings.Fields(line)...); r.status != ExitFailure || !strings.Contains(r.err, "broken") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	for _, method := range []string{"Services", "Ruleset"} {
		k := &faulty{kernel: ruled(), fails: map[string]error{method: errors.New("broken")}}
		if r := run(k, "rules", "test", "GET", "/"); r.status != ExitFailure || !strings.Contains(r.err, "broken") {
			t.Errorf("%s: %+v", method, r)
		}
	}
}
