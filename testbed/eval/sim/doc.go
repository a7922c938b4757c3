// SPDX-License-Identifier: MIT

// Package sim simulates a cluster, event by event, to compare policies where a
// lab is too small: hosts share their capacity equally among the transfers they
// serve (processor sharing), users wait and ask again (a closed system) or come
// independently of each other (an open one), and reports tell of loads that
// have changed meanwhile. What decides is the module's own code, kmod/core/policy.c,
// called through package module, beside policies that know all loads at every
// moment, as bounds.
//
// What is left out: the network (a redirection adds Config.Hop to a transfer's
// delay, a refusal twice that), retransmissions, handshakes (a connection counts
// from its SYN to its last byte), and reports that only some hosts miss.
package sim
