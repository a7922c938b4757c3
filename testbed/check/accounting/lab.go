// SPDX-License-Identifier: MIT

package accounting

import (
	"context"
	"fmt"
	"strings"

	"dpr/testbed/lab"
)

// Install has a server count, from 0.
func Install(ctx context.Context, l *lab.Lab, server string) error {
	var said strings.Builder
	status, err := l.Exec(ctx, server, lab.Cmd{Args: []string{"nft", "-f", "-"}, Stdin: strings.NewReader(Rules), Stderr: &said})
	if err == nil && status != 0 {
		err = fmt.Errorf("nft: exit status %d: %s", status, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return fmt.Errorf("counting on %s: %w", server, err)
	}
	return nil
}

// Read reads a server's counters. One of an older version of dpr lacks some.
func Read(ctx context.Context, l *lab.Lab, server string, older bool) (Reading, error) {
	const list = "nft -j list table inet account"
	out, err := l.Output(ctx, server, "sh", "-ec", list+"; dprctl stats --json; dprctl stats --json; "+list)
	if err != nil {
		return Reading{}, fmt.Errorf("the packets of %s: %w", server, err)
	}
	r, err := parse(strings.NewReader(out), older)
	if err != nil {
		return Reading{}, fmt.Errorf("the packets of %s: %w", server, err)
	}
	return r, nil
}
