// SPDX-License-Identifier: MIT

package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"dpr/userland/dprnl"
)

// sameBackend says whether what is set of two backends is the same. Whether one is down is
// not up to the file.
func sameBackend(a, b dprnl.Backend) bool {
	return a.Name == b.Name && a.Address == b.Address && a.Port == b.Port && a.Weight == b.Weight && a.Limit == b.Limit &&
		a.Proxy == b.Proxy && slices.Equal(a.Services, b.Services)
}

// backend returns the backend of a name, as the kernel has it.
func backend(list []dprnl.BackendStatus, name string) (dprnl.Backend, bool) {
	for _, b := range list {
		if b.Name == name {
			return b.Backend, true
		}
	}
	return dprnl.Backend{}, false
}

// otherBackends are the backends of the file that the kernel does not have so, and those that
// only the kernel has.
func otherBackends(want []dprnl.Backend, there []dprnl.BackendStatus) (set []dprnl.Backend, gone []string) {
	for _, b := range want {
		if old, _ := backend(there, b.Name); !sameBackend(b, old) {
			set = append(set, b)
		}
	}
	for _, b := range there {
		if !slices.ContainsFunc(want, func(w dprnl.Backend) bool { return w.Name == b.Name }) {
			gone = append(gone, b.Name)
		}
	}
	return set, gone
}

func (r *Result) removeBackends(ctx context.Context, k Kernel, gone []string) error {
	for _, name := range gone {
		if err := k.DeleteBackend(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r.BackendsRemoved = append(r.BackendsRemoved, name)
	}
	return nil
}

// backends sets backends, then removes those that the file does not have: one that is removed
// and added again is another to the kernel, without connections, and it may refuse it. So they
// make room only in a full table, which the kernel looks at last.
func (r *Result) backends(ctx context.Context, k Kernel, want []dprnl.Backend, there []dprnl.BackendStatus) error {
	set, gone := otherBackends(want, there)
	for _, b := range set {
		err := k.SetBackend(ctx, b)
		if errors.Is(err, syscall.ENOSPC) && len(gone) > 0 {
			err, gone = r.removeBackends(ctx, k, gone), nil
			if err == nil {
				err = k.SetBackend(ctx, b)
			}
		}
		if err != nil {
			return err
		}
		r.BackendsSet = append(r.BackendsSet, b.Name)
	}
	return r.removeBackends(ctx, k, gone)
}

// undoBackends gives the kernel backends as it had them. Whether one is down did not change,
// unless it is gone.
func undoBackends(ctx context.Context, k Kernel, names []string, there []dprnl.BackendStatus, gone bool) error {
	var errs []error
	for _, name := range names {
		var err error
		if old, ok := backend(there, name); ok {
			old.Down = old.Down && gone
			err = k.SetBackend(ctx, old)
		} else {
			err = k.DeleteBackend(ctx, name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("restoring the backends: %w", err))
		}
	}
	return errors.Join(errs...)
}

// compareBackends returns the backends that differ.
func compareBackends(want []dprnl.Backend, there []dprnl.BackendStatus) (changes []Change) {
	set, gone := otherBackends(want, there)
	for _, name := range gone {
		old, _ := backend(there, name)
		changes = append(changes, Change{Key: "backend", Kernel: old.String()})
	}
	for _, b := range set {
		change := Change{Key: "backend", File: b.String()}
		if old, ok := backend(there, b.Name); ok {
			change.Kernel = old.String()
		}
		changes = append(changes, change)
	}
	return changes
}
