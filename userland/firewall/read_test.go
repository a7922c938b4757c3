// SPDX-License-Identifier: MIT

package firewall

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// What iptables made of nftables is read by its own tool for that, whichever iptables-save is; who
// has only nft, as where a container made the rules, is told that some are not read.
func TestReadWithoutTheirTool(t *testing.T) {
	const ruleset = `{"nftables": [
		{"chain": {"family": "FAMILY", "table": "nat", "name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}},
		{"rule": {"family": "FAMILY", "table": "nat", "chain": "POSTROUTING", "handle": 2, "expr": [{"xt": {"type": "match", "name": "comment"}}, {"masquerade": null}]}}]}`
	const saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m comment --comment x -j MASQUERADE\nCOMMIT\n"
	for _, tt := range []struct {
		family, tool string
		want         []string
	}{
		{"ip", "", []string{"iptables-nft-save is not installed, and nftables has tables that only it shows"}},
		{"ip6", "", []string{"ip6tables-nft-save is not installed, and nftables has tables that only it shows"}},
		{"ip", "iptables-save", []string{"iptables-nft-save is not installed, and nftables has tables that only it shows"}},
		{"ip", "iptables-nft-save", nil},
		{"ip6", "ip6tables-nft-save", nil},
		{"bridge", "", nil},
	} {
		dir := t.TempDir()
		t.Setenv("PATH", dir)
		nft := "#!/bin/sh\necho '" + strings.ReplaceAll(ruleset, "FAMILY", tt.family) + "'\n"
		for name, text := range map[string]string{"nft": nft, tt.tool: "#!/bin/sh\necho '" + saved + "'\n"} {
			if name == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		rules, unread := read(t.Context(), none, false, false)
		if !slices.Equal(unread, tt.want) {
			t.Errorf("%s with %q: unread %q, not %q", tt.family, tt.tool, unread, tt.want)
		}
		seen := 0
		for _, r := range rules {
			seen += len(r.Seen(Postrouting, "", math.MaxInt))
		}
		if tt.family != "bridge" && (seen > 0) != (len(tt.want) == 0) {
			t.Errorf("%s with %q: %d chains seen", tt.family, tt.tool, seen)
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
