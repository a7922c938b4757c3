// SPDX-License-Identifier: MIT

package sim

import "math"

// never is the time of an event that is not planned.
var never = math.Inf(1)

// A schedule is a set of events, each known by a number, in order of time: a
// heap of four children a node that knows where each event stands.
type schedule struct {
	time []float64 // by event
	at   []int32   // by event: its place in heap
	heap []int32   // events
}

// newSchedule returns a schedule of n events, none of them planned.
func newSchedule(n int) *schedule {
	s := &schedule{time: make([]float64, n), at: make([]int32, n), heap: make([]int32, n)}
	for i := range n {
		s.time[i], s.at[i], s.heap[i] = never, int32(i), int32(i)
	}
	return s
}

// next returns the first event and its time, which is never if none is planned.
func (s *schedule) next() (event int, time float64) {
	e := s.heap[0]
	return int(e), s.time[e]
}

// plan moves an event to a time; never takes it out.
func (s *schedule) plan(event int, time float64) {
	earlier := time < s.time[event]
	s.time[event] = time
	if earlier {
		s.up(int32(event))
	} else {
		s.down(int32(event))
	}
}

func (s *schedule) put(at int32, event int32) {
	s.heap[at] = event
	s.at[event] = at
}

func (s *schedule) up(event int32) {
	at, time := s.at[event], s.time[event]
	for at > 0 {
		parent := (at - 1) / 4
		if s.time[s.heap[parent]] <= time {
			break
		}
		s.put(at, s.heap[parent])
		at = parent
	}
	s.put(at, event)
}

func (s *schedule) down(event int32) {
	at, time, n := s.at[event], s.time[event], int32(len(s.heap))
	for {
		first := 4*at + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, n); c++ {
			if s.time[s.heap[c]] < s.time[s.heap[least]] {
				least = c
			}
		}
		if s.time[s.heap[least]] >= time {
			break
		}
		s.put(at, s.heap[least])
		at = least
	}
	s.put(at, event)
}
