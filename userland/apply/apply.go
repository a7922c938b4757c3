// SPDX-License-Identifier: MIT

// Package apply applies the configuration file to the kernel.
package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// A Kernel is the part of dprnl.Client that Apply uses.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	SetConfig(context.Context, dprnl.ConfigUpdate) error
	Services(context.Context) ([]dprnl.Service, error)
	AddService(context.Context, dprnl.Service) error
	SetService(context.Context, dprnl.Service) error
	DeleteService(context.Context, dprnl.Service) error
	Ruleset(context.Context, dprnl.Service) (dprnl.Ruleset, error)
	SetRuleset(context.Context, dprnl.Service, dprnl.Ruleset) error
	Backends(context.Context) ([]dprnl.BackendStatus, error)
	SetBackend(context.Context, dprnl.Backend) error
	DeleteBackend(context.Context, string) error
}

// A Result says what Apply changed.
type Result struct {
	Address netip.Addr      // this host's address
	Added   []dprnl.Service // services that the kernel did not have
	Removed []dprnl.Service // services that the file does not have
	Changed []dprnl.Service // services that had other rules
	Ruled   []dprnl.Service // services that had other rules by what is asked for

	BackendsSet     []string // backends that the kernel did not have so
	BackendsRemoved []string // backends that the file does not have
}

// Apply sets the kernel's values and services to those of a file, and removes
// services that are not in the file. It leaves alone the peers, and the state unless
// the kernel had no configuration. The kernel accepts all values or none; if it
// refuses a service after that, or ctx is done, Apply restores what it changed. It cannot take
// back an address: the result of an error has that which a kernel without configuration got.
func Apply(ctx context.Context, k Kernel, c *config.Config) (Result, error) {
	address, err := c.HostAddress()
	if err != nil {
		return Result{}, err
	}
	old, err := k.Config(ctx)
	if err != nil {
		return Result{}, err
	}
	there, err := k.Services(ctx)
	if err != nil {
		return Result{}, err
	}
	u := update(address, c)
	if begins(old, c) {
		u.State = &c.Start
	}
	before, err := rulesets(ctx, k, there)
	if err != nil {
		return Result{}, err
	}
	backends, err := k.Backends(ctx)
	if err != nil {
		return Result{}, err
	}
	leaveOutPorts(&u, old)
	last := splitPorts(&u, c, backends)
	r := Result{Address: address}
	err = k.SetConfig(ctx, u)
	set := err == nil
	if err == nil {
		err = r.services(ctx, k, c.Services, there)
	}
	if err == nil {
		err = r.rulesets(ctx, k, c, there, before)
	}
	if err == nil {
		err = r.backends(ctx, k, c.Backends, backends)
	}
	if err == nil && last != nil {
		err = k.SetConfig(ctx, *last)
	}
	if err == nil {
		return r, nil
	}
	// What was interrupted is undone all the same.
	ctx = context.WithoutCancel(ctx)
	left := Result{}
	err = errors.Join(err, undoBackends(ctx, k, r.BackendsSet, backends, false), undoBackends(ctx, k, r.BackendsRemoved, backends, true),
		r.undo(ctx, k, c, there, before))
	if set {
		if old.Address.IsUnspecified() {
			left.Address = address
		}
		err = errors.Join(err, restore(ctx, k, old, u))
	}
	return left, err
}

// leaveOutPorts leaves the ports of splices out of an update that does not change them. The
// kernel looks at them again where there are backends, and refuses all of the update if they are
// this host's own by now (net.ipv4.ip_local_port_range).
func leaveOutPorts(u *dprnl.ConfigUpdate, old dprnl.Config) {
	if *u.SpliceFirstPort == old.SpliceFirstPort && *u.SpliceLastPort == old.SpliceLastPort {
		u.SpliceFirstPort, u.SpliceLastPort = nil, nil
	}
}

