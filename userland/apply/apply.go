// SPDX-License-Identifier: MIT

// Package apply makes the kernel's configuration that of the configuration
// file.
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

// A Kernel is what applying needs of dprnl.Client.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	SetConfig(context.Context, dprnl.ConfigUpdate) error
	Services(context.Context) ([]dprnl.Service, error)
	AddService(context.Context, dprnl.Service) error
	DeleteService(context.Context, dprnl.Service) error
}

// A Result says what applying changed.
type Result struct {
	Address netip.Addr      // this host's address
	Added   []dprnl.Service // services that were not there
	Removed []dprnl.Service // services that the file does not have
}

// Apply gives the kernel the values and the services of a file; services that
// are not in the file are removed. What the file does not speak of, the state
// and the peers, stays. Values are taken together by the kernel or not at
// all; if a service is refused after that, what was changed is put back.
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
	if err := k.SetConfig(ctx, update(address, c)); err != nil {
		return Result{}, err
	}
	r := Result{Address: address}
	if err := r.services(ctx, k, missing(c.Services, there), missing(there, c.Services)); err != nil {
		return Result{}, errors.Join(err, restore(ctx, k, old))
	}
	return r, nil
}

// update names all that a file decides.
func update(address netip.Addr, c *config.Config) dprnl.ConfigUpdate {
	u := dprnl.Config{
		Address: address, Policy: c.Policy, Hash: c.Hash, Estimate: c.Estimate, Marker: c.Marker, Orphans: c.Orphans,
		MaxLoad: c.MaxLoad, Weights: c.Weights, Weight: c.Weight, MaxFlows: c.MaxFlows,
		ReportMaxAge: c.ReportMaxAge, Timeouts: c.Timeouts,
	}.Update()
	u.State = nil // draining is an operator's decision, not the file's
	return u
}

func missing(want, there []dprnl.Service) []dprnl.Service {
	var list []dprnl.Service
	for _, s := range want {
		if !slices.Contains(there, s) {
			list = append(list, s)
		}
	}
	return list
}

// services removes before it adds, so that a full table has room; on an error
// it takes its own steps back. A step that somebody else made meanwhile, who
// applies the same file, is made.
func (r *Result) services(ctx context.Context, k Kernel, add, remove []dprnl.Service) error {
	for _, s := range remove {
		err := k.DeleteService(ctx, s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return errors.Join(err, undo(ctx, k.AddService, r.Removed))
		}
		r.Removed = append(r.Removed, s)
	}
	for _, s := range add {
		err := k.AddService(ctx, s)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return errors.Join(err, undo(ctx, k.DeleteService, r.Added), undo(ctx, k.AddService, r.Removed))
		}
		r.Added = append(r.Added, s)
	}
	return nil
}

func undo(ctx context.Context, step func(context.Context, dprnl.Service) error, list []dprnl.Service) error {
	var errs []error
	for _, s := range list {
		if err := step(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("putting the services back: %w", err))
		}
	}
	return errors.Join(errs...)
}

// restore puts the old values back. An address cannot be taken away again.
func restore(ctx context.Context, k Kernel, old dprnl.Config) error {
	u := old.Update()
	if old.Address.IsUnspecified() {
		u.Address = nil
	}
	if err := k.SetConfig(ctx, u); err != nil {
		return fmt.Errorf("putting the configuration back: %w", err)
	}
	return nil
}
