// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attack sends so many packets to a host, as fast as the attacker can.
func (c *cluster) attack(to *member, f *flood, packet func(*flood, []byte) []byte, n int) (sent int, err error) {
	mac, err := to.MAC(link)
	if err != nil {
		return 0, err
	}
	err = c.r.Do(func() (err error) {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unix.Close(fd)) }()
		sent, err = sendMany(fd, l.Attrs().Index, mac, n, func(b []byte) []byte { return packet(f, b) })
		return err
	})
	return sent, err
}

// sendMany sends packets through a packet socket, many with one call.
func sendMany(fd, index int, mac net.HardwareAddr, n int, packet func([]byte) []byte) (sent int, err error) {
	const at = 64
	var to unix.RawSockaddrLinklayer
	to.Family, to.Protocol, to.Ifindex, to.Halen = unix.AF_PACKET, 8, int32(index), 6 // ETH_P_IP, as the wire has it
	copy(to.Addr[:], mac)
	var headers [at]mmsghdr
	var vectors [at]unix.Iovec
	buffers := make([]byte, at*64)
	for sent < n {
		for i := range headers {
			b := packet(buffers[i*64 : (i+1)*64])
			vectors[i] = unix.Iovec{Base: &b[0], Len: uint64(len(b))}
			headers[i].header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&to)), Namelen: unix.SizeofSockaddrLinklayer, Iov: &vectors[i], Iovlen: 1}
		}
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&headers[0])), at, 0, 0, 0)
		switch errno {
		case 0:
			sent += int(k)
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR: // the link is full
		default:
			return sent, fmt.Errorf("flooding: %w", errno)
		}
	}
	return sent, nil
}
