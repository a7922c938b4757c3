// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/guest/wire"
	"dpr/testbed/lab/kernel"
)

// Lab is a lab that is up. Its methods may be called by several goroutines and,
// for the same lab, by several processes.
type Lab struct {
	state *state
	dir   string
}

// Open returns the lab called name. The error satisfies errors.Is(err,
// fs.ErrNotExist) if there is none.
func Open(name string) (*Lab, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s, err := readState(name)
	if err != nil {
		return nil, err
	}
	return &Lab{state: s, dir: stateDir(name)}, nil
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.state.Name }

// Kernel returns the kernel that the lab's servers run.
func (l *Lab) Kernel() kernel.Kernel { return l.state.Kernel }

// Accel returns QEMU's accelerator, "tcg" or "kvm".
func (l *Lab) Accel() string { return l.state.Accel }

// Down brings the lab down; see the function Down.
func (l *Lab) Down(ctx context.Context) error { return Down(ctx, l.state.Name) }

// call asks the broker for something and returns the connection, which the
// caller closes, and the answer.
func (l *Lab) call(ctx context.Context, r broker.Request) (net.Conn, broker.Response, error) {
	var resp broker.Response
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(l.dir, broker.SocketName))
	if err != nil {
		if !l.state.Broker.Alive() {
			err = errors.New("its broker is dead; bring it down")
		}
		return nil, resp, fmt.Errorf("lab %s: %w", l.state.Name, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = json.NewEncoder(conn).Encode(r)
	if err == nil {
		var line []byte
		if line, err = readLine(conn); err == nil {
			err = json.Unmarshal(line, &resp)
		}
	}
	if err == nil && resp.Error != "" {
		conn.Close()
		return nil, resp, errors.New(resp.Error)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, resp, fmt.Errorf("lab %s: %w", l.state.Name, err)
	}
	return conn, resp, nil
}

// readLine reads one line, and nothing beyond: what follows belongs to another
// protocol.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line, nil
		}
		line = append(line, b[0])
	}
}

// open opens a connection of package wire to a host.
func (l *Lab) open(ctx context.Context, host string) (net.Conn, *wire.Conn, error) {
	conn, _, err := l.call(ctx, broker.Request{Op: broker.OpOpen, Host: host})
	if err != nil {
		return nil, nil, err
	}
	return conn, wire.NewConn(conn), nil
}

// ready waits until a host has booted.
func (l *Lab) ready(ctx context.Context, host string) error {
	err := l.askReady(ctx, host)
	if ctx.Err() != nil {
		return fmt.Errorf("booting %s: %w; the end of its console:\n%s", host, context.Cause(ctx), l.consoleEnd(host))
	}
	if err != nil {
		return l.blame(ctx, fmt.Errorf("booting %s: %w", host, err))
	}
	return nil
}

// askReady asks the agent of a host whether it has booted; the answer comes when
// it has, or has failed.
func (l *Lab) askReady(ctx context.Context, host string) error {
	conn, c, err := l.open(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := c.SendRequest(wire.Request{Op: wire.OpReady}); err != nil {
		return err
	}
	t, payload, err := c.Recv()
	if err == nil && t == wire.Error {
		err = errors.New(string(payload))
	}
	return err
}
