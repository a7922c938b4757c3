// SPDX-License-Identifier: MIT

// Package disk has what the lab's packages need of files, and the cache that they
// share.
package disk

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Exists tells whether there is something at path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Write writes a file that is there whole or not at all.
func Write(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Copy copies a file, with its mode, and makes the directories above it.
func Copy(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}
