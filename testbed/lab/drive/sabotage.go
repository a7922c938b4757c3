// SPDX-License-Identifier: MIT

package drive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dpr/testbed/lab"
)

// The ways to sabotage a run, to see that its judge notices.
const (
	SabotageCrash = "crash" // a process dies that nobody asked to
	SabotageLoad  = "load"  // the clients stand still
	SabotageBooks = "books" // packets vanish that nobody counts
)

// Sabotages are all of them.
var Sabotages = []string{SabotageCrash, SabotageLoad, SabotageBooks}

// CheckSabotage says what is wrong with the ways that were asked for, or nil.
func CheckSabotage(ways []string) error {
	for _, way := range ways {
		if !slices.Contains(Sabotages, way) {
			return fmt.Errorf("sabotage %q: want some of %s", way, strings.Join(Sabotages, ", "))
		}
	}
	return nil
}

// Crash ends a process of a server as a mistake in it would; the guest starts it
// again.
func Crash(ctx context.Context, l *lab.Lab, server string) error {
	_, err := l.Output(ctx, server, "sh", "-c", "kill -9 $(svc pid dpr-receive)")
	return err
}

// Steal has some packets vanish between the counters of package account, until the
// returned function is called.
func Steal(ctx context.Context, l *lab.Lab, server string) (undo func(context.Context) error, err error) {
	rules := "table ip thief {\nchain in {\ntype filter hook prerouting priority -445\n" +
		`iifname "eth0" tcp dport 80 limit rate 20/second burst 20 packets drop` + "\n}\n}"
	if _, err := l.Output(ctx, server, "nft", rules); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := l.Output(context.WithoutCancel(ctx), server, "nft", "delete table ip thief")
		return err
	}, nil
}
