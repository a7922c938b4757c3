// SPDX-License-Identifier: MIT

package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// ruleset sends a host's requests to a group.
func ruleset(host string) dprnl.Ruleset {
	return dprnl.Ruleset{Groups: []dprnl.Group{{Name: "g"}}, Matches: []dprnl.Match{{Group: "g", Host: host}}}
}

// rule gives services of a file rules by what is asked for.
func rule(c *config.Config, host string, ports ...uint16) {
	for _, p := range ports {
		c.Rulesets = append(c.Rulesets, config.ServiceRules{Service: service(p), Ruleset: ruleset(host)})
	}
}

// A service has the rules by what is asked for of the file, and no other ones any more.
func TestApplyRulesets(t *testing.T) {
	k, c := fresh(80, 81, 82), file(80, 81, 82, 443)
	k.rulesets = map[uint16]dprnl.Ruleset{81: ruleset("old"), 82: ruleset("a")}
	rule(c, "A", 80, 82, 443)
	plan, err := Plan(t.Context(), k, c)
	const want = "[{service 80 rule  1 rules, 1 groups} {service 81 rule 1 rules, 1 groups } {service 443 rule  1 rules, 1 groups}]"
	plan = slices.DeleteFunc(plan, func(c Change) bool { return !strings.HasSuffix(c.Key, "rule") })
	if err != nil || fmt.Sprint(plan) != want {
		t.Errorf("%v, %v", plan, err)
	}
	r, err := Apply(t.Context(), k, c)
	if err != nil || ports(r.Ruled) != "443 80 81" || ports(r.Added) != "443" || len(r.Changed) != 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	for port, has := range map[uint16]bool{80: true, 81: false, 82: true, 443: true} {
		if k.rulesets[port].None() == has {
			t.Errorf("service %d has %+v", port, k.rulesets[port])
		}
	}
	// The kernel has small letters: that is no difference.
	k.rulesets[80] = ruleset("a")
	k.log = nil
	if r, err := Apply(t.Context(), k, c); err != nil || len(r.Ruled) != 0 || len(k.log) != 1 {
		t.Errorf("again: %+v (%v), %v", r, err, k.log)
	}
	k.rulesets[80] = ruleset("b")
	if plan, err := Plan(t.Context(), k, c); err != nil || fmt.Sprint(plan) != "[{service 80 rule 1 rules, 1 groups 1 rules, 1 groups, others}]" {
		t.Errorf("%v, %v", plan, err)
	}
}

// Whatever step fails, the rules are as they were.
func TestApplyRulesetsAllOrNothing(t *testing.T) {
	for _, fails := range []string{"ruleset 81", "ruleset 82", "ruleset 443", "add 443"} {
		k := fresh(80, 81, 82)
		k.rulesets = map[uint16]dprnl.Ruleset{80: ruleset("80"), 81: ruleset("81"), 82: ruleset("82")}
		failed := false
		k.refuse = func(what string) error {
			if what == fails && !failed {
				failed = true
				return errors.New("refused: " + what)
			}
			return nil
		}
		c := file(81, 82, 443)
		rule(c, "a", 81, 443)
		_, err := Apply(t.Context(), k, c)
		if err == nil || err.Error() != "refused: "+fails {
			t.Errorf("%s: %v", fails, err)
		}
		if ports(k.services) != "80 81 82" || len(k.rulesets) != 3 {
			t.Errorf("%s: services %v, rules %+v", fails, ports(k.services), k.rulesets)
		}
		for port, r := range k.rulesets {
			if !r.Equal(ruleset(fmt.Sprint(port))) {
				t.Errorf("%s: service %d has %+v", fails, port, r)
			}
		}
	}
	// That it cannot be put back is said, too.
	k := fresh(80)
	k.rulesets = map[uint16]dprnl.Ruleset{80: ruleset("80")}
	k.refuse = func(what string) error {
		if strings.HasPrefix(what, "ruleset") || what == "add 443" {
			return errors.New("refused: " + what)
		}
		return nil
	}
	if _, err := Apply(t.Context(), k, file(443)); err == nil || !strings.Contains(err.Error(), "restoring the services: refused: ruleset 80") || !strings.Contains(err.Error(), "refused: add 443") {
		t.Errorf("%v", err)
	}
}

// What cannot be read is an error before anything has changed; a service that goes is none.
func TestRulesetsCannotBeRead(t *testing.T) {
	k := fresh(80, 81)
	k.fails = map[string]error{"ruleset 81": errors.New("broken")}
	if _, err := Apply(t.Context(), k, file(80)); err == nil || len(k.log) != 0 {
		t.Errorf("%v, %v", err, k.log)
	}
	if _, err := Plan(t.Context(), k, file(80)); err == nil {
		t.Error("there is a plan")
	}
	k.fails["ruleset 81"] = fmt.Errorf("wrapped: %w", fs.ErrNotExist)
	if _, err := Apply(t.Context(), k, file(80)); err != nil {
		t.Error(err)
	}
}
