// SPDX-License-Identifier: MIT

package firewall

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Without a tool there may be rules all the same, which others have made: that is said, but only
// of a kernel that may have some.
func TestReadWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, tt := range []struct {
		nft, legacy, legacy6 bool
		want                 []string
	}{
		{false, false, false, nil},
		{true, false, false, []string{"nft"}},
		{false, true, false, []string{"iptables-legacy-save"}},
		{true, true, true, []string{"nft", "iptables-legacy-save", "ip6tables-legacy-save"}},
	} {
		rules, unread := read(t.Context(), tt.nft, tt.legacy, tt.legacy6)
		var missing []string
		for _, why := range unread {
			name, _, _ := strings.Cut(why, " is not installed, ")
			missing = append(missing, name)
		}
		if len(rules) != 0 || !slices.Equal(missing, tt.want) {
			t.Errorf("%+v: %d rulesets, unread %q", tt, len(rules), unread)
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
	if rules, unread := read(t.Context(), false, false, false); len(rules) != 0 || len(unread) != 1 || unread[0] != "nft: exit status 1" {
		t.Errorf("%d rulesets, unread %q", len(rules), unread)
	}
}
