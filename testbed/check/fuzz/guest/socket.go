// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a netlink socket that sends any bytes.
type socket struct {
	fd      int
	buffers [receives][]byte
	headers [receives]mmsghdr
	vectors [receives]unix.Iovec
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	len    uint32
	_      [4]byte
}

const (
	receives    = 32       // answers that are taken at a time
	answerBytes = 32 << 10 // room for one
)

// openSocket opens a socket in the calling thread's namespace.
func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	s := &socket{fd: fd}
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setting a netlink socket up: %w", err), unix.Close(fd))
	}
	for i := range s.buffers {
		s.buffers[i] = make([]byte, answerBytes)
		s.vectors[i] = unix.Iovec{Base: &s.buffers[i][0], Len: answerBytes}
		s.headers[i].header = unix.Msghdr{Iov: &s.vectors[i], Iovlen: 1}
	}
	return s, nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

func (s *socket) send(b []byte) error {
	if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// answers calls f with each answer that has come; the bytes are f's until it
// returns. The kernel has answered all when it has taken a message, but the rest
// of a dump, which comes as it is read.
func (s *socket) answers(f func([]byte) error) error {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[0])), receives, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ENOBUFS: // some answers found no room
			continue
		default:
			return fmt.Errorf("receiving: %w", errno)
		}
		for i := range int(n) {
			if err := f(s.buffers[i][:s.headers[i].len]); err != nil {
				return err
			}
		}
	}
}

// answer is one message of the kernel's.
type answer struct {
	kind    uint16 // of the message
	number  uint32 // of the request
	errno   unix.Errno
	words   bool // it says what is wrong
	command uint8
}

var errAnswer = errors.New("the kernel's answer is none")

// parseAnswers calls f with each message in b.
func parseAnswers(b []byte, f func(answer) error) error {
	for len(b) > 0 {
		if len(b) < 16 {
			return errAnswer
		}
		n := int(binary.NativeEndian.Uint32(b))
		if n < 16 || n > len(b) {
			return errAnswer
		}
		a := answer{kind: binary.NativeEndian.Uint16(b[4:]), number: binary.NativeEndian.Uint32(b[8:])}
		flags := binary.NativeEndian.Uint16(b[6:])
		switch {
		case a.kind == unix.NLMSG_ERROR || a.kind == unix.NLMSG_DONE:
			if n < 20 {
				return errAnswer
			}
			a.errno = unix.Errno(-int32(binary.NativeEndian.Uint32(b[16:])))
			a.words = flags&0x200 != 0 // NLM_F_ACK_TLVS
		case n >= 20:
			a.command = b[16]
		}
		if err := f(a); err != nil {
			return err
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}
