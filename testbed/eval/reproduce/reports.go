// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"dpr/testbed/lab"
)

// heard is how many reports of its peers each server has accepted, and when that was
// read.
type heard struct {
	accepted []uint64
	at       time.Time
}

// readHeard asks all servers.
func readHeard(ctx context.Context, l *lab.Lab) (heard, error) {
	h := heard{at: time.Now()}
	for _, s := range l.Servers() {
		out, err := l.Output(ctx, s.Name, "dprctl", "reports", "--json")
		if err != nil {
			return h, fmt.Errorf("reports that %s heard: %w", s.Name, err)
		}
		n, err := parseAccepted([]byte(out))
		if err != nil {
			return h, fmt.Errorf("reports that %s heard: %w", s.Name, err)
		}
		h.accepted = append(h.accepted, n)
	}
	return h, nil
}

// parseAccepted reads what "dprctl reports --json" printed.
func parseAccepted(text []byte) (uint64, error) {
	var s struct {
		Counts map[string]uint64 `json:"counts"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, fmt.Errorf("dprctl reports --json: %w", err)
	}
	n, ok := s.Counts["accepted"]
	if !ok {
		return 0, fmt.Errorf("dprctl reports --json: no count of accepted ones in %.80q", text)
	}
	return n, nil
}

// offPeriod is the part by which the number of reports may differ from what the period
// makes of the time: more than a late timer, less than another period.
const offPeriod = 0.3

// every says whether each server heard each of its peers about once a period from one
// reading to the next: that the servers' processes took their configuration over.
func (h heard) every(period time.Duration, later heard) error {
	took := later.at.Sub(h.at)
	if len(h.accepted) != len(later.accepted) || len(h.accepted) < 2 {
		return fmt.Errorf("reports were counted on %d servers, then on %d", len(h.accepted), len(later.accepted))
	}
	want := float64(len(h.accepted)-1) * took.Seconds() / period.Seconds()
	// At the ends of the time a report of each peer is there or not.
	slack := offPeriod*want + 2*float64(len(h.accepted)-1)
	for i, before := range h.accepted {
		n := float64(later.accepted[i]) - float64(before)
		if n < want-slack || n > want+slack {
			return fmt.Errorf("server %d heard %.0f reports in %.0f s, one every %v of each peer are %.0f", i+1, n, took.Seconds(), period, want)
		}
	}
	return nil
}
