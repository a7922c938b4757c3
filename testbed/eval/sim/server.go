// SPDX-License-Identifier: MIT

package sim

// A server is a host that shares its capacity equally among the transfers that
// it serves. Each transfer gets the same work done in the same time, so one
// number, the work that each has got, tells when any of them ends.
type server struct {
	capacity float64 // work per second
	done     float64 // work that a transfer got that was there all along
	since    float64 // time of done
	active   transfers
}

// A transfer ends when the server's work done has reached its end.
type transfer struct {
	end  float64
	conn int32
}

// transfers is a heap: the one that ends first comes first.
type transfers []transfer

func (t *transfers) push(x transfer) {
	*t = append(*t, x)
	h, at := *t, len(*t)-1
	for at > 0 {
		parent := (at - 1) / 2
		if h[parent].end <= x.end {
			break
		}
		h[at] = h[parent]
		at = parent
	}
	h[at] = x
}

func (t *transfers) pop() transfer {
	h := *t
	first, n := h[0], len(h)-1
	last, at := h[n], 0
	h = h[:n]
	*t = h
	for {
		c := 2*at + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].end < h[c].end {
			c++
		}
		if last.end <= h[c].end {
			break
		}
		h[at] = h[c]
		at = c
	}
	if n > 0 {
		h[at] = last
	}
	return first
}

// load returns how many transfers the server serves.
func (s *server) load() int { return len(s.active) }

// advance brings the work done up to now.
func (s *server) advance(now float64) {
	if n := len(s.active); n > 0 {
		s.done += (now - s.since) * s.capacity / float64(n)
	} else {
		s.done = 0 // keeps the number small, and thus exact
	}
	s.since = now
}

// add starts a transfer.
func (s *server) add(now float64, conn int32, size float64) {
	s.advance(now)
	s.active.push(transfer{end: s.done + size, conn: conn})
}

// finish ends the transfer that ends first, and returns its connection.
func (s *server) finish(now float64) int32 {
	s.advance(now)
	return s.active.pop().conn
}

// nextEnd returns when the next transfer ends if none comes before.
func (s *server) nextEnd() float64 {
	n := len(s.active)
	if n == 0 {
		return never
	}
	return s.since + max(0, s.active[0].end-s.done)*float64(n)/s.capacity
}
