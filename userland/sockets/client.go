// SPDX-License-Identifier: MIT

package sockets

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Offsets in struct inet_diag_msg.
const (
	offState       = 1
	offRetransmits = 3
	offPeerPort    = 6
	offPeerAddress = 24
	offReceive     = 56
	offSend        = 60
)

// all is the set of states but LISTEN.
const all = 1<<(closing+2) - 1 - 1<<10

// states are the names of net/tcp_states.h, as ss prints them.
var states = [...]string{1: "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "close", "close-wait", "last-ack", "listen", "closing", "new-syn-recv"}

// A Connection is a TCP connection of this host with a client.
type Connection struct {
	Client      netip.AddrPort
	Service     netip.AddrPort // that the client connected to; a peer's, if the peer redirected it
	State       string         // such as "established"
	Unread      uint32         // bytes that the server has not read
	Unconfirmed uint32         // bytes that the client has not acknowledged
	Retransmits uint8          // of the last segment
}

// Of returns the connections with a client, of one of its ports, or of any if that is 0.
func Of(ctx context.Context, client netip.Addr, port uint16) ([]Connection, error) {
	return ofOver(ctx, client, port, func() (*netlink.Conn, error) { return netlink.Dial(unix.NETLINK_SOCK_DIAG, nil) })
}

// ofOver is Of over the connection that dial opens.
func ofOver(ctx context.Context, client netip.Addr, port uint16, dial func() (*netlink.Conn, error)) ([]Connection, error) {
	var list []Connection
	err := dump(ctx, all, dial, func(b []byte) error {
		local, address, err := parse(b)
		if err != nil {
			return err
		}
		c := Connection{
			Client:  netip.AddrPortFrom(addressAt(b, offPeerAddress), binary.BigEndian.Uint16(b[offPeerPort:])),
			Service: netip.AddrPortFrom(address, local), State: "unknown",
			Unread: binary.NativeEndian.Uint32(b[offReceive:]), Unconfirmed: binary.NativeEndian.Uint32(b[offSend:]), Retransmits: b[offRetransmits],
		}
		if n := int(b[offState]); n > 0 && n < len(states) {
			c.State = states[n]
		}
		if c.Client.Addr() == client && (port == 0 || c.Client.Port() == port) {
			list = append(list, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading connections: %w", err)
	}
	return list, nil
}
