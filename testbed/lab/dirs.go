// SPDX-License-Identifier: MIT

package lab

import (
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
