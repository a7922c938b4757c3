// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"dpr/userland/firewall"
)

// patience is how long a tool may take.
const patience = 10 * time.Second

// readFirewall reads all rules: of nftables, and those that iptables made, which only
// its own tools can read.
func (f *Facts) readFirewall(ctx context.Context) {
	if out, ok := f.run(ctx, "nft", "-j", "list", "ruleset"); ok {
		r, err := firewall.ParseNFT([]byte(out))
		if text, ok := f.run(ctx, "nft", "list", "ruleset"); ok && err == nil {
			r.AddDevices(text)
		}
		f.addRules(r, err)
	}
	if out, ok := f.run(ctx, "iptables-save"); ok {
		f.addRules(firewall.ParseIPTables(out))
	}
	if out, ok := f.run(ctx, "ip6tables-save"); ok {
		f.addRules(firewall.ParseIP6Tables(out))
	}
	// Rules of the older interface, while iptables-save reads those of nftables.
	if readText("/proc/net/ip_tables_names") != "" {
		if out, ok := f.run(ctx, "iptables-legacy-save"); ok {
			f.addRules(firewall.ParseIPTables(out))
		}
	}
	if readText("/proc/net/ip6_tables_names") != "" {
		if out, ok := f.run(ctx, "ip6tables-legacy-save"); ok {
			f.addRules(firewall.ParseIP6Tables(out))
		}
	}
}

func (f *Facts) addRules(r *firewall.Ruleset, err error) {
	if err != nil {
		f.Unread = append(f.Unread, err.Error())
		return
	}
	f.Firewall = append(f.Firewall, r)
}

// run runs a tool. One that is not installed has made no rules.
func (f *Facts) run(ctx context.Context, name string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", false
	}
	if err != nil {
		f.Unread = append(f.Unread, fmt.Sprintf("%s: %v", name, err))
		return "", false
	}
	return string(out), true
}
