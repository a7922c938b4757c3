// SPDX-License-Identifier: MIT

package surge

import (
	"encoding/json"
	"fmt"
	"time"
)

// Records are records that know their form on the wire.
type Records []Record

// MarshalJSON writes rows of due, delay, lag (µs), size and host.
func (r Records) MarshalJSON() ([]byte, error) {
	rows := make([][5]int64, len(r))
	for i, rec := range r {
		rows[i] = [5]int64{rec.Due.Microseconds(), rec.Delay.Microseconds(), rec.Lag.Microseconds(), rec.Size, int64(rec.Host)}
	}
	return json.Marshal(rows)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Records) UnmarshalJSON(b []byte) error {
	var rows [][]int64
	if err := json.Unmarshal(b, &rows); err != nil {
		return fmt.Errorf("surge: records: %w", err)
	}
	*r = make(Records, len(rows))
	for i, row := range rows {
		if len(row) != 5 {
			return fmt.Errorf("surge: record %d has %d numbers, want 5", i, len(row))
		}
		for _, n := range row {
			if n < 0 {
				return fmt.Errorf("surge: record %d: %d is negative", i, n)
			}
		}
		us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
		(*r)[i] = Record{us(row[0]), us(row[1]), us(row[2]), row[3], int(row[4])}
	}
	return nil
}
