// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
)

// A decodeFunc takes one attribute; types it does not know are skipped, so
// that a newer module can say more.
type decodeFunc func(ad *netlink.AttributeDecoder) error

// decode runs fn over a message's attributes and checks that the required
// types were there.
func decode(data []byte, fn decodeFunc, required ...uint16) error {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return fmt.Errorf("the kernel's answer is malformed: %w", err)
	}
	missing := make(map[uint16]bool, len(required))
	for _, r := range required {
		missing[r] = true
	}
	for ad.Next() {
		delete(missing, ad.Type())
		if err := fn(ad); err != nil {
			return fmt.Errorf("the kernel's answer is malformed: attribute %d: %w", ad.Type(), err)
		}
	}
	if err := ad.Err(); err != nil {
		return fmt.Errorf("the kernel's answer is malformed: %w", err)
	}
	for _, r := range required {
		if missing[r] {
			return fmt.Errorf("the kernel's answer lacks attribute %d", r)
		}
	}
	return nil
}

var errNotIPv4 = errors.New("not an IPv4 address")

func decodeAddr(ad *netlink.AttributeDecoder, a *netip.Addr) error {
	b := ad.Bytes()
	if len(b) != 4 {
		return errNotIPv4
	}
	*a = netip.AddrFrom4([4]byte(b))
	return nil
}

func millis(ad *netlink.AttributeDecoder) time.Duration {
	return time.Duration(ad.Uint32()) * time.Millisecond
}

func decodeConfig(data []byte) (Config, error) {
	var c Config
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case configAttrAddress:
			return decodeAddr(ad, &c.Address)
		case configAttrPolicy:
			c.Policy = Policy(ad.Uint32())
		case configAttrHash:
			c.Hash = Hash(ad.Uint32())
		case configAttrEstimate:
			c.Estimate = Estimate(ad.Uint32())
		case configAttrMarker:
			c.Marker = Marker(ad.Uint32())
		case configAttrOrphans:
			c.Orphans = Orphans(ad.Uint32())
		case configAttrState:
			c.State = State(ad.Uint32())
		case configAttrMaxLoad:
			c.MaxLoad = ad.Uint64()
		case configAttrWeightConnections:
			c.Weights.Connections = ad.Uint32()
		case configAttrWeightCPU:
			c.Weights.CPU = ad.Uint32()
		case configAttrWeightRedirected:
			c.Weights.Redirected = ad.Uint32()
		case configAttrWeightSockets:
			c.Weights.Sockets = ad.Uint32()
		case configAttrWeight:
			c.Weight = ad.Uint32()
		case configAttrMaxFlows:
			c.MaxFlows = ad.Uint32()
		case configAttrReportMaxAge:
			c.ReportMaxAge = millis(ad)
		case configAttrTimeoutSyn:
			c.Timeouts.Syn = millis(ad)
		case configAttrTimeoutEstablished:
			c.Timeouts.Established = millis(ad)
		case configAttrTimeoutFin:
			c.Timeouts.Fin = millis(ad)
		case configAttrTimeoutRst:
			c.Timeouts.Rst = millis(ad)
		}
		return nil
	}, configAttrAddress)
	return c, err
}

func decodeService(data []byte) (Service, error) {
	s := Service{Address: netip.IPv4Unspecified()}
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case serviceAttrPort:
			s.Port = ad.Uint16()
		case serviceAttrAddress:
			return decodeAddr(ad, &s.Address)
		}
		return nil
	}, serviceAttrPort)
	return s, err
}

func decodePeer(data []byte) (Peer, error) {
	var p Peer
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case peerAttrAddress:
			return decodeAddr(ad, &p.Address)
		case peerAttrConnections:
			p.Metrics.Connections = ad.Uint32()
		case peerAttrCPU:
			p.Metrics.CPU = ad.Uint32()
		case peerAttrRedirected:
			p.Metrics.Redirected = ad.Uint32()
		case peerAttrSockets:
			p.Metrics.Sockets = ad.Uint32()
		case peerAttrState:
			p.State = State(ad.Uint32())
		case peerAttrWeight:
			p.Weight = ad.Uint32()
		case peerAttrLoad:
			p.Load = ad.Uint64()
		case peerAttrEstimate:
			p.Estimate = ad.Uint64()
		case peerAttrAge:
			p.Reported, p.Age = true, millis(ad)
		case peerAttrUsable:
			p.Usable = ad.Flag()
		case peerAttrListed:
			p.Listed = ad.Flag()
		case peerAttrFlows:
			p.Flows = ad.Uint32()
		case peerAttrLive:
			p.Live = ad.Uint32()
		case peerAttrRedirects:
			p.Redirects = ad.Uint64()
		}
		return nil
	}, peerAttrAddress)
	return p, err
}

func decodeFlow(data []byte) (Flow, error) {
	var f Flow
	var client, address netip.Addr
	var clientPort, port uint16
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case flowAttrClient:
			return decodeAddr(ad, &client)
		case flowAttrClientPort:
			clientPort = ad.Uint16()
		case flowAttrAddress:
			return decodeAddr(ad, &address)
		case flowAttrPort:
			port = ad.Uint16()
		case flowAttrPeer:
			return decodeAddr(ad, &f.Peer)
		case flowAttrState:
			f.State = FlowState(ad.Uint32())
		case flowAttrIdle:
			f.Idle = millis(ad)
		case flowAttrExpires:
			f.Expires = millis(ad)
		}
		return nil
	}, flowAttrClient, flowAttrClientPort, flowAttrAddress, flowAttrPort, flowAttrPeer)
	f.Client = netip.AddrPortFrom(client, clientPort)
	f.Service = netip.AddrPortFrom(address, port)
	return f, err
}

func decodeExpiry(data []byte) (Expiry, error) {
	var x Expiry
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case expireAttrScanned:
			x.Scanned = ad.Uint32()
		case expireAttrExpired:
			x.Expired = ad.Uint32()
		case expireAttrReset:
			x.Reset = ad.Uint32()
		case expireAttrFlows:
			x.Flows = ad.Uint32()
		case expireAttrDone:
			x.Done = ad.Flag()
		}
		return nil
	}, expireAttrScanned)
	return x, err
}

func decodeLoad(data []byte) (Load, error) {
	var l Load
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case loadAttrConnections:
			l.Connections = ad.Uint32()
		case loadAttrCPU:
			l.CPU = ad.Uint32()
		case loadAttrRedirected:
			l.Redirected = ad.Uint32()
		case loadAttrSockets:
			l.Sockets = ad.Uint32()
		case loadAttrLoad:
			l.Load = ad.Uint64()
		}
		return nil
	}, loadAttrConnections, loadAttrCPU, loadAttrRedirected, loadAttrSockets, loadAttrLoad)
	return l, err
}

func decodeStats(data []byte) (Stats, error) {
	var s Stats
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		if k := ad.Type(); int(k) < len(statTable) && statTable[k].name != "" {
			s.values[k] = ad.Uint64()
		}
		return nil
	})
	return s, err
}

func decodeEvent(data []byte) (Event, error) {
	var e Event
	err := decode(data, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case eventAttrEvent:
			e.Type = EventType(ad.Uint32())
		case eventAttrPeer:
			return decodeAddr(ad, &e.Peer)
		case eventAttrState:
			e.State = State(ad.Uint32())
		}
		return nil
	}, eventAttrEvent)
	return e, err
}
