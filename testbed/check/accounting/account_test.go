// SPDX-License-Identifier: MIT

package accounting

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dpr/userland/dprnl"
)

// rules is what nft prints, with as many packets by rule.
func rules(before, after [3]int) string {
	var all []string
	for chain, counts := range map[string][3]int{"before": before, "after": after} {
		for _, n := range counts {
			all = append(all, fmt.Sprintf(`{"rule":{"chain":%q,"expr":[{"match":{"op":"=="}},{"counter":{"packets":%d,"bytes":1}}]}}`, chain, n))
		}
	}
	return `{"nftables":[{"metainfo":{}},{"table":{"name":"account"}},` + strings.Join(all, ",") + "]}\n"
}

// counters is what dprctl stats --json prints, with some counters.
func counters(n map[string]int) string {
	var all []string
	zero := dprnl.NewStats(nil)
	for s := range zero.All() {
		all = append(all, fmt.Sprintf("%q:%d", s, n[s.String()]))
	}
	return "{" + strings.Join(all, ",") + "}\n"
}

func read(t *testing.T, first, stats, last string) Reading {
	t.Helper()
	return readChanging(t, first, stats, stats, last)
}

// readChanging is a reading in which dpr's counters change.
func readChanging(t *testing.T, text ...string) Reading {
	t.Helper()
	r, err := parse(strings.NewReader(strings.Join(text, "")), false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBalance(t *testing.T) {
	quiet := read(t, rules([3]int{100, 20, 3}, [3]int{70, 1, 3}),
		counters(map[string]int{"tx_packets": 40, "rx_stranger": 4, "rx_reset": 5, "rx_packets": 999}),
		rules([3]int{100, 20, 3}, [3]int{70, 1, 3}))
	l := Opened()
	if err := l.Add(quiet); err != nil || l.Slack() != 0 {
		t.Errorf("%v, slack %d", err, l.Slack())
	}
	// One packet less for any reason is noticed. The reasons are written out: the list
	// must not become shorter by accident.
	all := strings.Fields(`tx_too_big tx_no_route tx_no_memory tx_error
		rx_stranger rx_malformed rx_nested rx_bad_address rx_not_served rx_ecn rx_checksum rx_reset rx_no_memory rx_listener_deferred
		offer_late offer_unknown owner_asked owner_waited owner_limited rx_owner_asked owner_found rx_owner_refused
		owner_denied hash_missed rx_hash_missed rx_flow_asked rx_flow_answered rx_flow_refused rx_policy rx_fragments refused_long rx_probed rx_echo rx_echo_refused
		rx_answers rx_answer_refused rx_answer_hops rx_answer_no_route rx_answer_too_big
		rx_source_asked rx_source_limited
		handover_syn handover_kept handover_noted handover_stray handover_limited handover_taken handover_refused handover_late
		rx_handover_forged rx_handover_stale rx_handover_waited rx_handover_refused rx_handover_full
		migrate_held migrate_bounced rx_migrate_refused
		splice_tx_packets splice_icmp splice_hops splice_refused splice_error`)
	if !slices.Equal(Reasons(), all) {
		t.Errorf("reasons %q, want %q", Reasons(), all)
	}
	for _, reason := range all {
		less := read(t, rules([3]int{101, 20, 3}, [3]int{70, 1, 3}), counters(map[string]int{"tx_packets": 40, "rx_stranger": 4, "rx_reset": 5}),
			rules([3]int{101, 20, 3}, [3]int{70, 1, 3}))
		l := Opened()
		if err := l.Add(less); !errors.Is(err, ErrUnbalanced) {
			t.Fatalf("a lost packet: %v", err)
		}
		less.Earlier[reason]++
		less.Stats[reason]++
		l = Opened()
		if err := l.Add(less); err != nil {
			t.Errorf("dropped as %s: %v", reason, err)
		}
	}
}

func TestBalanceWhilePacketsCome(t *testing.T) {
	busy := read(t, rules([3]int{100, 0, 0}, [3]int{60, 0, 0}), counters(map[string]int{"tx_packets": 45}), rules([3]int{110, 0, 0}, [3]int{62, 0, 0}))
	l := Opened()
	if err := l.Add(busy); err != nil {
		t.Fatal(err)
	}
	if l.Slack() != 0 {
		t.Errorf("0 is not known any more: slack %d", l.Slack())
	}
	// Twelve more packets than could be on their way.
	lost := read(t, rules([3]int{120, 0, 0}, [3]int{60, 0, 0}), counters(map[string]int{"tx_packets": 45}), rules([3]int{130, 0, 0}, [3]int{62, 0, 0}))
	if err := l.Add(lost); !errors.Is(err, ErrUnbalanced) {
		t.Error(err)
	}
}

// A segment that waits is counted when it waits, and when it goes on; a host's own answers
// to clients go to peers, and did not come in.
func TestBalanceOfHeld(t *testing.T) {
	one, none := rules([3]int{1, 0, 0}, [3]int{}), rules([3]int{}, [3]int{})
	for name, x := range map[string]struct {
		in    string
		stats map[string]int
	}{
		"sent on": {one, map[string]int{"owner_asked": 1, "tx_packets": 4, "tx_owner_messages": 3, "owner_held": 1}},
		"dropped": {one, map[string]int{"owner_asked": 1, "tx_packets": 3, "tx_owner_messages": 3}},
		"answers": {none, map[string]int{"tx_packets": 2, "tx_answers": 2}},
	} {
		l := Opened()
		if err := l.Add(read(t, x.in, counters(x.stats), x.in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		x.stats["tx_packets"]--
		l = Opened()
		if err := l.Add(read(t, x.in, counters(x.stats), x.in)); !errors.Is(err, ErrUnbalanced) {
			t.Errorf("%s, one less: %v", name, err)
		}
	}
}

// A question about an orphan is put to three peers: of one packet that came in
// three more go out.
func TestBalanceOfMessages(t *testing.T) {
	asked := counters(map[string]int{"owner_asked": 1, "tx_packets": 3, "tx_owner_messages": 3})
	one, none := rules([3]int{1, 0, 0}, [3]int{}), rules([3]int{}, [3]int{})
	l := Opened()
	if err := l.Add(read(t, one, asked, one)); err != nil {
		t.Error(err)
	}
	if r := read(t, one, asked, one); r.Redirected() != 0 {
		t.Errorf("%d redirected", r.Redirected())
	}
	// It comes while the counters are read, which shows any of it or nothing.
	for _, stats := range []map[string]int{
		{}, {"owner_asked": 1}, {"tx_packets": 2}, {"tx_owner_messages": 3}, {"tx_packets": 3, "tx_owner_messages": 1},
	} {
		l = Opened()
		if err := l.Add(readChanging(t, none, counters(stats), asked, one)); err != nil {
			t.Errorf("%v: %v", stats, err)
		}
		l = Opened()
		if err := l.Add(readChanging(t, none, counters(nil), counters(stats), one)); err != nil {
			t.Errorf("%v: %v", stats, err)
		}
	}
}

// A server that counted some before is known by its first readings.
func TestBalanceUnknown(t *testing.T) {
	var l Ledger
	for i := range 3 {
		r := read(t, rules([3]int{10 + i, 0, 0}, [3]int{2 + i, 0, 0}), counters(map[string]int{"tx_packets": 90}), rules([3]int{10 + i, 0, 0}, [3]int{2 + i, 0, 0}))
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if l.Readings != 3 {
		t.Errorf("%d readings", l.Readings)
	}
	r := read(t, rules([3]int{20, 0, 0}, [3]int{11, 0, 0}), counters(map[string]int{"tx_packets": 90}), rules([3]int{20, 0, 0}, [3]int{11, 0, 0}))
	if err := l.Add(r); !errors.Is(err, ErrUnbalanced) {
		t.Error(err)
	}
}

// Bounds that contradict each other are no balance, even of a server of which nothing
// is known; and a ledger is as exact as its readings together.
func TestLedger(t *testing.T) {
	reading := func(low, high uint64) Reading {
		return Reading{First: Entry{Passed: low}, Last: Entry{Passed: high}}
	}
	var l Ledger
	if err := l.Add(reading(7, 6)); !errors.Is(err, ErrUnbalanced) || l.Readings != 0 {
		t.Errorf("%v, %d readings", err, l.Readings)
	}
	for _, step := range []struct {
		low, high uint64
		slack     int64
	}{{2, 20, 18}, {5, 30, 15}, {0, 9, 4}, {9, 9, 0}} {
		if err := l.Add(reading(step.low, step.high)); err != nil || l.Slack() != step.slack {
			t.Errorf("%+v: %v, slack %d", step, err, l.Slack())
		}
	}
	for _, bad := range [][2]uint64{{10, 12}, {1, 8}} {
		if err := l.Add(reading(bad[0], bad[1])); !errors.Is(err, ErrUnbalanced) || l.Readings != 4 || l.Slack() != 0 {
			t.Errorf("%v: %v, %d readings", bad, err, l.Readings)
		}
	}
}

// What is counted of a reading.
func TestReading(t *testing.T) {
	r := read(t, rules([3]int{1, 2, 3}, [3]int{1, 1, 1}), counters(map[string]int{"tx_packets": 40, "tx_owner_messages": 15, "rx_reset": 1, "rx_packets": 9}),
		rules([3]int{10, 20, 30}, [3]int{4, 5, 6}))
	if r.First != (Entry{6, 3}) || r.Last != (Entry{60, 15}) || r.Redirected() != 25 {
		t.Errorf("%+v, %d redirected", r, r.Redirected())
	}
	if d := r.Dropped(); len(d) != 1 || d["rx_reset"] != 1 {
		t.Errorf("dropped %v", d)
	}
	low, high := r.bounds()
	if low != 3+41-15-60 || high != 15+41-15-6 {
		t.Errorf("from %d to %d", low, high)
	}
}

func TestParseRefuses(t *testing.T) {
	good := rules([3]int{}, [3]int{})
	for name, text := range map[string]string{
		"nothing":       "",
		"no last":       good + counters(nil) + counters(nil) + `{"nftables":[]}`,
		"no first":      `{"nftables":[]}` + counters(nil) + counters(nil) + good,
		"no JSON":       good + counters(nil) + counters(nil) + "nft: no such table",
		"no counters":   `{"nftables":[]}` + counters(nil) + good,
		"no stats":      good + counters(nil) + "{}" + good,
		"stats once":    good + counters(nil) + good,
		"no second one": good + counters(nil) + counters(nil),
	} {
		if _, err := parse(strings.NewReader(text), false); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	// A host of an older version may lack counters.
	if _, err := parse(strings.NewReader(good+counters(nil)+"{}"+good), true); err != nil {
		t.Errorf("an older host without counters: %v", err)
	}
}
