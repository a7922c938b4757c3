// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"slices"
)

// edits are texts put around parts of a file. Of two around the same part the one
// that came first is outside.
type edits struct {
	before, after map[int][]string
}

func newEdits() *edits { return &edits{before: map[int][]string{}, after: map[int][]string{}} }

// around puts text before and after what is from one offset to another.
func (e *edits) around(from, to int, before, after string) {
	e.before[from] = append(e.before[from], before)
	e.after[to] = append(e.after[to], after)
}

func (e *edits) apply(text []byte) []byte {
	var out bytes.Buffer
	for i := 0; i <= len(text); i++ {
		// What ends here goes before what begins; inner ones end first.
		for _, t := range slices.Backward(e.after[i]) {
			out.WriteString(t)
		}
		for _, t := range e.before[i] {
			out.WriteString(t)
		}
		if i < len(text) {
			out.WriteByte(text[i])
		}
	}
	return out.Bytes()
}
