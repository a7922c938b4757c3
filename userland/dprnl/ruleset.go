// SPDX-License-Identifier: MIT

package dprnl

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A Ruleset is a service's rules by what is asked for. The zero value is none: the
// service's policy places all connections.
type Ruleset struct {
	Groups  []Group
	Matches []Match // the first one that holds decides
	Default string  // the group of what none matches; empty: the service's policy decides
}

// A Group is a part of the hosts.
type Group struct {
	Name     string // 1 to MaxRulesName letters, digits, "-", "_" and "."
	Policy   GroupPolicy
	Locality Locality     // what GroupLocality goes by
	Spill    uint16       // percent above the mean load, at which it passes by a host
	Hosts    []netip.Addr // none: all hosts
}

// A Match is a rule: all its conditions must hold. Those that are empty are none.
type Match struct {
	Group  string
	Host   string // or "*." and a name: all hosts below it
	Path   string // it and what is below it
	Method string
	Cookie string // name=value
	SNI    string // as Host
	ALPN   string
}

// DefaultSpill is a group's spill where nothing else is said.
const DefaultSpill = 25

// None says whether there are no rules.
func (r Ruleset) None() bool { return len(r.Groups) == 0 && len(r.Matches) == 0 && r.Default == "" }

// Equal says whether two rulesets are the same.
func (r Ruleset) Equal(o Ruleset) bool {
	return r.Default == o.Default && slices.Equal(r.Matches, o.Matches) &&
		slices.EqualFunc(r.Groups, o.Groups, func(a, b Group) bool {
			return a.Name == b.Name && a.Policy == b.Policy && a.Locality == b.Locality && a.Spill == b.Spill && slices.Equal(a.Hosts, b.Hosts)
		})
}

// Conditions returns the conditions of a rule: names and values, in the order in which the
// kernel has them.
func (m Match) Conditions() [][2]string {
	var list [][2]string
	for _, c := range [][2]string{{"host", m.Host}, {"path", m.Path}, {"method", m.Method}, {"cookie", m.Cookie}, {"sni", m.SNI}, {"alpn", m.ALPN}} {
		if c[1] != "" {
			list = append(list, c)
		}
	}
	return list
}

// A RulesetMistake is what is wrong with a ruleset.
type RulesetMistake struct {
	Key     string // where: "group.2.name", "rule.1", "default_group"
	Message string
}

// Error implements error.
func (m RulesetMistake) Error() string { return m.Key + ": " + m.Message }

var (
	groupName   = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._-]{1,%d}$`, MaxRulesName))
	hostPattern = regexp.MustCompile(`^(\*\.)?([a-z0-9._~%!$&'()*+,;=-]*[a-z0-9_~%!$&'()*+,;=-]|\[[0-9a-f:.]+\])$`)
	pathPattern = regexp.MustCompile(`^/[^\x00-\x20\x7f?#]*$`)
	token       = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
	methodWord  = regexp.MustCompile(`^` + token + `{1,32}$`)
	cookiePair  = regexp.MustCompile(`^` + token + `+=[^\x00-\x20\x7f;]*$`)
)

// maxCondition is the length of the longest value of a condition.
const maxCondition = 255

// Check returns what is wrong with a ruleset.
func (r Ruleset) Check() []RulesetMistake {
	c := checker{names: make(map[string]bool)}
	if len(r.Groups) > MaxRulesGroups {
		c.mistake(fmt.Sprintf("group.%d", MaxRulesGroups+1), "too many groups: the limit is %d", MaxRulesGroups)
	}
	for i, g := range r.Groups {
		c.group(fmt.Sprintf("group.%d", i+1), g)
	}
	if len(r.Matches) > MaxRules {
		c.mistake(fmt.Sprintf("rule.%d", MaxRules+1), "too many rules: the limit is %d", MaxRules)
	}
	for i, m := range r.Matches {
		c.match(fmt.Sprintf("rule.%d", i+1), m)
	}
	switch {
	case r.Default != "" && !c.names[r.Default]:
		c.mistake("default_group", "there is no group %q", r.Default)
	case len(r.Groups) > 0 && len(r.Matches) == 0 && r.Default == "":
		c.mistake("group", "no rule leads to a group, and there is no default_group")
	}
	if len(c.mistakes) == 0 && len(r.records()) > MaxRulesBytes {
		c.mistake("rule", "the rules need more than %d bytes", MaxRulesBytes)
	}
	return c.mistakes
}

type checker struct {
	mistakes []RulesetMistake
	names    map[string]bool
}

func (c *checker) mistake(key, format string, args ...any) {
	c.mistakes = append(c.mistakes, RulesetMistake{key, fmt.Sprintf(format, args...)})
}

func (c *checker) group(key string, g Group) {
	switch {
	case !groupName.MatchString(g.Name):
		c.mistake(key+".name", "%q is not a name of 1 to %d letters, digits, \"-\", \"_\" and \".\"", g.Name, MaxRulesName)
	case c.names[g.Name]:
		c.mistake(key+".name", "there are two groups %q", g.Name)
	}
	c.names[g.Name] = true
	if g.Policy > GroupLocality {
		c.mistake(key+".policy", "unknown policy %v", g.Policy)
	}
	if g.Locality > LocalityUrl {
		c.mistake(key+".locality", "unknown locality %v", g.Locality)
	}
	if g.Spill > MaxRulesSpill {
		c.mistake(key+".spill", "%d is not a number from 0 to %d", g.Spill, MaxRulesSpill)
	}
	if len(g.Hosts) > MaxRulesMembers {
		c.mistake(key+".hosts", "too many hosts: the limit is %d", MaxRulesMembers)
	}
	seen := make(map[netip.Addr]bool)
	for _, h := range g.Hosts {
		h = h.Unmap()
		switch {
		case !h.IsValid() || h.Zone() != "":
			c.mistake(key+".hosts", "%v is not an address of a host", h)
		case seen[h]:
			c.mistake(key+".hosts", "%v is there twice", h)
		}
		seen[h] = true
	}
}

func (c *checker) match(key string, m Match) {
	if !c.names[m.Group] {
		c.mistake(key+".group", "there is no group %q", m.Group)
	}
	conditions := m.Conditions()
	if len(conditions) == 0 {
		c.mistake(key, "a rule needs a condition: host, path, method, cookie, sni or alpn; all else is for default_group")
	}
	for _, x := range conditions {
		if why := wrongCondition(x[0], x[1]); why != "" {
			c.mistake(key+"."+x[0], "%q %s", x[1], why)
		}
	}
}

// wrongCondition returns what is wrong with a condition; "" if nothing is.
func wrongCondition(name, value string) string {
	if len(strings.TrimPrefix(value, "*")) > maxCondition {
		return fmt.Sprintf("is longer than %d bytes", maxCondition)
	}
	switch name {
	case "host", "sni":
		low := strings.ToLower(value)
		if !hostPattern.MatchString(low) || strings.HasPrefix(low, "*.[") {
			return `is not a host's name without port and dot at its end, an IPv6 address in brackets, or "*." and a name`
		}
	case "path":
		if !pathPattern.MatchString(value) {
			return `does not begin with "/", or has a space, "?" or "#"`
		}
	case "method":
		if !methodWord.MatchString(value) {
			return "is not a method"
		}
	case "cookie":
		if !cookiePair.MatchString(value) {
			return `is not a cookie's name, "=", and its value`
		}
	}
	return ""
}
