// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"syscall"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// dumpBuffer is the read buffer of a streaming connection. The kernel fills dump
// messages up to the size of the reader's buffer.
const dumpBuffer = 64 << 10

// A Client sends commands to the module in the network namespace of the thread
// that called New. It is safe for concurrent use.
type Client struct {
	conn *genetlink.Conn
	dial func() (*netlink.Conn, error) // opens a separate connection for a stream or for batches

	mu      sync.Mutex
	family  genetlink.Family
	batches *netlink.Conn // opened on demand
}

// New connects to the module. The error is ErrNotLoaded if it is not loaded.
func New() (*Client, error) {
	conn, err := netlink.Dial(genetlink.Protocol, &netlink.Config{Strict: true})
	if err != nil {
		return nil, wrap("opening a netlink connection", err)
	}
	return initClient(genetlink.NewConn(conn), func() (*netlink.Conn, error) {
		return netlink.Dial(genetlink.Protocol, &netlink.Config{Strict: true, MessageBufferSize: dumpBuffer})
	})
}

// initClient returns a client that uses conn. It closes conn on an error.
func initClient(conn *genetlink.Conn, dial func() (*netlink.Conn, error)) (*Client, error) {
	family, err := findFamily(conn)
	if err != nil {
		conn.Close()
		return nil, wrap("looking for the kernel module", err)
	}
	return &Client{conn: conn, dial: dial, family: family}, nil
}

// Close closes the connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.batches != nil {
		err = c.batches.Close()
		c.batches = nil
	}
	return errors.Join(err, c.conn.Close())
}

// findFamily asks the kernel for the family.
func findFamily(conn *genetlink.Conn) (genetlink.Family, error) {
	family, err := conn.GetFamily(GenlName)
	if errors.Is(err, fs.ErrNotExist) {
		return family, ErrNotLoaded
	}
	return family, err
}

func message(cmd uint8, data []byte) genetlink.Message {
	return genetlink.Message{
		Header: genetlink.Header{Command: cmd, Version: GenlVersion},
		Data:   data,
	}
}

// execute sends a command and returns the messages that answer it.
func (c *Client) execute(ctx context.Context, op string, cmd uint8, flags netlink.HeaderFlags,
	e *encoder) ([]genetlink.Message, error) {
	data, err := e.encode()
	if err != nil {
		return nil, &opError{op, err}
	}
	if err := ctx.Err(); err != nil {
		return nil, &opError{op, err}
	}
	c.mu.Lock()
	id := c.family.ID
	c.mu.Unlock()
	msgs, err := c.conn.Execute(message(cmd, data), id, flags)
	if mayBeStale(err) {
		fresh, ferr := c.refresh()
		if ferr != nil {
			return nil, wrap(op, ferr)
		}
		if fresh != id {
			msgs, err = c.conn.Execute(message(cmd, data), fresh, flags)
		}
	}
	return msgs, wrap(op, err)
}

// mayBeStale reports whether the error may come from an outdated family number.
// The module itself never refuses without a message.
func mayBeStale(err error) bool {
	var oe *netlink.OpError
	return errors.Is(err, syscall.ENOENT) && errors.As(err, &oe) && oe.Message == ""
}

// version is that of the module's family.
func (c *Client) version() uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.family.Version
}

// refresh looks up the family's current number.
func (c *Client) refresh() (uint16, error) {
	family, err := findFamily(c.conn)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.family = family
	return family.ID, nil
}
