// SPDX-License-Identifier: MIT

package fuzz

import (
	"bytes"
	"strings"
	"testing"
)

// What a guest says becomes results, failures, or an error.
func TestFound(t *testing.T) {
	var progress bytes.Buffer
	f := &found{part: "netlink", progress: &progress}
	for _, line := range []string{
		`{"say":"hello"}`, `{"failure":"one"}`, `{"results":{"messages":3}}`, `{"leaks":"unreferenced object"}`,
	} {
		if err := f.line([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(f.failures) != 2 || f.failures[0] != "one" || string(f.results) != `{"messages":3}` || !bytes.Contains(progress.Bytes(), []byte("hello")) {
		t.Errorf("%+v %s", f, &progress)
	}
	if err := f.line([]byte(`{"say":3}`)); err == nil {
		t.Error("what is no record is no error")
	}
}

func TestUnknownPart(t *testing.T) {
	o := Defaults()
	o.Parts = []string{"nonsense"}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
}
