// SPDX-License-Identifier: MIT

package checkout

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRoot(t *testing.T) {
	root, err := Root("")
	if err != nil {
		t.Fatal(err)
	}
	if here, err := filepath.Abs("../../.."); err != nil || root != here {
		t.Errorf("from here it is %q, want %q (%v)", root, here, err)
	}
	if got, err := Root(root); got != root || err != nil {
		t.Errorf("given, it is %q, %v; want %q", got, err, root)
	}
	// A given directory is meant: nothing above it is looked at.
	for _, dir := range []string{t.TempDir(), root + "/kmod"} {
		if got, err := Root(dir); err == nil || !strings.Contains(err.Error(), dir+" is not in a checkout of dpr") {
			t.Errorf("%s: %q, %v", dir, got, err)
		}
	}
	t.Chdir(t.TempDir())
	if got, err := Root(""); err == nil {
		t.Errorf("outside of a checkout it is %q", got)
	}
}

func TestBuildSaysWhatFails(t *testing.T) {
	root, err := Root("")
	if err != nil {
		t.Fatal(err)
	}
	err = Build(t.Context(), root, t.TempDir(), "./testbed/lab/nothing")
	if err == nil || !strings.Contains(err.Error(), "testbed/lab/nothing") {
		t.Errorf("building what is not there: %v", err)
	}
}
