// SPDX-License-Identifier: MIT

// Package httpload drives HTTP load the way the paper's SURGE clients do: a closed
// system of a fixed population of users, each of which requests a document,
// is idle for a while (the OFF time), requests the next, and so on.
//
// Every request is a TCP connection of its own, opened by the kernel of the
// network namespace the process runs in, so that each one is a decision of the
// cluster. Every answer is checked: its status, its length and the SHA-256 of
// its body. Whatever is not a correct answer in time is a failure, and is
// counted under one [Class].
//
// # What a delay is
//
// A request is due when its user's OFF time ends, a moment drawn before the
// request exists. Its delay runs from that moment, not from when a goroutine
// was scheduled or a socket was ready, to the last byte of the body. So a
// client that falls behind shows in the delays it reports instead of hiding
// in requests it forgot to time (coordinated omission within a request).
//
// A closed system has the other half of that effect by design: a user who
// waits for a slow answer asks for nothing meanwhile, so the offered rate falls
// as delays grow, and the requests of a bad moment are fewer than those that
// an open system would have sent into it. Delays of a closed system therefore
// compare policies under the same population, not under the same rate; report
// the throughput next to them.
//
// # Several clients
//
// [Run] is one client. A load of several clients is several processes, each in
// its own namespace, that are given a [Plan] on standard input and answer with
// a [Result] on standard output ([Serve]); [Result.Merge] adds results up,
// histograms included.
package httpload
