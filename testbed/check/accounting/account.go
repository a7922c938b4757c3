// SPDX-License-Identifier: MIT

// Package accounting accounts for a server's packets: each that came in was handed
// to the stack, redirected, or dropped for a reason that is counted.
//
// nftables counts, on both sides of dpr's hook, the packets that the hook looks
// at: TCP to port 80, protocols 4 and 41 and ICMP, on eth0, of both families. Of what it
// lets pass, it sees as many after the hook as the hook left. The rest is what dpr says
// that it redirected or dropped. The balance
//
//	passed + redirected + dropped − in
//
// therefore never changes, however long a server runs. Packets come while one
// reads, so a reading knows the balance within bounds: those of one that was
// made while nothing came are equal. A [Ledger] wants all readings to agree.
//
// Questions and claims about orphans are sent by the tunnel without a packet that
// came in: redirected is what was sent less those. Packets that are fragmented or
// segmented for the tunnel count several times; nothing here sends any.
package accounting

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Rules are what nft takes to count from 0, whether it did before or not. Both
// counters start at the same packet: a guest has one processor, and changes the
// rules between two packets.
//
// A packet of IPv6 in a tunnel of IPv4, a client's or an ICMP error about one, passes the hooks
// of both. The first gives it a mark, by which the second knows that it has been counted.
const Rules = `table inet account
delete table inet account
table inet account {
	chain before {
		type filter hook prerouting priority -500;
		iifname "eth0" meta mark != 0x64707200 tcp dport 80 counter
		iifname "eth0" ip protocol { 4, 41 } meta mark set 0x64707200 counter
		iifname "eth0" meta mark != 0x64707200 meta l4proto { icmp, icmpv6 } counter
	}
	chain after {
		type filter hook prerouting priority -440;
		iifname "eth0" tcp dport 80 counter
		iifname "eth0" ip protocol { 4, 41 } counter
		iifname "eth0" meta l4proto { icmp, icmpv6 } counter
	}
}
`

// sent is the counter of packets that went to peers: also of offers sent back, of
// ICMP errors, and of messages.
const (
	sent     = "tx_packets"
	messages = "tx_owner_messages"
	// held counts segments that a question had wait, which is a reason, and that went to
	// a peer after all.
	held = "owner_held"
	// answers are packets of this host's own to peers.
	answers = "tx_answers"
	// handovers are packets of this host's own, too, though a client's may be in them.
	handovers = "tx_handover"
)

// reasons are the counters of packets that went no further, each for its reason, or to
// clients as peers' answers. A SYN that waits for its listener comes in again.
var reasons = []string{
	"tx_too_big", "tx_no_route", "tx_no_memory", "tx_error",
	"rx_stranger", "rx_malformed", "rx_nested", "rx_bad_address", "rx_not_served", "rx_ecn", "rx_checksum", "rx_reset",
	"rx_no_memory", "rx_listener_deferred",
	"offer_late", "offer_unknown",
	"owner_asked", "owner_waited", "owner_limited", "rx_owner_asked", "owner_found", "rx_owner_refused",
	"owner_denied", "hash_missed", "rx_hash_missed",
	"rx_flow_asked", "rx_flow_answered", "rx_flow_refused", "rx_policy", "rx_fragments",
	"refused_long", "rx_probed", "rx_echo", "rx_echo_refused",
	"rx_answers", "rx_answer_refused", "rx_answer_hops", "rx_answer_no_route", "rx_answer_too_big",
	"rx_source_asked", "rx_source_limited",
	"handover_syn", "handover_kept", "handover_noted", "handover_stray", "handover_limited",
	"handover_taken", "handover_refused", "handover_late",
	"rx_handover_forged", "rx_handover_stale", "rx_handover_waited", "rx_handover_refused", "rx_handover_full",
	"migrate_held", "migrate_bounced", "rx_migrate_refused",
	"splice_tx_packets", "splice_icmp", "splice_hops", "splice_refused", "splice_error",
}

// Entry is what passed one side of the hook.
type Entry struct{ In, Passed uint64 }

// Reading is what a server counted: one after the other were read First, Earlier,
// Stats and Last.
type Reading struct {
	First, Last Entry
	// Earlier and Stats are dpr's counters by name.
	Earlier, Stats map[string]uint64
}

