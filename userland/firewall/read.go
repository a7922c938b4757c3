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

// The kernel's own word that it has rules of the older interface.
const (
	ipTables  = "/proc/net/ip_tables_names"
	ip6Tables = "/proc/net/ip6_tables_names"
)

// Read reads all rules of this host: of nftables, and those that iptables made, which only
// its own tools can read. It also returns why it could not read some.
func Read(ctx context.Context) (all []*Ruleset, unread []string) {
	return read(ctx, countTables, has(ipTables), has(ip6Tables))
}

// read reads all rules of a kernel that counts its tables of nftables, and has tables of the older
// interface or not. Others than the tools that are installed may have made them: firewalld, or a
// container.
func read(ctx context.Context, tables func() (int, error), legacy, legacy6 bool) (all []*Ruleset, unread []string) {
	// run returns what a tool says. Without the tool, missing says what is not read, if anything.
	run := func(missing func() string, name string, args ...string) (string, bool) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if errors.Is(err, exec.ErrNotFound) {
			if why := missing(); why != "" {
				unread = append(unread, name+" is not installed, and "+why)
			}
			return "", false
		}
		if err != nil {
			unread = append(unread, fmt.Sprintf("%s: %v", name, err))
			return "", false
		}
		return string(out), true
	}
	nothing := func() string { return "" }
	theirs := func() string { return "nftables has tables that only it shows" }
	older := func() string { return "the kernel has tables that it shows" }
	newer := func() string {
		n, err := tables()
		switch {
		case err != nil:
			return err.Error()
		case n > 0:
			return older()
		}
		return ""
	}
	add := func(r *Ruleset, err error) {
		if err != nil {
			unread = append(unread, err.Error())
			return
		}
		all = append(all, r)
	}
	var leftOut map[string]bool
	if out, ok := run(newer, "nft", "-j", "list", "ruleset"); ok {
		r, err := ParseNFT([]byte(out))
		if err == nil {
			leftOut = r.leftOut
		}
		if text, ok := run(newer, "nft", "list", "ruleset"); ok && err == nil {
			r.AddDevices(text)
		}
		add(r, err)
	}
	// Which interface iptables-save reads is the administrator's choice; what nft left out must be read.
	save := func(family, name string) (string, bool) {
		if leftOut[family] {
			return run(theirs, name+"-nft-save")
		}
		return run(nothing, name+"-save")
	}
	if out, ok := save("ip", "iptables"); ok {
		add(ParseIPTables(out))
	}
	if out, ok := save("ip6", "ip6tables"); ok {
		add(ParseIP6Tables(out))
	}
	// Rules of the older interface, while iptables-save reads those of nftables.
	if legacy {
		if out, ok := run(older, "iptables-legacy-save"); ok {
			add(ParseIPTables(out))
		}
	}
	if legacy6 {
		if out, ok := run(older, "ip6tables-legacy-save"); ok {
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
