// SPDX-License-Identifier: MIT

//go:build cgo

// Package module is the module's own SYN decision, kmod/core/policy.c, and its
// choice within a group of hosts, kmod/core/choose.c, for simulations. These
// files and their headers are links in this directory, so that a change of them
// is a change of this package.
package module

// #cgo CFLAGS: -O2 -Wall -Werror
// #include "table.h"
import "C"

import (
	"errors"
	"unsafe"

	"dpr/userland/dprnl"
)

// MaxOffers is DPR_MAX_OFFERS.
const MaxOffers = C.DPR_MAX_OFFERS

// A Change is what a host alone knows of a peer: its live flows to it, and how
// many these were when the peer's last report came.
type Change struct {
	Peer           uint32
	Live, Reported int32
}

// A Host is one that decides.
type Host struct {
	Self     int // its place in the table
	Load     uint64
	Weight   uint32
	MaxLoad  uint64
	Policy   dprnl.Policy
	Estimate dprnl.Estimate
	Now      uint32 // ms
	MaxAge   uint32 // ms
	Random   uint64
	Avoid    int // a peer that refused the connection; -1: none
	Changes  []Change
	Since    int64 // their sum, in place of Changes, for the policy offer
}

// A Table is the load table of all hosts of a cluster.
type Table struct{ c *C.struct_sim_table }

// New returns a table of hosts of these weights, which must be closed.
func New(weights []uint32) (*Table, error) {
	t := C.sim_table_new(C.u32(len(weights)), (*C.u32)(unsafe.Pointer(&weights[0])))
	if t == nil {
		return nil, errors.New("no memory for a load table")
	}
	return &Table{t}, nil
}

// Close frees the table.
func (t *Table) Close() { C.sim_table_free(t.c) }

// Hear notes a peer's report.
func (t *Table) Hear(peer int, load uint64, now, tie uint32) {
	C.sim_table_hear(t.c, C.u32(peer), C.u64(load), C.u32(now), C.u32(tie))
}

// ordered says whether the policy compares all peers; others need no order.
func (h *Host) ordered() bool {
	return h.Policy == dprnl.PolicyLowest || h.Policy == dprnl.PolicyInverse
}

func (h *Host) c() (C.struct_sim_host, *C.struct_sim_change, C.struct_dpr_policy_args) {
	host := C.struct_sim_host{
		self: C.u32(h.Self), estimate: C.u32(h.Estimate), changes: C.u32(len(h.Changes)), ordered: C.bool(h.ordered()),
		since: C.int64_t(h.Since),
	}
	args := C.struct_dpr_policy_args{
		policy: C.u32(h.Policy), own_load: C.u64(h.Load), own_weight: C.u32(h.Weight), connection_load: 1,
		max_load: C.u64(h.MaxLoad), now: C.u32(h.Now), max_age: C.u32(h.MaxAge), random: C.u64(h.Random),
		avoid: C.u32(h.Avoid + 1),
	}
	return host, (*C.struct_sim_change)(unsafe.Pointer(unsafe.SliceData(h.Changes))), args
}

// Decide returns the peer that the host redirects a new connection to, or the
// host itself if it serves.
func (t *Table) Decide(h *Host) int {
	host, change, args := h.c()
	return int(C.sim_table_decide(t.c, &host, change, &args))
}

// Refuses says whether the host refuses a connection that a peer offers.
func (t *Table) Refuses(h *Host) bool {
	host, change, args := h.c()
	return bool(C.sim_table_refuses(t.c, &host, change, &args))
}

// Policies of rules: enum dpr_rules_policy.
const (
	RulesLowest    = C.DPR_RULES_POLICY_LOWEST
	RulesStateless = C.DPR_RULES_POLICY_STATELESS
	RulesLocality  = C.DPR_RULES_POLICY_LOCALITY
)

// A Group is how the hosts of a group are chosen.
type Group struct {
	Policy uint32 // RulesLowest and the like
	Spill  uint32 // percent
	Hash   uint64 // of the client, or of what it asks for
}

// Choose returns the host that gets a connection which came to the host h, when
// all hosts are one group. The policy of h does not count.
func (t *Table) Choose(h *Host, g Group) int {
	host, change, args := h.c()
	group := C.struct_sim_group{policy: C.u32(g.Policy), spill: C.u32(g.Spill), hash: C.u64(g.Hash)}
	return int(C.sim_table_choose(t.c, &host, change, &args, &group))
}
