// SPDX-License-Identifier: MIT

// Package sockets counts and shows the TCP connections that this host serves, using
// the kernel's socket diagnostics (sock_diag). It runs on Linux only and needs no
// privileges.
package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// From linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h.
const (
	sockDiagByFamily = 20
	requestLen       = 56 // struct inet_diag_req_v2
	messageLen       = 72 // struct inet_diag_msg
	offStates        = 4  // in the request
	offPort          = 4  // in the message: the local port
	offAddress       = 8  // in the message: the local address, 16 bytes

	established = 1
	synRecv     = 3
	finWait1    = 4
	closeWait   = 8
	lastAck     = 9
	closing     = 11
)

// busy is the set of states in which a connection may still carry data and would
// break if the host went away.
const busy = 1<<established | 1<<synRecv | 1<<finWait1 | 1<<closeWait | 1<<lastAck | 1<<closing

// Count returns the number of TCP connections to the ports that this host serves
// now: those to its own address and those that peers redirected to it, but not
// those from this host to itself over loopback.
func Count(ctx context.Context, ports []uint16) (int, error) {
	return countOver(ctx, ports, func() (*netlink.Conn, error) { return netlink.Dial(unix.NETLINK_SOCK_DIAG, nil) })
}

// countOver is Count over the connection that dial opens.
func countOver(ctx context.Context, ports []uint16, dial func() (*netlink.Conn, error)) (int, error) {
	total := 0
	err := dump(ctx, busy, dial, func(b []byte) error {
		port, address, err := parse(b)
		if err == nil && !address.IsLoopback() && slices.Contains(ports, port) {
			total++
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting connections: %w", err)
	}
	return total, nil
}

// dump passes the message of each socket in some states to fn.
func dump(ctx context.Context, states uint32, dial func() (*netlink.Conn, error), fn func([]byte) error) error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := dumpFamily(ctx, conn, family, states, fn); err != nil {
			return err
		}
	}
	return nil
}

func dumpFamily(ctx context.Context, conn *netlink.Conn, family byte, states uint32, fn func([]byte) error) error {
	_, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump},
		Data:   request(family, states),
	})
	if err != nil {
		return err
	}
	for m, err := range conn.ReceiveIter() {
		if errors.Is(err, syscall.ENOENT) && family == unix.AF_INET6 {
			return nil // the kernel has no IPv6
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = fn(m.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func request(family byte, states uint32) []byte {
	b := make([]byte, requestLen)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[offStates:], states)
	return b
}

// parse reads the local port and address of a socket.
func parse(b []byte) (uint16, netip.Addr, error) {
	if len(b) < messageLen {
		return 0, netip.Addr{}, fmt.Errorf("the kernel's answer has %d bytes, want %d", len(b), messageLen)
	}
	return binary.BigEndian.Uint16(b[offPort:]), addressAt(b, offAddress), nil
}

// addressAt reads an address of the message's family.
func addressAt(b []byte, off int) netip.Addr {
	if b[0] == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[off : off+4]))
	}
	return netip.AddrFrom16([16]byte(b[off : off+16])).Unmap()
}
