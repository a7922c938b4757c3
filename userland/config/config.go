// SPDX-License-Identifier: MIT

package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// Path is the default path of the configuration file.
const Path = "/etc/dpr/dpr.toml"

// A Config holds the values of a file, and defaults for keys it does not have.
type Config struct {
	Address      netip.Addr // this host's address; invalid: see HostAddress
	RuntimeDir   string     // directory for state that lives until the next boot
	Policy       dprnl.Policy
	Hash         dprnl.Hash
	Estimate     dprnl.Estimate
	Marker       dprnl.Marker
	Forwarding   dprnl.Forwarding
	Answers      dprnl.Answers
	Orphans      dprnl.Orphans
	MaxLoad      uint64 // or dprnl.MaxLoadAuto
	MaxFlows     uint32
	ReportMaxAge time.Duration
	SlowStart    time.Duration // until a host that comes back gets its whole share
	Affinity     uint32        // so many bits of a client's address decide its host; 0: loads do
	Affinity6    uint32        // what Affinity is, of an IPv6 client's address, if that is not 0
	AffinityTime time.Duration // for so long; 0: for ever
	Start        dprnl.State   // of a module that has just been loaded; not StateLeaving
	Weight       uint32        // relative capacity of this host
	Weights      dprnl.Weights
	Timeouts     dprnl.Timeouts
	SplicePorts  Ports  // of this host, from which connections go to backends
	MaxSplices   uint32 // connections to backends that there can be
	FastPath     FastPath
	Services     []dprnl.Service
	Backends     []dprnl.Backend
	Checks       []Check        // of the backends that are checked
	Rulesets     []ServiceRules // of the services that have rules by what is asked for
	Report       Report
	Cleanup      Cleanup
	Files        []string // that Load read: the file, and those of DropInDir
	Overrides    []Override
}

// Report says how reports are sent and received.
type Report struct {
	Period      time.Duration
	Port        uint16
	Keys        []*report.Key // the sender uses the first; empty: no authentication
	SameKey     bool          // the previous one is the same, and not among them
	ClockWindow time.Duration
	Networks    []Network
	IPv6        bool // this host's address, and so reports, are of IPv6
}

// A Network is a destination of reports. Either Group and Interface are set, or Unicast,
// or Name and Port.
type Network struct {
	Interface string
	Group     netip.Addr
	TTL       int
	Unicast   netip.AddrPort
	Name      string // of hosts: all its addresses of the family of this host's own
	Port      uint16
}

// MemoryPath is the file in which dpr-receive stores the last reports.
func (c *Config) MemoryPath() string { return filepath.Join(c.RuntimeDir, "reports") }

// ApplyingPath is the file that exists while dpr-receive applies the configuration file, and
// until all of that is in the kernel.
func (c *Config) ApplyingPath() string { return filepath.Join(c.RuntimeDir, "applying") }

// CountsPath is the socket on which dpr-receive serves its counts.
func (c *Config) CountsPath() string { return filepath.Join(c.RuntimeDir, "receive.sock") }

// FastPathSocket is the socket on which dpr-fastpath serves its states. It is in a directory of
// its own: that process has more rights than the others.
func (c *Config) FastPathSocket() string {
	return filepath.Join(filepath.Clean(c.RuntimeDir)+"-fastpath", "socket")
}

// String names the network in messages.
func (n Network) String() string {
	if n.Unicast.IsValid() {
		return n.Unicast.String()
	}
	if n.Name != "" {
		return net.JoinHostPort(n.Name, strconv.Itoa(int(n.Port)))
	}
	return n.Group.String() + "%" + n.Interface
}

// Cleanup says when tables are cleaned and when silent hosts are removed.
type Cleanup struct {
	Interval      time.Duration
	SilentPeriods int           // a silent peer leaves the load table after this many
	DeadAfter     time.Duration // a peer is probed after this much silence
}

// Defaults returns the values of keys that a file does not have.
func Defaults() Config {
	return Config{
		RuntimeDir:   "/run/dpr",
		Policy:       dprnl.PolicyLowest,
		MaxFlows:     1 << 20,
		ReportMaxAge: 3 * time.Second,
		SlowStart:    10 * time.Second,
		Affinity6:    dprnl.DefaultAffinity6,
		SplicePorts:  Ports{61000, 65535},
		MaxSplices:   1 << 16,
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
