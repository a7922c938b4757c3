// SPDX-License-Identifier: MIT

package dprnl

import (
	"net/netip"
	"time"
)

// A Config is the configuration of a network namespace. In an unconfigured
// namespace, Address is 0.0.0.0.
type Config struct {
	Address      netip.Addr    // this host's address, and source of its tunnelled packets
	Policy       Policy        // how the SYN decision is made
	Hash         Hash          // what the stateless policy hashes
	Estimate     Estimate      // how a peer's load is estimated between reports
	Marker       Marker        // how peers recognise redirected packets
	Forwarding   Forwarding    // how redirected packets get to peers
	Answers      Answers       // how this host's answers get to clients of other hosts
	Orphans      Orphans       // what to do with connections unknown on this host
	Group        netip.Addr    // IPv4 multicast group that questions about those go to; invalid: none
	State        State         // this host's state in the cluster
	MaxLoad      uint64        // the host serves below this load; or MaxLoadAuto
	Weights      Weights       // factor of each metric in the load
	Weight       uint32        // relative capacity of this host, 1 to MaxWeight
	MaxFlows     uint32        // size limit of the routing table
	ReportMaxAge time.Duration // a peer with an older report is not chosen
	Timeouts     Timeouts      // how long a silent flow is kept
	SlowStart    time.Duration // until a peer that comes back gets its whole share; 0: at once
	// So many bits of a client's address decide its host, up to AffinityBits; 0: loads do.
	Affinity     uint32
	AffinityTime time.Duration // for so long; 0: for ever
	// What Affinity is for IPv4, for clients with IPv6 addresses; 1 to Affinity6Bits. It
	// has no effect while Affinity is 0.
	Affinity6 uint32
	// The ports of this host from which connections go to backends, and how many of these
	// there can be; 0 from an older module.
	SpliceFirstPort uint32
	SpliceLastPort  uint32
	MaxSplices      uint32
	// Ids of the keys of handovers; 0: there is no such key.
	HandoverKeyIDs [MaxHandoverKeys]uint32
}

// A HandoverKey authenticates connections that hosts hand over to each other.
type HandoverKey struct {
	ID     uint32 // not 0
	Secret [HandoverKeyLen]byte
}

// A client's whole address, and how much of an IPv6 one counts by default: the network of
// one client, whose hosts choose their addresses in it themselves.
const (
	AffinityBits     = 32
	Affinity6Bits    = 128
	DefaultAffinity6 = 64
)

// Weights holds the factors of the four metrics, 0 to MaxWeight each.
type Weights struct {
	Connections uint32
	CPU         uint32
	Redirected  uint32
	Sockets     uint32
}

// Timeouts holds how long a silent flow is kept, by its state.
type Timeouts struct {
	Syn         time.Duration
	Established time.Duration
	Fin         time.Duration
	Rst         time.Duration
}

// A ConfigUpdate holds the values that SetConfig changes; nil ones stay.
type ConfigUpdate struct {
	Address            *netip.Addr
	Policy             *Policy
	Hash               *Hash
	Estimate           *Estimate
	Marker             *Marker
	Forwarding         *Forwarding // an older module knows only ForwardingIpip
	Answers            *Answers    // an older module knows only AnswersDirect
	Orphans            *Orphans
	Group              *netip.Addr // an older module asks each peer, and does not learn it
	State              *State
	MaxLoad            *uint64
	WeightConnections  *uint32
	WeightCPU          *uint32
	WeightRedirected   *uint32
	WeightSockets      *uint32
	Weight             *uint32
	MaxFlows           *uint32
	ReportMaxAge       *time.Duration // whole milliseconds
	TimeoutSyn         *time.Duration
	TimeoutEstablished *time.Duration
	TimeoutFin         *time.Duration
	TimeoutRst         *time.Duration
	SlowStart          *time.Duration // a module of version 0.2 or earlier does not learn it
	Affinity           *uint32        // such a module has none
	AffinityTime       *time.Duration
	Affinity6          *uint32 // a module that knows no IPv6 has but the default
	// An older module has no backends, and does not learn these.
	SpliceFirstPort *uint32
	SpliceLastPort  *uint32
	MaxSplices      *uint32
	// Up to MaxHandoverKeys; the first makes what this host sends. An older module has none.
	HandoverKeys *[]HandoverKey
}

