// SPDX-License-Identifier: MIT

package rawip

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Room is the largest packet that a Socket sends.
	Room = 128
	// at is how many packets one system call sends.
	at = 64
)

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	len    uint32
	_      [4]byte
}

// Socket sends packets to one neighbour. One goroutine at a time uses it.
type Socket struct {
	fd      int
	to, to6 unix.RawSockaddrLinklayer
	headers [at]mmsghdr
	vectors [at]unix.Iovec
	buffers [at * Room]byte
}

// Open opens a socket that sends through a link of the calling thread's namespace
// to the given hardware address.
func Open(link string, to net.HardwareAddr) (*Socket, error) {
	l, err := net.InterfaceByName(link)
	if err != nil {
		return nil, fmt.Errorf("sending packets: %w", err)
	}
	s := &Socket{to: unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: 8, Ifindex: int32(l.Index), Halen: 6}} // ETH_P_IP, as the wire has it
	copy(s.to.Addr[:], to)
	s.to6 = s.to
	s.to6.Protocol = 0xdd86 // ETH_P_IPV6
	if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("sending packets: %w", err)
	}
	return s, nil
}

// Close ends the socket.
func (s *Socket) Close() error { return unix.Close(s.fd) }

// Send sends n packets. For each it calls packet, which writes one into the given
// bytes, at most Room, and returns it. It returns how many were sent.
func (s *Socket) Send(n int, packet func([]byte) []byte) (sent int, err error) {
	for sent < n {
		k := min(at, n-sent)
		for i := range k {
			b := packet(s.buffers[i*Room : (i+1)*Room])
			s.vectors[i] = unix.Iovec{Base: &b[0], Len: uint64(len(b))}
			to := &s.to
			if b[0]>>4 == 6 {
				to = &s.to6
			}
			s.headers[i].header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(to)), Namelen: unix.SizeofSockaddrLinklayer, Iov: &s.vectors[i], Iovlen: 1}
		}
		for done := 0; done < k; {
			m, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[done])), uintptr(k-done), 0, 0, 0)
			switch {
			case errno == 0:
				done += int(m)
				sent += int(m)
			case errors.Is(errno, unix.ENOBUFS), errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.EINTR): // the link is full
			default:
				return sent, fmt.Errorf("sending packets: %w", errno)
			}
		}
	}
	return sent, nil
}
