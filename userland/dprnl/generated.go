// SPDX-License-Identifier: MIT

// Code generated from include/dpr.h by go generate; DO NOT EDIT.

package dprnl

// Names and limits of the family.
const (
	// GenlName: DPR_GENL_NAME in include/dpr.h.
	GenlName = "dpr"
	// GenlVersion: DPR_GENL_VERSION in include/dpr.h.
	GenlVersion = 9
	// GenlGroupEvents: DPR_GENL_GROUP_EVENTS in include/dpr.h.
	GenlGroupEvents = "events"
	// MaxServices: DPR_MAX_SERVICES in include/dpr.h.
	MaxServices = 256
	// MaxServiceLoads: DPR_MAX_SERVICE_LOADS in include/dpr.h.
	MaxServiceLoads = 16
	// MaxPeers: DPR_MAX_PEERS in include/dpr.h.
	MaxPeers = 16384
	// MaxFlows: DPR_MAX_FLOWS in include/dpr.h.
	MaxFlows = 16777216
	// MaxWeight: DPR_MAX_WEIGHT in include/dpr.h.
	MaxWeight = 65535
	// MaxTimeout: DPR_MAX_TIMEOUT in include/dpr.h.
	MaxTimeout = 604800000
	// MaxExpireBudget: DPR_MAX_EXPIRE_BUDGET in include/dpr.h.
	MaxExpireBudget = 65536
	// MaxAddresses: DPR_MAX_ADDRESSES in include/dpr.h.
	MaxAddresses = 16
	// MaxHandoverKeys: DPR_MAX_HANDOVER_KEYS in include/dpr.h.
	MaxHandoverKeys = 2
	// HandoverKeyLen: DPR_HANDOVER_KEY_LEN in include/dpr.h.
	HandoverKeyLen = 16
	// MaxBackends: DPR_MAX_BACKENDS in include/dpr.h.
	MaxBackends = 64
	// MaxBackendName: DPR_MAX_BACKEND_NAME in include/dpr.h.
	MaxBackendName = 32
	// MaxBackendServices: DPR_MAX_BACKEND_SERVICES in include/dpr.h.
	MaxBackendServices = 16
	// BackendProxy: DPR_BACKEND_PROXY in include/dpr.h.
	BackendProxy = 2
	// MaxSplices: DPR_MAX_SPLICES in include/dpr.h.
	MaxSplices = 4194304
	// MaxCPU: DPR_MAX_CPU in include/dpr.h.
	MaxCPU = 1000
	// MaxRules: DPR_MAX_RULES in include/dpr.h.
	MaxRules = 64
	// MaxRulesBytes: DPR_MAX_RULES_BYTES in include/dpr.h.
	MaxRulesBytes = 32768
	// MaxRulesGroups: DPR_MAX_RULES_GROUPS in include/dpr.h.
	MaxRulesGroups = 32
	// MaxRulesMembers: DPR_MAX_RULES_MEMBERS in include/dpr.h.
	MaxRulesMembers = 64
	// MaxRulesName: DPR_MAX_RULES_NAME in include/dpr.h.
	MaxRulesName = 32
	// MaxRulesSpill: DPR_MAX_RULES_SPILL in include/dpr.h.
	MaxRulesSpill = 1000
	// RulesNone: DPR_RULES_NONE in include/dpr.h.
	RulesNone = 255
	// AnswerTunnel: DPR_ANSWER_TUNNEL in include/dpr.h.
	AnswerTunnel = 1
	// AnswerOwn: DPR_ANSWER_OWN in include/dpr.h.
	AnswerOwn = 2
	// AnswerForeign: DPR_ANSWER_FOREIGN in include/dpr.h.
	AnswerForeign = 4
	// MaxLoadAuto: DPR_MAX_LOAD_AUTO in include/dpr.h.
	MaxLoadAuto = 18446744073709551615
)

// dpr_cmd: the family's commands.
const (
	cmdConfigGet  = 1
	cmdConfigSet  = 2
	cmdServiceAdd = 3
	cmdServiceDel = 4
	cmdServiceGet = 5
	cmdPeerSet    = 6
	cmdPeerDel    = 7
	cmdPeerGet    = 8
	cmdFlowGet    = 9
	cmdFlowDel    = 10
	cmdExpire     = 11
	cmdLoadGet    = 12
	cmdStatsGet   = 13
	cmdEvent      = 14
	cmdServiceSet = 15
	cmdPeerAsk    = 16
	cmdRulesSet   = 17
	cmdRulesGet   = 18
	cmdRulesTest  = 19
	cmdBackendSet = 20
	cmdBackendDel = 21
	cmdBackendGet = 22
)

// dpr_config_attr: attributes of DPR_CMD_CONFIG_GET and _SET.
const (
	configAttrAddress            = 1
	configAttrPolicy             = 2
	configAttrHash               = 3
	configAttrEstimate           = 4
	configAttrMarker             = 5
	configAttrState              = 6
	configAttrMaxLoad            = 7
	configAttrWeightConnections  = 8
	configAttrWeightCPU          = 9
	configAttrWeightRedirected   = 10
	configAttrWeightSockets      = 11
	configAttrMaxFlows           = 12
	configAttrReportMaxAge       = 13
	configAttrTimeoutSyn         = 14
	configAttrTimeoutEstablished = 15
	configAttrTimeoutFin         = 16
	configAttrTimeoutRst         = 17
	configAttrWeight             = 18
	configAttrOrphans            = 19
	configAttrSlowStart          = 21
	configAttrAffinity           = 22
	configAttrAffinityTime       = 23
	configAttrAffinity6          = 24
	configAttrForwarding         = 25
	configAttrAnswers            = 26
	configAttrGroup              = 27
	configAttrHandoverKeys       = 28
	configAttrHandoverKeyIds     = 29
	configAttrSpliceFirstPort    = 30
	configAttrSpliceLastPort     = 31
	configAttrMaxSplices         = 32
)

// dpr_service_attr: attributes of a service.
const (
	serviceAttrPort         = 1
	serviceAttrAddress      = 2
	serviceAttrState        = 3
	serviceAttrConnections  = 4
	serviceAttrPolicy       = 5
	serviceAttrHash         = 6
	serviceAttrMaxLoad      = 7
	serviceAttrAffinity     = 9
	serviceAttrAffinityTime = 10
	serviceAttrAffinity6    = 11
	serviceAttrLoad         = 12
	serviceAttrForwarding   = 13
	serviceAttrDispatch     = 14
)

// dpr_peer_attr: attributes of a peer.
const (
	peerAttrAddress            = 1
	peerAttrConnections        = 2
	peerAttrCPU                = 3
	peerAttrRedirected         = 4
	peerAttrSockets            = 5
	peerAttrState              = 6
	peerAttrWeight             = 7
	peerAttrDead               = 8
	peerAttrLoad               = 9
	peerAttrEstimate           = 10
	peerAttrAge                = 11
	peerAttrUsable             = 12
	peerAttrListed             = 13
	peerAttrFlows              = 14
	peerAttrLive               = 15
	peerAttrRedirects          = 16
	peerAttrDown               = 18
	peerAttrBarred             = 19
	peerAttrProtocol           = 20
	peerAttrAddresses          = 21
	peerAttrAddresses6         = 22
	peerAttrServiceConnections = 23
	peerAttrServiceLoads       = 24
	peerAttrForwarding         = 25
	peerAttrAnswers            = 26
)

// dpr_backend_attr: attributes of a backend: a server that runs nothing of ours.
const (
	backendAttrName        = 1
	backendAttrAddress     = 2
	backendAttrPort        = 3
	backendAttrWeight      = 4
	backendAttrLimit       = 5
	backendAttrDown        = 6
	backendAttrServices    = 7
	backendAttrConnections = 8
	backendAttrSpliced     = 9
	backendAttrProxy       = 11
)

// dpr_flow_attr: attributes of a flow.
const (
	flowAttrClient     = 1
	flowAttrClientPort = 2
	flowAttrAddress    = 3
	flowAttrPort       = 4
	flowAttrPeer       = 5
	flowAttrState      = 6
	flowAttrIdle       = 7
	flowAttrExpires    = 8
)

// dpr_rules_record: the records of a service's rules by what is asked for.
const (
	recordGroup      = 1
	recordMember     = 2
	recordRule       = 3
	recordHost       = 4
	recordHostSuffix = 5
	recordPath       = 6
	recordMethod     = 7
	recordCookie     = 8
	recordSni        = 9
	recordSniSuffix  = 10
	recordAlpn       = 11
	recordDefault    = 12
)

// dpr_rules_attr: attributes of DPR_CMD_RULES_SET, _GET and _TEST.
const (
	rulesAttrPort       = 1
	rulesAttrAddress    = 2
	rulesAttrRecords    = 3
	rulesAttrBytes      = 4
	rulesAttrFinal      = 5
	rulesAttrClient     = 6
	rulesAttrClientPort = 7
	rulesAttrOutcome    = 8
	rulesAttrRule       = 9
	rulesAttrGroup      = 10
	rulesAttrHash       = 11
	rulesAttrHost       = 12
)

// dpr_expire_attr: attributes of DPR_CMD_EXPIRE.
const (
	expireAttrBudget  = 1
	expireAttrScanned = 2
	expireAttrExpired = 3
	expireAttrReset   = 4
	expireAttrFlows   = 5
	expireAttrDone    = 6
)

