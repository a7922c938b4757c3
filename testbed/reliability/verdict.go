// SPDX-License-Identifier: MIT

package reliability

import (
	"fmt"
	"io"
	"strings"
)

// Result is what a run of a command found.
type Result interface {
	// Part is what the file has of it.
	Part() Part
	// Print writes it for people, without the verdict.
	Print(io.Writer) error
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
