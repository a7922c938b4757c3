// SPDX-License-Identifier: MIT

// Package doctor looks at a host and says what keeps dpr from working there, and
// what to do about it.
//
// Gather reads the facts, without changing anything; Examine judges them.
package doctor

import (
	"net/netip"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/firewall"
)

// A Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // connections or reports get lost, or are not shared
	Warning Severity = "warning" // may become a problem
	Note    Severity = "note"    // worth knowing; or not looked at, and why
)

// A Finding is one thing that is wrong with a host.
type Finding struct {
	Check    string   `json:"check"` // what was looked at: "firewall", "routes", ...
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Facts are what Gather reads of a host.
type Facts struct {
	File     *config.Config
	Loaded   bool // the module; without it there is nothing of the kernel's
	Config   dprnl.Config
	Services []dprnl.Service
	Peers    []dprnl.Peer

	Links     []Link
	Routes    map[netip.Addr]Route // to peers
	Rules     []Rule               // of policy routing
	Firewall  []*firewall.Ruleset
	Unread    []string // what of the firewall could not be read, and why
	Sysctls   map[string]int
	Filtered  uint64 // packets dropped by reverse path filtering since boot
	Unsynced  bool   // the clock is not synchronised
	Vendor    string // of the machine, as its firmware says
	Echoes    map[netip.Addr]Echo
	Answers   map[netip.Addr]Answer
	Receiving bool                        // dpr-receive answers
	Refused   map[string]uint64           // datagrams that dpr-receive refused while the facts were read, by reason
	Refusing  map[string][]netip.Addr     // senders of such datagrams, by reason, as far as dpr-receive remembers
	Heard     uint64                      // reports of other hosts that it accepted meanwhile
	Stale     uint64                      // handovers and answers dropped while the facts were read: too old, or of a host whose clock is wrong
	Forged    uint64                      // likewise: not made with a key of this host
	Waited    time.Duration               // how long that was
	Shared    map[netip.Addr][]netip.Addr // addresses of lo and dummy devices that peers report, too, and those peers
	Several   map[netip.Addr][]netip.Addr // addresses that several peers report, and those peers
	Name      string                      // a DNS name to look at; empty: none
	Named     []netip.Addr                // what it stands for
	Unnamed   string                      // why that is not known
	FastPath  []fastpath.State            // of devices that are to have the fast path
}

// A Link is a network interface.
type Link struct {
	Name      string
	Index     int
	Kind      string // such as "bridge", "vrf", "ipip"; empty: a device
	Master    string // the bridge, bond or VRF that it belongs to
	Parent    string // the interface that a VLAN is on
	Mode      string // of a bond, such as "802.3ad"
	MTU       int
	Up        bool
	LRO       bool // large receive offload is on
	Addresses []netip.Prefix
	Remote    netip.Addr // of a tunnel
	Snooping  bool       // a bridge filters multicasts
	Querier   bool       // and asks itself who wants them
}

// A Route is the way to a peer.
type Route struct {
	Device string
	MTU    int
	Err    string // why there is none
}

// A Rule is a rule of policy routing that asks for the source.
type Rule struct {
	Priority int
	Source   netip.Prefix
	Table    int
}

// An Echo is what a peer answered to two ICMP echo requests that may not be
// fragmented: a small one, and one as large as the route allows.
type Echo struct {
	Small, Large bool
	Size         int // of the large one's packet in bytes
}

// An Answer is which of a peer's three answers came, when it was asked whether the network
// drops what has another host's address as source.
type Answer struct {
	Tunnel  bool   // through the tunnel
	Own     bool   // past it, from the peer's own address
	Foreign bool   // past it, from this host's address, as the answers to redirected connections
	Older   bool   // it was not asked: it, or this host's module, does not know the question
	Err     string // why else it was not asked
}

// A check judges facts.
type check func(*Facts) []Finding

// Examine returns all findings, the worst first.
func Examine(f *Facts) []Finding {
	var all []Finding
	for _, c := range []check{
		checkModule, checkAddress, checkFile, checkSense, checkInterfaces, checkReports, checkClock, checkHandovers, checkRoutes, checkMTU, checkFirewall, checkPublished,
		checkAnswers, checkThrough, checkConntrack, checkNeighbours, checkLinkLocal, checkSynCookies, checkReversePath, checkReportPaths, checkSourceRules, checkSnooping, checkOffload, checkTunnels,
		checkVRF, checkVendor, checkShared, checkForwarding, checkBonds, checkFastPath, checkName,
	} {
		all = append(all, c(f)...)
	}
	var sorted []Finding
	for _, s := range []Severity{Problem, Warning, Note} {
		for _, finding := range all {
			if finding.Severity == s {
				sorted = append(sorted, finding)
			}
		}
	}
	return sorted
}

// configured tells whether the kernel takes part in a cluster.
func (f *Facts) configured() bool {
	return f.Loaded && f.Config.Address.IsValid() && !f.Config.Address.IsUnspecified()
}

// six tells whether this host's address, and so its tunnels, are of IPv6.
func (f *Facts) six() bool { return f.Config.Address.Is6() }

// snooping is what filters the multicasts of reports on the way.
func (f *Facts) snooping() string {
	if f.File != nil && f.File.Report.IPv6 {
		return "MLD snooping"
	}
	return "IGMP snooping"
}

// peers are the hosts in the load table.
func (f *Facts) peers() []netip.Addr {
	var list []netip.Addr
	for _, p := range f.Peers {
		if p.Listed && p.State != dprnl.StateLeaving {
			list = append(list, p.Address)
		}
	}
	return list
}

// holder returns the link that has an address.
func (f *Facts) holder(a netip.Addr) *Link {
	for i, l := range f.Links {
		for _, p := range l.Addresses {
			if p.Addr() == a {
				return &f.Links[i]
			}
		}
	}
	return nil
}

func (f *Facts) link(name string) *Link {
	for i := range f.Links {
		if f.Links[i].Name == name {
			return &f.Links[i]
		}
	}
	return nil
}

// some names up to five things.
func some[T interface{ String() string }](list []T) string {
	const most = 5
	text := ""
	for i, e := range list {
		if i == most {
			return text + ", ..."
		}
		if i > 0 {
			text += ", "
		}
		text += e.String()
	}
	return text
}
