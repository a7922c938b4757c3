// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// runDir holds the state of the labs that are up. Labs need root, so it is the
// same whoever asks.
const runDir = "/run/dprlab"

func stateDir(name string) string { return filepath.Join(runDir, name) }

// workRoot holds what a lab needs on disk while it is up: /run is memory, small,
// and often nothing in it may be executed.
const workRoot = "/var/lib/dprlab"

func workDir(name string) string { return filepath.Join(workRoot, name) }

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
