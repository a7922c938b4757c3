// SPDX-License-Identifier: MIT

package result

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Result is what a run of a command found.
type Result interface {
	// Part is what the file has of it.
	Part() Part
	// Print writes it for people, without the verdict.
	Print(io.Writer) error
}

// Verdict collects why a run did not pass.
type Verdict struct{ Why []string }

// Want notes a failure unless something is so.
func (v *Verdict) Want(ok bool, format string, args ...any) {
	if !ok {
		v.Why = append(v.Why, fmt.Sprintf(format, args...))
	}
}

// Unfinished is the failure of a part whose run has begun and not ended.
const Unfinished = "the run has not ended"

// Begin writes into the file at path that a run of a command of this name begins, in
// the place of what an earlier one found: a verdict is never older than the last run.
func Begin(path, name string, seed uint64) error {
	return Write(path, name, Part{Seed: seed, Began: time.Now(), Failures: []string{Unfinished}})
}

// Do has a command of this name run and publishes what it finds. If the run itself
// fails, the file says so.
func Do(w io.Writer, path, name string, seed uint64, run func() (Result, error)) error {
	began := time.Now()
	if err := Begin(path, name, seed); err != nil {
		return err
	}
	r, err := run()
	if err == nil {
		return Publish(w, path, name, r)
	}
	err = fmt.Errorf("%s: %w", name, err)
	p := Part{Seed: seed, Began: began, Seconds: time.Since(began).Seconds(), Failures: []string{err.Error()}}
	return errors.Join(err, Write(path, name, p))
}

// Publish writes the result of a command of this name into the file at path, and
// prints it and the verdict. It is an error if the run did not pass.
func Publish(w io.Writer, path, name string, r Result) error {
	p := r.Part()
	if err := Write(path, name, p); err != nil {
		return err
	}
	if err := r.Print(w); err != nil {
		return fmt.Errorf("printing the result of %s: %w", name, err)
	}
	verdict := "passed"
	if !p.Passed() {
		verdict = "FAILED:\n" + strings.Join(p.Failures, "\n")
	}
	if _, err := fmt.Fprintf(w, "\n%s\n\nThe same in %s.\n", verdict, path); err != nil {
		return fmt.Errorf("printing the verdict of %s: %w", name, err)
	}
	return p.err(name)
}

func (p Part) err(name string) error {
	if p.Passed() {
		return nil
	}
	return fmt.Errorf("%s: %d failures; the first: %s", name, len(p.Failures), p.Failures[0])
}