// splitPorts takes the ports of splices out of an update if the file has no backends and the
// kernel has some: they are set last, as the kernel takes any ports once it has no backends.
func splitPorts(u *dprnl.ConfigUpdate, c *config.Config, backends []dprnl.BackendStatus) *dprnl.ConfigUpdate {
	if u.SpliceFirstPort == nil || len(c.Backends) > 0 || len(backends) == 0 {
		return nil
	}
	last := &dprnl.ConfigUpdate{SpliceFirstPort: u.SpliceFirstPort, SpliceLastPort: u.SpliceLastPort}
	u.SpliceFirstPort, u.SpliceLastPort = nil, nil
	return last
}

// begins says whether the kernel was without configuration and begins in another state
// than it has.
func begins(old dprnl.Config, c *config.Config) bool {
	return old.Address.IsUnspecified() && c.Start != dprnl.StateActive
}

// target is what the file determines of the kernel's configuration: all but the state.
func target(address netip.Addr, c *config.Config) dprnl.Config {
	return dprnl.Config{
		Address: address, Policy: c.Policy, Hash: c.Hash, Estimate: c.Estimate, Marker: c.Marker, Forwarding: c.Forwarding, Answers: c.Answers, Orphans: c.Orphans,
		MaxLoad: c.MaxLoad, Weights: c.Weights, Weight: c.Weight, MaxFlows: c.MaxFlows,
		ReportMaxAge: c.ReportMaxAge, Timeouts: c.Timeouts, SlowStart: c.SlowStart,
		Affinity: c.Affinity, Affinity6: c.Affinity6, AffinityTime: c.AffinityTime, Group: group(c), HandoverKeyIDs: handoverKeyIDs(c),
		SpliceFirstPort: uint32(c.SplicePorts.First), SpliceLastPort: uint32(c.SplicePorts.Last), MaxSplices: c.MaxSplices,
	}
}

// HandoverKeys returns an update of the keys of handovers; nil if the kernel has those of the
// file.
func HandoverKeys(old dprnl.Config, c *config.Config) *dprnl.ConfigUpdate {
	if old.HandoverKeyIDs == handoverKeyIDs(c) {
		return nil
	}
	keys := handoverKeys(c)
	return &dprnl.ConfigUpdate{HandoverKeys: &keys}
}

// handoverKeys are the keys of handovers: they are derived from those of reports, so that a
// change of keys changes both.
func handoverKeys(c *config.Config) []dprnl.HandoverKey {
	var keys []dprnl.HandoverKey
	for _, k := range c.Report.Keys[:min(len(c.Report.Keys), dprnl.MaxHandoverKeys)] {
		keys = append(keys, dprnl.HandoverKey{ID: k.ID(), Secret: k.Derive("dpr handover 1")})
	}
	return keys
}

func handoverKeyIDs(c *config.Config) (ids [dprnl.MaxHandoverKeys]uint32) {
	for i, k := range handoverKeys(c) {
		ids[i] = k.ID
	}
	return ids
}

// group is the first IPv4 group that reports go to, if there is one. The hosts that hear them
// have joined it.
func group(c *config.Config) netip.Addr {
	for _, n := range c.Report.Networks {
		if n.Group.Is4() {
			return n.Group
		}
	}
	return netip.Addr{}
}

// update returns an update of everything that the file determines.
func update(address netip.Addr, c *config.Config) dprnl.ConfigUpdate {
	u := target(address, c).Update()
	keys := handoverKeys(c)
	u.HandoverKeys = &keys
	u.State = nil // once it runs, draining is up to the operator, not the file
	return u
}

// find returns the service of the same port and address, whatever its rules.
func find(list []dprnl.Service, s dprnl.Service) (dprnl.Service, bool) {
	if i := slices.IndexFunc(list, s.Same); i >= 0 {
		return list[i], true
	}
	return dprnl.Service{}, false
}

