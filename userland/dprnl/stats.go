// SPDX-License-Identifier: MIT

package dprnl

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
)

type statInfo struct {
	name  string
	help  string
	gauge bool
}

// Stats holds the values of all counters of a namespace.
type Stats struct {
	values [len(statTable)]uint64
}

// NewStats returns counters with the given values, for tests of code that displays
// them. Other counters are 0, and values of counters that do not exist are ignored.
func NewStats(values map[Stat]uint64) Stats {
	var s Stats
	for k, v := range values {
		if int(k) < len(s.values) {
			s.values[k] = v
		}
	}
	return s
}

// Get returns a counter's value, or 0 for a counter that does not exist.
func (s *Stats) Get(k Stat) uint64 {
	if int(k) >= len(s.values) {
		return 0
	}
	return s.values[k]
}

// All iterates over the counters in the order of include/dpr.h.
func (s *Stats) All() iter.Seq2[Stat, uint64] {
	return func(yield func(Stat, uint64) bool) {
		for k, info := range statTable {
			if info.name != "" && !yield(Stat(k), s.values[k]) {
				return
			}
		}
	}
}

// MarshalJSON writes one object with each counter as a number under its name.
func (s Stats) MarshalJSON() ([]byte, error) {
	b := bytes.NewBufferString("{")
	for k, v := range s.All() {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(k.String()))
		b.WriteByte(':')
		b.WriteString(strconv.FormatUint(v, 10))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// String returns the counter's name in snake case, such as
// "served_below_max_load".
func (k Stat) String() string {
	if int(k) < len(statTable) && statTable[k].name != "" {
		return statTable[k].name
	}
	return fmt.Sprintf("stat_%d", uint16(k))
}

// Help describes the counter, including the heading of its section.
func (k Stat) Help() string {
	if int(k) < len(statTable) {
		return statTable[k].help
	}
	return ""
}

// Gauge reports whether the value can also fall.
func (k Stat) Gauge() bool {
	return int(k) < len(statTable) && statTable[k].gauge
}
