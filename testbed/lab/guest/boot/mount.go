// SPDX-License-Identifier: MIT

// Package boot is what a guest does from its kernel's first process on until its
// services answer.
package boot

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount mounts the file systems that programs expect. A kernel without debugfs
// or tracefs is no error.
func Mount() error {
	mounts := []struct {
		source, target, fstype, data string
		optional                     bool
	}{
		{"proc", "/proc", "proc", "", false},
		{"sysfs", "/sys", "sysfs", "", false},
		{"devtmpfs", "/dev", "devtmpfs", "", false},
		{"devpts", "/dev/pts", "devpts", "gid=5,mode=620", false},
		{"tmpfs", "/dev/shm", "tmpfs", "", false},
		{"tmpfs", "/run", "tmpfs", "mode=755", false},
		{"debugfs", "/sys/kernel/debug", "debugfs", "", true},
		{"tracefs", "/sys/kernel/tracing", "tracefs", "", true},
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.target, "/dev/") {
			if err := os.MkdirAll(m.target, 0o755); err != nil {
				return err
			}
		}
		err := unix.Mount(m.source, m.target, m.fstype, 0, m.data)
		// The kernel may have mounted devtmpfs itself.
		if err != nil && !m.optional && err != unix.EBUSY {
			return fmt.Errorf("mounting %s on %s: %w", m.fstype, m.target, err)
		}
	}
	// All memory that programs leave is for files; the kernel gives half.
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT, "size=90%"); err != nil {
		return fmt.Errorf("growing the root file system: %w", err)
	}
	return nil
}

// Param returns the value of the kernel parameter that begins with prefix, and
// whether there is one.
func Param(prefix string) (string, bool, error) {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", false, fmt.Errorf("reading the kernel's parameters: %w", err)
	}
	for _, f := range strings.Fields(string(b)) {
		if v, ok := strings.CutPrefix(f, prefix); ok {
			return v, true, nil
		}
	}
	return "", false, nil
}
