// SPDX-License-Identifier: MIT

// Package wire is the agreement between the bench, which boots a guest, and the
// guest's program, which measures: what is to be measured, and what was found.
package wire

import "dpr/testbed/lab/family"

// PlanPath is the file of the guest that holds its Plan, as JSON.
const PlanPath = "/etc/dprbench/plan.json"

// Plan says what a guest measures.
type Plan struct {
	// Family is that of clients, of the host's own address and of peers: tunnels carry
	// packets of the family that they are of.
	Family family.Family `json:"family"`
	// Systems are measured in this order, of DPR, Tun, DR, NAT, Direct, Splice, SpliceProxy.
	Systems []string `json:"systems"`
	// Flows are the sizes of the routing table at which a packet's cost is
	// measured, in rising order, with the first of Peers.
	Flows []int `json:"flows"`
	// Peers are the numbers of other hosts. Those after the first are measured
	// at PeerFlows flows, for the systems of PeerSystems.
	Peers       []int    `json:"peers"`
	PeerFlows   int      `json:"peer_flows"`
	PeerSystems []string `json:"peer_systems"`
	// Packets is how many packets a figure is the mean of. SYNs and FINs are
	// each of another connection.
	Packets int `json:"packets"`
	// Serving has the host take part itself: it asks for its own load at each SYN,
	// which is then always the highest.
	Serving bool `json:"serving"`
	// PossibleCPUs is how many processors the guest's kernel makes room for, as on a
	// large server, though one is there; 0: as many as are there.
	PossibleCPUs int `json:"possible_cpus"`
	// Memory has the tables' memory measured, and those left out that the guest's
	// does not hold.
	Memory bool `json:"memory"`
	// Host has the receiving side measured, and packets that are none of ours.
	Host bool `json:"host"`
	// Profile has profiles made.
	Profile bool `json:"profile"`
	// Median has a figure be the median of batches of packets, not the mean: where
	// time passes while others run.
	Median bool `json:"median"`
	// Rounds is how often everything is measured; below 1 means once. Rounds
	// matter where times are not numbers of instructions.
	Rounds int `json:"rounds"`
	// Moved are numbers of hosts: in a cluster of each, Connections of one host come to
	// another one at once. If there are any, nothing else is measured.
	Moved       []int `json:"moved,omitempty"`
	Connections int   `json:"connections,omitempty"`
	// FastPath has the fast path measured on an ideal network card, and what it is compared
	// with, at PeerFlows flows with the first of Peers. Then nothing else is measured.
	FastPath bool `json:"fast_path,omitempty"`
}

// The systems that are measured.
const (
	DPR = "dpr"
	// Direct is dpr where packets after the SYN go to peers on the link as they are.
	Direct = "dpr-direct"
	Tun    = "ipvs-tun"
	DR     = "ipvs-dr"
	NAT    = "ipvs-nat"
	// Splice is dpr whose peers are backends, which run nothing of it; SpliceProxy is the
	// same with the PROXY protocol, for which the client's SYN has a shifted number.
	Splice      = "splice"
	SpliceProxy = "splice-shifted"

	IPIP = "ipip"
	TNL6 = "ip6tnl" // what IPIP is for IPv6 in IPv6
	None = "none"   // the bare kernel
	// XDP is dpr with the fast path.
	XDP = "dpr-xdp"
	// Katran is a program of XDP that does for a packet what Katran does.
	Katran = "katran-like"
	// Bounce is a program of XDP that sends each packet back: nothing costs less.
	Bounce = "xdp-tx"
)

// The devices by which packets come.
const (
	Inject = "inject" // none: they are given to netif_receive_skb()
	Ideal  = "ideal"  // a network card of which nothing costs anything
)

// Device returns which of the kernel's own tunnel devices carries a family in itself.
func Device(f family.Family) string {
	if f == family.V6 {
		return TNL6
	}
	return IPIP
}

// The operations that are measured.
const (
	Syn         = "syn"         // a connection's first packet, redirected
	Established = "established" // a later packet, redirected
	Fin         = "fin"         // the client's first FIN, redirected
	Answer      = "answer"      // a later packet of a peer that comes back through this host
	Ended       = "ended"       // a peer's message that a connection has ended; its flow goes
	Receive     = "receive"     // a packet from a tunnel up to TCP and a socket
	Other       = "other"       // a packet of this host that the system has nothing to do with
)

// Cost is what a packet costs.
type Cost struct {
	// Family is the plan's. As in the other records, the guest leaves it to the bench.
	Family family.Family `json:"family"`
	System string        `json:"system"`
	Op     string        `json:"op"`
	Flows  int           `json:"flows"` // in the routing table before the packets came
	Peers  int           `json:"peers"`
	Unit   string        `json:"unit"` // "instructions" or "ns"; the guest leaves it to the bench
	Device string        `json:"device"`
	GRO    bool          `json:"gro"` // the device's packets are merged, if they can be
	Cost   float64       `json:"cost"`
	// Variant tells figures of the same operation apart.
	Variant string `json:"variant,omitempty"`
	Round   int    `json:"-"`
}

