// SPDX-License-Identifier: MIT

package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// rulesets returns the rules by what is asked for that services have in the kernel. One that
// somebody has removed meanwhile has none.
func rulesets(ctx context.Context, k Kernel, services []dprnl.Service) ([]dprnl.Ruleset, error) {
	list := make([]dprnl.Ruleset, len(services))
	for i, s := range services {
		var err error
		if list[i], err = k.Ruleset(ctx, s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return list, nil
}

// ruled are the services of a file whose rules by what is asked for the kernel does not have.
// Before are those of the services that are there.
func ruled(c *config.Config, there []dprnl.Service, before []dprnl.Ruleset) (list []dprnl.Service) {
	for _, s := range c.Services {
		var has dprnl.Ruleset
		if i := slices.IndexFunc(there, s.Same); i >= 0 {
			has = before[i]
		}
		if !sameRecords(has, c.Ruleset(s)) {
			list = append(list, s)
		}
	}
	return list
}

// sameRecords says whether two rulesets are the same for the kernel, which has small letters
// only in hosts' names.
func sameRecords(a, b dprnl.Ruleset) bool {
	return string(dprnl.UncheckedRecords(a)) == string(dprnl.UncheckedRecords(b))
}

// rulesets sets the rules by what is asked for.
func (r *Result) rulesets(ctx context.Context, k Kernel, c *config.Config, there []dprnl.Service, before []dprnl.Ruleset) error {
	set := func(ctx context.Context, s dprnl.Service) error { return k.SetRuleset(ctx, s, c.Ruleset(s)) }
	return each(ctx, set, ruled(c, there, before), nil, &r.Ruled)
}

// compareRulesets returns the services whose rules by what is asked for differ, with how many
// there are.
func compareRulesets(c *config.Config, there []dprnl.Service, before []dprnl.Ruleset) (changes []Change) {
	count := func(r dprnl.Ruleset) string {
		if r.None() {
			return ""
		}
		return fmt.Sprintf("%d rules, %d groups", len(r.Matches), len(r.Groups))
	}
	for _, s := range ruled(c, there, before) {
		change := Change{Key: "service " + s.String() + " rule", File: count(c.Ruleset(s))}
		if i := slices.IndexFunc(there, s.Same); i >= 0 {
			change.Kernel = count(before[i])
		}
		if change.Kernel == change.File {
			change.File += ", others"
		}
		changes = append(changes, change)
	}
	return changes
}
