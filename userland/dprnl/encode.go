// SPDX-License-Identifier: MIT

package dprnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
)

// An encoder collects the attributes of a request to a family of one version. The first
// value that cannot be said in the protocol's types is its error, and nothing is sent.
type encoder struct {
	ae      *netlink.AttributeEncoder
	version uint8
	err     error
}

// newEncoder starts a request to a family of the given version.
func newEncoder(version uint8) *encoder {
	return &encoder{ae: netlink.NewAttributeEncoder(), version: version}
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// addr adds an address in network byte order: four bytes, or 16 for an IPv6 one.
func (e *encoder) addr(typ uint16, what string, a netip.Addr) {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		e.fail(fmt.Errorf("%s is missing", what))
	case a.Zone() != "":
		e.fail(fmt.Errorf("%s %v has a zone", what, a))
	case a.Is6() && e.version < knowsIPv6:
		e.fail(fmt.Errorf("%w: it has no IPv6, but %s is %v", errOlder, what, a))
	default:
		e.ae.Bytes(typ, a.AsSlice())
	}
}

// affinity6 adds the bits of an IPv6 client's address, if they are given. A module that
// knows no IPv6 has no such clients: what is the default is not worth an error.
func (e *encoder) affinity6(typ uint16, bits *uint32) {
	if e.version >= knowsIPv6 {
		e.optional(typ, bits)
	} else if bits != nil && *bits != DefaultAffinity6 {
		e.fail(fmt.Errorf("%w: it has no affinity6", errOlder))
	}
}

// forwarding adds how packets get to peers, if it is given. A module without the attribute
// sends them in tunnels, so it does not need to hear that it should.
func (e *encoder) forwarding(typ uint16, f *Forwarding) {
	if e.version >= knowsForwarding {
		e.optional(typ, (*uint32)(f))
	} else if f != nil && *f != ForwardingIpip {
		e.fail(fmt.Errorf("%w: it has no forwarding %v", errOlder, *f))
	}
}

// answers adds how answers get to clients, if it is given; see forwarding.
func (e *encoder) answers(typ uint16, a *Answers) {
	if e.version >= knowsAnswers {
		e.optional(typ, (*uint32)(a))
	} else if a != nil && *a != AnswersDirect {
		e.fail(fmt.Errorf("%w: its answers cannot go %v", errOlder, *a))
	}
}

// group adds a multicast group, or that there is none, if that is given. An older module
// asks each peer.
func (e *encoder) group(typ uint16, g *netip.Addr) {
	if g == nil || e.version < knowsAnswers {
		return
	}
	a := g.Unmap()
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	if !a.Is4() {
		e.fail(fmt.Errorf("the group %v is no IPv4 address", *g))
		return
	}
	e.ae.Bytes(typ, a.AsSlice())
}

// handoverKeys adds the keys of handovers, if they are given. An older module hands nothing
// over, and needs none.
func (e *encoder) handoverKeys(typ uint16, keys *[]HandoverKey) {
	if keys == nil || e.version < knowsHandover {
		return
	}
	if len(*keys) > MaxHandoverKeys {
		e.fail(fmt.Errorf("%d keys of handovers, at most %d can be", len(*keys), MaxHandoverKeys))
		return
	}
	var b []byte
	for _, k := range *keys {
		b = binary.BigEndian.AppendUint32(b, k.ID)
		b = append(b, k.Secret[:]...)
	}
	e.ae.Bytes(typ, b)
}

// dispatch adds when a service's connections are placed.
func (e *encoder) dispatch(typ uint16, d Dispatch) {
	if e.version >= knowsMigrate || e.version >= knowsHandover && d != DispatchRequest {
		e.ae.Uint8(typ, uint8(d))
	} else if d != DispatchSyn {
		e.fail(fmt.Errorf("%w: it has no dispatch %v", errOlder, d))
	}
}

// optional adds a number that is given.
func (e *encoder) optional(typ uint16, v *uint32) {
	if v != nil {
		e.ae.Uint32(typ, *v)
	}
}

// millis adds a duration as u32 milliseconds.
func (e *encoder) millis(typ uint16, what string, d time.Duration) {
	ms := d / time.Millisecond
	if d < 0 || d%time.Millisecond != 0 || ms > math.MaxUint32 {
		e.fail(fmt.Errorf("%s %v is not a number of milliseconds from 0 to %d", what, d, uint32(math.MaxUint32)))
		return
	}
	e.ae.Uint32(typ, uint32(ms))
}

func (e *encoder) port(typ uint16, what string, p uint16) {
	if p == 0 {
		e.fail(fmt.Errorf("%s 0 is not a port", what))
		return
	}
	e.ae.Uint16(typ, p)
}

func (e *encoder) encode() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.ae.Encode()
}

