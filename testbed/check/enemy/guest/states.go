// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// state is one that a connection is attacked in.
type state struct {
	name string
	// open makes a connection of this state.
	open func(context.Context, *side, uint16) (*conn, error)
	// alive returns how the connection is broken, if it is.
	alive func(*conn) error
	once  bool // alive ends the connection, and waits for retransmissions
}

// states are all of them.
var states = []state{
	{name: "half-open", open: openHalf, alive: aliveHalf, once: true},
	{name: "idle", open: open, alive: func(x *conn) error { return x.exchange(100) }},
	{name: "transfer", open: openTransfer, alive: aliveTransfer},
	{name: "client closed", open: openClientClosed, alive: func(x *conn) error { return twice(func() error { return move(x.server, x.client, 500) }) }},
	{name: "server closed", open: openServerClosed, alive: func(x *conn) error { return twice(func() error { return move(x.client, x.server, 500) }) }},
	{name: "TIME_WAIT", open: openTimeWait, alive: aliveTimeWait, once: true},
}

// twice does it twice: what the answer to the first does is seen by the second.
func twice(f func() error) error {
	if err := f(); err != nil {
		return err
	}
	time.Sleep(5 * time.Millisecond)
	return f()
}

// open makes a connection that is established.
func open(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := s.dial(ctx, port, false)
	if err == nil {
		err = x.connected()
	}
	if err == nil {
		err = x.exchange(100)
	}
	return x, err
}

// openHalf begins a handshake, which the client does not go on with until it hears.
func openHalf(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := s.dial(ctx, port, true)
	if err == nil {
		err = x.await(procSynRecv)
	}
	return x, err
}

func aliveHalf(x *conn) error {
	if err := x.hear(); err != nil {
		return err
	}
	if err := x.connected(); err != nil {
		return err
	}
	return x.exchange(100)
}

// openTransfer has a connection carry data both ways all the time.
func openTransfer(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := open(ctx, s, port)
	if err == nil {
		x.transfer()
	}
	return x, err
}

func (x *conn) transfer() {
	x.stop, x.ended = make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			if err := x.exchange(3000); err != nil {
				x.ended <- err
				return
			}
			select {
			case <-x.stop:
				x.ended <- nil
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
}

func aliveTransfer(x *conn) error {
	close(x.stop)
	err := <-x.ended
	x.stop = nil
	if err == nil {
		err = x.exchange(100)
	}
	if err == nil {
		x.transfer()
	}
	return err
}

func openClientClosed(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := open(ctx, s, port)
	if err != nil {
		return x, err
	}
	if err := x.client.CloseWrite(); err != nil {
		return x, err
	}
	return x, end(x.server)
}

func openServerClosed(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := open(ctx, s, port)
	if err != nil {
		return x, err
	}
	if err := x.server.CloseWrite(); err != nil {
		return x, err
	}
	return x, end(x.client)
}

// openTimeWait ends a connection, the server first, so that its host keeps it in
// TIME_WAIT, and has the client miss the last acknowledgment: it sends its FIN
// again and again.
func openTimeWait(ctx context.Context, s *side, port uint16) (*conn, error) {
	x, err := open(ctx, s, port)
	if err != nil {
		return x, err
	}
	if err := errors.Join(x.server.Close(), end(x.client), x.deafen(), x.client.CloseWrite()); err != nil {
		return x, err
	}
	return x, x.await(procTimeWait)
}

// aliveTimeWait has the client hear again: the answer to its FIN must be the
// acknowledgment that it missed.
func aliveTimeWait(x *conn) error {
	if err := x.hear(); err != nil {
		return err
	}
	for until := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		errno, err := unix.GetsockoptInt(x.handle, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = unix.Errno(errno)
		}
		if err != nil {
			return err
		}
		info, err := unix.GetsockoptTCPInfo(x.handle, unix.SOL_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		if info.State == unix.BPF_TCP_CLOSE {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("no answer to the last FIN")
		}
	}
}
