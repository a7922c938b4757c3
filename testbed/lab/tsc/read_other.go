// SPDX-License-Identifier: MIT

//go:build !amd64

package tsc

// read reads no counter: guests do not have this processor's.
func read() uint64 { return 0 }