// dpr_load_attr: attributes of DPR_CMD_LOAD_GET (all answers).
const (
	loadAttrConnections = 1
	loadAttrCPU         = 2
	loadAttrRedirected  = 3
	loadAttrSockets     = 4
	loadAttrLoad        = 5
)

// dpr_event_attr: attributes of DPR_CMD_EVENT.
const (
	eventAttrEvent = 1
	eventAttrPeer  = 2
	eventAttrState = 3
)

// Policy: how the SYN decision is made.
type Policy uint32

// The values of Policy.
const (
	// PolicyOff: serve everything; marked packets from peers are accepted and
	// existing flows continue.
	PolicyOff Policy = 0
	// PolicyStateless: a hash of the packet picks this host or a peer (paper
	// section 2, "stateless DPR"); no flow is kept while the set of hosts stays
	// as it was.
	PolicyStateless Policy = 1
	// PolicyLowest: the peer of lowest estimated load (paper section 3.1,
	// deterministic).
	PolicyLowest Policy = 2
	// PolicyInverse: a peer with a probability inversely proportional to its
	// estimated load plus one (paper section 3.1, probabilistic).
	PolicyInverse Policy = 3
	// PolicyTwo: of two peers drawn at random, in proportion to their weights,
	// the one of lower estimated load (power of two choices).
	PolicyTwo Policy = 4
	// PolicyOffer: a peer drawn at random, in proportion to its weight, is
	// offered the connection, and refuses it unless its own load is below
	// MaxLoad; then another one is offered it. At most two peers may refuse, and
	// none once the client has retransmitted its SYN. A MaxLoad of 0 means
	// DPR_MAX_LOAD_AUTO here: without one, every peer would refuse. Only hosts
	// with this policy refuse, and hosts that drain.
	PolicyOffer Policy = 5
)

