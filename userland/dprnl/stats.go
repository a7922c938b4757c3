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

// Stats holds a value of every counter of a namespace.
type Stats struct {
	values [len(statTable)]uint64
}

// NewStats returns counters with the values given, for the tests of what shows
// them; those that are not given, or do not exist, are 0.
func NewStats(values map[Stat]uint64) Stats {
	var s Stats
	for k, v := range values {
		if int(k) < len(s.values) {
			s.values[k] = v
		}
	}
	return s
}

// Get returns a counter's value; 0 for a counter that does not exist.
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

// MarshalJSON writes one object, each counter a number under its name.
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

// Help returns what the counter counts, with the heading it stands under.
func (k Stat) Help() string {
	if int(k) < len(statTable) {
		return statTable[k].help
	}
	return ""
}

// Gauge says whether the value can also fall.
func (k Stat) Gauge() bool {
	return int(k) < len(statTable) && statTable[k].gauge
}
