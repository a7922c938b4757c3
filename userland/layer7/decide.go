// SPDX-License-Identifier: MIT

package layer7

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"dpr/userland/dprnl"
)

// A Decision is what rules say of a connection.
type Decision struct {
	Outcome dprnl.Outcome
	Rule    int    // of dprnl.Ruleset.Matches; -1: no one
	Group   string // empty: the service's policy decides
	Hashed  bool   // there is a Hash
	Hash    uint64 // what a group with locality goes by
	Why     []string
}

// A truth is whether a condition holds.
type truth int

const (
	no truth = iota
	yes
	unknown
)

// Decide says where a ruleset sends a connection whose client has sent these bytes so far;
// final: and will send no more in time. The ruleset must be right (dprnl.Ruleset.Check).
func Decide(rules dprnl.Ruleset, data []byte, final bool) Decision {
	if len(data) >= limit {
		data, final = data[:limit], true
	}
	d := Decision{Outcome: dprnl.RulesMore, Rule: -1, Group: rules.Default}
	decided := false
	r, end := read(data, func(r *request) bool {
		if !decided {
			decided = d.look(rules, r)
		}
		// A group with locality waits for what it goes by.
		return !decided || byURL(rules, d.Group) && !(r.host.known && r.path.known && r.sni.known)
	})
	switch {
	case decided && byURL(rules, d.Group) && !(r.host.known && r.path.known && r.sni.known) && end == needsMore && !final:
		return Decision{Outcome: dprnl.RulesMore, Rule: -1}
	case decided:
	case end == notUnderstood:
		d.Outcome = dprnl.RulesBad
	case final:
		d.Outcome = dprnl.RulesLate
	default:
		return Decision{Outcome: dprnl.RulesMore, Rule: -1}
	}
	d.hash(rules, r)
	return d
}

// look tries the rules in their order, and says whether they decide.
func (d *Decision) look(rules dprnl.Ruleset, r *request) bool {
	d.Why = nil
	for i, m := range rules.Matches {
		t, why := r.matches(m)
		switch t {
		case unknown:
			return false
		case yes:
			d.Outcome, d.Rule, d.Group = dprnl.RulesMatch, i, m.Group
			d.Why = append(d.Why, fmt.Sprintf("rule %d holds: %s", i+1, why))
			return true
		}
		d.Why = append(d.Why, fmt.Sprintf("rule %d does not hold: %s", i+1, why))
	}
	d.Outcome = dprnl.RulesNoMatch
	return true
}

// matches says whether all conditions of a rule hold: no as soon as one does not.
func (r *request) matches(m dprnl.Match) (truth, string) {
	all := yes
	var held []string
	for _, c := range m.Conditions() {
		t, is := r.holds(c[0], c[1])
		if t == no {
			return no, fmt.Sprintf("%s is %s, not %q", c[0], is, c[1])
		}
		if t == unknown {
			all = unknown
		}
		held = append(held, fmt.Sprintf("%s is %s", c[0], is))
	}
	return all, strings.Join(held, ", ")
}

// holds says whether a condition holds, and what the request has.
func (r *request) holds(name, value string) (truth, string) {
	switch name {
	case "host":
		return r.host.holds(func(s string) bool { return hostIs(s, value) })
	case "sni":
		return r.sni.holds(func(s string) bool { return hostIs(s, value) })
	case "path":
		return r.path.holds(func(s string) bool {
			return s == value || strings.HasPrefix(s, strings.TrimSuffix(value, "/")+"/")
		})
	case "method":
		return r.method.holds(func(s string) bool { return s == value })
	case "alpn":
		return r.alpn.holds(func(string) bool { return slices.Contains(r.protocols, value) })
	}
	want, value, _ := strings.Cut(value, "=")
	for _, c := range r.cookies {
		if c.name != want {
			continue
		}
		if c.value == value {
			return yes, fmt.Sprintf("%q", c.name+"="+c.value)
		}
		return no, fmt.Sprintf("%q", c.name+"="+c.value)
	}
	if !r.allCookies {
		return unknown, "unknown"
	}
	return no, "not there"
}

// holds says whether a condition on a fact holds, and what the fact is.
func (f fact) holds(is func(string) bool) (truth, string) {
	switch {
	case !f.known:
		return unknown, "unknown"
	case !f.has:
		return no, "not there"
	case is(f.value):
		return yes, fmt.Sprintf("%q", f.value)
	}
	return no, fmt.Sprintf("%q", f.value)
}

// hostIs says whether a host is the one of a condition, or below it.
func hostIs(host, want string) bool {
	host, want = lower(host), lower(want)
	if suffix, ok := strings.CutPrefix(want, "*."); ok {
		return len(host) <= 255 && len(host) > len(suffix)+1 && strings.HasSuffix(host, "."+suffix)
	}
	return host == want
}

// lower makes the letters of ASCII small; names may be no UTF-8.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// byURL says whether a group goes by a hash of what is asked for.
func byURL(rules dprnl.Ruleset, group string) bool {
	i := slices.IndexFunc(rules.Groups, func(g dprnl.Group) bool { return g.Name == group })
	return i >= 0 && rules.Groups[i].Policy == dprnl.GroupLocality
}

// hash hashes what the group goes by, if it goes by that.
func (d *Decision) hash(rules dprnl.Ruleset, r *request) {
	i := slices.IndexFunc(rules.Groups, func(g dprnl.Group) bool { return g.Name == d.Group })
	if i < 0 || rules.Groups[i].Policy != dprnl.GroupLocality {
		return
	}
	path := r.path.has && rules.Groups[i].Locality == dprnl.LocalityUrl
	if !r.host.has && !r.sni.has && !path {
		return
	}
	h := fnv.New64a()
	h.Write([]byte(lower(r.host.value) + lower(r.sni.value)))
	if path {
		h.Write([]byte(" " + r.path.value))
	}
	d.Hashed, d.Hash = true, h.Sum64()
}
