// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/rawip"
)

// smallNetwork is the least that a host needs to get and to redirect a SYN: two
// ends of a wire, both its own.
type smallNetwork struct {
	far   int    // index of the end at which packets are sent
	near  []byte // hardware address of the other
	taken int    // socket that gets the frames of marker
}

// marker is an Ethernet type for local experiments, as the wire has it: a frame of
// it behind a packet tells when that has been dealt with.
const marker = 0xb588

// newSmallNetwork makes one in the calling thread's namespace.
func newSmallNetwork() (*smallNetwork, error) {
	if err := quietIPv6(); err != nil {
		return nil, err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0"}, PeerName: "v1"}
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, fmt.Errorf("making a wire: %w", err)
	}
	n := &smallNetwork{}
	for _, d := range []struct {
		name      string
		addresses []netip.Prefix
	}{
		{"lo", []netip.Prefix{
			netip.PrefixFrom(address, 32), netip.PrefixFrom(other, 32),
			netip.PrefixFrom(address6, 128), netip.PrefixFrom(other6, 128),
		}},
		{"v0", []netip.Prefix{outside, outside6}},
		{"v1", nil}, // last: what is sent from it vanishes until the other end is up
	} {
		l, err := netlink.LinkByName(d.name)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.name, err)
		}
		for _, a := range d.addresses {
			if err := addAddress(l, a); err != nil {
				return nil, fmt.Errorf("device %s: %w", d.name, err)
			}
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return nil, fmt.Errorf("device %s: %w", d.name, err)
		}
		switch d.name {
		case "v0":
			n.near = l.Attrs().HardwareAddr
		case "v1":
			n.far = l.Attrs().Index
		}
	}
	l, err := netlink.LinkByName("v0")
	if err != nil {
		return nil, fmt.Errorf("device v0: %w", err)
	}
	n.taken, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listening at a wire: %w", err)
	}
	return n, errors.Join(
		unix.SetsockoptTimeval(n.taken, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}),
		unix.Bind(n.taken, &unix.SockaddrLinklayer{Protocol: marker, Ifindex: l.Attrs().Index}),
	)
}

func (n *smallNetwork) close() error { return unix.Close(n.taken) }

// syn has a SYN of a client come in, and returns when that has been dealt with.
func (n *smallNetwork) syn(port uint16, seq uint32) (err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("sending a SYN: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	to := &unix.SockaddrLinklayer{Protocol: 8, Ifindex: n.far, Halen: 6} // ETH_P_IP, as the wire has it
	copy(to.Addr[:], n.near)
	if err := unix.Sendto(fd, rawip.TCP(make([]byte, 40), netip.AddrPortFrom(clients.Addr(), 1024+port), netip.AddrPortFrom(address, ports[0]), 2, seq, 0), 0, to); err != nil {
		return fmt.Errorf("sending a SYN: %w", err)
	}
	to.Protocol = marker
	if err := unix.Sendto(fd, make([]byte, 46), 0, to); err != nil {
		return fmt.Errorf("marking the end of a SYN: %w", err)
	}
	if _, _, err := unix.Recvfrom(n.taken, make([]byte, 64), 0); err != nil {
		return fmt.Errorf("waiting for a SYN to be dealt with: %w", err)
	}
	return nil
}
