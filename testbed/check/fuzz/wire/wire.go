// SPDX-License-Identifier: MIT

// Package wire is the agreement between package fuzz, which boots a guest, and
// the guest's program, which sends what it makes up: what is to be sent, and what
// came of it.
package wire

import "encoding/json"

// PlanPath is the file of the guest that holds its Plan, as JSON.
const PlanPath = "/etc/dprfuzz/plan.json"

// The parts that a guest can do.
const (
	Netlink = "netlink" // messages to the module
	Packets = "packets" // packets through the hook
	Faults  = "faults"  // every operation, each of its allocations failing in turn
	Races   = "races"   // every operation beside every other

	Flooding = "flood" // packets as fast as they can be sent, while others work

	// Crossing is done with several processors only: packets of the same connections
	// on all of them at once, beside every operation.
	Crossing = "crossing"
)

// Plan says what a guest does.
type Plan struct {
	Part     string `json:"part"`
	Seed     uint64 `json:"seed"`
	Messages int    `json:"messages"` // of part Netlink, in all
	Packets  int    `json:"packets"`  // of part Packets, in all
	Steps    int    `json:"steps"`    // of each operation of a pair in part Races
	Flood    int    `json:"flood"`    // packets of each attack in part Flooding
	Limit    int    `json:"limit"`    // seconds that the parts Netlink and Packets may take
	Seconds  int    `json:"seconds"`  // of part Crossing
	NoLeaks  bool   `json:"no_leaks"` // lost memory is not looked for
	Slow     bool   `json:"slow"`     // emulated: less at a time
}

// Record is a line from the guest. At most one of its fields is set.
type Record struct {
	Say     string          `json:"say,omitempty"`     // what begins
	Failure string          `json:"failure,omitempty"` // a promise that the module broke
	Results json.RawMessage `json:"results,omitempty"` // figures of the part
	Leaks   string          `json:"leaks,omitempty"`   // kmemleak's reports about dpr
}

// NetlinkResults are of part Netlink.
type NetlinkResults struct {
	Messages   int            `json:"messages"`
	PerSecond  float64        `json:"per_second"`
	Users      map[string]int `json:"users"`      // messages by who sent them
	Accepted   int            `json:"accepted"`   // commands that were done
	Refused    map[string]int `json:"refused"`    // by errno
	Compared   int            `json:"compared"`   // refusals before and after which all was compared
	Namespaces int            `json:"namespaces"` // that were made, and went
}

// PacketsResults are of part Packets.
type PacketsResults struct {
	Packets    uint64            `json:"packets"`
	Wide       uint64            `json:"ipv6"`      // of these, packets of IPv6
	Tunnelled  map[string]uint64 `json:"tunnelled"` // packets that the module sent, by what is in what
	PerSecond  float64           `json:"per_second"`
	Changes    int               `json:"changes"`     // of the configuration meanwhile
	Loads      int               `json:"loads"`       // of the module
	MostFlows  uint64            `json:"most_flows"`  // at a time
	Accepted   int               `json:"accepted"`    // connections that a program took
	Counters   map[string]uint64 `json:"counters"`    // of the module, over all loads
	Free       []int64           `json:"free"`        // bytes of memory after each load
	NeverTaken []string          `json:"never_taken"` // counters that stayed 0
}

// FaultsResults are of part Faults.
type FaultsResults struct {
	Operations []Fault `json:"operations"`
	Injected   int     `json:"injected"`
}

// Fault is an operation whose allocations failed one after the other.
type Fault struct {
	Operation string `json:"operation"`
	Injected  int    `json:"injected"` // allocations that failed
	Survived  int    `json:"survived"` // of these, it was done all the same
}

// RacesResults are of part Races.
type RacesResults struct {
	Operations []string `json:"operations"`
	Pairs      int      `json:"pairs"`
	Steps      int      `json:"steps"`
	Namespaces int      `json:"namespaces"`
}

// CrossingResults are of part Crossing.
type CrossingResults struct {
	Seconds    float64        `json:"seconds"`
	Processors int            `json:"processors"` // that sent packets
	Packets    uint64         `json:"packets"`    // of all of them
	Operations map[string]int `json:"operations"` // beside them, how often each
	Began      uint64         `json:"began"`      // flows, over all loads of the module
	Ended      uint64         `json:"ended"`      // of them, because their peers said so
	Loads      int            `json:"loads"`      // of the module
}

// FloodResults are of part Flooding.
type FloodResults struct {
	MaxFlows uint32  `json:"max_flows"`
	Attacks  []Flood `json:"attacks"`
}

// Flood is what one attack did.
type Flood struct {
	Attack    string         `json:"attack"`
	Sent      int            `json:"sent"`
	PerSecond float64        `json:"per_second"`
	Kept      int            `json:"kept"`          // connections that lived before
	Lost      int            `json:"lost"`          // of these
	Honest    int            `json:"honest"`        // new connections that were tried
	Failed    int            `json:"failed"`        // of these
	Why       map[string]int `json:"why,omitempty"` // errors, by kind
	Connect   []float64      `json:"connect_ms"`    // time that a new connection took, median and 99th percentile
	Flows     uint64         `json:"flows"`         // most at a time
	Memory    int64          `json:"memory"`        // bytes that were taken meanwhile
}
