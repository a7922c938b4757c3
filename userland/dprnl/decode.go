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

// fields are where the attributes of a message go: pointers, by the attributes'
// numbers, of the types that decodeField knows. Attributes without one are skipped,
// so that a newer module can say more.
type fields []any

// seen are the numbers of the attributes that a message had, a bit each.
type seen uint64

func (s seen) has(attr uint16) bool { return s>>attr&1 != 0 }

// decode writes a message's attributes to their fields and returns which there
// were. The error names an attribute that is malformed, or one of the required,
// which are below 64, that is missing.
func decode(data []byte, to fields, required ...uint16) (seen, error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return 0, fmt.Errorf("the kernel's answer is malformed: %w", err)
	}
	var got seen
	for ad.Next() {
		attr := ad.Type()
		got |= 1 << attr
		if int(attr) >= len(to) || to[attr] == nil {
			continue
		}
		if err := decodeField(ad, to[attr]); err != nil {
			return got, fmt.Errorf("the kernel's answer is malformed: attribute %d: %w", attr, err)
		}
	}
	if err := ad.Err(); err != nil {
		return got, fmt.Errorf("the kernel's answer is malformed: %w", err)
	}
	if i := slices.IndexFunc(required, func(r uint16) bool { return !got.has(r) }); i >= 0 {
		return got, fmt.Errorf("the kernel's answer lacks attribute %d", required[i])
	}
	return got, nil
}

var (
	errNoAddress = errors.New("not an address of 4 or 16 bytes")
	errNotPorts  = errors.New("not a list of ports")
	errNotLoads  = errors.New("not a list of loads of ports")
	errNotIDs    = errors.New("not a list of ids of keys")
	errNoField   = errors.New("a field of a type that has no decoder")
)

// In a list of loads of ports.
const (
	portLoadLen = 12             // bytes of each
	unknownLoad = math.MaxUint32 // estimate that is not known
)

// decodeField reads the decoder's present attribute. A number of the wrong length is
// an error of the decoder's own. The field does not escape: a switch over its type
// instead of a method keeps rows of large dumps off the heap.
func decodeField(ad *netlink.AttributeDecoder, field any) error {
	switch v := field.(type) {
	case *uint16:
		*v = ad.Uint16()
	case *uint32:
		*v = ad.Uint32()
	case *uint64:
		*v = ad.Uint64()
	case *bool:
		*v = ad.Flag()
	case *string:
		*v = ad.String()
	case *[]byte:
		*v = ad.Bytes()
	case *[]uint16:
		b := ad.Bytes()
		if len(b)%2 != 0 {
			return errNotPorts
		}
		for ; len(b) > 0; b = b[2:] {
			*v = append(*v, binary.NativeEndian.Uint16(b))
		}
	case *[]PortLoad:
		b := ad.Bytes()
		if len(b)%portLoadLen != 0 {
			return errNotLoads
		}
		for ; len(b) > 0; b = b[portLoadLen:] {
			ne := binary.NativeEndian
			port, estimate := ne.Uint32(b), ne.Uint32(b[4:])
			if port == 0 || port > math.MaxUint16 {
				return errNotLoads
			}
			l := PortLoad{Port: uint16(port), Known: estimate != unknownLoad, Live: ne.Uint32(b[8:])}
			if l.Known {
				l.Estimate = estimate
			}
			*v = append(*v, l)
		}
	case *uint8:
		*v = ad.Uint8()
	case *[MaxHandoverKeys]uint32: // ids, in network byte order
		b := ad.Bytes()
		if len(b)%4 != 0 || len(b)/4 > len(*v) {
			return errNotIDs
		}
		for i := range len(b) / 4 {
			v[i] = binary.BigEndian.Uint32(b[4*i:])
		}
	case *time.Duration: // milliseconds
		*v = time.Duration(ad.Uint32()) * time.Millisecond
	case *netip.Addr:
		b := ad.Bytes()
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return errNoAddress
		}
		*v = a
	default:
		return errNoField
	}
	return nil
}

