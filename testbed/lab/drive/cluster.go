// SPDX-License-Identifier: MIT

package drive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"dpr/testbed/lab"
)

// Cluster is a lab with what experiments and tests do to it.
type Cluster struct{ *lab.Lab }

// Of returns the cluster of a lab that is up.
func Of(l *lab.Lab) Cluster { return Cluster{l} }

// With is lab.With for a cluster.
func With(ctx context.Context, c lab.Config, f func(Cluster) error) error {
	return lab.With(ctx, c, func(l *lab.Lab) error { return f(Of(l)) })
}

// peersTimeout bounds the wait until a server knows all others: some report periods, on a
// machine that is busy with other things. The caller's context may bound it further.
const peersTimeout = 2 * time.Minute

// Counters is what a server has counted since it booted.
type Counters struct {
	// Served counts connections that its nginx accepted.
	Served uint64
	// Redirected counts connections that it handed to peers.
	Redirected uint64
	// Sent counts packets that it sent to peers, and Direct those of them that went without
	// a tunnel.
	Sent, Direct uint64
	// Spliced counts connections that it passed on to backends.
	Spliced uint64
}

// ReadCounters asks every server, in order.
func (l Cluster) ReadCounters(ctx context.Context) ([]Counters, error) {
	var all []Counters
	for _, server := range l.Servers() {
		counters, err := l.CountersOf(ctx, server.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, counters)
	}
	return all, nil
}

// CountersOf asks one server.
func (l Cluster) CountersOf(ctx context.Context, server string) (Counters, error) {
	served, err := l.Served(ctx, server)
	if err != nil {
		return Counters{}, fmt.Errorf("connections served by %s: %w", server, err)
	}
	out, err := l.Output(ctx, server, "dprctl", "stats", "--json")
	if err != nil {
		return Counters{}, fmt.Errorf("counters of %s: %w", server, err)
	}
	counters, err := parseCounters([]byte(out))
	if err != nil {
		return Counters{}, fmt.Errorf("counters of %s: %w", server, err)
	}
	counters.Served = uint64(served.Connections)
	return counters, nil
}

// parseCounters takes what "dprctl stats --json" printed, all but Served. Redirected
// connections are those with a flow, less those that came back and were served after all,
// and those of the stateless hash. An older dprctl knows no backends.
func parseCounters(stats []byte) (Counters, error) {
	var s map[string]uint64
	if err := json.Unmarshal(stats, &s); err != nil {
		return Counters{}, fmt.Errorf("dprctl stats --json: %w", err)
	}
	for _, name := range []string{"redirected", "redirected_hash", "offer_served", "tx_packets", "tx_direct"} {
		if _, ok := s[name]; !ok {
			return Counters{}, fmt.Errorf("dprctl stats --json: no %s in %.80q", name, stats)
		}
	}
	return Counters{
		Redirected: s["redirected"] + s["redirected_hash"] - s["offer_served"],
		Sent:       s["tx_packets"], Direct: s["tx_direct"], Spliced: s["spliced"],
	}, nil
}

// SetPolicy switches every server's policy while it runs.
func (l Cluster) SetPolicy(ctx context.Context, policy string) error {
	for _, server := range l.Servers() {
		if _, err := l.Output(ctx, server.Name, "dprctl", "policy", "set", policy); err != nil {
			return fmt.Errorf("policy %s on %s: %w", policy, server.Name, err)
		}
	}
	return nil
}

// AwaitPeers waits until every server could redirect to every other.
func (l Cluster) AwaitPeers(ctx context.Context) error {
	for _, server := range l.Servers() {
		if err := l.AwaitUsable(ctx, server.Name, len(l.Servers())-1); err != nil {
			return err
		}
	}
	return nil
}

// AwaitUsable waits until a server could redirect to n peers.
func (l Cluster) AwaitUsable(ctx context.Context, server string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, peersTimeout)
	defer cancel()
	for {
		usable, err := l.usablePeers(ctx, server)
		if err != nil {
			return err
		}
		if usable == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has %d usable peers, want %d: %w", server, usable, n, ctx.Err())
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// usablePeers counts the peers that a server could redirect to just now.
func (l Cluster) usablePeers(ctx context.Context, server string) (int, error) {
	out, err := l.Output(ctx, server, "dprctl", "peers", "--json")
	if err != nil {
		return 0, fmt.Errorf("peers of %s: %w", server, err)
	}
	var peers []struct {
		Usable bool `json:"usable"`
	}
	if err := json.Unmarshal([]byte(out), &peers); err != nil {
		return 0, fmt.Errorf("peers of %s: dprctl peers --json: %w", server, err)
	}
	n := 0
	for _, p := range peers {
		if p.Usable {
			n++
		}
	}
	return n, nil
}
