// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The sequence numbers of injected connections: the client's SYN is number 1 and
// it has acknowledged all before number 1 of ours.
const (
	clientNext = 2
	ownNext    = 1
)

// The queues of TCP_REPAIR_QUEUE, from linux/tcp.h.
const (
	receiveQueue = 1
	sendQueue    = 2
)

// domain is a socket's for an address, and sockaddr what it calls the address and port.
func domain(a netip.AddrPort) (domain int, sockaddr unix.Sockaddr) {
	if a.Addr().Is6() {
		return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// establish returns a TCP socket that is connected with a client, as if there had been
// a handshake. The local address may be another host's.
func establish(local, client netip.AddrPort) (fd int, err error) {
	family, own := domain(local)
	_, other := domain(client)
	level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
	if family == unix.AF_INET6 {
		level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("making a socket: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("connecting %s with %s: %w", local, client, err), unix.Close(fd))
		}
	}()
	set := func(level, option, value int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, option, value)
		}
	}
	set(level, transparent, 1)
	set(unix.SOL_TCP, unix.TCP_REPAIR, unix.TCP_REPAIR_ON)
	if err == nil {
		err = unix.Bind(fd, own)
	}
	set(unix.SOL_TCP, unix.TCP_REPAIR_QUEUE, sendQueue)
	set(unix.SOL_TCP, unix.TCP_QUEUE_SEQ, ownNext)
	set(unix.SOL_TCP, unix.TCP_REPAIR_QUEUE, receiveQueue)
	set(unix.SOL_TCP, unix.TCP_QUEUE_SEQ, clientNext)
	if err == nil {
		err = unix.Connect(fd, other)
	}
	set(unix.SOL_TCP, unix.TCP_REPAIR, unix.TCP_REPAIR_OFF_NO_WP)
	return fd, err
}

// forget closes a socket of establish without a word to the client, so that the
// next may take its place at once.
func forget(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, unix.TCP_REPAIR_ON)
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("closing a connection: %w", err)
	}
	return nil
}

// sink returns a UDP socket that takes nothing: each datagram goes all the way to
// it, and its filter throws it away there.
func sink(local netip.AddrPort) (fd int, err error) {
	family, own := domain(local)
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("making a socket: %w", err)
	}
	nothing := [1]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len: uint16(len(nothing)), Filter: &nothing[0],
		}),
		unix.Bind(fd, own),
	)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("binding a socket to %s: %w", local, err), unix.Close(fd))
	}
	return fd, nil
}