// Update returns an update that makes a namespace's configuration equal to c, but for the
// keys of handovers, which nobody can read.
func (c Config) Update() ConfigUpdate {
	return ConfigUpdate{
		Address: &c.Address, Policy: &c.Policy, Hash: &c.Hash, Estimate: &c.Estimate,
		Marker: &c.Marker, Forwarding: &c.Forwarding, Answers: &c.Answers, Orphans: &c.Orphans, Group: &c.Group, State: &c.State, MaxLoad: &c.MaxLoad,
		WeightConnections: &c.Weights.Connections, WeightCPU: &c.Weights.CPU,
		WeightRedirected: &c.Weights.Redirected, WeightSockets: &c.Weights.Sockets,
		Weight: &c.Weight, MaxFlows: &c.MaxFlows, ReportMaxAge: &c.ReportMaxAge,
		TimeoutSyn: &c.Timeouts.Syn, TimeoutEstablished: &c.Timeouts.Established,
		TimeoutFin: &c.Timeouts.Fin, TimeoutRst: &c.Timeouts.Rst, SlowStart: &c.SlowStart,
		Affinity: &c.Affinity, AffinityTime: &c.AffinityTime, Affinity6: &c.Affinity6,
		SpliceFirstPort: &c.SpliceFirstPort, SpliceLastPort: &c.SpliceLastPort, MaxSplices: &c.MaxSplices,
	}
}

// A Service is a TCP port that the cluster serves.
type Service struct {
	Port    uint16     // 1 to 65535
	Address netip.Addr // the only local address; 0.0.0.0 or invalid: all, of both families
	Rules   Rules      // what it has of its own
}

// Rules are a service's own, in place of the configuration's. A module of version 0.2 or
// earlier has none.
type Rules struct {
	Policy  Rule[Policy]
	Hash    Rule[Hash]
	MaxLoad Rule[uint64] // or MaxLoadAuto

	Affinity     Rule[uint32]
	AffinityTime Rule[time.Duration] // whole milliseconds
	Affinity6    Rule[uint32]        // of a module that knows IPv6
	// Load is what the policy compares; the configuration has none, so it is LoadOfHost if
	// not Own. A module without IPv6 has none either.
	Load Rule[ServiceLoad]
	// Of a module without forwarding, only ForwardingIpip.
	Forwarding Rule[Forwarding]
	// The configuration has none, so it is DispatchSyn if not Own, and of an older module.
	Dispatch Rule[Dispatch]
}

// A Rule is a value that a service may have of its own.
type Rule[T comparable] struct {
	Own   bool
	Value T // of the configuration, if not Own: 0 here
}

// Own returns a service's own value.
func Own[T comparable](v T) Rule[T] { return Rule[T]{true, v} }

// Or returns the value, or the configuration's.
func (r Rule[T]) Or(configured T) T {
	if r.Own {
		return r.Value
	}
	return configured
}

// Same says whether two services are of one port and address, whatever their rules.
func (s Service) Same(o Service) bool { return s.Port == o.Port && s.Address == o.Address }

// A ServiceStatus is a service, whether this host can take its connections now, and how
// many it has.
type ServiceStatus struct {
	Service
	State       ServiceState // ServiceUp from a module of version 0.2 or earlier
	Connections uint32       // open ones that this host serves; 0 from a module of version 0.2 or earlier
	Counted     bool         // whether there was memory to count them
}

// Metrics holds the four numbers that make up a load.
type Metrics struct {
	Connections uint32 // open connections of the services: until all their data is out
	CPU         uint32 // utilisation of all CPUs in thousandths, up to MaxCPU
	Redirected  uint32 // connections that the host currently redirects
	Sockets     uint32 // sockets in use
}

