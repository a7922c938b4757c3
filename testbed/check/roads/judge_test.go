// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// judge logs what became of the connections and returns how many broke that should not:
// the dead host, which went off, has lost its own. The last change was complete at last,
// and counted is what the hosts have counted, by phase.
func judge(t *testing.T, c *clients, phases []string, orphans, dead string, off, last time.Time, counted []map[string]uint64) int {
	t.Helper()
	const most = 20 // that are told apart
	broke, exempt, early := make([]int, len(phases)), 0, 0
	reasons, served := make(map[string]int), make(map[string]int)
	stalls := map[bool][][]time.Duration{false: make([][]time.Duration, len(phases)), true: make([][]time.Duration, len(phases))}
	for _, one := range c.conns {
		served[one.served]++
		switch {
		case one.err != nil && one.served == dead && one.ended.After(off):
			exempt++
		case one.err != nil:
			if broke[one.phase]++; sum(broke) <= most {
				t.Logf("%s, asks %v, served by %q: %v, %.1f s after it began (%s), at %s", one.from, one.asks, one.served, one.err,
					one.ended.Sub(one.begun).Seconds(), phases[one.phase], one.ended.Format("15:04:05.000"))
			}
			reasons[why(one.err)]++
		default:
			if one.ended.Before(last) {
				early++
			}
			for p, stall := range one.stall {
				if !one.asks {
					stall = max(stall-pace(), 0)
				}
				stalls[one.asks][p] = append(stalls[one.asks][p], stall)
			}
		}
	}
	t.Logf("orphans = %q: of %d connections, served by %v, %d broke %v; %d that %s served were lost", orphans, len(c.conns), served, sum(broke), reasons, exempt, dead)
	if early > len(c.conns)/20 {
		t.Errorf("%d downloads ended before the last change", early)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "orphans = %q\tbroke\tdownloads stalled, p50\tp99\tmax\trequests took, p50\tp99\tmax\tasked\theld\twaited\tlimited\tfound\tunknown\n", orphans)
	for p, name := range phases {
		fmt.Fprintf(w, "%s\t%d", name, broke[p])
		for _, asks := range []bool{false, true} {
			all := stalls[asks][p]
			slices.Sort(all)
			fmt.Fprintf(w, "\t%s\t%s\t%s", quantile(all, 0.5), quantile(all, 0.99), quantile(all, 1))
		}
		for _, name := range []string{"asked", "held", "waited", "limited", "found", "unknown"} {
			fmt.Fprintf(w, "\t%d", counted[p]["owner_"+name])
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // to memory
	t.Logf("a download gets %d bytes every %v, and stalls if they come later\n%s", piece, pace(), &b)
	return sum(broke)
}

func sum(all []int) (n int) {
	for _, i := range all {
		n += i
	}
	return n
}

// quantile returns a quantile of sorted times, as text.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f s", sorted[int(q*float64(len(sorted)-1))].Seconds())
}

// A ledger is what all hosts have counted, by phase.
type ledger struct {
	phases []map[string]uint64
	last   map[string]map[string]uint64 // by host, at the end of the last phase
	gone   []string                     // hosts that are off, and were booted since
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{last: make(map[string]map[string]uint64)}
	for _, s := range shared.Servers() {
		l.last[s.Name] = stats(t, s.Name)
	}
	return l
}

// close ends a phase. The hosts named go off then, and are asked no more.
func (l *ledger) close(t *testing.T, gone ...string) {
	t.Helper()
	changed := make(map[string]uint64)
	for host, before := range l.last {
		if slices.Contains(l.gone, host) {
			continue
		}
		after := stats(t, host)
		for name := range maps.Keys(after) {
			changed[name] += after[name] - before[name]
		}
		l.last[host] = after
	}
	l.phases, l.gone = append(l.phases, changed), append(l.gone, gone...)
}