// The variants of Receive: what the packet finds.
const (
	ToEstablished = "established socket" // an ACK without data
	ToClosed      = "closed port"        // answered by a RST
)

// The variants of Other: the packet, and what else hangs on PRE_ROUTING. A packet
// and the RST that answers it are two packets: one comes in, one goes out.
const (
	TCPAlone  = "tcp, no other hook"
	UDPAlone  = "udp, no other hook"
	TCPBeside = "tcp, beside an nftables chain"
	UDPBeside = "udp, beside an nftables chain"
	RSTAlone  = "tcp and the RST it gets, no other hook"
	RSTBeside = "tcp and the RST it gets, beside an nftables chain"
)

// Memory is what a system's routing table takes.
type Memory struct {
	Family       family.Family `json:"family"`
	System       string        `json:"system"`
	Flows        int           `json:"flows"`
	BytesPerFlow float64       `json:"bytes_per_flow"` // all memory that the table took
	SlabPerFlow  float64       `json:"slab_per_flow"`  // of this, in the slab caches of flows
	// Fixed is what the system took before the first flow, besides its code. It
	// is in BytesPerFlow too.
	Fixed int64 `json:"fixed"`
	// FreeAfter is the guest's available memory with the table, in bytes.
	FreeAfter int64 `json:"free_after"`
}

// Profile is where a packet's time goes.
type Profile struct {
	Family  family.Family `json:"family"`
	System  string        `json:"system"`
	Op      string        `json:"op"`
	Variant string        `json:"variant,omitempty"`
	Device  string        `json:"device"`
	Flows   int           `json:"flows"`
	Peers   int           `json:"peers"`
	// Packet is what a packet takes with building and freeing it, in instructions:
	// what the shares are shares of.
	Packet    float64    `json:"packet"`
	Functions []Function `json:"functions"` // the most expensive ones first
}

// Function is a function's own share, with that of what builds the packets.
type Function struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // 0 to 1
}

// Unfit tells of a table that the guest's memory does not hold.
type Unfit struct {
	Family    family.Family `json:"family"`
	System    string        `json:"system"`
	Flows     int           `json:"flows"`
	Needed    int64         `json:"needed"`    // bytes, from what smaller tables took
	Available int64         `json:"available"` // bytes
}

// Absent tells of a system that a module of dpr does not have.
type Absent struct {
	Family family.Family `json:"family"`
	System string        `json:"system"`
	Why    string        `json:"why"`
}

// Moved is what became of connections whose packets came to a host that knew none of
// them, while another one had their sockets.
type Moved struct {
	Family      family.Family `json:"family"`
	Hosts       int           `json:"hosts"`
	Group       bool          `json:"group"` // one message to the multicast group asks all peers
	Connections int           `json:"connections"`
	Found       int           `json:"found"` // the owner's socket got the client's data
	Reset       int           `json:"reset"` // the client got a RST
	// Burst is how long the clients took to send, in seconds.
	Burst float64 `json:"burst_s"`
	// RTO is after how long half of the clients or more send again, in seconds.
	RTO float64 `json:"rto_s"`
	// P50, P90, P99 and Last are how long it took until the owner's socket had the data of
	// a connection that was found, in seconds since its first segment came to the host.
	P50  float64 `json:"p50_s"`
	P90  float64 `json:"p90_s"`
	P99  float64 `json:"p99_s"`
	Last float64 `json:"last_s"`
	// Again is how many segments the clients sent again.
	Again uint64 `json:"sent_again"`
	// What the host counted: segments that it asked for, those of them that waited until
	// they could be sent on, and those that it dropped: because it had asked just before,
	// because of its limits, or left to its stack because nobody claimed the connection.
	Asked   uint64 `json:"asked"`
	Held    uint64 `json:"held"`
	Waited  uint64 `json:"waited"`
	Limited uint64 `json:"limited"`
	Unknown uint64 `json:"unknown"`
	// Questions and Claims are messages on the wire; Refused are claims that the host did
	// not take.
	Questions uint64 `json:"questions"`
	Claims    uint64 `json:"claims"`
	Refused   uint64 `json:"refused"`
}

// AskWays are the ways in which the hosts of a cluster ask: each peer by a message of its own
// (false), or all by one to the group, which tunnels of IPv6 have not.
func AskWays(f family.Family) []bool {
	if f == family.V4 {
		return []bool{false, true}
	}
	return []bool{false}
}

// Record is one line from the guest: one of its fields is set.
type Record struct {
	Round   int      `json:"round,omitempty"`
	Say     string   `json:"say,omitempty"` // what begins
	Cost    *Cost    `json:"cost,omitempty"`
	Memory  *Memory  `json:"memory,omitempty"`
	Profile *Profile `json:"profile,omitempty"`
	Unfit   *Unfit   `json:"unfit,omitempty"`
	Absent  *Absent  `json:"absent,omitempty"`
	Moved   *Moved   `json:"moved,omitempty"`
}
