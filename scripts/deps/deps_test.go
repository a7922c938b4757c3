// SPDX-License-Identifier: MIT

package deps

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"dpr/testbed/lab/initramfs"
)

func TestParse(t *testing.T) {
	got := parse("# a list\n\nfoo  # for bar\nbaz#why\n")
	want := []Package{{"foo", "for bar"}, {"baz", "why"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Every package has a proper name, a reason, and one line in one list.
func TestLists(t *testing.T) {
	more, err := os.ReadFile("packages-test")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	for _, p := range append(Packages(), parse(string(more))...) {
		if !name.MatchString(p.Name) || p.Why == "" || seen[p.Name] {
			t.Errorf("%q # %q: bad name, no reason, or listed twice", p.Name, p.Why)
		}
		seen[p.Name] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d packages", len(seen))
	}
}

// What the lab looks for on this machine is on the list.
func TestListHasWhatTheLabNeeds(t *testing.T) {
	for _, need := range initramfs.Packages() {
		if !slices.ContainsFunc(Packages(), func(p Package) bool { return p.Name == need }) {
			t.Errorf("the lab needs the package %s, which is not on the list", need)
		}
	}
}
