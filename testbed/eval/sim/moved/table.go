// SPDX-License-Identifier: MIT

package moved

import "math"

// An ask is a question to the peers, as struct dpr_owner_ask.
type ask struct {
	conn  int32
	tries int
	begun float64
	last  float64
	put   int32 // grows with each message about it, so that an old timer is known
	held  bool
	since float64 // it is held
	next  int     // OneByOne: how many peers were asked
	ready bool    // BatchUnicast, BatchMulticast: it waits to be sent
}

// A table is the open questions of a host, as struct dpr_owner_table.
type table struct {
	limits    *Limits
	ask       []ask // Buckets times Ways
	tokens    float64
	filled    float64
	heldBytes int
	held      []int32 // connections whose segments were put there, in order of time
}

func newTable(l *Limits) *table {
	return &table{limits: l, ask: make([]ask, l.Buckets*l.Ways), tokens: l.Rate}
}

// take takes the tokens for a try, if there are as many.
func (t *table) take(now, cost float64) bool {
	t.tokens = math.Min(t.limits.Rate, t.tokens+math.Min(1, now-t.filled)*t.limits.Rate)
	t.filled = now
	if t.tokens < cost {
		return false
	}
	t.tokens -= cost
	return true
}

func (t *table) bucket(hash uint32) []ask {
	i := int(hash) % t.limits.Buckets * t.limits.Ways
	return t.ask[i : i+t.limits.Ways]
}

func (t *table) find(hash uint32, conn int32) *ask {
	b := t.bucket(hash)
	for i := range b {
		if b[i].tries > 0 && b[i].conn == conn {
			return &b[i]
		}
	}
	return nil
}

// room returns a place for a new question; nil if all are open.
func (t *table) room(hash uint32, now float64) *ask {
	b := t.bucket(hash)
	for i := range b {
		if b[i].tries == 0 || now-b[i].last > t.limits.Memory {
			return &b[i]
		}
	}
	return nil
}

func (t *table) life(a *ask) float64 {
	if a.tries < t.limits.Tries {
		return t.limits.Patience
	}
	return t.limits.Memory
}

// The verdicts on a segment that belongs to nothing at a host, as enum
// dpr_owner_verdict. Whether a segment waits that is asked for is in its ask.
type verdict int

const (
	asked verdict = iota
	waited
	nobody
	limited
)

// admit decides whether a segment raises a question, as dpr_owner_admit(): cost is that of
// its first try, costAgain that of others, extra how many tries there are beside the usual.
func (t *table) admit(now float64, hash uint32, conn int32, bytes int, cost, costAgain float64, extra int) (verdict, *ask) {
	a := t.find(hash, conn)
	if a != nil && now-a.last > t.life(a) {
		a.tries = 0
	}
	if a != nil && a.tries > 0 {
		if now-a.last < t.limits.Again {
			return waited, nil
		}
		if a.tries >= t.limits.Tries+extra && now-a.begun >= t.limits.Least {
			return nobody, nil
		}
	}
	if a == nil {
		a = t.room(hash, now)
	}
	if a != nil && a.tries > 0 && a.conn == conn {
		cost = costAgain
	}
	if a == nil || !t.take(now, cost) {
		return limited, nil
	}
	t.unhold(a, bytes) // of this connection or of another one
	if a.conn != conn || a.tries == 0 {
		*a = ask{conn: conn, put: a.put, begun: now}
	}
	a.tries++
	a.put++
	a.last = now
	if t.heldBytes+bytes <= t.limits.HeldBytes {
		t.heldBytes += bytes
		a.held, a.since = true, now
		t.held = append(t.held, conn)
	}
	return asked, a
}

// unhold ends the wait of a segment, if there is one.
func (t *table) unhold(a *ask, bytes int) bool {
	if !a.held {
		return false
	}
	a.held = false
	t.heldBytes -= bytes
	return true
}
