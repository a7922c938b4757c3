// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dpr/testbed/lab/netns"
)

// Down brings the lab called name down, or what a crash left of it: its processes
// end, its namespaces and files go. It does nothing if there is no such lab.
func Down(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkRoot(); err != nil {
		return err
	}
	lock, err := lockName(name)
	if err != nil {
		return err
	}
	return errors.Join(teardown(name), lock.release())
}

// teardown removes whatever there is of a lab. The caller holds its lock.
func teardown(name string) error {
	var errs []error
	// The broker's end is that of the guests; whatever else runs in the lab's
	// namespaces is the lab's too.
	if s, err := readState(name); err == nil {
		errs = append(errs, s.Broker.Kill())
	}
	own := namespaceOf(name, "")
	names, err := netns.List(netns.Dir, own)
	errs = append(errs, err)
	for _, ns := range names {
		errs = append(errs, netns.Kill(ns))
	}
	for _, ns := range names {
		errs = append(errs, netns.Remove(ns))
	}
	etc, err := netns.List(netns.EtcDir, own)
	errs = append(errs, err)
	for _, ns := range etc {
		errs = append(errs, os.RemoveAll(filepath.Join(netns.EtcDir, ns)))
	}
	if len(etc) > 0 {
		_ = os.Remove(netns.EtcDir) // unless somebody else uses it
	}
	errs = append(errs, os.RemoveAll(stateDir(name)), os.RemoveAll(workDir(name)))
	_ = os.Remove(workRoot) // unless another lab uses it
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("bringing lab %s down: %w", name, err)
	}
	return nil
}

func checkRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab needs root: it makes network namespaces")
	}
	return nil
}
