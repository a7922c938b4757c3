// SPDX-License-Identifier: MIT

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// CacheDir returns a directory below the user's cache, $XDG_CACHE_HOME/dpr/sub,
// and makes it. What killed processes left in it goes.
func CacheDir(sub string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	dir := filepath.Join(base, "dpr", sub)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	if err := sweep(dir); err != nil {
		return "", fmt.Errorf("cleaning the cache: %w", err)
	}
	return dir, nil
}

// tooOld is the age at which nobody works any more on what is unfinished.
const tooOld = 6 * time.Hour

// sweep removes from a directory what killed processes left unfinished.
func sweep(dir string) error {
	for _, kind := range []string{"build-*", "unpack-*", "new-*"} {
		paths, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil {
			return err
		}
		for _, p := range paths {
			fi, err := os.Stat(p)
			if err != nil || time.Since(fi.ModTime()) < tooOld {
				continue // in the making, or finished since
			}
			if err := os.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Prune removes all but the files of a directory that changed last.
func Prune(dir string, keep int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		// Another process may do the same.
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
			files = append(files, fi)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, fi := range files[min(keep, len(files)):] {
		if err := os.Remove(filepath.Join(dir, fi.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
