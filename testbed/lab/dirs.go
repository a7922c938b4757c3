// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// runDir holds the state of the labs that are up. Labs need root, so it is the
// same whoever asks.
const runDir = "/run/dprlab"

func stateDir(name string) string { return filepath.Join(runDir, name) }

// workRoot holds what a lab needs on disk while it is up: /run is memory, small,
// and often nothing in it may be executed.
const workRoot = "/var/lib/dprlab"

func workDir(name string) string { return filepath.Join(workRoot, name) }

// cacheDir returns a directory below the user's cache, $XDG_CACHE_HOME/dpr/sub,
// and makes it. What killed processes left in it goes.
func cacheDir(sub string) (string, error) {
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

// sourceDir returns the root of the module dpr: dir if it is given, else the
// nearest directory from the working directory upwards.
func sourceDir(dir string) (string, error) {
	given := dir != ""
	if !given {
		wd, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("finding the source: %w", err)
		}
		dir = wd
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the source: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "testbed", "lab", "guest", "init")); err == nil {
			return d, nil
		}
		if given || d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not in a checkout of dpr: it has no testbed/lab/guest/init", dir)
		}
	}
}