func decodeConfig(data []byte) (Config, error) {
	c := Config{Affinity6: DefaultAffinity6} // a module that knows no IPv6 does not say it
	_, err := decode(data, fields{
		configAttrAddress:            &c.Address,
		configAttrPolicy:             (*uint32)(&c.Policy),
		configAttrHash:               (*uint32)(&c.Hash),
		configAttrEstimate:           (*uint32)(&c.Estimate),
		configAttrMarker:             (*uint32)(&c.Marker),
		configAttrForwarding:         (*uint32)(&c.Forwarding),
		configAttrAnswers:            (*uint32)(&c.Answers),
		configAttrOrphans:            (*uint32)(&c.Orphans),
		configAttrGroup:              &c.Group,
		configAttrState:              (*uint32)(&c.State),
		configAttrMaxLoad:            &c.MaxLoad,
		configAttrWeightConnections:  &c.Weights.Connections,
		configAttrWeightCPU:          &c.Weights.CPU,
		configAttrWeightRedirected:   &c.Weights.Redirected,
		configAttrWeightSockets:      &c.Weights.Sockets,
		configAttrWeight:             &c.Weight,
		configAttrMaxFlows:           &c.MaxFlows,
		configAttrReportMaxAge:       &c.ReportMaxAge,
		configAttrTimeoutSyn:         &c.Timeouts.Syn,
		configAttrTimeoutEstablished: &c.Timeouts.Established,
		configAttrTimeoutFin:         &c.Timeouts.Fin,
		configAttrTimeoutRst:         &c.Timeouts.Rst,
		configAttrSlowStart:          &c.SlowStart,
		configAttrAffinity:           &c.Affinity,
		configAttrAffinityTime:       &c.AffinityTime,
		configAttrAffinity6:          &c.Affinity6,
		configAttrHandoverKeyIds:     &c.HandoverKeyIDs,
		configAttrSpliceFirstPort:    &c.SpliceFirstPort,
		configAttrSpliceLastPort:     &c.SpliceLastPort,
		configAttrMaxSplices:         &c.MaxSplices,
	}, configAttrAddress)
	if c.Group.IsUnspecified() {
		c.Group = netip.Addr{}
	}
	return c, err
}

func decodeService(data []byte) (Service, error) {
	s, err := decodeServiceStatus(data)
	return s.Service, err
}

func decodeServiceStatus(data []byte) (ServiceStatus, error) {
	s := ServiceStatus{Service: Service{Address: netip.IPv4Unspecified()}}
	rules := &s.Rules
	var dispatch uint8
	got, err := decode(data, fields{
		serviceAttrPort:         &s.Port,
		serviceAttrAddress:      &s.Address,
		serviceAttrState:        (*uint32)(&s.State),
		serviceAttrConnections:  &s.Connections,
		serviceAttrPolicy:       (*uint32)(&rules.Policy.Value),
		serviceAttrHash:         (*uint32)(&rules.Hash.Value),
		serviceAttrMaxLoad:      &rules.MaxLoad.Value,
		serviceAttrAffinity:     &rules.Affinity.Value,
		serviceAttrAffinityTime: &rules.AffinityTime.Value,
		serviceAttrAffinity6:    &rules.Affinity6.Value,
		serviceAttrLoad:         (*uint32)(&rules.Load.Value),
		serviceAttrForwarding:   (*uint32)(&rules.Forwarding.Value),
		serviceAttrDispatch:     &dispatch,
	}, serviceAttrPort)
	rules.Dispatch = Rule[Dispatch]{Own: got.has(serviceAttrDispatch), Value: Dispatch(dispatch)}
	rules.Policy.Own = got.has(serviceAttrPolicy)
	rules.Hash.Own = got.has(serviceAttrHash)
	rules.MaxLoad.Own = got.has(serviceAttrMaxLoad)
	rules.Affinity.Own = got.has(serviceAttrAffinity)
	rules.AffinityTime.Own = got.has(serviceAttrAffinityTime)
	rules.Affinity6.Own = got.has(serviceAttrAffinity6)
	rules.Load.Own = got.has(serviceAttrLoad)
	rules.Forwarding.Own = got.has(serviceAttrForwarding)
	s.Counted = got.has(serviceAttrConnections)
	return s, err
}

