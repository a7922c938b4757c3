// SPDX-License-Identifier: MIT

package config

import (
	"net/netip"

	"dpr/userland/dprnl"
)

// A ServiceRules is a service that has rules by what is asked for.
type ServiceRules struct {
	Service dprnl.Service // its port and address
	Ruleset dprnl.Ruleset
}

// Ruleset returns the rules by what is asked for that a service has.
func (c *Config) Ruleset(s dprnl.Service) dprnl.Ruleset {
	for _, r := range c.Rulesets {
		if r.Service.Same(s) {
			return r.Ruleset
		}
	}
	return dprnl.Ruleset{}
}

// needsHandover says why a service cannot have rules by what is asked for, whose host is
// chosen when the SYN comes: they would have no effect.
const needsHandover = `rules need a service whose host is chosen when its request is there: dispatch = "connection" or "request"`

// ParseRuleset parses the text of a file with the rules of one service: the tables group and
// rule, and the key default_group. The name is used in errors.
func ParseRuleset(name string, data []byte) (dprnl.Ruleset, error) {
	d := &decoder{sources: []source{{name, data}}, places: make(map[string]place)}
	tree, mistake := parseOne(d.sources[0])
	if mistake != nil {
		return dprnl.Ruleset{}, &Error{[]Mistake{*mistake}}
	}
	for key, line := range locate(data) {
		d.places[key] = place{0, line}
	}
	t := table{d: d, values: tree}
	r := t.ruleset(dprnl.DispatchConnection)
	t.rest(rulesetKeys...)
	if len(d.mistakes) > 0 {
		order(d.mistakes, d.sources)
		return dprnl.Ruleset{}, &Error{d.mistakes}
	}
	return r, nil
}

// rulesetKeys are those that ruleset reads.
var rulesetKeys = []string{"group", "rule", "default_group"}

// ruleset reads the rules by what is asked for of a service whose host is chosen then.
func (t table) ruleset(when dprnl.Dispatch) dprnl.Ruleset {
	var r dprnl.Ruleset
	before := len(t.d.mistakes)
	for _, name := range rulesetKeys {
		if t.has(name) && when == dprnl.DispatchSyn {
			t.d.mistake(t.key(name), "%s", needsHandover)
			break
		}
	}
	for _, g := range t.tables("group") {
		r.Groups = append(r.Groups, g.group())
	}
	for _, m := range t.tables("rule") {
		r.Matches = append(r.Matches, m.match())
	}
	t.condition("default_group", &r.Default)
	// What is missing because of a mistake is no other one.
	if len(t.d.mistakes) == before {
		for _, m := range r.Check() {
			t.d.mistake(join(t.path, m.Key), "%s", m.Message)
		}
	}
	return r
}

// group reads a group of hosts.
func (t table) group() dprnl.Group {
	g := dprnl.Group{Spill: dprnl.DefaultSpill, Locality: dprnl.LocalityUrl}
	if !t.has("name") {
		t.d.mistake(t.path, "missing key name")
	}
	t.condition("name", &g.Name)
	g.Hosts = t.addresses("hosts")
	t.word("policy", &g.Policy)
	t.word("locality", &g.Locality)
	integer(t, "spill", &g.Spill, 0, dprnl.MaxRulesSpill)
	t.rest("name", "hosts", "policy", "locality", "spill")
	return g
}

// match reads a rule.
func (t table) match() dprnl.Match {
	var m dprnl.Match
	if !t.has("group") {
		t.d.mistake(t.path, "missing key group")
	}
	t.condition("group", &m.Group)
	t.condition("host", &m.Host)
	t.condition("path", &m.Path)
	t.condition("method", &m.Method)
	t.condition("cookie", &m.Cookie)
	t.condition("sni", &m.SNI)
	t.condition("alpn", &m.ALPN)
	t.rest("group", "host", "path", "method", "cookie", "sni", "alpn")
	return m
}

// condition reads a string that is not empty, as an empty one is none.
func (t table) condition(name string, p *string) {
	s, ok := t.text(name)
	if ok && s == "" {
		t.d.mistake(t.key(name), "the string is empty")
	}
	*p = s
}

// addresses reads a list of hosts' addresses. Without the key there is none.
func (t table) addresses(name string) []netip.Addr {
	v, ok := t.take(name)
	if !ok {
		return nil
	}
	values, ok := v.([]any)
	if !ok || len(values) == 0 {
		t.d.mistake(t.key(name), "%s is not a list of addresses; without the key, all hosts are in the group", show(v))
		return nil
	}
	var list []netip.Addr
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			t.d.mistake(t.key(name), "%s is not a string; write it in quotes", show(v))
			return nil
		}
		a, err := ParseHost(s)
		if err != nil {
			t.d.mistake(t.key(name), "%v", err)
			return nil
		}
		list = append(list, a)
	}
	return list
}
