// SPDX-License-Identifier: MIT

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/process"
)

// stateFile, in a lab's state directory, says what the lab is. It appears when
// the lab is up.
const stateFile = "lab.json"

// state is what a lab's other processes must know of it.
type state struct {
	Name    string          `json:"name"`
	Kernel  kernel.Kernel   `json:"kernel"`
	Accel   string          `json:"accel"`  // "tcg" or "kvm"
	Memory  int             `json:"memory"` // MiB
	DPR     bool            `json:"dpr"`
	Family  family.Family   `json:"family"` // of the servers' own addresses
	Hosts   []Host          `json:"hosts"`
	Broker  process.Process `json:"broker"`
	Created time.Time       `json:"created"`
}

func (s *state) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	return disk.Write(filepath.Join(dir, stateFile), append(b, '\n'), 0o644)
}

func readState(name string) (*state, error) {
	b, err := os.ReadFile(filepath.Join(stateDir(name), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s is not up: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of lab %s: %w", name, err)
	}
	s := &state{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("reading the state of lab %s: %w", name, err)
	}
	return s, nil
}