func decodePeer(data []byte) (Peer, error) {
	var p Peer
	got, err := decode(data, fields{
		peerAttrAddress:      &p.Address,
		peerAttrConnections:  &p.Metrics.Connections,
		peerAttrCPU:          &p.Metrics.CPU,
		peerAttrRedirected:   &p.Metrics.Redirected,
		peerAttrSockets:      &p.Metrics.Sockets,
		peerAttrState:        (*uint32)(&p.State),
		peerAttrWeight:       &p.Weight,
		peerAttrLoad:         &p.Load,
		peerAttrEstimate:     &p.Estimate,
		peerAttrAge:          &p.Age,
		peerAttrUsable:       &p.Usable,
		peerAttrListed:       &p.Listed,
		peerAttrFlows:        &p.Flows,
		peerAttrLive:         &p.Live,
		peerAttrRedirects:    &p.Redirects,
		peerAttrDown:         &p.Down,
		peerAttrBarred:       (*uint32)(&p.Barred),
		peerAttrServiceLoads: &p.Loads,
		peerAttrForwarding:   (*uint32)(&p.Forwarding),
		peerAttrAnswers:      &p.Answers,
	}, peerAttrAddress)
	p.Reported = got.has(peerAttrAge)
	p.Asked = got.has(peerAttrAnswers)
	return p, err
}

func decodeFlow(data []byte) (Flow, error) {
	var f Flow
	var client, address netip.Addr
	var clientPort, port uint16
	_, err := decode(data, fields{
		flowAttrClient:     &client,
		flowAttrClientPort: &clientPort,
		flowAttrAddress:    &address,
		flowAttrPort:       &port,
		flowAttrPeer:       &f.Peer,
		flowAttrState:      (*uint32)(&f.State),
		flowAttrIdle:       &f.Idle,
		flowAttrExpires:    &f.Expires,
	}, flowAttrClient, flowAttrClientPort, flowAttrAddress, flowAttrPort, flowAttrPeer)
	f.Client = netip.AddrPortFrom(client, clientPort)
	f.Service = netip.AddrPortFrom(address, port)
	return f, err
}

func decodeExpiry(data []byte) (Expiry, error) {
	var x Expiry
	_, err := decode(data, fields{
		expireAttrScanned: &x.Scanned,
		expireAttrExpired: &x.Expired,
		expireAttrReset:   &x.Reset,
		expireAttrFlows:   &x.Flows,
		expireAttrDone:    &x.Done,
	}, expireAttrScanned)
	return x, err
}

func decodeLoad(data []byte) (Load, error) {
	var l Load
	_, err := decode(data, fields{
		loadAttrConnections: &l.Connections,
		loadAttrCPU:         &l.CPU,
		loadAttrRedirected:  &l.Redirected,
		loadAttrSockets:     &l.Sockets,
		loadAttrLoad:        &l.Load,
	}, loadAttrConnections, loadAttrCPU, loadAttrRedirected, loadAttrSockets, loadAttrLoad)
	return l, err
}

func decodeStats(data []byte) (Stats, error) {
	var s Stats
	to := make(fields, len(statTable))
	for k := range to {
		if statTable[k].name != "" {
			to[k] = &s.values[k]
		}
	}
	_, err := decode(data, to)
	return s, err
}

func decodeEvent(data []byte) (Event, error) {
	var e Event
	_, err := decode(data, fields{
		eventAttrEvent: (*uint32)(&e.Type),
		eventAttrPeer:  &e.Peer,
		eventAttrState: (*uint32)(&e.State),
	}, eventAttrEvent)
	return e, err
}
