// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// modules are inserted and removed, while there are namespaces to begin in and to
// end in.
func (t *tried) modules(ctx context.Context) error {
	for _, m := range []string{moduleFuzz, moduleDPR} {
		if err := remove(m); err != nil {
			return err
		}
	}
	leave, stay := make(chan struct{}), make(chan error)
	for range 2 {
		go func() {
			stay <- inNewNamespace(func() error { stay <- nil; <-leave; return nil })
		}()
		if err := <-stay; err != nil {
			return err
		}
	}
	in := func() (bool, error) {
		b, err := os.ReadFile("/proc/modules")
		return strings.HasPrefix(string(b), moduleDPR+" ") || strings.Contains(string(b), "\n"+moduleDPR+" "), err
	}
	file, err := os.Open("/lib/modules/" + moduleDPR + ".ko")
	if err != nil {
		return err
	}
	defer file.Close()
	out := func() error {
		if there, err := in(); err != nil || !there {
			return err
		}
		return remove(moduleDPR)
	}
	err = t.each("module insert", out, func() error { return unix.FinitModule(int(file.Fd()), "", 0) }, func(err error) error {
		there, ierr := in()
		if ierr != nil {
			return ierr
		}
		switch {
		case err != nil && there:
			return fmt.Errorf("it is there, although inserting it failed: %w", err)
		case err == nil && !there:
			return errors.New("inserting it succeeded, and it is not there")
		}
		return nil
	})
	if err == nil {
		err = t.each("module remove", func() error {
			if there, err := in(); err != nil || there {
				return err
			}
			return insert(moduleDPR, "")
		}, func() error { return unix.DeleteModule(moduleDPR, 0) }, func(err error) error {
			if err != nil && !noMemory(err) {
				return err
			}
			return nil
		})
	}
	close(leave)
	for range 2 {
		err = errors.Join(err, <-stay)
	}
	return err
}
