// SPDX-License-Identifier: MIT

package singlevm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Insert inserts a module that was built for the guest.
func Insert(name, params string) error {
	f, err := os.Open("/lib/modules/" + name + ".ko")
	if err != nil {
		return fmt.Errorf("inserting a module: %w", err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), params, 0); err != nil {
		return fmt.Errorf("inserting %s with %q: %w", name, params, err)
	}
	return nil
}

// Remove removes a module.
func Remove(name string) error {
	if err := unix.DeleteModule(name, 0); err != nil {
		return fmt.Errorf("removing module %s: %w", name, err)
	}
	return nil
}
