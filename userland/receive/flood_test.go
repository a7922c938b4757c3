// SPDX-License-Identifier: MIT

package receive

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// An attack makes the i-th datagram of its kind, and its sender.
type attack struct {
	kind   string
	reason string // that it must be refused for
	make   func(i int) ([]byte, netip.Addr)
}

// reportAt is a right report but for what change does.
func reportAt(t *testing.T, k *report.Key, change func(*report.Report)) []byte {
	t.Helper()
	r := report.Report{Host: peer, Boot: report.BootID{2}, Sequence: 1 << 40, Time: start, Period: time.Second, Weight: 1,
		Metrics: dprnl.Metrics{Connections: 1}}
	change(&r)
	b, err := r.Append(nil, k)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flip changes one bit, another one for each i, from byte first on.
func flip(b []byte, i, first int) []byte {
	b = bytes.Clone(b)
	at := first*8 + i%((len(b)-first)*8)
	b[at/8] ^= 1 << (at % 8)
	return b
}

// attacks are what somebody can send who has captured the report good, which
// was accepted, but not the key; and what hosts that have it send wrongly.
func attacks(t *testing.T, good []byte) []attack {
	stranger := netip.MustParseAddr("192.0.2.66")
	other := report.NewKey([report.KeyLen]byte{9})
	fixed := func(b []byte, from netip.Addr) func(int) ([]byte, netip.Addr) {
		return func(int) ([]byte, netip.Addr) { return b, from }
	}
	header := func(at int, value byte) []byte {
		b := bytes.Clone(good)
		b[at] = value
		return b
	}
	const host, mac = 12, 76 // offsets of the format
	return []attack{
		{"forged: a captured report with another content", "bad_hmac", func(i int) ([]byte, netip.Addr) { return flip(good[:mac], i, host), peer }},
		{"forged: another HMAC", "bad_hmac", func(i int) ([]byte, netip.Addr) { return flip(good, i, mac), peer }},
		{"forged: without a HMAC", "unauthenticated", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, nil, func(r *report.Report) { r.Sequence += uint64(i) }), peer
		}},
		{"stranger: a report with a key of his own", "unknown_key", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, other, func(r *report.Report) { r.Sequence += uint64(i) }), peer
		}},
		{"stranger: a captured report from his own address", "sender", fixed(good, stranger)},
		{"stranger: a report of another cluster's host", "unknown_key", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, other, func(r *report.Report) { r.Host = stranger }), stranger
		}},
		{"replayed: the same report", "replayed", fixed(good, peer)},
		{"replayed: an earlier one", "replayed", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, key, func(r *report.Report) { r.Sequence = uint64(i) }), peer
		}},
		{"replayed: of an earlier boot", "replayed", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, key, func(r *report.Report) { r.Boot[0], r.Time = 1, start.Add(-time.Second) }), peer
		}},
		{"replayed: old", "clock", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, key, func(r *report.Report) { r.Sequence, r.Time = 1<<41, start.Add(-time.Hour) }), peer
		}},
		{"replayed: from before the start, of a host not remembered", "early", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, key, func(r *report.Report) { r.Host, r.Time = stranger, start.Add(-time.Second) }), stranger
		}},
		{"truncated", "truncated", func(i int) ([]byte, netip.Addr) { return good[:i%len(good)], peer }},
		{"no report", "magic", func(i int) ([]byte, netip.Addr) { return header(i%4, '?'), peer }},
		{"of another version", "version", func(i int) ([]byte, netip.Addr) { return header(4, byte(3+i%250)), peer }},
		{"of another kind", "authentication", func(i int) ([]byte, netip.Addr) { return header(5, byte(2+i%250)), peer }},
		{"too long", "length", fixed(append(bytes.Clone(good), 0), peer)},
		{"of this host's address", "own_address", func(i int) ([]byte, netip.Addr) {
			return reportAt(t, key, func(r *report.Report) { r.Host, r.Sequence = own, uint64(1+i) }), own
		}},
	}
}

// Of 100,000 reports that are forged, replayed, truncated, or of strangers
// none is accepted, and each is counted under the reason it is refused for.
func TestFlood(t *testing.T) {
	const tries = 100_000
	r, k, _ := setup(t)
	good := reportAt(t, key, func(*report.Report) {})
	if err := r.one(t, good, peer); err != nil {
		t.Fatal(err)
	}
	list := attacks(t, good)
	sent := make(map[string]uint64)
	for i := range tries {
		a := list[i%len(list)]
		b, from := a.make(i / len(list))
		if a.reason == "bad_hmac" && len(b) < len(good) {
			b = append(b, good[len(b):]...)
		}
		before := r.counts.Get(a.reason)
		if err := r.one(t, b, from); err != nil {
			t.Fatal(err)
		}
		if r.counts.Get(a.reason) != before+1 {
			t.Fatalf("%s: not counted as %s: %v", a.kind, a.reason, r.counts.attrs())
		}
		sent[a.reason]++
	}
	if len(k.peers) != 1 || r.counts.Get("accepted") != 1 || r.counts.total() != tries+1 {
		t.Errorf("the kernel was updated %d times; counts %v", len(k.peers), r.counts.attrs())
	}
	t.Logf("%d reports tried, %d accepted; refused by reason:", tries, r.counts.Get("accepted")-1)
	names := slices.Sorted(maps.Keys(sent))
	for _, n := range names {
		t.Logf("%16s %6d", n, r.counts.Get(n))
		if r.counts.Get(n) != sent[n] {
			t.Errorf("%s: %d counted, %d sent", n, r.counts.Get(n), sent[n])
		}
	}
}
