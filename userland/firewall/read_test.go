// SPDX-License-Identifier: MIT

package firewall

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// none is of a kernel without tables of nftables.
func none() (int, error) { return 0, nil }

// Without a tool there may be rules all the same, which others have made: that is said, but only
// of a kernel that has tables, or does not say.
func TestReadWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	some := func() (int, error) { return 2, nil }
	silent := func() (int, error) { return 0, errors.New("asking: operation not permitted") }
	for _, tt := range []struct {
		tables          func() (int, error)
		legacy, legacy6 bool
		want            []string
	}{
		{none, false, false, nil},
		{some, false, false, []string{"nft is not installed, and the kernel has tables that it shows"}},
		{silent, false, false, []string{"nft is not installed, and asking: operation not permitted"}},
		{none, true, false, []string{"iptables-legacy-save is not installed, and the kernel has tables that it shows"}},
		{some, true, true, []string{
			"nft is not installed, and the kernel has tables that it shows",
			"iptables-legacy-save is not installed, and the kernel has tables that it shows",
			"ip6tables-legacy-save is not installed, and the kernel has tables that it shows",
		}},
	} {
		if rules, unread := read(t.Context(), tt.tables, tt.legacy, tt.legacy6); len(rules) != 0 || !slices.Equal(unread, tt.want) {
			t.Errorf("%d rulesets, unread %q, not %q", len(rules), unread, tt.want)
		}
	}
}

// A tool that fails has not shown the rules, whether the kernel has some or not.
func TestReadFails(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if rules, unread := read(t.Context(), none, false, false); len(rules) != 0 || len(unread) != 1 || unread[0] != "nft: exit status 1" {
		t.Errorf("%d rulesets, unread %q", len(rules), unread)
	}
}
