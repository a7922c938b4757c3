// SPDX-License-Identifier: MIT

// Package result keeps the results of the commands that try to break dpr
// (make chaos, make fuzz, make soak) in one file, out/reliability.json. Each
// command writes its own parts and leaves the others' as they are.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// File is where the results are, below the root of the checkout.
const File = "out/reliability.json"

// Part is what one part of a command found, for instance "fuzz" or "flood".
type Part struct {
	// Seed makes the same again: every random choice follows from it.
	Seed uint64 `json:"seed"`
	// Kernel is the release of the kernel that was tried.
	Kernel string `json:"kernel,omitempty"`
	// Began is when, and Seconds for how long.
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Failures say why the run did not pass.
	Failures []string `json:"failures,omitempty"`
	// Results is the part's own.
	Results any `json:"results"`
}

// Passed is the verdict.
func (p Part) Passed() bool { return len(p.Failures) == 0 }

// written is a part as the file has it.
type written struct {
	Part
	Passed bool `json:"passed"`
}

// report is the file. Parts of other commands are kept as they are.
type report struct {
	Parts map[string]json.RawMessage `json:"parts"`
}

// Write puts a part into the file at path, in the place of an older one of its
// name. Several processes may do so at a time. The file and its directory are
// made if they are not there; one that is not a report is an error and stays.
func Write(path, name string, p Part) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing part %s of %s: %w", name, path, err)
		}
	}()
	part, err := json.Marshal(written{p, p.Passed()})
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	r, err := read(path)
	if err != nil {
		return err
	}
	r.Parts[name] = part
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func read(path string) (report, error) {
	r := report{Parts: map[string]json.RawMessage{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Parts = nil
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	if r.Parts == nil {
		return r, errors.New("it has no parts")
	}
	return r, nil
}
