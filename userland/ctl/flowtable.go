// SPDX-License-Identifier: MIT

package ctl

import (
	"fmt"
	"io"

	"dpr/userland/dprnl"
)

// A flowTable is a table of flows. There may be millions, so the columns have the widths
// that the first of them need, and that any IPv4 address fits.
type flowTable struct {
	w       io.Writer
	first   []dprnl.Flow // that are not written yet
	widths  [3]int       // of the addresses; 0 until the first are written
	started bool
}

// flowsMeasured is how many flows decide the widths.
const flowsMeasured = 1000

// add adds a flow.
func (t *flowTable) add(f dprnl.Flow) error {
	if t.started {
		return t.row(f.Client.String(), f.Service.String(), f.Peer.String(), f.State.String(), f.Idle.String(), f.Expires.String())
	}
	t.first = append(t.first, f)
	if len(t.first) < flowsMeasured {
		return nil
	}
	return t.flush()
}

// flush writes the heading and the first flows.
func (t *flowTable) flush() error {
	if t.started {
		return nil
	}
	t.started = true
	t.widths = [3]int{21, 21, 15}
	for _, f := range t.first {
		for i, s := range []string{f.Client.String(), f.Service.String(), f.Peer.String()} {
			t.widths[i] = max(t.widths[i], len(s))
		}
	}
	if err := t.row("CLIENT", "SERVICE", "PEER", "STATE", "IDLE", "EXPIRES"); err != nil {
		return err
	}
	first := t.first
	t.first = nil
	for _, f := range first {
		if err := t.add(f); err != nil {
			return err
		}
	}
	return nil
}

func (t *flowTable) row(client, service, peer, state, idle, expires string) error {
	_, err := fmt.Fprintf(t.w, "%-*s  %-*s  %-*s  %-11s  %10s  %10s\n", t.widths[0], client, t.widths[1], service, t.widths[2], peer, state, idle, expires)
	return err
}