// parse reads what Read asked for. A host of an older version lacks counters, which are 0
// then; one of this version has them all.
func parse(in io.Reader, older bool) (Reading, error) {
	var first, last ruleset
	var r Reading
	dec := json.NewDecoder(in)
	for _, v := range []any{&first, &r.Earlier, &r.Stats, &last} {
		if err := dec.Decode(v); err != nil {
			return r, err
		}
	}
	for _, name := range append([]string{sent, messages, held, answers, handovers}, reasons...) {
		if _, ok := r.Stats[name]; !ok && !older {
			return r, fmt.Errorf("dprctl stats has no %s", name)
		}
	}
	var err error
	if r.First, err = first.entry(); err != nil {
		return r, err
	}
	r.Last, err = last.entry()
	return r, err
}

// ruleset is what nft -j list prints.
type ruleset struct {
	Nftables []struct {
		Rule *struct {
			Chain string `json:"chain"`
			Expr  []struct {
				Counter *struct {
					Packets uint64 `json:"packets"`
				} `json:"counter"`
			} `json:"expr"`
		} `json:"rule"`
	} `json:"nftables"`
}

func (s ruleset) entry() (e Entry, err error) {
	rules := 0
	for _, item := range s.Nftables {
		if item.Rule == nil {
			continue
		}
		for _, x := range item.Rule.Expr {
			if x.Counter == nil {
				continue
			}
			rules++
			switch item.Rule.Chain {
			case "before":
				e.In += x.Counter.Packets
			case "after":
				e.Passed += x.Counter.Packets
			}
		}
	}
	if rules != strings.Count(Rules, " counter\n") {
		err = fmt.Errorf("nft has %d counters", rules)
	}
	return e, err
}

// Redirected is how many of the packets that came in were handed on.
func (r Reading) Redirected() uint64 {
	return r.Stats[sent] - r.Stats[messages] - r.Stats[answers] - r.Stats[handovers]
}

// Dropped are the packets that went no further, by reason.
func (r Reading) Dropped() map[string]uint64 {
	m := make(map[string]uint64)
	for _, name := range reasons {
		if n := r.Stats[name]; n > 0 {
			m[name] = n
		}
	}
	return m
}

// bounds are those of the balance.
func (r Reading) bounds() (low, high int64) {
	low = int64(r.First.Passed+out(r.Earlier)) - extra(r.Stats) - int64(r.Last.In)
	high = int64(r.Last.Passed+out(r.Stats)) - extra(r.Earlier) - int64(r.First.In)
	return low, high
}

// extra are the packets in out() that are no packet that came in, or one that is there twice.
func extra(stats map[string]uint64) int64 {
	return int64(stats[messages] + stats[held] + stats[answers] + stats[handovers])
}

// out is what went to peers, or nowhere.
func out(stats map[string]uint64) uint64 {
	n := stats[sent]
	for _, name := range reasons {
		n += stats[name]
	}
	return n
}

// ErrUnbalanced is what a ledger returns when packets are missing or too many.
var ErrUnbalanced = errors.New("packets are unaccounted for")

// Ledger is what is known of one server's balance. The zero value knows nothing:
// that of a server whose counters did not start together.
type Ledger struct {
	low, high int64
	known     bool
	// Readings is how many agree.
	Readings int
}

// Opened is the ledger of a server whose counters all started at 0.
func Opened() Ledger { return Ledger{known: true} }

// Add compares a reading with those before. The error satisfies
// errors.Is(err, ErrUnbalanced) if they do not agree.
func (l *Ledger) Add(r Reading) error {
	low, high := r.bounds()
	if low > high {
		return fmt.Errorf("%w: from %d to %d in one reading", ErrUnbalanced, low, high)
	}
	if l.known && (low > l.high || high < l.low) {
		return fmt.Errorf("%w: %d to %d, but %d to %d before (below: missing)", ErrUnbalanced, low, high, l.low, l.high)
	}
	if l.known {
		low, high = max(low, l.low), min(high, l.high)
	}
	l.low, l.high, l.known = low, high, true
	l.Readings++
	return nil
}

// Slack is how many packets could be missing unnoticed.
func (l *Ledger) Slack() int64 { return l.high - l.low }

// Reasons are the counters of packets that went no further.
func Reasons() []string { return slices.Clone(reasons) }
