// SPDX-License-Identifier: MIT

// Package soak keeps a cluster under a steady load for long and looks whether it
// stays as it is: the memory of the kernel and of each process, the routing table,
// the delay of requests, and every host's packets (package accounting).
//
// The load comes in intervals: each is a run of package httpload, every request a
// connection that is checked by content, and after each, when nothing moves, every
// host is looked at. A line of least squares is laid through the values of all
// intervals but the first ones, which are for warming up.
//
// # The verdict
//
// A value is steady unless it grows with a confidence of 99 %, and by more, over the
// time that was measured, than the part of its mean and the floor that its rule
// names:
//
//	value                          may grow by
//	─────────────────────────────────────────────────────────────
//	kernel memory (not reclaimable 2 %, or 1 MiB
//	slab, stacks, page tables,
//	per-CPU and vmalloc areas)
//	resident memory of nginx       5 %, or 1 MiB
//	that of a process of dpr       5 %, or 4 MiB, to which a Go program's heap
//	                               grows before it is collected, and again
//	flows in the routing table     10 %, or 64
//	mean delay                     10 %, or 5 ms
//	99 % quantile of the delay     25 %, or 25 ms
//
// Delays show whatever else the machine does: a long soak wants it for itself, and one
// of less than ten minutes lets them grow by half or 50 ms, their quantile by as much
// again or 250 ms.
//
// The confidence is that of errors that do not depend on each other. A line does not
// see what happens at the very end: the last two values may not both be further above
// the median than three times what the value may grow by.
//
// Besides, no request may fail; each interval must have requests and redirected
// packets, a quarter of the median at least (in less than ten minutes it is enough
// that of three intervals one has redirected packets); all values must have been measured in
// each; no process may have been started again, as that hides what it lost; and the
// packets of every host must be accounted for, to the last: in = served + redirected + dropped,
// by reason.
package soak
