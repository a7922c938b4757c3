// SPDX-License-Identifier: MIT

package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// patience is how long a tool may take.
const patience = 10 * time.Second

// Read reads all rules of this host: of nftables, and those that iptables made, which only
// its own tools can read. It also returns why it could not read some. A tool that is not
// installed has made no rules.
func Read(ctx context.Context) (all []*Ruleset, unread []string) {
	run := func(name string, args ...string) (string, bool) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if errors.Is(err, exec.ErrNotFound) {
			return "", false
		}
		if err != nil {
			unread = append(unread, fmt.Sprintf("%s: %v", name, err))
			return "", false
		}
		return string(out), true
	}
	add := func(r *Ruleset, err error) {
		if err != nil {
			unread = append(unread, err.Error())
			return
		}
		all = append(all, r)
	}
	if out, ok := run("nft", "-j", "list", "ruleset"); ok {
		r, err := ParseNFT([]byte(out))
		if text, ok := run("nft", "list", "ruleset"); ok && err == nil {
			r.AddDevices(text)
		}
		add(r, err)
	}
	if out, ok := run("iptables-save"); ok {
		add(ParseIPTables(out))
	}
	if out, ok := run("ip6tables-save"); ok {
		add(ParseIP6Tables(out))
	}
	// Rules of the older interface, while iptables-save reads those of nftables.
	if has("/proc/net/ip_tables_names") {
		if out, ok := run("iptables-legacy-save"); ok {
			add(ParseIPTables(out))
		}
	}
	if has("/proc/net/ip6_tables_names") {
		if out, ok := run("ip6tables-legacy-save"); ok {
			add(ParseIP6Tables(out))
		}
	}
	return all, unread
}

// has tells whether a file says anything.
func has(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && len(b) > 0
}
