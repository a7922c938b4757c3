// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is what a connection may take to be made or to answer: a lost segment
// comes again after 0.2 s, a lost SYN after 1 and 3 s.
const patience = 8 * time.Second

// side is whom the client talks to: a host that redirects, or plain TCP.
type side struct {
	c  *cluster
	to *node // that the client and the attacker send to
	by *node // that serves
}

// conn is a connection, both ends of which are at hand.
type conn struct {
	*side
	port   uint16
	handle int // another descriptor of the client's socket
	client *net.TCPConn
	server *net.TCPConn

	dialled chan error    // of a connection half-open
	stop    chan struct{} // ends a transfer
	ended   chan error    // of the transfer
}

func (x *conn) remote() netip.AddrPort { return netip.AddrPortFrom(x.to.addr, x.c.port) }
func (x *conn) local() netip.AddrPort  { return netip.AddrPortFrom(addressC, x.port) }

// dial begins a connection; its outcome comes by x.dialled. A deaf client hears
// nothing until hear is called.
func (s *side) dial(ctx context.Context, port uint16, deaf bool) (*conn, error) {
	x := &conn{side: s, port: port, handle: -1, dialled: make(chan error, 1)}
	begun := make(chan error, 1)
	d := net.Dialer{KeepAlive: -1, Timeout: 2 * patience, LocalAddr: &net.TCPAddr{IP: addressC.AsSlice(), Port: int(port)}}
	d.SetMultipathTCP(false)
	d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) {
			x.handle, err = unix.Dup(int(fd))
			if err == nil && deaf {
				err = x.deafen()
			}
		})
		err = errors.Join(cerr, err)
		begun <- err
		return err
	}
	go func() {
		err := s.c.c.Do(func() error {
			c, err := d.DialContext(ctx, "tcp4", x.remote().String())
			if err == nil {
				x.client = c.(*net.TCPConn)
			}
			return err
		})
		if err != nil {
			select {
			case begun <- err: // it did not even have a socket
			default:
			}
		}
		x.dialled <- err
	}()
	return x, <-begun
}

// deafen has the kernel drop what the client's socket receives.
func (x *conn) deafen() error {
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	return unix.SetsockoptSockFprog(x.handle, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
}

func (x *conn) hear() error {
	return unix.SetsockoptInt(x.handle, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
}

// connected waits for the connection to be made, and served where it should be.
func (x *conn) connected() (err error) {
	if err := <-x.dialled; err != nil {
		return err
	}
	x.server, err = x.by.take(x.port, patience)
	return err
}

func (x *conn) close() {
	if x.stop != nil {
		close(x.stop)
		<-x.ended
		x.stop = nil
	}
	for _, c := range []*net.TCPConn{x.client, x.server} {
		if c != nil {
			_ = c.SetLinger(0) // it may be closed
			_ = c.Close()
		}
	}
	if x.handle >= 0 {
		_ = unix.Close(x.handle)
	}
}

// move sends n bytes from one end to the other, and compares them.
func move(from, to *net.TCPConn, n int) error {
	until := time.Now().Add(patience)
	if err := errors.Join(from.SetDeadline(until), to.SetDeadline(until)); err != nil {
		return err
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	if _, err := from.Write(b); err != nil {
		return err
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(to, got); err != nil {
		return err
	}
	if !bytes.Equal(got, b) {
		return errors.New("the bytes are others")
	}
	return nil
}

// exchange moves n bytes to the server and n back.
func (x *conn) exchange(n int) error {
	if err := move(x.client, x.server, n); err != nil {
		return err
	}
	return move(x.server, x.client, n)
}

// end reads the end of what the other one sends.
func end(c *net.TCPConn) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("%d bytes and %w, not the end", n, err)
	}
	return nil
}

// mtu is the path MTU that the server's kernel knows of the connection, 0 if it has
// no socket.
func (x *conn) mtu() int {
	if x.server == nil {
		return 0
	}
	raw, err := x.server.SyscallConn()
	if err != nil {
		return 0
	}
	var mtu int
	_ = raw.Control(func(fd uintptr) { mtu, _ = unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_MTU) })
	return mtu
}

// The states of sockets in /proc/net/tcp.
const (
	procSynRecv  = "03"
	procTimeWait = "06"
)

// await waits until the serving host has a socket of the client in a state.
func (x *conn) await(state string) error {
	want := fmt.Sprintf(":%04X %s ", x.port, state)
	for until := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		text, err := x.by.Read("/proc/thread-self/net/tcp")
		if err != nil {
			return err
		}
		if strings.Contains(text, want) {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s has no socket of port %d in state %s", x.by.Name, x.port, state)
		}
	}
}

// reason is what an error has in common with others of its kind.
func reason(err error) string {
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	default:
		return err.Error()
	}
}