// missing returns the services of want that are not there.
func missing(want, there []dprnl.Service) []dprnl.Service {
	var list []dprnl.Service
	for _, s := range want {
		if _, ok := find(there, s); !ok {
			list = append(list, s)
		}
	}
	return list
}

// changed returns the services that are there with other rules: as they are, and as they
// are wanted.
func changed(want, there []dprnl.Service) (old, after []dprnl.Service) {
	for _, s := range want {
		if has, ok := find(there, s); ok && has.Rules != s.Rules {
			old, after = append(old, has), append(after, s)
		}
	}
	return old, after
}

// services removes services before it adds others, so that a full table has
// room. A step that another process has made meanwhile, applying the same file, counts as
// done.
func (r *Result) services(ctx context.Context, k Kernel, want, there []dprnl.Service) error {
	_, after := changed(want, there)
	err := each(ctx, k.DeleteService, missing(there, want), fs.ErrNotExist, &r.Removed)
	if err == nil {
		err = each(ctx, k.AddService, missing(want, there), fs.ErrExist, &r.Added)
	}
	if err == nil {
		err = each(ctx, k.SetService, after, nil, &r.Changed)
	}
	return err
}

// undo undoes the steps that were made, the last ones first.
func (r *Result) undo(ctx context.Context, k Kernel, c *config.Config, there []dprnl.Service, before []dprnl.Ruleset) error {
	old, _ := changed(c.Services, there)
	err := errors.Join(
		undo(ctx, k.SetService, old[:len(r.Changed)]),
		undo(ctx, k.DeleteService, r.Added),
		undo(ctx, k.AddService, r.Removed))
	for i, s := range there {
		// A service that was removed has lost its rules, and is back.
		lost := slices.ContainsFunc(r.Ruled, s.Same) || slices.ContainsFunc(r.Removed, s.Same) && !before[i].None()
		if !lost {
			continue
		}
		if wrong := k.SetRuleset(ctx, s, before[i]); wrong != nil {
			err = errors.Join(err, fmt.Errorf("restoring the services: %w", wrong))
		}
	}
	return err
}

// each makes a step for each service until one fails, and appends those for which it was
// made to done. The error already says that somebody else has made it.
func each(ctx context.Context, step func(context.Context, dprnl.Service) error, list []dprnl.Service, already error, done *[]dprnl.Service) error {
	for _, s := range list {
		err := step(ctx, s)
		if already != nil && errors.Is(err, already) {
			continue
		}
		if err != nil {
			return err
		}
		*done = append(*done, s)
	}
	return nil
}

func undo(ctx context.Context, step func(context.Context, dprnl.Service) error, list []dprnl.Service) error {
	var errs []error
	for _, s := range list {
		if err := step(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("restoring the services: %w", err))
		}
	}
	return errors.Join(errs...)
}

// restore restores the old values. An address cannot be unset, and keys of handovers that
// there were cannot be read: the new ones stay. So does the state in which a host without
// configuration begins, for whoever applies the file again: that host has begun. Ports of
// splices that the kernel does not take again, as they are this host's own by now, keep nothing
// else from being restored.
func restore(ctx context.Context, k Kernel, old dprnl.Config, applied dprnl.ConfigUpdate) error {
	u := old.Update()
	ports := dprnl.ConfigUpdate{SpliceFirstPort: u.SpliceFirstPort, SpliceLastPort: u.SpliceLastPort}
	u.SpliceFirstPort, u.SpliceLastPort = nil, nil
	if old.Address.IsUnspecified() {
		u.Address, u.State = nil, nil
	}
	if old.HandoverKeyIDs == [dprnl.MaxHandoverKeys]uint32{} {
		u.HandoverKeys = &[]dprnl.HandoverKey{}
	}
	err := k.SetConfig(ctx, u)
	if applied.SpliceFirstPort != nil {
		err = errors.Join(err, k.SetConfig(ctx, ports))
	}
	if err != nil {
		return fmt.Errorf("restoring the configuration: %w", err)
	}
	return nil
}
