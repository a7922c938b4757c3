// SPDX-License-Identifier: MIT

package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A Change is a value that Apply would change.
type Change struct {
	Key    string // of the file, such as "timeouts.syn"
	Kernel string // what the kernel has; empty: a service or a rule that it does not have
	File   string // what Apply would set; empty: a service or a rule that it would remove
}

// Plan returns what Apply would change. It changes nothing.
func Plan(ctx context.Context, k Kernel, c *config.Config) ([]Change, error) {
	address, err := c.HostAddress()
	if err != nil {
		return nil, err
	}
	old, err := k.Config(ctx)
	if err != nil {
		return nil, err
	}
	there, err := k.Services(ctx)
	if err != nil {
		return nil, err
	}
	after := target(address, c)
	after.State = old.State
	if begins(old, c) {
		after.State = c.Start
	}
	changes := compare(old, after)
	for _, s := range missing(there, c.Services) {
		changes = append(changes, Change{Key: "service", Kernel: s.String()})
	}
	for _, s := range missing(c.Services, there) {
		changes = append(changes, Change{Key: "service", File: s.String()})
	}
	was, wanted := changed(c.Services, there)
	for i, s := range wanted {
		changes = append(changes, compareRules(s, was[i].Rules)...)
	}
	before, err := rulesets(ctx, k, there)
	if err != nil {
		return nil, err
	}
	backends, err := k.Backends(ctx)
	if err != nil {
		return nil, err
	}
	changes = append(changes, compareRulesets(c, there, before)...)
	return append(changes, compareBackends(c.Backends, backends)...), nil
}

// InPart says whether the kernel has only a part of the services, rules by what is asked for and
// backends of a file, and nothing but those: Apply was interrupted.
func InPart(ctx context.Context, k Kernel, c *config.Config) (bool, error) {
	there, err := k.Services(ctx)
	if err != nil {
		return false, err
	}
	before, err := rulesets(ctx, k, there)
	if err != nil {
		return false, err
	}
	backends, err := k.Backends(ctx)
	if err != nil {
		return false, err
	}
	for i, s := range there {
		want, ok := find(c.Services, s)
		if !ok || want.Rules != s.Rules || !before[i].None() && !sameRecords(before[i], c.Ruleset(s)) {
			return false, nil // somebody else's
		}
	}
	set, gone := otherBackends(c.Backends, backends)
	for _, b := range set {
		if _, other := backend(backends, b.Name); other {
			return false, nil
		}
	}
	lacks := len(missing(c.Services, there)) + len(ruled(c, there, before)) + len(set)
	return len(gone) == 0 && lacks > 0, nil
}

// compareRules returns the rules of a service that differ.
func compareRules(s dprnl.Service, old dprnl.Rules) []Change {
	var changes []Change
	add := func(key, kernel, file string) {
		if kernel != file {
			changes = append(changes, Change{"service " + s.String() + " " + key, kernel, file})
		}
	}
	add("policy", own(old.Policy, dprnl.Policy.String), own(s.Rules.Policy, dprnl.Policy.String))
	add("hash", own(old.Hash, dprnl.Hash.String), own(s.Rules.Hash, dprnl.Hash.String))
	add("affinity", own(old.Affinity, decimal), own(s.Rules.Affinity, decimal))
	add("affinity6", own(old.Affinity6, decimal), own(s.Rules.Affinity6, decimal))
	add("affinity_time", own(old.AffinityTime, time.Duration.String), own(s.Rules.AffinityTime, time.Duration.String))
	add("load", own(old.Load, dprnl.ServiceLoad.String), own(s.Rules.Load, dprnl.ServiceLoad.String))
	add("forwarding", own(old.Forwarding, dprnl.Forwarding.String), own(s.Rules.Forwarding, dprnl.Forwarding.String))
	add("dispatch", own(old.Dispatch, dprnl.Dispatch.String), own(s.Rules.Dispatch, dprnl.Dispatch.String))
	add("max_load", own(old.MaxLoad, dprnl.FormatMaxLoad), own(s.Rules.MaxLoad, dprnl.FormatMaxLoad))
	return changes
}

func decimal(n uint32) string { return fmt.Sprint(n) }

// own returns a rule's value in words; "" if the service has none of its own.
func own[T comparable](r dprnl.Rule[T], words func(T) string) string {
	if !r.Own {
		return ""
	}
	return words(r.Value)
}

// keyIDs are the ids of keys in words.
func keyIDs(ids [dprnl.MaxHandoverKeys]uint32) string {
	var words []string
	for _, id := range ids {
		if id != 0 {
			words = append(words, report.FormatID(id))
		}
	}
	return strings.Join(words, " ")
}

// splicePorts are the ports of splices, as the file has them.
func splicePorts(c dprnl.Config) string {
	return fmt.Sprintf("%d-%d", c.SpliceFirstPort, c.SpliceLastPort)
}

// compare returns the values that differ, in the order of the file.
func compare(old, after dprnl.Config) []Change {
	var changes []Change
	add := func(key string, kernel, file any) {
		if kernel != file {
			changes = append(changes, Change{key, fmt.Sprint(kernel), fmt.Sprint(file)})
		}
	}
	add("address", old.Address, after.Address)
	add("policy", old.Policy, after.Policy)
	add("hash", old.Hash, after.Hash)
	add("estimate", old.Estimate, after.Estimate)
	add("marker", old.Marker, after.Marker)
	add("forwarding", old.Forwarding, after.Forwarding)
	add("answers", old.Answers, after.Answers)
	add("orphans", old.Orphans, after.Orphans)
	add("group", old.Group, after.Group)
	add("report.key_file", keyIDs(old.HandoverKeyIDs), keyIDs(after.HandoverKeyIDs))
	add("max_load", dprnl.FormatMaxLoad(old.MaxLoad), dprnl.FormatMaxLoad(after.MaxLoad))
	add("max_flows", old.MaxFlows, after.MaxFlows)
	add("report_max_age", old.ReportMaxAge, after.ReportMaxAge)
	add("slow_start", old.SlowStart, after.SlowStart)
	add("affinity", old.Affinity, after.Affinity)
	add("affinity6", old.Affinity6, after.Affinity6)
	add("affinity_time", old.AffinityTime, after.AffinityTime)
	if old.MaxSplices != 0 { // an older module has none
		add("splice_ports", splicePorts(old), splicePorts(after))
		add("max_splices", old.MaxSplices, after.MaxSplices)
	}
	add("start", old.State, after.State)
	add("weight", old.Weight, after.Weight)
	add("weights.connections", old.Weights.Connections, after.Weights.Connections)
	add("weights.cpu", old.Weights.CPU, after.Weights.CPU)
	add("weights.redirected", old.Weights.Redirected, after.Weights.Redirected)
	add("weights.sockets", old.Weights.Sockets, after.Weights.Sockets)
	for _, t := range []struct {
		key      string
		old, new time.Duration
	}{
		{"syn", old.Timeouts.Syn, after.Timeouts.Syn},
		{"established", old.Timeouts.Established, after.Timeouts.Established},
		{"fin", old.Timeouts.Fin, after.Timeouts.Fin},
		{"rst", old.Timeouts.Rst, after.Timeouts.Rst},
	} {
		add("timeouts."+t.key, t.old, t.new)
	}
	return changes
}
