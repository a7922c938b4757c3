// SPDX-License-Identifier: MIT

package drive

import (
	"context"

	"dpr/testbed/lab/flags"
)

// The ways to sabotage a run, to see that its judge notices.
const (
	SabotageCrash   = "crash"   // a process dies that nobody asked to
	SabotageLoad    = "load"    // the clients stand still
	SabotagePackets = "packets" // packets vanish that nobody counts
)

// Sabotages are all of them.
var Sabotages = []string{SabotageCrash, SabotageLoad, SabotagePackets}

// SabotageFlag describes a field that is some of Sabotages.
func SabotageFlag(p *[]string) *flags.Flag {
	return flags.Words(p, "sabotage", Sabotages, "spoil the run, to see that it fails (`WAY,WAY…`): {range}")
}

// Crash ends a process of a server as a mistake in it would; the guest starts it
// again.
func (l Cluster) Crash(ctx context.Context, server string) error {
	_, err := l.Output(ctx, server, "sh", "-c", "kill -9 $(svc pid dpr-receive)")
	return err
}

// Steal has some packets of either family vanish between the counters of package accounting, until the
// returned function is called: before dpr sees them, since a server may just redirect
// all that comes.
func (l Cluster) Steal(ctx context.Context, server string) (undo func(context.Context) error, err error) {
	rules := "table inet thief {\nchain in {\ntype filter hook prerouting priority -480\n" +
		`iifname "eth0" tcp dport 80 limit rate 20/second burst 20 packets drop` + "\n}\n}"
	if _, err := l.Output(ctx, server, "nft", rules); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := l.Output(context.WithoutCancel(ctx), server, "nft", "delete table inet thief")
		return err
	}, nil
}
