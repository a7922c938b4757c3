// SPDX-License-Identifier: MIT

package tsc

// read reads the counter.
func read() uint64
