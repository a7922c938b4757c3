// SPDX-License-Identifier: MIT

package receive

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A packetConn is a socket of either family; messages have one type for both.
type packetConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	JoinGroup(*net.Interface, net.Addr) error
	LeaveGroup(*net.Interface, net.Addr) error
	// wantDestinations has the kernel say where each datagram went.
	wantDestinations() error
	// controlBuffer has room for what the kernel says of a datagram.
	controlBuffer() []byte
	// destination returns where a datagram went, and by which interface it came; an
	// invalid address if that is unknown.
	destination(control []byte) (netip.Addr, int)
}

func newPacketConn(conn net.PacketConn, six bool) packetConn {
	if six {
		return conn6{ipv6.NewPacketConn(conn)}
	}
	return conn4{ipv4.NewPacketConn(conn)}
}

type conn4 struct{ *ipv4.PacketConn }

const flags4 = ipv4.FlagDst | ipv4.FlagInterface

func (c conn4) wantDestinations() error { return c.SetControlMessage(flags4, true) }
func (c conn4) controlBuffer() []byte   { return ipv4.NewControlMessage(flags4) }

func (c conn4) destination(control []byte) (netip.Addr, int) {
	var cm ipv4.ControlMessage
	if cm.Parse(control) != nil {
		return netip.Addr{}, 0
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a.Unmap(), cm.IfIndex
}

type conn6 struct{ *ipv6.PacketConn }

const flags6 = ipv6.FlagDst | ipv6.FlagInterface

func (c conn6) wantDestinations() error { return c.SetControlMessage(flags6, true) }
func (c conn6) controlBuffer() []byte   { return ipv6.NewControlMessage(flags6) }

func (c conn6) destination(control []byte) (netip.Addr, int) {
	var cm ipv6.ControlMessage
	if cm.Parse(control) != nil {
		return netip.Addr{}, 0
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a, cm.IfIndex
}