// config adds the values that an update names.
func (e *encoder) config(u ConfigUpdate) {
	if u.Address != nil {
		e.addr(configAttrAddress, "address", *u.Address)
	}
	millis := func(typ uint16, what string, d *time.Duration) {
		if d != nil {
			e.millis(typ, what, *d)
		}
	}
	e.optional(configAttrPolicy, (*uint32)(u.Policy))
	e.optional(configAttrHash, (*uint32)(u.Hash))
	e.optional(configAttrEstimate, (*uint32)(u.Estimate))
	e.optional(configAttrMarker, (*uint32)(u.Marker))
	e.optional(configAttrOrphans, (*uint32)(u.Orphans))
	e.optional(configAttrState, (*uint32)(u.State))
	if u.MaxLoad != nil {
		e.ae.Uint64(configAttrMaxLoad, *u.MaxLoad)
	}
	e.optional(configAttrWeightConnections, u.WeightConnections)
	e.optional(configAttrWeightCPU, u.WeightCPU)
	e.optional(configAttrWeightRedirected, u.WeightRedirected)
	e.optional(configAttrWeightSockets, u.WeightSockets)
	e.optional(configAttrWeight, u.Weight)
	e.optional(configAttrMaxFlows, u.MaxFlows)
	millis(configAttrReportMaxAge, "report max age", u.ReportMaxAge)
	millis(configAttrTimeoutSyn, "SYN timeout", u.TimeoutSyn)
	millis(configAttrTimeoutEstablished, "established timeout", u.TimeoutEstablished)
	millis(configAttrTimeoutFin, "FIN timeout", u.TimeoutFin)
	millis(configAttrTimeoutRst, "RST timeout", u.TimeoutRst)
	if e.version >= knowsHealth {
		millis(configAttrSlowStart, "slow start", u.SlowStart)
	}
	if e.version >= knowsRules {
		e.optional(configAttrAffinity, u.Affinity)
		millis(configAttrAffinityTime, "affinity time", u.AffinityTime)
	} else if u.Affinity != nil && *u.Affinity != 0 {
		e.fail(fmt.Errorf("%w: it has no affinity", errOlder))
	}
	e.affinity6(configAttrAffinity6, u.Affinity6)
	e.forwarding(configAttrForwarding, u.Forwarding)
	e.answers(configAttrAnswers, u.Answers)
	e.group(configAttrGroup, u.Group)
	e.handoverKeys(configAttrHandoverKeys, u.HandoverKeys)
	if e.version >= knowsBackends {
		e.optional(configAttrSpliceFirstPort, u.SpliceFirstPort)
		e.optional(configAttrSpliceLastPort, u.SpliceLastPort)
		e.optional(configAttrMaxSplices, u.MaxSplices)
	}
	if u == (ConfigUpdate{}) {
		e.fail(errors.New("there is nothing to change"))
	}
}

// service adds what tells a service from others.
func (e *encoder) service(s Service) {
	e.port(serviceAttrPort, "service port", s.Port)
	if s.Address.IsValid() && !s.Address.IsUnspecified() {
		e.addr(serviceAttrAddress, "service address", s.Address)
	}
}

// knowsRules is the version of the family from which on services have rules of their own,
// and there is affinity.
const knowsRules = 3

// knowsIPv6 is the version of the family from which on addresses may be IPv6 ones.
const knowsIPv6 = 4

// knowsLoads is the version of the family from which on services have loads of their own.
const knowsLoads = 4

// knowsForwarding is the version of the family from which on packets can get to peers
// without a tunnel.
const knowsForwarding = 4

// knowsAnswers is the version of the family from which on answers can go through the first
// host, and from which on a first host sends them on to the client.
const knowsAnswers = 5

// knowsHandover is the version of the family from which on hosts hand connections over to
// each other.
const knowsHandover = 7

// knowsMigrate is the version of the family from which on connections can move between two
// requests.
const knowsMigrate = 8

// errOlder says that what is asked for needs another module.
var errOlder = errors.New("the module in the kernel is older than this program; load the new one")

// rules adds a service's own rules.
func (e *encoder) rules(r Rules) {
	if r != (Rules{}) && e.version < knowsRules {
		e.fail(fmt.Errorf("%w: it has no rules of services", errOlder))
	}
	if r.Policy.Own {
		e.ae.Uint32(serviceAttrPolicy, uint32(r.Policy.Value))
	}
	if r.Hash.Own {
		e.ae.Uint32(serviceAttrHash, uint32(r.Hash.Value))
	}
	if r.MaxLoad.Own {
		e.ae.Uint64(serviceAttrMaxLoad, r.MaxLoad.Value)
	}
	if r.Affinity.Own {
		e.ae.Uint32(serviceAttrAffinity, r.Affinity.Value)
	}
	if r.AffinityTime.Own {
		e.millis(serviceAttrAffinityTime, "affinity time", r.AffinityTime.Value)
	}
	if r.Affinity6.Own {
		e.affinity6(serviceAttrAffinity6, &r.Affinity6.Value)
	}
	if r.Load.Own && e.version >= knowsLoads {
		e.ae.Uint32(serviceAttrLoad, uint32(r.Load.Value))
	} else if r.Load.Own && r.Load.Value != LoadOfHost {
		e.fail(fmt.Errorf("%w: it has no loads of services", errOlder))
	}
	if r.Forwarding.Own {
		e.forwarding(serviceAttrForwarding, &r.Forwarding.Value)
	}
	if r.Dispatch.Own {
		e.dispatch(serviceAttrDispatch, r.Dispatch.Value)
	}
}