var namesPolicy = wordTable{kind: "policy", words: []string{
	0: "off",
	1: "stateless",
	2: "lowest",
	3: "inverse",
	4: "two",
	5: "offer",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Policy) String() string { return namesPolicy.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Policy) MarshalText() ([]byte, error) { return namesPolicy.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Policy) UnmarshalText(text []byte) error {
	n, err := namesPolicy.parse(string(text))
	if err == nil {
		*v = Policy(n)
	}
	return err
}

// PolicyWords returns the words of Policy, in the order of their values.
func PolicyWords() []string { return namesPolicy.list() }

// Hash: what the stateless policy hashes.
type Hash uint32

// The values of Hash.
const (
	// HashAddressPort: the client's address and source port.
	HashAddressPort Hash = 0
	// HashPort: the client's source port alone (paper section 2).
	HashPort Hash = 1
)

var namesHash = wordTable{kind: "hash", words: []string{
	0: "address-port",
	1: "port",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Hash) String() string { return namesHash.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Hash) MarshalText() ([]byte, error) { return namesHash.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Hash) UnmarshalText(text []byte) error {
	n, err := namesHash.parse(string(text))
	if err == nil {
		*v = Hash(n)
	}
	return err
}

// HashWords returns the words of Hash, in the order of their values.
func HashWords() []string { return namesHash.list() }

// Orphans: what becomes of an orphan: a segment of a service's.
type Orphans uint32

// The values of Orphans.
const (
	// OrphansReset: the stack answers with a RST.
	OrphansReset Orphans = 0
	// OrphansAsk: the peers are asked. The one that has the connection's socket
	// claims it, and it gets a flow: it was redirected by a host whose address
	// moved here since, or before this module was loaded. If nobody claims it in
	// three tries, one for each copy of the segment and at least 100 ms apart,
	// the stack answers.
	OrphansAsk Orphans = 1
)

var namesOrphans = wordTable{kind: "treatment of orphans", words: []string{
	0: "reset",
	1: "ask",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Orphans) String() string { return namesOrphans.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Orphans) MarshalText() ([]byte, error) { return namesOrphans.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Orphans) UnmarshalText(text []byte) error {
	n, err := namesOrphans.parse(string(text))
	if err == nil {
		*v = Orphans(n)
	}
	return err
}

// OrphansWords returns the words of Orphans, in the order of their values.
func OrphansWords() []string { return namesOrphans.list() }

// Estimate: how a peer's load is estimated between reports.
type Estimate uint32

// The values of Estimate.
const (
	// EstimateCorrected: the reported load plus what our own flows to the peer
	// changed since the report came (weighted as a connection).
	EstimateCorrected Estimate = 0
	// EstimateReported: the reported load, as in the paper.
	EstimateReported Estimate = 1
)

var namesEstimate = wordTable{kind: "estimate", words: []string{
	0: "corrected",
	1: "reported",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Estimate) String() string { return namesEstimate.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Estimate) MarshalText() ([]byte, error) { return namesEstimate.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Estimate) UnmarshalText(text []byte) error {
	n, err := namesEstimate.parse(string(text))
	if err == nil {
		*v = Estimate(n)
	}
	return err
}

// EstimateWords returns the words of Estimate, in the order of their values.
func EstimateWords() []string { return namesEstimate.list() }

// Marker: how peers recognise a redirected packet (section 3.2).
type Marker uint32

// The values of Marker.
const (
	// MarkerFragbit: protocol 4 from a known peer with the reserved bit (0x8000)
	// of the outer header's fragment field set.
	MarkerFragbit Marker = 0
	// MarkerSource: protocol 4 from a known peer, whatever that bit is.
	MarkerSource Marker = 1
)

var namesMarker = wordTable{kind: "marker", words: []string{
	0: "fragbit",
	1: "source",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Marker) String() string { return namesMarker.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Marker) MarshalText() ([]byte, error) { return namesMarker.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Marker) UnmarshalText(text []byte) error {
	n, err := namesMarker.parse(string(text))
	if err == nil {
		*v = Marker(n)
	}
	return err
}

// MarkerWords returns the words of Marker, in the order of their values.
func MarkerWords() []string { return namesMarker.list() }

// State: a host's state in the cluster.
type State uint32

// The values of State.
const (
	// StateActive: it takes new connections.
	StateActive State = 0
	// StateDraining: no new connections; existing ones continue. If this host
	// drains, it redirects new connections while a peer is usable.
	StateDraining State = 1
	// StateLeaving: draining, and about to leave the cluster.
	StateLeaving State = 2
)

var namesState = wordTable{kind: "state", words: []string{
	0: "active",
	1: "draining",
	2: "leaving",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v State) String() string { return namesState.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v State) MarshalText() ([]byte, error) { return namesState.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *State) UnmarshalText(text []byte) error {
	n, err := namesState.parse(string(text))
	if err == nil {
		*v = State(n)
	}
	return err
}

// StateWords returns the words of State, in the order of their values.
func StateWords() []string { return namesState.list() }

// Barred: why a peer gets no new connections though its reports come.
type Barred uint32

// The values of Barred.
const (
	// BarredNo: it may get some.
	BarredNo Barred = 0
	// BarredUnheard: it does not hear this host's reports, so it drops what this
	// host redirects.
	BarredUnheard Barred = 1
	// BarredSettings: it has other settings that must be equal on all hosts.
	BarredSettings Barred = 2
	// BarredLost: packets that are redirected to it do not arrive. The kernel
	// finds that out itself; not in requests.
	BarredLost Barred = 3
	// BarredFamily: its address is an IPv6 one and this host's is not, or the
	// other way round, so that there is no tunnel. Likewise.
	BarredFamily Barred = 4
)

var namesBarred = wordTable{kind: "reason to bar", words: []string{
	0: "no",
	1: "unheard",
	2: "settings",
	3: "lost",
	4: "family",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Barred) String() string { return namesBarred.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Barred) MarshalText() ([]byte, error) { return namesBarred.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Barred) UnmarshalText(text []byte) error {
	n, err := namesBarred.parse(string(text))
	if err == nil {
		*v = Barred(n)
	}
	return err
}

// BarredWords returns the words of Barred, in the order of their values.
func BarredWords() []string { return namesBarred.list() }

// ServiceState: can a host take a new connection of a service.
type ServiceState uint32

// The values of ServiceState.
const (
	// ServiceUp: yes.
	ServiceUp ServiceState = 0
	// ServiceNoListener: nothing listens on its port.
	ServiceNoListener ServiceState = 1
	// ServiceFull: the listener's accept queue is full.
	ServiceFull ServiceState = 2
)

var namesServiceState = wordTable{kind: "service state", words: []string{
	0: "up",
	1: "no-listener",
	2: "full",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v ServiceState) String() string { return namesServiceState.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v ServiceState) MarshalText() ([]byte, error) { return namesServiceState.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *ServiceState) UnmarshalText(text []byte) error {
	n, err := namesServiceState.parse(string(text))
	if err == nil {
		*v = ServiceState(n)
	}
	return err
}

// ServiceStateWords returns the words of ServiceState, in the order of their values.
func ServiceStateWords() []string { return namesServiceState.list() }

// ServiceLoad: which load of the hosts a service's policy compares.
type ServiceLoad uint32

// The values of ServiceLoad.
const (
	// LoadOfHost: the host's load, the weighted sum of its metrics.
	LoadOfHost ServiceLoad = 0
	// LoadOfService: the host's open connections of the service, those of all
	// services on its port. A peer that has not said how many it has
	// (DPR_PEER_A_SERVICE_CONNECTIONS) gets no connection while another peer can
	// take it, or this host; offers alone go to such peers too, as they do not
	// depend on what this host knows. While this host does not count its own
	// connections (it has no memory, or is counting them anew after services
	// changed), or drains and knows of no peer how many it has, as
	// DPR_SERVICE_LOAD_HOST.
	LoadOfService ServiceLoad = 1
)

var namesServiceLoad = wordTable{kind: "load", words: []string{
	0: "host",
	1: "service",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v ServiceLoad) String() string { return namesServiceLoad.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v ServiceLoad) MarshalText() ([]byte, error) { return namesServiceLoad.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *ServiceLoad) UnmarshalText(text []byte) error {
	n, err := namesServiceLoad.parse(string(text))
	if err == nil {
		*v = ServiceLoad(n)
	}
	return err
}

// ServiceLoadWords returns the words of ServiceLoad, in the order of their values.
func ServiceLoadWords() []string { return namesServiceLoad.list() }

// Forwarding: how a connection's packets get to the peer that serves it.
type Forwarding uint32

// The values of Forwarding.
const (
	// ForwardingIpip: in a tunnel (RFC 2003, RFC 2473, RFC 4213).
	ForwardingIpip Forwarding = 0
	// ForwardingAuto: direct to peers on the same link, in a tunnel to others.
	// Direct means that the client's own packet goes to the peer's link-layer
	// address: nothing is added to it. In a tunnel still go SYNs, which the peer
	// may refuse; ICMP errors; fragments, and what does not fit the link; packets
	// of another family than the hosts' own addresses; and packets to an address
	// that the peer has, too, if they cannot be marked: of IPv6, or with
	// DPR_MARKER_SOURCE. Others bear the mark then (DPR_MARKER_FRAGBIT) in the
	// client's header.
	ForwardingAuto Forwarding = 1
	// ForwardingDirect: likewise, but peers on other links get no new
	// connections.
	ForwardingDirect Forwarding = 2
)

var namesForwarding = wordTable{kind: "forwarding", words: []string{
	0: "ipip",
	1: "auto",
	2: "direct",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Forwarding) String() string { return namesForwarding.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Forwarding) MarshalText() ([]byte, error) { return namesForwarding.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Forwarding) UnmarshalText(text []byte) error {
	n, err := namesForwarding.parse(string(text))
	if err == nil {
		*v = Forwarding(n)
	}
	return err
}

// ForwardingWords returns the words of Forwarding, in the order of their values.
func ForwardingWords() []string { return namesForwarding.list() }

// Answers: how a serving host's answers get to the client.
type Answers uint32

// The values of Answers.
const (
	// AnswersDirect: straight to the client, with the first host's address as
	// source.
	AnswersDirect Answers = 0
	// AnswersThrough: in a tunnel to the first host, which sends them on. For
	// networks that drop packets whose source is not the sending host's own
	// address. Direct are still answers from an address that this host has, too,
	// and those for a first host that has not said that it knows protocol 4.
	AnswersThrough Answers = 1
)

var namesAnswers = wordTable{kind: "way of answers", words: []string{
	0: "direct",
	1: "through",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Answers) String() string { return namesAnswers.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Answers) MarshalText() ([]byte, error) { return namesAnswers.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Answers) UnmarshalText(text []byte) error {
	n, err := namesAnswers.parse(string(text))
	if err == nil {
		*v = Answers(n)
	}
	return err
}

// AnswersWords returns the words of Answers, in the order of their values.
func AnswersWords() []string { return namesAnswers.list() }

// GroupPolicy: which host of a group gets a connection.
type GroupPolicy uint32

// The values of GroupPolicy.
const (
	// GroupLowest: this host if its load is below MaxLoad, else the one of lowest
	// estimated load.
	GroupLowest GroupPolicy = 0
	// GroupOffer: this host if its load is below MaxLoad, else one drawn at
	// random, in proportion to its weight.
	GroupOffer GroupPolicy = 1
	// GroupStateless: a hash of the client's address and port picks it, in
	// proportion to weights.
	GroupStateless GroupPolicy = 2
	// GroupLocality: a hash of what is asked for picks it, so that each host
	// keeps its part of all files in memory; one whose load is too far above the
	// mean is passed by. Requests that name no host and no path are placed as
	// with LOWEST.
	GroupLocality GroupPolicy = 3
)

var namesGroupPolicy = wordTable{kind: "policy of a group", words: []string{
	0: "lowest",
	1: "offer",
	2: "stateless",
	3: "locality",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v GroupPolicy) String() string { return namesGroupPolicy.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v GroupPolicy) MarshalText() ([]byte, error) { return namesGroupPolicy.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *GroupPolicy) UnmarshalText(text []byte) error {
	n, err := namesGroupPolicy.parse(string(text))
	if err == nil {
		*v = GroupPolicy(n)
	}
	return err
}

// GroupPolicyWords returns the words of GroupPolicy, in the order of their values.
func GroupPolicyWords() []string { return namesGroupPolicy.list() }

// Locality: what of a request DPR_RULES_POLICY_LOCALITY hashes.
type Locality uint32

// The values of Locality.
const (
	// LocalityHost: its host, or the server's name in a ClientHello.
	LocalityHost Locality = 0
	// LocalityUrl: that and its path, without the query.
	LocalityUrl Locality = 1
)

var namesLocality = wordTable{kind: "locality", words: []string{
	0: "host",
	1: "url",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Locality) String() string { return namesLocality.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Locality) MarshalText() ([]byte, error) { return namesLocality.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Locality) UnmarshalText(text []byte) error {
	n, err := namesLocality.parse(string(text))
	if err == nil {
		*v = Locality(n)
	}
	return err
}

// LocalityWords returns the words of Locality, in the order of their values.
func LocalityWords() []string { return namesLocality.list() }

// Outcome: what a service's rules say of a connection.
type Outcome uint32

// The values of Outcome.
const (
	// RulesMore: more bytes are needed.
	RulesMore Outcome = 0
	// RulesMatch: a rule matches.
	RulesMatch Outcome = 1
	// RulesNoMatch: no rule does.
	RulesNoMatch Outcome = 2
	// RulesBad: what the client sent is not understood.
	RulesBad Outcome = 3
	// RulesLate: it was not enough, and no more will be looked at.
	RulesLate Outcome = 4
)

var namesOutcome = wordTable{kind: "outcome", words: []string{
	0: "more",
	1: "match",
	2: "no-match",
	3: "bad",
	4: "late",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Outcome) String() string { return namesOutcome.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Outcome) MarshalText() ([]byte, error) { return namesOutcome.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Outcome) UnmarshalText(text []byte) error {
	n, err := namesOutcome.parse(string(text))
	if err == nil {
		*v = Outcome(n)
	}
	return err
}

// OutcomeWords returns the words of Outcome, in the order of their values.
func OutcomeWords() []string { return namesOutcome.list() }

// Dispatch: when it is decided which host serves a connection of a service.
type Dispatch uint32

// The values of Dispatch.
const (
	// DispatchSyn: when its SYN comes.
	DispatchSyn Dispatch = 0
	// DispatchConnection: when its first data have come. The first host answers
	// the SYN itself, keeps what the client sends, and then hands the connection
	// over to the host that is to serve it. It is decided without data when the
	// client has sent its FIN, or nothing for a second. As DPR_DISPATCH_SYN while
	// this host has no keys (DPR_CONFIG_A_HANDOVER_KEYS) or knows of no peer. The
	// policy stateless is lowest here.
	DispatchConnection Dispatch = 1
	// DispatchRequest: likewise, and anew when an HTTP/1.1 request comes on a
	// connection whose earlier ones have been answered: if the service's rules
	// choose other hosts than the one that serves the connection, or that one
	// drains or has no server any more, the connection moves. What cannot move
	// stays (DPR_STAT_MIGRATE_STAYED_BODY and others).
	DispatchRequest Dispatch = 2
)

var namesDispatch = wordTable{kind: "dispatch", words: []string{
	0: "syn",
	1: "connection",
	2: "request",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v Dispatch) String() string { return namesDispatch.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v Dispatch) MarshalText() ([]byte, error) { return namesDispatch.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *Dispatch) UnmarshalText(text []byte) error {
	n, err := namesDispatch.parse(string(text))
	if err == nil {
		*v = Dispatch(n)
	}
	return err
}

// DispatchWords returns the words of Dispatch, in the order of their values.
func DispatchWords() []string { return namesDispatch.list() }

// FlowState: a flow's state, from the client's half of it.
type FlowState uint32

// The values of FlowState.
const (
	// FlowSyn: only SYNs so far.
	FlowSyn FlowState = 0
	// FlowEstablished: the client has sent an ACK.
	FlowEstablished FlowState = 1
	// FlowFin: a FIN came from the client; it may still receive.
	FlowFin FlowState = 2
	// FlowRst: a RST came from the client, and nothing since.
	FlowRst FlowState = 3
	// FlowEnded: the serving host reported its socket in TIME_WAIT. Kept for the
	// RST timeout, for what the client may send again.
	FlowEnded FlowState = 4
)

var namesFlowState = wordTable{kind: "flow state", words: []string{
	0: "syn",
	1: "established",
	2: "fin",
	3: "rst",
	4: "ended",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v FlowState) String() string { return namesFlowState.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v FlowState) MarshalText() ([]byte, error) { return namesFlowState.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *FlowState) UnmarshalText(text []byte) error {
	n, err := namesFlowState.parse(string(text))
	if err == nil {
		*v = FlowState(n)
	}
	return err
}

// FlowStateWords returns the words of FlowState, in the order of their values.
func FlowStateWords() []string { return namesFlowState.list() }

// EventType: what a DPR_CMD_EVENT message reports.
type EventType uint32

// The values of EventType.
const (
	// EventPeerAdded: a peer became known, or came back to the load table.
	EventPeerAdded EventType = 1
	// EventPeerStale: a listed peer's report is too old (sent by DPR_CMD_EXPIRE,
	// once per silence).
	EventPeerStale EventType = 2
	// EventPeerGone: a peer left the load table.
	EventPeerGone EventType = 3
	// EventPeerDead: a peer was declared dead.
	EventPeerDead EventType = 4
	// EventPeerState: a peer's state changed.
	EventPeerState EventType = 5
	// EventTableFull: a connection was served here because the routing table was
	// full (at most one event a second).
	EventTableFull EventType = 6
	// EventConfig: the configuration or a service changed.
	EventConfig EventType = 7
	// EventPeerLost: packets that are redirected to a peer do not arrive.
	EventPeerLost EventType = 8
	// EventPeerFound: they do again.
	EventPeerFound EventType = 9
)

var namesEventType = wordTable{kind: "event", words: []string{
	0: "",
	1: "peer-added",
	2: "peer-stale",
	3: "peer-gone",
	4: "peer-dead",
	5: "peer-state",
	6: "table-full",
	7: "config",
	8: "peer-lost",
	9: "peer-found",
}}

// String returns the value's word, or its number if this package does not
// know it.
func (v EventType) String() string { return namesEventType.format(uint32(v)) }

// MarshalText implements encoding.TextMarshaler. A value without a word, from
// a newer module, is its number.
func (v EventType) MarshalText() ([]byte, error) { return namesEventType.marshal(uint32(v)) }

// UnmarshalText implements encoding.TextUnmarshaler; the error for a wrong
// word lists the right ones.
func (v *EventType) UnmarshalText(text []byte) error {
	n, err := namesEventType.parse(string(text))
	if err == nil {
		*v = EventType(n)
	}
	return err
}

// EventTypeWords returns the words of EventType, in the order of their values.
func EventTypeWords() []string { return namesEventType.list() }

// Stat: the counters; each is also its attribute type (u64).
type Stat uint16

// The values of Stat.
const (
	// StatServedOff: served: the policy is off.
	StatServedOff Stat = 1
	// StatServedBelowMaxLoad: served: own load was below MaxLoad.
	StatServedBelowMaxLoad Stat = 2
	// StatServedLowest: served: own load was the lowest.
	StatServedLowest Stat = 3
	// StatServedNoPeer: served: no usable peer.
	StatServedNoPeer Stat = 4
	// StatServedHash: served: the stateless hash picked this host.
	StatServedHash Stat = 5
	// StatServedLocal: served: came from this host itself.
	StatServedLocal Stat = 6
	// StatServedTableFull: served: no room in the routing table.
	StatServedTableFull Stat = 7
	// StatServedNoMemory: served: no memory for a flow.
	StatServedNoMemory Stat = 8
	// StatRedirected: redirected, a flow was made.
	StatRedirected Stat = 9
	// StatRedirectedHash: redirected by the stateless hash, no flow.
	StatRedirectedHash Stat = 10
	// StatOffered: SYNs offered to peers, which may refuse them for their load.
	StatOffered Stat = 11
	// StatOfferReturned: SYNs that peers refused, and sent back.
	StatOfferReturned Stat = 12
	// StatOfferServed: of the connections redirected, also by handovers, served
	// here in the end: the policy chose this host after a refusal, or no peer was
	// usable.
	StatOfferServed Stat = 13
	// StatOfferLate: refusals dropped: too late. The client had retransmitted its
	// SYN, or the connection was established.
	StatOfferLate Stat = 14
	// StatOfferUnknown: refusals dropped: this peer was not sent that SYN.
	StatOfferUnknown Stat = 15
	// StatRefusedLoad: offers from peers refused: own load was not below MaxLoad.
	StatRefusedLoad Stat = 16
	// StatRefusedDraining: redirected SYNs refused: this host drains.
	StatRefusedDraining Stat = 17
	// StatSynRetransmitted: a SYN of a flow, sent after the first copy.
	StatSynRetransmitted Stat = 18
	// StatSynOwned: a SYN of a connection that this host already serves.
	StatSynOwned Stat = 19
	// StatTxPackets: packets redirected (a super-packet counts once; none is on
	// the fast path, which counts each segment).
	StatTxPackets Stat = 20
	// StatTxBytes: their bytes, without the outer header.
	StatTxBytes Stat = 21
	// StatTxIcmp: of these, ICMP errors about a redirected connection.
	StatTxIcmp Stat = 22
	// StatTxFragmented: packets fragmented before encapsulation.
	StatTxFragmented Stat = 23
	// StatTxTooBig: refused with ICMP fragmentation needed.
	StatTxTooBig Stat = 24
	// StatTxNoRoute: dropped: no usable route to the peer.
	StatTxNoRoute Stat = 25
	// StatTxNoMemory: dropped: no memory for the outer header.
	StatTxNoMemory Stat = 26
	// StatTxError: dropped by the output path (firewall, queue, device).
	StatTxError Stat = 27
	// StatRxPackets: accepted (a super-packet counts once).
	StatRxPackets Stat = 28
	// StatRxBytes: their bytes, without the outer header.
	StatRxBytes Stat = 29
	// StatRxSyn: of these, SYNs.
	StatRxSyn Stat = 30
	// StatRxIcmp: of these, ICMP errors.
	StatRxIcmp Stat = 31
	// StatRxStranger: dropped: marked, but not from a known peer.
	StatRxStranger Stat = 32
	// StatRxMalformed: dropped: inner header truncated or invalid.
	StatRxMalformed Stat = 33
	// StatRxNested: dropped: in the inner packet is another one.
	StatRxNested Stat = 34
	// StatRxBadAddress: dropped: inner addresses that no client's packet can have
	// (loopback, multicast, broadcast, zero, this host as source); or a question
	// to the group (DPR_CONFIG_A_GROUP) from a peer that would not send it there.
	StatRxBadAddress Stat = 35
	// StatRxNotServed: dropped: inner packet is neither TCP nor an ICMP error
	// about a TCP connection, or it is a RST that no socket wants.
	StatRxNotServed Stat = 36
	// StatRxEcn: dropped: outer CE on an inner packet that is not ECN-capable
	// (RFC 6040).
	StatRxEcn Stat = 37
	// StatRxChecksum: dropped: no socket wanted it and its TCP checksum was
	// wrong.
	StatRxChecksum Stat = 38
	// StatRxReset: no socket wanted it; answered by a RST.
	StatRxReset Stat = 39
	// StatRxNoMemory: dropped: no memory, or no route for its RST.
	StatRxNoMemory Stat = 40
	// StatRxListenerDeferred: SYN held while its listener was prepared, or
	// dropped if that could not be for 0.1 s.
	StatRxListenerDeferred Stat = 41
	// StatFragmentsGathered: packets reassembled before classification.
	StatFragmentsGathered Stat = 42
	// StatMssLowered: SYN-ACKs whose MSS was lowered by what the tunnel adds.
	StatMssLowered Stat = 43
	// StatFlowsExpired: flows removed by their timeout.
	StatFlowsExpired Stat = 44
	// StatFlowsEvicted: half-open flows evicted for new ones.
	StatFlowsEvicted Stat = 45
	// StatFlowsReplaced: closing flows replaced by a new connection.
	StatFlowsReplaced Stat = 46
	// StatFlowsReset: flows ended because their peer is dead.
	StatFlowsReset Stat = 47
	// StatFlowsDeleted: flows removed by DPR_CMD_FLOW_DEL.
	StatFlowsDeleted Stat = 48
	// StatOwnerAsked: segments for which the peers were asked: they wait for the
	// answer, or are dropped, as those are that wait in vain.
	StatOwnerAsked Stat = 49
	// StatOwnerWaited: segments dropped because they were asked just before.
	StatOwnerWaited Stat = 50
	// StatOwnerLimited: segments dropped because too many questions are open.
	StatOwnerLimited Stat = 51
	// StatOwnerFound: connections that a peer claimed; each got a flow.
	StatOwnerFound Stat = 52
	// StatOwnerUnknown: segments left to the stack, which answers with a RST: no
	// peer claimed the connection.
	StatOwnerUnknown Stat = 53
	// StatOwnerClaimed: connections that this host claimed.
	StatOwnerClaimed Stat = 54
	// StatTxOwnerMessages: messages for peers: questions, claims, ends. Each also
	// counts as a packet sent to peers, or as the reason why it was not.
	StatTxOwnerMessages Stat = 55
	// StatRxOwnerAsked: messages of peers received that ask who has connections:
	// one, or as many as a message holds.
	StatRxOwnerAsked Stat = 56
	// StatRxOwnerRefused: claims refused: not asked for, no room for a flow, or
	// the connection already has one.
	StatRxOwnerRefused Stat = 57
	// StatFlows: gauge; flows now.
	StatFlows Stat = 58
	// StatFlowsLive: gauge; flows now that their peers have not reported as
	// ended.
	StatFlowsLive Stat = 59
	// StatOwnerFollowed: segments that followed the stateless policy's hash
	// because too many questions are open, or a SYN had done so meanwhile.
	StatOwnerFollowed Stat = 60
	// StatHashAsked: questions about connections whose segments follow the
	// stateless policy's hash meanwhile: whether the host that it names serves
	// one, while the set of hosts changes, and who does after a SYN.
	StatHashAsked Stat = 61
	// StatFlowsEnded: flows removed because the serving host reported that it has
	// no socket of the connection.
	StatFlowsEnded Stat = 62
	// StatFlowsAsked: questions to peers about flows whose clients are silent.
	StatFlowsAsked Stat = 63
	// StatRxFlowAsked: questions of peers received, about flows whose clients are
	// silent.
	StatRxFlowAsked Stat = 64
	// StatRxFlowAnswered: messages from peers about their connections accepted.
	StatRxFlowAnswered Stat = 65
	// StatRxFlowRefused: messages from peers about the end of a connection
	// refused: no such flow, not that peer's, or not the connection's number.
	StatRxFlowRefused Stat = 66
	// StatRxPolicy: dropped: the host's IPsec policy requires the outer packet to
	// be protected.
	StatRxPolicy Stat = 67
	// StatRxFragments: fragments of redirected packets that wait for the rest.
	StatRxFragments Stat = 68
	// StatServedNoRoute: served: no usable route to the chosen peer.
	StatServedNoRoute Stat = 69
	// StatServedBehind: served: the client is on a link of this host that the
	// chosen peer is not on, such as a container or a client of a VPN.
	StatServedBehind Stat = 70
	// StatRefusedNoListener: redirected SYNs refused: nothing listens here.
	StatRefusedNoListener Stat = 71
	// StatRefusedFull: redirected SYNs refused: the listener's accept queue is
	// full.
	StatRefusedFull Stat = 72
	// StatRefusedOwn: redirected SYNs refused: the client is this host itself.
	StatRefusedOwn Stat = 73
	// StatRefusedLong: redirected SYNs dropped: this host cannot serve them, and
	// they are too long to be sent back.
	StatRefusedLong Stat = 74
	// StatPeersLost: times that packets redirected to a peer were found not to
	// arrive.
	StatPeersLost Stat = 75
	// StatFlowsLost: half-open flows removed, and their connections placed anew:
	// packets to their peer do not arrive.
	StatFlowsLost Stat = 76
	// StatRxProbed: probes from peers received, and answered.
	StatRxProbed Stat = 77
	// StatRxEcho: answers to probes received.
	StatRxEcho Stat = 78
	// StatRxEchoRefused: answers to probes refused: none was sent.
	StatRxEchoRefused Stat = 79
	// StatServedAffinity: served: the client belongs to this host
	// (DPR_CONFIG_A_AFFINITY).
	StatServedAffinity Stat = 80
	// StatServedOffLink: served: the chosen peer is not on a link of this host,
	// and the service's forwarding is DPR_FORWARDING_DIRECT.
	StatServedOffLink Stat = 81
	// StatTxDirect: of the packets sent to peers, those that went direct.
	StatTxDirect Stat = 82
	// StatRxDirect: packets that came direct, accepted or refused: each counts as
	// what became of it, too.
	StatRxDirect Stat = 83
	// StatOwnerHeld: segments of DPR_STAT_OWNER_ASKED that were sent on when a
	// peer claimed their connection.
	StatOwnerHeld Stat = 84
	// StatRxSourceAsked: questions from peers whether packets with their
	// addresses as source pass, answered.
	StatRxSourceAsked Stat = 85
	// StatRxSourceLimited: questions dropped: the same peer asked less than a
	// quarter of a second before.
	StatRxSourceLimited Stat = 86
	// StatRxSourceAnswered: answers past the tunnel to questions of this host
	// (DPR_CMD_PEER_ASK); one in the tunnel counts as DPR_STAT_RX_ECHO.
	StatRxSourceAnswered Stat = 87
	// StatRxSourceRefused: answers dropped: none was due, or not with that
	// number, from that peer or address.
	StatRxSourceRefused Stat = 88
	// StatTxAnswers: answers to clients, of the packets sent to peers.
	StatTxAnswers Stat = 89
	// StatTxAnswerTooBig: answers dropped: too large for the tunnel. The route to
	// the client got the MTU that fits.
	StatTxAnswerTooBig Stat = 90
	// StatSynMssLowered: redirected SYNs whose MSS was lowered, so that answers
	// fit the tunnel.
	StatSynMssLowered Stat = 91
	// StatRxAnswers: answers sent on to clients, of the packets received.
	StatRxAnswers Stat = 92
	// StatRxAnswerRefused: answers dropped: this host or another peer serves the
	// connection, or the answer is from an address that this host does not have.
	StatRxAnswerRefused Stat = 93
	// StatRxAnswerHops: answers dropped: the hop limit is spent.
	StatRxAnswerHops Stat = 94
	// StatRxAnswerNoRoute: answers dropped: no route to the client.
	StatRxAnswerNoRoute Stat = 95
	// StatRxAnswerTooBig: answers dropped: too large for the way to the client.
	// The peer gets an ICMP error.
	StatRxAnswerTooBig Stat = 96
	// StatFlowsOwn: half-open flows removed: the client has taken this host's
	// answer to a copy of its SYN, which a peer redirected here.
	StatFlowsOwn Stat = 97
	// StatHandoverSyn: SYNs answered in the place of the host that will serve,
	// copies included.
	StatHandoverSyn Stat = 98
	// StatHandoverKept: segments kept until a host has their connection.
	StatHandoverKept Stat = 99
	// StatHandoverNoted: segments dropped: acknowledgments, copies, a RST.
	StatHandoverNoted Stat = 100
	// StatHandoverStray: segments dropped: outside of what the client may send,
	// with a wrong checksum, without the protection that IPsec's policy asks for,
	// or not an acknowledgment of the answer to the SYN.
	StatHandoverStray Stat = 101
	// StatHandoverLimited: segments dropped: there are too many connections, or
	// no memory. The client sends them again.
	StatHandoverLimited Stat = 102
	// StatHandoverOff: SYNs that went the way of DPR_DISPATCH_SYN: this host has
	// no keys or knows of no peer, the policy is off, its link is in a VRF,
	// IPsec's policy does not take the SYN, or its listener's connections must
	// have their own handshake (MD5, TCP-AO; from Linux 6.9 on also if
	// tcp_syncookies is 0).
	StatHandoverOff Stat = 103
	// StatHandoverFull: SYNs that went the way of DPR_DISPATCH_SYN: too many
	// connections wait already.
	StatHandoverFull Stat = 104
	// StatHandoverEvicted: connections that waited for 3 s or more, or for less
	// if one that moves needed the place, forgotten for others.
	StatHandoverEvicted Stat = 105
	// StatHandoverExpired: connections forgotten: no data came, the first byte
	// was missing, or nobody could take them.
	StatHandoverExpired Stat = 106
	// StatHandoverLocal: connections that this host took from itself.
	StatHandoverLocal Stat = 107
	// StatHandoverTaken: connections that peers took.
	StatHandoverTaken Stat = 108
	// StatHandoverRefused: refusals by peers accepted; the connection went to
	// another host.
	StatHandoverRefused Stat = 109
	// StatHandoverLate: answers to handovers dropped: none was open, or another
	// one.
	StatHandoverLate Stat = 110
	// StatHandoverReset: connections reset: no host could take them.
	StatHandoverReset Stat = 111
	// StatTxHandover: handovers and answers to them sent; each also counts as
	// DPR_STAT_TX_PACKETS, or as what became of it.
	StatTxHandover Stat = 112
	// StatRxHandover: of the packets received, segments that came with a
	// handover.
	StatRxHandover Stat = 113
	// StatRxHandoverTaken: connections that this host took from peers.
	StatRxHandoverTaken Stat = 114
	// StatRxHandoverForged: handovers and answers dropped: not made with a key of
	// this host.
	StatRxHandoverForged Stat = 115
	// StatRxHandoverStale: handovers and answers dropped: made more than 10 s
	// ago, or the clocks differ by that.
	StatRxHandoverStale Stat = 116
	// StatRxHandoverWaited: handovers dropped: another copy is being taken, or
	// the segment cannot begin the connection here. The client sends it again.
	StatRxHandoverWaited Stat = 117
	// StatRxHandoverRefused: handovers refused: this host drains or cannot serve
	// the service, or the connection was refused before.
	StatRxHandoverRefused Stat = 118
	// StatRxHandoverFailed: handovers refused because the socket could not be
	// made: no memory, or a firewall.
	StatRxHandoverFailed Stat = 119
	// StatRxHandoverFull: handovers refused: too many connections came in the
	// last 21 s to remember each.
	StatRxHandoverFull Stat = 120
	// StatServedGroup: served: rules by what is asked for chose this host, of the
	// service's group (DPR_CMD_RULES_SET).
	StatServedGroup Stat = 121
	// StatOwnerDenied: answers of peers that they do not serve a connection that
	// this host asked for.
	StatOwnerDenied Stat = 122
	// StatHashMissed: redirected segments dropped: this host does not serve the
	// connection (DPR_ORPHANS_ASK). They may have followed the stateless policy's
	// hash of another set of hosts. Also SYNs that followed the flow of an older
	// connection to where nothing listens any more. The host that redirected them
	// was told, unless too many messages were sent already, or it was not found
	// out among too many senders of segments without a tunnel.
	StatHashMissed Stat = 123
	// StatRxHashMissed: connections of which peers have told that: their later
	// segments raise questions.
	StatRxHashMissed Stat = 124
	// StatBulkMissed: messages to peers that bulk data that they may have
	// redirected have no socket here.
	StatBulkMissed Stat = 125
	// StatMigrateHeld: requests held while their connections may leave this host.
	// Those that stay pass the hooks again.
	StatMigrateHeld Stat = 126
	// StatMigrateAway: connections that this host let go, for another one.
	StatMigrateAway Stat = 127
	// StatMigrateBack: connections of this first host that peers let go.
	StatMigrateBack Stat = 128
	// StatMigrateBounced: segments of connections let go, given back to their
	// first host.
	StatMigrateBounced Stat = 129
	// StatMigrateSilenced: RSTs to clients whose connections were let go,
	// dropped.
	StatMigrateSilenced Stat = 130
	// StatMigrateStayedUnknown: connections that cannot move any more: they are
	// not understood as HTTP/1, have another protocol (CONNECT, Upgrade), are
	// authenticated as a whole (NTLM, Negotiate), or a part of a request's head
	// came before an earlier one. Counted if a client's segment shows that.
	StatMigrateStayedUnknown Stat = 131
	// StatMigrateStayedPipelined: connections that cannot move any more: a
	// request came before the last one had its answer.
	StatMigrateStayedPipelined Stat = 132
	// StatMigrateStayedBody: requests that another host should have served, but
	// that may have a body, want more than an answer (Upgrade, Expect) or are not
	// of HTTP/1.1.
	StatMigrateStayedBody Stat = 133
	// StatMigrateStayedBusy: requests that another host should have served: the
	// server has not read all that came before, or is using the socket for more
	// than 0.1 s, or the client has not acknowledged all that was sent.
	StatMigrateStayedBusy Stat = 134
	// StatMigrateStayedSocket: requests that another host should have served: the
	// socket is not an ordinary one (kTLS, a sockmap, MPTCP, signed segments), or
	// has got 2 GiB from its client.
	StatMigrateStayedSocket Stat = 135
	// StatMigrateStayedLarge: requests that another host should have served: they
	// do not fit the tunnel, or came as several segments at once.
	StatMigrateStayedLarge Stat = 136
	// StatMigrateStayedFirst: requests that another host should have served: the
	// first host does not take connections back.
	StatMigrateStayedFirst Stat = 137
	// StatMigrateStayedFull: requests that another host should have served: too
	// many are about to leave, or no memory.
	StatMigrateStayedFull Stat = 138
	// StatRxMigrate: of the packets received, segments of connections that peers
	// let go.
	StatRxMigrate Stat = 139
	// StatRxMigrateRefused: segments of connections that peers let go, dropped:
	// the peer does not serve the connection, or not any more.
	StatRxMigrateRefused Stat = 140
	// StatSpliced: connections that backends got.
	StatSpliced Stat = 141
	// StatSpliceTxPackets: packets of clients sent to backends (a super-packet
	// counts once).
	StatSpliceTxPackets Stat = 142
	// StatSpliceTxBytes: their bytes.
	StatSpliceTxBytes Stat = 143
	// StatSpliceRxPackets: packets of backends sent to clients.
	StatSpliceRxPackets Stat = 144
	// StatSpliceRxBytes: their bytes.
	StatSpliceRxBytes Stat = 145
	// StatSpliceIcmp: ICMP errors about connections to backends, sent to the
	// other end.
	StatSpliceIcmp Stat = 146
	// StatSpliceLimited: connections that no backend got: those that could have
	// as many as they may. They go where they would without backends, as those of
	// the next five reasons.
	StatSpliceLimited Stat = 147
	// StatSpliceFull: connections that no backend got: there are too many
	// (DPR_CONFIG_A_MAX_SPLICES).
	StatSpliceFull Stat = 148
	// StatSpliceNoPort: connections that no backend got: no port was free, of the
	// last 128 tried.
	StatSpliceNoPort Stat = 149
	// StatSpliceNoRoute: connections that no backend got: no usable route to the
	// backend.
	StatSpliceNoRoute Stat = 150
	// StatSpliceLoop: connections that no backend got: the client is a backend,
	// or the backend has become a peer.
	StatSpliceLoop Stat = 151
	// StatSpliceNoMemory: connections that no backend got: no memory.
	StatSpliceNoMemory Stat = 152
	// StatSpliceHops: packets to or from backends dropped: the hop limit is
	// spent.
	StatSpliceHops Stat = 153
	// StatSpliceRefused: packets to or from backends dropped: with IP options,
	// extension headers or a wrong TCP header, without the protection that
	// IPsec's policy asks for, what could take the place of a PROXY header, or
	// ICMP errors that cannot be translated.
	StatSpliceRefused Stat = 154
	// StatSpliceError: packets to or from backends dropped: by the output path
	// (firewall, queue, device), or there is no usable route any more, or no
	// memory.
	StatSpliceError Stat = 155
	// StatSpliceExpired: connections forgotten by their timeout.
	StatSpliceExpired Stat = 156
	// StatSpliceEvicted: connections forgotten for new ones: half-open, or over.
	StatSpliceEvicted Stat = 157
	// StatSplices: gauge; connections now, those included that have just ended.
	StatSplices Stat = 158
	// StatSpliceProxy: headers of the PROXY protocol sent to backends, those
	// included that were sent again.
	StatSpliceProxy Stat = 159
	// StatHandoverSpliced: connections that were placed by what their client
	// sends, and that a backend got.
	StatHandoverSpliced Stat = 160
	// StatSpliceUnanswered: connections placed again: their backend refused them,
	// did not answer, or would have had other options than the client was told.
	StatSpliceUnanswered Stat = 161
	// StatFastTx: packets sent to a peer by the device that they came by, of the
	// packets sent to peers.
	StatFastTx Stat = 162
	// StatFastRedirect: packets sent to a peer by another device than they came
	// by, of the packets sent to peers.
	StatFastRedirect Stat = 163
	// StatFastPassHooks: segments to a service left to netfilter: a firewall, a
	// traffic control filter or a queueing discipline of a device wants to see
	// them.
	StatFastPassHooks Stat = 164
	// StatFastPassShape: segments to a service left to netfilter: SYN, FIN or RST
	// is set, or they have IP options, are a fragment, marked, or not whole, or
	// their TCP checksum is left to a device.
	StatFastPassShape Stat = 165
	// StatFastPassFlow: segments to a service left to netfilter: no established
	// flow to a living peer.
	StatFastPassFlow Stat = 166
	// StatFastPassWay: segments to a service left to netfilter: no route or no
	// link-layer address of the peer is known yet, or the way there is no plain
	// one.
	StatFastPassWay Stat = 167
	// StatFastPassSize: segments to a service left to netfilter: too large for
	// the way, or too little room before them.
	StatFastPassSize Stat = 168
	// StatFastPassDevice: segments to a service left to netfilter: their device
	// is a port of another, or the peer is reached by a device that cannot send
	// for the fast path, as a veth whose other end has no program of XDP, or to
	// which no such program is attached.
	StatFastPassDevice Stat = 169
)

var statTable = [...]statInfo{
	1:   {"served_off", "The SYN decision: served: the policy is off.", false},
	2:   {"served_below_max_load", "The SYN decision: served: own load was below MaxLoad.", false},
	3:   {"served_lowest", "The SYN decision: served: own load was the lowest.", false},
	4:   {"served_no_peer", "The SYN decision: served: no usable peer.", false},
	5:   {"served_hash", "The SYN decision: served: the stateless hash picked this host.", false},
	6:   {"served_local", "The SYN decision: served: came from this host itself.", false},
	7:   {"served_table_full", "The SYN decision: served: no room in the routing table.", false},
	8:   {"served_no_memory", "The SYN decision: served: no memory for a flow.", false},
	9:   {"redirected", "The SYN decision: redirected, a flow was made.", false},
	10:  {"redirected_hash", "The SYN decision: redirected by the stateless hash, no flow.", false},
	11:  {"offered", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: SYNs offered to peers, which may refuse them for their load.", false},
	12:  {"offer_returned", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: SYNs that peers refused, and sent back.", false},
	13:  {"offer_served", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: of the connections redirected, also by handovers, served here in the end: the policy chose this host after a refusal, or no peer was usable.", false},
	14:  {"offer_late", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: refusals dropped: too late. The client had retransmitted its SYN, or the connection was established.", false},
	15:  {"offer_unknown", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: refusals dropped: this peer was not sent that SYN.", false},
	16:  {"refused_load", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: offers from peers refused: own load was not below MaxLoad.", false},
	17:  {"refused_draining", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: redirected SYNs refused: this host drains.", false},
	18:  {"syn_retransmitted", "Other SYNs: a SYN of a flow, sent after the first copy.", false},
	19:  {"syn_owned", "Other SYNs: a SYN of a connection that this host already serves.", false},
	20:  {"tx_packets", "Packets sent to peers: packets redirected (a super-packet counts once; none is on the fast path, which counts each segment).", false},
	21:  {"tx_bytes", "Packets sent to peers: their bytes, without the outer header.", false},
	22:  {"tx_icmp", "Packets sent to peers: of these, ICMP errors about a redirected connection.", false},
	23:  {"tx_fragmented", "Packets sent to peers: packets fragmented before encapsulation.", false},
	24:  {"tx_too_big", "Packets sent to peers: refused with ICMP fragmentation needed.", false},
	25:  {"tx_no_route", "Packets sent to peers: dropped: no usable route to the peer.", false},
	26:  {"tx_no_memory", "Packets sent to peers: dropped: no memory for the outer header.", false},
	27:  {"tx_error", "Packets sent to peers: dropped by the output path (firewall, queue, device).", false},
	28:  {"rx_packets", "Marked packets received: accepted (a super-packet counts once).", false},
	29:  {"rx_bytes", "Marked packets received: their bytes, without the outer header.", false},
	30:  {"rx_syn", "Marked packets received: of these, SYNs.", false},
	31:  {"rx_icmp", "Marked packets received: of these, ICMP errors.", false},
	32:  {"rx_stranger", "Marked packets received: dropped: marked, but not from a known peer.", false},
	33:  {"rx_malformed", "Marked packets received: dropped: inner header truncated or invalid.", false},
	34:  {"rx_nested", "Marked packets received: dropped: in the inner packet is another one.", false},
	35:  {"rx_bad_address", "Marked packets received: dropped: inner addresses that no client's packet can have (loopback, multicast, broadcast, zero, this host as source); or a question to the group (DPR_CONFIG_A_GROUP) from a peer that would not send it there.", false},
	36:  {"rx_not_served", "Marked packets received: dropped: inner packet is neither TCP nor an ICMP error about a TCP connection, or it is a RST that no socket wants.", false},
	37:  {"rx_ecn", "Marked packets received: dropped: outer CE on an inner packet that is not ECN-capable (RFC 6040).", false},
	38:  {"rx_checksum", "Marked packets received: dropped: no socket wanted it and its TCP checksum was wrong.", false},
	39:  {"rx_reset", "Marked packets received: no socket wanted it; answered by a RST.", false},
	40:  {"rx_no_memory", "Marked packets received: dropped: no memory, or no route for its RST.", false},
	41:  {"rx_listener_deferred", "Marked packets received: SYN held while its listener was prepared, or dropped if that could not be for 0.1 s.", false},
	42:  {"fragments_gathered", "Fragments of clients' packets: packets reassembled before classification.", false},
	43:  {"mss_lowered", "Replies: SYN-ACKs whose MSS was lowered by what the tunnel adds.", false},
	44:  {"flows_expired", "Flows: flows removed by their timeout.", false},
	45:  {"flows_evicted", "Flows: half-open flows evicted for new ones.", false},
	46:  {"flows_replaced", "Flows: closing flows replaced by a new connection.", false},
	47:  {"flows_reset", "Flows: flows ended because their peer is dead.", false},
	48:  {"flows_deleted", "Flows: flows removed by DPR_CMD_FLOW_DEL.", false},
	49:  {"owner_asked", "Orphans (enum dpr_orphans): segments for which the peers were asked: they wait for the answer, or are dropped, as those are that wait in vain.", false},
	50:  {"owner_waited", "Orphans (enum dpr_orphans): segments dropped because they were asked just before.", false},
	51:  {"owner_limited", "Orphans (enum dpr_orphans): segments dropped because too many questions are open.", false},
	52:  {"owner_found", "Orphans (enum dpr_orphans): connections that a peer claimed; each got a flow.", false},
	53:  {"owner_unknown", "Orphans (enum dpr_orphans): segments left to the stack, which answers with a RST: no peer claimed the connection.", false},
	54:  {"owner_claimed", "Orphans (enum dpr_orphans): connections that this host claimed.", false},
	55:  {"tx_owner_messages", "Orphans (enum dpr_orphans): messages for peers: questions, claims, ends. Each also counts as a packet sent to peers, or as the reason why it was not.", false},
	56:  {"rx_owner_asked", "Orphans (enum dpr_orphans): messages of peers received that ask who has connections: one, or as many as a message holds.", false},
	57:  {"rx_owner_refused", "Orphans (enum dpr_orphans): claims refused: not asked for, no room for a flow, or the connection already has one.", false},
	58:  {"flows", "Gauges: flows now.", true},
	59:  {"flows_live", "Gauges: flows now that their peers have not reported as ended.", true},
	60:  {"owner_followed", "Orphans (enum dpr_orphans): segments that followed the stateless policy's hash because too many questions are open, or a SYN had done so meanwhile.", false},
	61:  {"hash_asked", "Orphans (enum dpr_orphans): questions about connections whose segments follow the stateless policy's hash meanwhile: whether the host that it names serves one, while the set of hosts changes, and who does after a SYN.", false},
	62:  {"flows_ended", "Flows: flows removed because the serving host reported that it has no socket of the connection.", false},
	63:  {"flows_asked", "Flows: questions to peers about flows whose clients are silent.", false},
	64:  {"rx_flow_asked", "Flows: questions of peers received, about flows whose clients are silent.", false},
	65:  {"rx_flow_answered", "Flows: messages from peers about their connections accepted.", false},
	66:  {"rx_flow_refused", "Flows: messages from peers about the end of a connection refused: no such flow, not that peer's, or not the connection's number.", false},
	67:  {"rx_policy", "Marked packets received: dropped: the host's IPsec policy requires the outer packet to be protected.", false},
	68:  {"rx_fragments", "Marked packets received: fragments of redirected packets that wait for the rest.", false},
	69:  {"served_no_route", "The SYN decision: served: no usable route to the chosen peer.", false},
	70:  {"served_behind", "The SYN decision: served: the client is on a link of this host that the chosen peer is not on, such as a container or a client of a VPN.", false},
	71:  {"refused_no_listener", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: redirected SYNs refused: nothing listens here.", false},
	72:  {"refused_full", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: redirected SYNs refused: the listener's accept queue is full.", false},
	73:  {"refused_own", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: redirected SYNs refused: the client is this host itself.", false},
	74:  {"refused_long", "Offers (DPR_POLICY_OFFER), and SYNs that peers refuse: redirected SYNs dropped: this host cannot serve them, and they are too long to be sent back.", false},
	75:  {"peers_lost", "Probes of the way to peers: times that packets redirected to a peer were found not to arrive.", false},
	76:  {"flows_lost", "Flows: half-open flows removed, and their connections placed anew: packets to their peer do not arrive.", false},
	77:  {"rx_probed", "Probes of the way to peers: probes from peers received, and answered.", false},
	78:  {"rx_echo", "Probes of the way to peers: answers to probes received.", false},
	79:  {"rx_echo_refused", "Probes of the way to peers: answers to probes refused: none was sent.", false},
	80:  {"served_affinity", "The SYN decision: served: the client belongs to this host (DPR_CONFIG_A_AFFINITY).", false},
	81:  {"served_off_link", "The SYN decision: served: the chosen peer is not on a link of this host, and the service's forwarding is DPR_FORWARDING_DIRECT.", false},
	82:  {"tx_direct", "Packets sent to peers: of the packets sent to peers, those that went direct.", false},
	83:  {"rx_direct", "Marked packets received: packets that came direct, accepted or refused: each counts as what became of it, too.", false},
	84:  {"owner_held", "Orphans (enum dpr_orphans): segments of DPR_STAT_OWNER_ASKED that were sent on when a peer claimed their connection.", false},
	85:  {"rx_source_asked", "Questions whether a network lets answers pass: questions from peers whether packets with their addresses as source pass, answered.", false},
	86:  {"rx_source_limited", "Questions whether a network lets answers pass: questions dropped: the same peer asked less than a quarter of a second before.", false},
	87:  {"rx_source_answered", "Questions whether a network lets answers pass: answers past the tunnel to questions of this host (DPR_CMD_PEER_ASK); one in the tunnel counts as DPR_STAT_RX_ECHO.", false},
	88:  {"rx_source_refused", "Questions whether a network lets answers pass: answers dropped: none was due, or not with that number, from that peer or address.", false},
	89:  {"tx_answers", "Answers through the first host (DPR_ANSWERS_THROUGH): answers to clients, of the packets sent to peers.", false},
	90:  {"tx_answer_too_big", "Answers through the first host (DPR_ANSWERS_THROUGH): answers dropped: too large for the tunnel. The route to the client got the MTU that fits.", false},
	91:  {"syn_mss_lowered", "Answers through the first host (DPR_ANSWERS_THROUGH): redirected SYNs whose MSS was lowered, so that answers fit the tunnel.", false},
	92:  {"rx_answers", "Answers through the first host (DPR_ANSWERS_THROUGH): answers sent on to clients, of the packets received.", false},
	93:  {"rx_answer_refused", "Answers through the first host (DPR_ANSWERS_THROUGH): answers dropped: this host or another peer serves the connection, or the answer is from an address that this host does not have.", false},
	94:  {"rx_answer_hops", "Answers through the first host (DPR_ANSWERS_THROUGH): answers dropped: the hop limit is spent.", false},
	95:  {"rx_answer_no_route", "Answers through the first host (DPR_ANSWERS_THROUGH): answers dropped: no route to the client.", false},
	96:  {"rx_answer_too_big", "Answers through the first host (DPR_ANSWERS_THROUGH): answers dropped: too large for the way to the client. The peer gets an ICMP error.", false},
	97:  {"flows_own", "Flows: half-open flows removed: the client has taken this host's answer to a copy of its SYN, which a peer redirected here.", false},
	98:  {"handover_syn", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): SYNs answered in the place of the host that will serve, copies included.", false},
	99:  {"handover_kept", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): segments kept until a host has their connection.", false},
	100: {"handover_noted", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): segments dropped: acknowledgments, copies, a RST.", false},
	101: {"handover_stray", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): segments dropped: outside of what the client may send, with a wrong checksum, without the protection that IPsec's policy asks for, or not an acknowledgment of the answer to the SYN.", false},
	102: {"handover_limited", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): segments dropped: there are too many connections, or no memory. The client sends them again.", false},
	103: {"handover_off", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): SYNs that went the way of DPR_DISPATCH_SYN: this host has no keys or knows of no peer, the policy is off, its link is in a VRF, IPsec's policy does not take the SYN, or its listener's connections must have their own handshake (MD5, TCP-AO; from Linux 6.9 on also if tcp_syncookies is 0).", false},
	104: {"handover_full", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): SYNs that went the way of DPR_DISPATCH_SYN: too many connections wait already.", false},
	105: {"handover_evicted", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections that waited for 3 s or more, or for less if one that moves needed the place, forgotten for others.", false},
	106: {"handover_expired", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections forgotten: no data came, the first byte was missing, or nobody could take them.", false},
	107: {"handover_local", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections that this host took from itself.", false},
	108: {"handover_taken", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections that peers took.", false},
	109: {"handover_refused", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): refusals by peers accepted; the connection went to another host.", false},
	110: {"handover_late", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): answers to handovers dropped: none was open, or another one.", false},
	111: {"handover_reset", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections reset: no host could take them.", false},
	112: {"tx_handover", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers and answers to them sent; each also counts as DPR_STAT_TX_PACKETS, or as what became of it.", false},
	113: {"rx_handover", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): of the packets received, segments that came with a handover.", false},
	114: {"rx_handover_taken", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): connections that this host took from peers.", false},
	115: {"rx_handover_forged", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers and answers dropped: not made with a key of this host.", false},
	116: {"rx_handover_stale", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers and answers dropped: made more than 10 s ago, or the clocks differ by that.", false},
	117: {"rx_handover_waited", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers dropped: another copy is being taken, or the segment cannot begin the connection here. The client sends it again.", false},
	118: {"rx_handover_refused", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers refused: this host drains or cannot serve the service, or the connection was refused before.", false},
	119: {"rx_handover_failed", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers refused because the socket could not be made: no memory, or a firewall.", false},
	120: {"rx_handover_full", "Connections placed by what the client sends (DPR_DISPATCH_CONNECTION): handovers refused: too many connections came in the last 21 s to remember each.", false},
	121: {"served_group", "The SYN decision: served: rules by what is asked for chose this host, of the service's group (DPR_CMD_RULES_SET).", false},
	122: {"owner_denied", "Orphans (enum dpr_orphans): answers of peers that they do not serve a connection that this host asked for.", false},
	123: {"hash_missed", "Orphans (enum dpr_orphans): redirected segments dropped: this host does not serve the connection (DPR_ORPHANS_ASK). They may have followed the stateless policy's hash of another set of hosts. Also SYNs that followed the flow of an older connection to where nothing listens any more. The host that redirected them was told, unless too many messages were sent already, or it was not found out among too many senders of segments without a tunnel.", false},
	124: {"rx_hash_missed", "Orphans (enum dpr_orphans): connections of which peers have told that: their later segments raise questions.", false},
	125: {"bulk_missed", "Orphans (enum dpr_orphans): messages to peers that bulk data that they may have redirected have no socket here.", false},
	126: {"migrate_held", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests held while their connections may leave this host. Those that stay pass the hooks again.", false},
	127: {"migrate_away", "Connections that move with a request (DPR_DISPATCH_REQUEST): connections that this host let go, for another one.", false},
	128: {"migrate_back", "Connections that move with a request (DPR_DISPATCH_REQUEST): connections of this first host that peers let go.", false},
	129: {"migrate_bounced", "Connections that move with a request (DPR_DISPATCH_REQUEST): segments of connections let go, given back to their first host.", false},
	130: {"migrate_silenced", "Connections that move with a request (DPR_DISPATCH_REQUEST): RSTs to clients whose connections were let go, dropped.", false},
	131: {"migrate_stayed_unknown", "Connections that move with a request (DPR_DISPATCH_REQUEST): connections that cannot move any more: they are not understood as HTTP/1, have another protocol (CONNECT, Upgrade), are authenticated as a whole (NTLM, Negotiate), or a part of a request's head came before an earlier one. Counted if a client's segment shows that.", false},
	132: {"migrate_stayed_pipelined", "Connections that move with a request (DPR_DISPATCH_REQUEST): connections that cannot move any more: a request came before the last one had its answer.", false},
	133: {"migrate_stayed_body", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served, but that may have a body, want more than an answer (Upgrade, Expect) or are not of HTTP/1.1.", false},
	134: {"migrate_stayed_busy", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served: the server has not read all that came before, or is using the socket for more than 0.1 s, or the client has not acknowledged all that was sent.", false},
	135: {"migrate_stayed_socket", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served: the socket is not an ordinary one (kTLS, a sockmap, MPTCP, signed segments), or has got 2 GiB from its client.", false},
	136: {"migrate_stayed_large", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served: they do not fit the tunnel, or came as several segments at once.", false},
	137: {"migrate_stayed_first", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served: the first host does not take connections back.", false},
	138: {"migrate_stayed_full", "Connections that move with a request (DPR_DISPATCH_REQUEST): requests that another host should have served: too many are about to leave, or no memory.", false},
	139: {"rx_migrate", "Connections that move with a request (DPR_DISPATCH_REQUEST): of the packets received, segments of connections that peers let go.", false},
	140: {"rx_migrate_refused", "Connections that move with a request (DPR_DISPATCH_REQUEST): segments of connections that peers let go, dropped: the peer does not serve the connection, or not any more.", false},
	141: {"spliced", "Connections to backends (DPR_CMD_BACKEND_SET): connections that backends got.", false},
	142: {"splice_tx_packets", "Connections to backends (DPR_CMD_BACKEND_SET): packets of clients sent to backends (a super-packet counts once).", false},
	143: {"splice_tx_bytes", "Connections to backends (DPR_CMD_BACKEND_SET): their bytes.", false},
	144: {"splice_rx_packets", "Connections to backends (DPR_CMD_BACKEND_SET): packets of backends sent to clients.", false},
	145: {"splice_rx_bytes", "Connections to backends (DPR_CMD_BACKEND_SET): their bytes.", false},
	146: {"splice_icmp", "Connections to backends (DPR_CMD_BACKEND_SET): ICMP errors about connections to backends, sent to the other end.", false},
	147: {"splice_limited", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: those that could have as many as they may. They go where they would without backends, as those of the next five reasons.", false},
	148: {"splice_full", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: there are too many (DPR_CONFIG_A_MAX_SPLICES).", false},
	149: {"splice_no_port", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: no port was free, of the last 128 tried.", false},
	150: {"splice_no_route", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: no usable route to the backend.", false},
	151: {"splice_loop", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: the client is a backend, or the backend has become a peer.", false},
	152: {"splice_no_memory", "Connections to backends (DPR_CMD_BACKEND_SET): connections that no backend got: no memory.", false},
	153: {"splice_hops", "Connections to backends (DPR_CMD_BACKEND_SET): packets to or from backends dropped: the hop limit is spent.", false},
	154: {"splice_refused", "Connections to backends (DPR_CMD_BACKEND_SET): packets to or from backends dropped: with IP options, extension headers or a wrong TCP header, without the protection that IPsec's policy asks for, what could take the place of a PROXY header, or ICMP errors that cannot be translated.", false},
	155: {"splice_error", "Connections to backends (DPR_CMD_BACKEND_SET): packets to or from backends dropped: by the output path (firewall, queue, device), or there is no usable route any more, or no memory.", false},
	156: {"splice_expired", "Connections to backends (DPR_CMD_BACKEND_SET): connections forgotten by their timeout.", false},
	157: {"splice_evicted", "Connections to backends (DPR_CMD_BACKEND_SET): connections forgotten for new ones: half-open, or over.", false},
	158: {"splices", "Connections to backends (DPR_CMD_BACKEND_SET): connections now, those included that have just ended.", true},
	159: {"splice_proxy", "Connections to backends (DPR_CMD_BACKEND_SET): headers of the PROXY protocol sent to backends, those included that were sent again.", false},
	160: {"handover_spliced", "Connections to backends (DPR_CMD_BACKEND_SET): connections that were placed by what their client sends, and that a backend got.", false},
	161: {"splice_unanswered", "Connections to backends (DPR_CMD_BACKEND_SET): connections placed again: their backend refused them, did not answer, or would have had other options than the client was told.", false},
	162: {"fast_tx", "The fast path: packets sent to a peer by the device that they came by, of the packets sent to peers.", false},
	163: {"fast_redirect", "The fast path: packets sent to a peer by another device than they came by, of the packets sent to peers.", false},
	164: {"fast_pass_hooks", "The fast path: segments to a service left to netfilter: a firewall, a traffic control filter or a queueing discipline of a device wants to see them.", false},
	165: {"fast_pass_shape", "The fast path: segments to a service left to netfilter: SYN, FIN or RST is set, or they have IP options, are a fragment, marked, or not whole, or their TCP checksum is left to a device.", false},
	166: {"fast_pass_flow", "The fast path: segments to a service left to netfilter: no established flow to a living peer.", false},
	167: {"fast_pass_way", "The fast path: segments to a service left to netfilter: no route or no link-layer address of the peer is known yet, or the way there is no plain one.", false},
	168: {"fast_pass_size", "The fast path: segments to a service left to netfilter: too large for the way, or too little room before them.", false},
	169: {"fast_pass_device", "The fast path: segments to a service left to netfilter: their device is a port of another, or the peer is reached by a device that cannot send for the fast path, as a veth whose other end has no program of XDP, or to which no such program is attached.", false},
}
