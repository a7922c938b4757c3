// SPDX-License-Identifier: MIT

package enemy

import (
	"fmt"
	"math"

	"dpr/testbed/check/enemy/wire"
)

// chance is how probable a difference as large as one that fails a row is, if
// redirected connections break as easily as plain ones: with some hundred rows a
// run in a hundred would fail for nothing. For all rows together it is the same.
const chance = 1e-4

// least is the part of the packets that must have arrived.
const least = 0.95

// expected is what a part must have brought, for its results to count.
type expected struct {
	rows     int // of part blind
	attempts int // of part local, without controls
	controls int
}

// judge returns why the result fails.
func (r *Result) judge(want expected) []string {
	var why []string
	fail := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	for _, e := range r.Errors {
		fail("%s", e)
	}
	if len(r.Parts) == 0 {
		fail("nothing was tried")
	}
	for _, part := range r.Parts {
		switch part {
		case wire.Blind:
			r.judgeBlind(want.rows, fail)
		case wire.Local:
			r.judgeLocal(want.attempts, want.controls, fail)
		case PartRaces:
			r.judgeRaces(fail)
		default:
			fail("no part is called %q", part)
		}
	}
	return why
}

func (r *Result) judgeBlind(rows int, fail func(string, ...any)) {
	if len(r.Blind) == 0 || len(r.Blind) < rows {
		fail("blind: %d of %d kinds of attack were tried", len(r.Blind), rows)
	}
	var all wire.Attack
	for _, a := range r.Blind {
		what := fmt.Sprintf("blind: %s on %s", a.Kind, a.State)
		switch {
		case a.Packets == 0 || a.PacketsTCP == 0:
			fail("%s: no packet was sent", what)
			continue
		case float64(a.Arrived) < least*float64(a.Packets) || float64(a.ArrivedTCP) < least*float64(a.PacketsTCP):
			fail("%s: of %d and %d packets %d and %d arrived", what, a.Packets, a.PacketsTCP, a.Arrived, a.ArrivedTCP)
		}
		if p := moreOften(a); p < chance {
			fail("%s: %d of %d packets broke a redirected connection, %d of %d a plain one (p = %.1g)", what,
				a.BrokenDPR, a.Packets, a.BrokenTCP, a.PacketsTCP, p)
		}
		all.Packets += a.Packets
		all.PacketsTCP += a.PacketsTCP
		all.BrokenDPR += a.BrokenDPR
		all.BrokenTCP += a.BrokenTCP
	}
	if p := moreOften(all); p < chance {
		fail("blind: all together: %d of %d packets broke a redirected connection, %d of %d a plain one (p = %.1g)",
			all.BrokenDPR, all.Packets, all.BrokenTCP, all.PacketsTCP, p)
	}
}

func (r *Result) judgeLocal(attempts, controls int, fail func(string, ...any)) {
	var tried, controlled int
	for _, a := range r.Local {
		switch {
		case a.Control:
			controlled++
			if !a.Works {
				fail("local: %s no longer works: %s", a.Attempt, a.Detail)
			}
		default:
			tried++
			if a.Allowed {
				fail("local: %s was allowed: %s", a.Attempt, a.Detail)
			}
		}
	}
	if tried == 0 || tried < attempts {
		fail("local: %d of %d attempts were made", tried, attempts)
	}
	if controlled == 0 || controlled < controls {
		fail("local: %d of %d programs with a right of their own were looked at", controlled, controls)
	}
}

func (r *Result) judgeRaces(fail func(string, ...any)) {
	switch {
	case r.Races == nil:
		fail("races: there is no result")
		return
	case r.Races.Complaints > 0: // a kernel that stopped counts nothing
	case r.Races.Seconds <= 0 || r.Races.Packets == 0 || r.Races.Operations == 0:
		fail("races: %.0f s, %d packets and %d operations are no race", r.Races.Seconds, r.Races.Packets, r.Races.Operations)
	}
	if r.Races.Complaints > 0 {
		first := ""
		if len(r.Races.Texts) > 0 {
			first = "; the first: " + r.Races.Texts[0]
		}
		fail("races: %d complaints%s", r.Races.Complaints, first)
	}
}

// moreOften is the probability that at least so many of the broken connections are
// redirected ones, if a packet breaks one of them as easily as a plain one: given
// how many broke, the number of redirected ones is binomial, by the packets sent.
func moreOften(a wire.Attack) float64 {
	n, k := a.BrokenDPR+a.BrokenTCP, a.BrokenDPR
	if k == 0 {
		return 1
	}
	share := float64(a.Packets) / float64(a.Packets+a.PacketsTCP)
	var p float64
	for i := k; i <= n; i++ {
		p += math.Exp(choose(n, i) + float64(i)*math.Log(share) + float64(n-i)*math.Log1p(-share))
	}
	return min(p, 1)
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return lg(n) - lg(k) - lg(n-k)
}
