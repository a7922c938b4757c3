// SPDX-License-Identifier: MIT

package config

import (
	"net/netip"
	"path/filepath"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// Path is where the configuration file is unless a flag says otherwise.
const Path = "/etc/dpr/dpr.toml"

// A Config is what a file says, with defaults where it is silent.
type Config struct {
	Address      netip.Addr // this host's; invalid: see HostAddress
	RuntimeDir   string     // where the processes keep what lives as long as the boot
	Policy       dprnl.Policy
	Hash         dprnl.Hash
	Estimate     dprnl.Estimate
	Marker       dprnl.Marker
	Orphans      dprnl.Orphans
	MaxLoad      uint64 // or dprnl.MaxLoadAuto
	MaxFlows     uint32
	ReportMaxAge time.Duration
	Weight       uint32 // relative capacity of this host
	Weights      dprnl.Weights
	Timeouts     dprnl.Timeouts
	Services     []dprnl.Service
	Report       Report
	Cleanup      Cleanup
}

// Report is how reports are sent and received.
type Report struct {
	Period      time.Duration
	Port        uint16
	Keys        []*report.Key // the sender uses the first; none: no authentication
	ClockWindow time.Duration
	Networks    []Network
}

// A Network is where reports go. Either Group and Interface are set or
// Unicast.
type Network struct {
	Interface string
	Group     netip.Addr
	TTL       int
	Unicast   netip.AddrPort
}

// MemoryPath is the file in which dpr-receive remembers reports.
func (c *Config) MemoryPath() string { return filepath.Join(c.RuntimeDir, "reports") }

// CountsPath is the socket on which dpr-receive tells its counts.
func (c *Config) CountsPath() string { return filepath.Join(c.RuntimeDir, "receive.sock") }

// String names the network in messages.
func (n Network) String() string {
	if n.Unicast.IsValid() {
		return n.Unicast.String()
	}
	return n.Group.String() + "%" + n.Interface
}

// Cleanup is when tables are cleaned and hosts given up.
type Cleanup struct {
	Interval      time.Duration
	SilentPeriods int           // a silent peer leaves the load table after as many
	DeadAfter     time.Duration // a silent peer is probed before it is dead, from then on
}

// Defaults returns what holds for every key that a file does not have.
func Defaults() Config {
	return Config{
		RuntimeDir:   "/run/dpr",
		Policy:       dprnl.PolicyLowest,
		MaxFlows:     1 << 20,
		ReportMaxAge: 3 * time.Second,
		Weight:       1,
		Weights:      dprnl.Weights{Connections: 1},
		Timeouts: dprnl.Timeouts{
			Syn:         time.Minute,
			Established: 2*time.Hour + 4*time.Minute,
			Fin:         2 * time.Minute,
			Rst:         10 * time.Second,
		},
		Report:  Report{Period: time.Second, Port: 7743, ClockWindow: 10 * time.Second},
		Cleanup: Cleanup{Interval: time.Second, SilentPeriods: 5, DeadAfter: 15 * time.Second},
	}
}
