// SPDX-License-Identifier: MIT

// Package tsc measures how fast the processor's time stamp counter counts. A guest
// without KVM has the machine's own counter; what its kernel measures at boot, by
// timers that QEMU emulates, is many times off when the machine is busy, and so are
// the guest's clock and all its timeouts then.
package tsc

import (
	"errors"
	"math"
	"time"
)

const (
	// apart is the time between two readings, and agree how far two rates may be
	// from each other.
	apart = 20 * time.Millisecond
	agree = 1e-4
	tries = 50
	// Counters of processors that exist, in kHz.
	least, most = 500_000, 10_000_000
)

// ErrUnsteady is returned if the counter does not count evenly.
var ErrUnsteady = errors.New("the time stamp counter does not count evenly")

// KHz measures the counter's rate. It takes two readings that agree: one that was
// interrupted between the two clocks does not.
func KHz() (int, error) {
	before := 0.0
	for range tries {
		rate := once()
		if math.Abs(rate/before-1) < agree && rate > least && rate < most {
			return int(math.Round(rate)), nil
		}
		before = rate
	}
	return 0, ErrUnsteady
}

// once is one measurement, in kHz.
func once() float64 {
	t0, c0 := time.Now(), read()
	time.Sleep(apart)
	t1, c1 := time.Now(), read()
	return float64(c1-c0) / (t1.Sub(t0).Seconds() * 1000)
}
