// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"maps"
	"slices"
	"testing"

	"dpr/userland/dprnl"
)

// counts are changes of counters; those that are 0 are not in it.
type counts map[dprnl.Stat]uint64

// some stands for any change of a counter, which there must be.
const some = ^uint64(0)

// maybe stands for any change of a counter, or none.
const maybe = some - 1

// A meter tells what a server's counters did since it was made.
type meter struct {
	s      *server
	before dprnl.Stats
}

func (s *server) stats(t *testing.T) dprnl.Stats {
	t.Helper()
	st, err := s.dpr.Stats(t.Context())
	check(t, err)
	return st
}

func (s *server) meter(t *testing.T) *meter {
	t.Helper()
	return &meter{s, s.stats(t)}
}

// changes returns what changed; gauges are left out.
func (m *meter) changes(t *testing.T) counts {
	t.Helper()
	c := counts{}
	now := m.s.stats(t)
	for k, v := range now.All() {
		if d := v - m.before.Get(k); d != 0 && !k.Gauge() {
			c[k] = d
		}
	}
	return c
}

// want fails the test unless exactly the given counters changed, as given.
func (m *meter) want(t *testing.T, want counts) {
	t.Helper()
	got := m.changes(t)
	m.s.way.forgetEnds(got, want)
	keys := slices.Sorted(maps.Keys(got))
	for k := range want {
		if _, ok := got[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		switch w := want[k]; {
		case w == maybe, w == some && got[k] > 0, w == got[k]:
		case w == some:
			t.Errorf("%s: %v did not change", m.s.Name, k)
		default:
			t.Errorf("%s: %v changed by %d, want %d", m.s.Name, k, got[k], w)
		}
	}
}

// messageLen is the length of a message between hosts about a connection.
func (w way) messageLen() int { return map[int]int{4: 24, 6: 48}[w.client] }

// messageBytes is messageLen in its packet, which goes from one host's own address to the
// other's.
func (w way) messageBytes() uint64 { return uint64(w.overhead() + w.messageLen()) }

// forgetEnds takes out of what changed what the end of an earlier connection may
// have added at any time, unless the test speaks of it; likewise what comes of a SYN that
// was repeated: where peers report what IPv6 needs, they are probed then.
func (w way) forgetEnds(got, want counts) {
	if w.direct {
		// Of what went to the peer the most did so direct. Whether it did the MSS says.
		for _, k := range []dprnl.Stat{dprnl.StatTxDirect, dprnl.StatRxDirect} {
			if _, ok := want[k]; !ok {
				delete(got, k)
			}
		}
		if _, ok := want[dprnl.StatMssLowered]; ok {
			want[dprnl.StatMssLowered] = maybe
		}
	}
	if w.through {
		// How many answers there are TCP says; each is a packet to or from a peer.
		for _, k := range []dprnl.Stat{dprnl.StatTxAnswers, dprnl.StatRxAnswers, dprnl.StatSynMssLowered} {
			if _, ok := want[k]; !ok {
				delete(got, k)
			}
		}
		for _, k := range []dprnl.Stat{dprnl.StatTxPackets, dprnl.StatTxBytes, dprnl.StatRxPackets, dprnl.StatRxBytes} {
			want[k] = maybe
		}
	}
	n := got[dprnl.StatTxOwnerMessages]
	bytes := n * w.messageBytes()
	// A probe and its echo are about no connection, and as short as for IPv4.
	bytes -= min(n, got[dprnl.StatRxEcho]+got[dprnl.StatRxProbed]) * uint64(w.messageLen()-way{client: 4}.messageLen())
	for _, k := range []dprnl.Stat{dprnl.StatFlowsEnded, dprnl.StatRxFlowAnswered, dprnl.StatRxEcho, dprnl.StatRxProbed} {
		if _, ok := want[k]; !ok {
			delete(got, k)
		}
	}
	if _, ok := want[dprnl.StatTxOwnerMessages]; ok || n == 0 {
		return
	}
	delete(got, dprnl.StatTxOwnerMessages)
	for k, less := range map[dprnl.Stat]uint64{dprnl.StatTxPackets: n, dprnl.StatTxBytes: bytes} {
		if got[k] -= less; got[k] == 0 {
			delete(got, k)
		}
	}
}