// A Load is this host's metrics and their weighted sum.
type Load struct {
	Metrics
	Load uint64
}

// A PeerUpdate holds what SetPeer sends to the kernel about a peer.
type PeerUpdate struct {
	Address netip.Addr
	Metrics *Metrics // if not nil, the update is a report, and its time is noted
	State   *State   // nil: unchanged, or active for a new peer
	Weight  *uint32  // relative capacity, 1 to MaxWeight; nil: unchanged, or 1
	Down    []uint16 // ports of services that it cannot serve, part of a report
	Barred  Barred   // why it gets no new connections, part of a report; not BarredLost, BarredFamily
	// Protocol is the protocol between hosts that the peer knows, from 1; 0 is 1. A peer
	// that knows 2 may be probed, one that knows 3 gets connections of IPv6.
	Protocol uint32
	// Others are the peer's other addresses, part of a report; at most MaxAddresses of each
	// family are sent.
	Others []netip.Addr
	// Counts are its open connections by port, each port once, part of a report; of what is
	// not named they are unknown. At most MaxServices.
	Counts []PortCount
}

// A PortCount is how many open connections the services on a port have at a host.
type PortCount struct {
	Port        uint16
	Connections uint32
}

// A PortLoad is what a policy sees of a peer for a service whose load is LoadOfService.
type PortLoad struct {
	Port     uint16
	Known    bool   // the peer's last report said it; otherwise Estimate is meaningless
	Estimate uint32 // connections that it is taken to have now
	Live     uint32 // flows to it in state SYN or established, since the port has a load of its own
}

// A Peer is a row of the load table, or a known peer outside the table.
type Peer struct {
	Address   netip.Addr
	Metrics   Metrics // of the last report
	State     State
	Weight    uint32        // relative capacity
	Load      uint64        // reported load, computed with this host's weights
	Estimate  uint64        // load that policies use now
	Reported  bool          // there was a report; otherwise Age and Metrics are meaningless
	Age       time.Duration // since the last report
	Usable    bool          // it can be chosen for new connections
	Listed    bool          // it is in the load table
	Flows     uint32        // flows to it
	Live      uint32        // flows to it in state SYN or established
	Redirects uint64        // connections redirected to it since it became known
	Down      []uint16      // ports of services that it cannot serve now
	Barred    Barred        // why it gets no new connections
	Loads     []PortLoad    // of services that have one, if it is listed
	// Forwarding is ForwardingIpip or ForwardingDirect: how packets of services with
	// ForwardingAuto go to it now, if it is listed.
	Forwarding Forwarding
	Asked      bool   // by AskPeer
	Answers    uint32 // which of its answers came: AnswerTunnel, AnswerOwn, AnswerForeign
}

// A FlowKey identifies a flow.
type FlowKey struct {
	Client  netip.AddrPort // the client's address and port
	Service netip.AddrPort // the address and port of this host that it connects to
}

// A Flow is a row of the routing table.
type Flow struct {
	FlowKey
	Peer    netip.Addr // the host that serves it
	State   FlowState
	Idle    time.Duration // since the client's last packet
	Expires time.Duration // until it expires if the client stays silent
}

// A FlowFilter selects the flows that match all fields that are set.
type FlowFilter struct {
	Client     netip.Addr // invalid: any
	ClientPort uint16     // 0: any
	Address    netip.Addr // invalid: any
	Port       uint16     // 0: any
	Peer       netip.Addr // invalid: any
	State      *FlowState // nil: any
}

// An Expiry is the result of one step of table clean-up.
type Expiry struct {
	Scanned uint32 // flows scanned
	Expired uint32 // flows removed because they expired
	Reset   uint32 // flows of dead peers removed, each with a RST to the client
	Flows   uint32 // flows left
	Done    bool   // the step reached the end of the table
}

// An Event is an unsolicited message from the kernel.
type Event struct {
	Type  EventType
	Peer  netip.Addr // the peer concerned, or invalid
	State State      // in EventPeerState
}
