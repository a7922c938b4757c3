// SPDX-License-Identifier: MIT

// Package wire is the agreement between package enemy, which boots a guest, and
// the guest's program, which attacks: what it is to try, and what came of it.
package wire

// PlanPath is the file of the guest that holds its Plan, as JSON.
const PlanPath = "/etc/dprenemy/plan.json"

// The parts that the guest's program does.
const (
	Blind = "blind" // segments of one who sees nothing of the connection
	Local = "local" // a program without rights that accepts redirected connections
)

// Plan says what a guest does.
type Plan struct {
	Part    string `json:"part"`
	Seed    uint64 `json:"seed"`
	Packets int    `json:"packets"` // of part Blind, of each kind in each state
}

// Record is a line from the guest. One of its fields is set.
type Record struct {
	Say   string   `json:"say,omitempty"`
	Blind *Attack  `json:"blind,omitempty"`
	Local *Attempt `json:"local,omitempty"`
}

// Attack is what one kind of packet did to connections in one state, with dpr and
// with plain TCP.
type Attack struct {
	State      string         `json:"state"`
	Kind       string         `json:"kind"`
	Packets    int            `json:"packets"`       // sent to the host that redirects
	PacketsTCP int            `json:"packets_tcp"`   // sent to the host without dpr
	Arrived    int            `json:"arrived"`       // of Packets, as the host's link counts; others' packets count, too
	ArrivedTCP int            `json:"arrived_tcp"`   // the same of PacketsTCP
	BrokenDPR  int            `json:"broken_dpr"`    // connections
	BrokenTCP  int            `json:"broken_tcp"`    // connections
	Why        map[string]int `json:"why,omitempty"` // how redirected connections broke
	Seconds    float64        `json:"seconds"`
}

// Attempt is what a local program tried.
type Attempt struct {
	Attempt string `json:"attempt"`
	// Allowed tells that the program got more than its rights.
	Allowed bool `json:"allowed"`
	// Control tells that this is what must go on working, and Works that it does.
	Control bool `json:"control,omitempty"`
	Works   bool `json:"works,omitempty"`
	// Detail is what the kernel answered, and what was seen on the wire.
	Detail string `json:"detail,omitempty"`
}