// knowsHealth is the version of the family from which on a report says what is down
// at the peer, whether it is barred, and which version it has; and from which on there
// is a slow start.
const knowsHealth = 2

// peer adds an update of a peer.
func (e *encoder) peer(u PeerUpdate) {
	e.addr(peerAttrAddress, "peer address", u.Address)
	if m := u.Metrics; m != nil {
		e.ae.Uint32(peerAttrConnections, m.Connections)
		e.ae.Uint32(peerAttrCPU, m.CPU)
		e.ae.Uint32(peerAttrRedirected, m.Redirected)
		e.ae.Uint32(peerAttrSockets, m.Sockets)
	}
	e.optional(peerAttrState, (*uint32)(u.State))
	e.optional(peerAttrWeight, u.Weight)
	if e.version < knowsHealth {
		return
	}
	if len(u.Down) > MaxServices {
		e.fail(fmt.Errorf("%d ports are down, at most %d can be", len(u.Down), MaxServices))
		return
	}
	if len(u.Down) > 0 {
		var b []byte
		for _, p := range u.Down {
			b = binary.NativeEndian.AppendUint16(b, p)
		}
		e.ae.Bytes(peerAttrDown, b)
	}
	if u.Barred != BarredNo {
		e.ae.Uint32(peerAttrBarred, uint32(u.Barred))
	}
	if u.Protocol != 0 {
		e.ae.Uint32(peerAttrProtocol, u.Protocol)
	}
	e.others(u.Others)
	if e.version >= knowsLoads {
		e.counts(u.Counts)
	}
}

// counts adds a peer's open connections, by port.
func (e *encoder) counts(list []PortCount) {
	if len(list) > MaxServices {
		e.fail(fmt.Errorf("connections of %d ports, at most %d can be", len(list), MaxServices))
		return
	}
	list = slices.SortedFunc(slices.Values(list), func(a, b PortCount) int { return int(a.Port) - int(b.Port) })
	var b []byte
	for i, c := range list {
		if c.Port == 0 || i > 0 && c.Port == list[i-1].Port {
			e.fail(fmt.Errorf("connections of port %d, which is none or comes twice", c.Port))
			return
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(c.Port))
		b = binary.NativeEndian.AppendUint32(b, c.Connections)
	}
	if len(b) > 0 {
		e.ae.Bytes(peerAttrServiceConnections, b)
	}
}

// others adds a peer's other addresses, each family's in an attribute of its own, and at
// most MaxAddresses of each. A module that knows no IPv6 has no use for such addresses.
func (e *encoder) others(list []netip.Addr) {
	var four, six []byte
	for _, a := range list {
		switch a = a.Unmap(); {
		case a.Is4() && len(four) < 4*MaxAddresses:
			four = append(four, a.AsSlice()...)
		case a.Is6() && a.Zone() == "" && len(six) < 16*MaxAddresses:
			six = append(six, a.AsSlice()...)
		}
	}
	if len(four) > 0 {
		e.ae.Bytes(peerAttrAddresses, four)
	}
	if len(six) > 0 && e.version >= knowsIPv6 {
		e.ae.Bytes(peerAttrAddresses6, six)
	}
}

func (e *encoder) filter(f FlowFilter) {
	if f.Client.IsValid() {
		e.addr(flowAttrClient, "client address", f.Client)
	}
	if f.ClientPort != 0 {
		e.ae.Uint16(flowAttrClientPort, f.ClientPort)
	}
	if f.Address.IsValid() {
		e.addr(flowAttrAddress, "service address", f.Address)
	}
	if f.Port != 0 {
		e.ae.Uint16(flowAttrPort, f.Port)
	}
	if f.Peer.IsValid() {
		e.addr(flowAttrPeer, "peer address", f.Peer)
	}
	e.optional(flowAttrState, (*uint32)(f.State))
}

func (e *encoder) flowKey(k FlowKey) {
	e.addr(flowAttrClient, "client address", k.Client.Addr())
	e.port(flowAttrClientPort, "client port", k.Client.Port())
	e.addr(flowAttrAddress, "service address", k.Service.Addr())
	e.port(flowAttrPort, "service port", k.Service.Port())
}
