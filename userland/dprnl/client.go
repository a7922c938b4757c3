// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Flags of requests: the answer to a get is data, to a set an acknowledgement.
const (
	flagsGet  = netlink.Request
	flagsSet  = netlink.Request | netlink.Acknowledge
	flagsDump = netlink.Request | netlink.Dump
)

// Config returns the namespace's configuration.
func (c *Client) Config(ctx context.Context) (Config, error) {
	return one(ctx, c, "reading the configuration", cmdConfigGet, newEncoder(c.version()), decodeConfig)
}

// SetConfig changes the values set in u, all or none. The kernel refuses (EINVAL)
// values out of range and an address that is not this host's. SetConfig itself
// refuses an empty update.
func (c *Client) SetConfig(ctx context.Context, u ConfigUpdate) error {
	e := newEncoder(c.version())
	e.config(u)
	return c.do(ctx, "setting the configuration", cmdConfigSet, e)
}

// Services returns the services of the namespace.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	return dump(ctx, c, "listing services", cmdServiceGet, newEncoder(c.version()), decodeService)
}

// ServiceStates returns the services of the namespace, each with its state.
func (c *Client) ServiceStates(ctx context.Context) ([]ServiceStatus, error) {
	return dump(ctx, c, "listing services", cmdServiceGet, newEncoder(c.version()), decodeServiceStatus)
}

// AddService adds a service to the cluster, with its rules. The error is fs.ErrExist if
// it exists already, EDESTADDRREQ if the host has no configured address, ENOSPC beyond
// MaxServices.
func (c *Client) AddService(ctx context.Context, s Service) error {
	e := newEncoder(c.version())
	e.service(s)
	e.rules(s.Rules)
	return c.do(ctx, "adding service "+s.String(), cmdServiceAdd, e)
}

// SetService replaces the rules of a service; existing connections survive. The error is
// fs.ErrNotExist if there is no such service.
func (c *Client) SetService(ctx context.Context, s Service) error {
	e := newEncoder(c.version())
	e.service(s)
	e.rules(s.Rules)
	return c.do(ctx, "changing service "+s.String(), cmdServiceSet, e)
}

// DeleteService removes a service, whatever its rules; existing connections continue. The error is
// fs.ErrNotExist if there is no such service.
func (c *Client) DeleteService(ctx context.Context, s Service) error {
	e := newEncoder(c.version())
	e.service(s)
	return c.do(ctx, "deleting service "+s.String(), cmdServiceDel, e)
}

// SetPeer adds or updates a peer; with metrics the update is a report. A module of
// version 0.2 or earlier does not learn what is down. The error is EINVAL for an
// address that is not unicast or is this host's own, ENOSPC beyond MaxPeers.
func (c *Client) SetPeer(ctx context.Context, u PeerUpdate) error {
	e := newEncoder(c.version())
	e.peer(u)
	return c.do(ctx, fmt.Sprintf("setting peer %v", u.Address), cmdPeerSet, e)
}

// DeletePeer removes a peer from the load table: it gets no new connections, but
// its flows continue and it stays known. If dead, the peer is forgotten and its
// flows end, in the steps of Expire. The error is fs.ErrNotExist if the peer is
// unknown.
func (c *Client) DeletePeer(ctx context.Context, address netip.Addr, dead bool) error {
	e := newEncoder(c.version())
	e.addr(peerAttrAddress, "peer address", address)
	e.ae.Flag(peerAttrDead, dead)
	return c.do(ctx, fmt.Sprintf("deleting peer %v", address), cmdPeerDel, e)
}

// Peer returns one peer. The error is fs.ErrNotExist if it is unknown.
func (c *Client) Peer(ctx context.Context, address netip.Addr) (Peer, error) {
	e := newEncoder(c.version())
	e.addr(peerAttrAddress, "peer address", address)
	return one(ctx, c, fmt.Sprintf("reading peer %v", address), cmdPeerGet, e, decodePeer)
}

// Peers returns all known peers ordered by estimated load, those that are not
// usable last.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return dump(ctx, c, "listing peers", cmdPeerGet, newEncoder(c.version()), decodePeer)
}

// AskPeer asks a peer to answer three times, so that it shows whether the network drops
// what has another host's address as source. It returns at once: Peer and Peers have the
// answers that came within a second. The error is fs.ErrNotExist if the peer is unknown,
// EOPNOTSUPP if it, or the module, is too old, EBUSY if the peer was asked less than a
// second ago, EAFNOSUPPORT if its address is of another family than this host's, and
// EDESTADDRREQ if the host has no address.
func (c *Client) AskPeer(ctx context.Context, address netip.Addr) error {
	e := newEncoder(c.version())
	e.addr(peerAttrAddress, "peer address", address)
	return c.do(ctx, fmt.Sprintf("asking peer %v for answers", address), cmdPeerAsk, e)
}

// Flows iterates over the flows that f selects, as the kernel sends them. A flow
// that changes meanwhile may appear twice. An error ends the iteration.
func (c *Client) Flows(ctx context.Context, f FlowFilter) iter.Seq2[Flow, error] {
	e := newEncoder(c.version())
	e.filter(f)
	return stream(ctx, c, "listing flows", cmdFlowGet, e, decodeFlow)
}

// DeleteFlow deletes a flow: the client's next packet is answered with a RST.
// The error is fs.ErrNotExist if there is no such flow.
func (c *Client) DeleteFlow(ctx context.Context, k FlowKey) error {
	e := newEncoder(c.version())
	e.flowKey(k)
	return c.do(ctx, fmt.Sprintf("deleting flow %v to %v", k.Client, k.Service), cmdFlowDel, e)
}

// Expire runs one step of table clean-up over up to budget flows, 1 to
// MaxExpireBudget; 0 means the kernel's default.
func (c *Client) Expire(ctx context.Context, budget uint32) (Expiry, error) {
	e := newEncoder(c.version())
	if budget != 0 {
		e.ae.Uint32(expireAttrBudget, budget)
	}
	return one(ctx, c, "expiring flows", cmdExpire, e, decodeExpiry)
}

// Load returns this host's metrics and load.
func (c *Client) Load(ctx context.Context) (Load, error) {
	return one(ctx, c, "reading the load", cmdLoadGet, newEncoder(c.version()), decodeLoad)
}

// Stats returns the counters.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return one(ctx, c, "reading the counters", cmdStatsGet, newEncoder(c.version()), decodeStats)
}

// Protocol returns the protocol between hosts that the module knows, as in PeerUpdate.
func (c *Client) Protocol() uint32 {
	switch {
	case c.version() >= knowsMigrate:
		return 6
	case c.version() >= knowsHandover:
		return 5
	case c.version() >= knowsAnswers:
		return 4
	case c.version() >= knowsIPv6:
		return 3
	}
	return 2 // what an older one does not know of it, it leaves alone
}

// String formats a service as "80", "192.0.2.1:80" or "[2001:db8::1]:80".
func (s Service) String() string {
	if !s.Address.IsValid() || s.Address.IsUnspecified() {
		return fmt.Sprint(s.Port)
	}
	return netip.AddrPortFrom(s.Address, s.Port).String()
}

// do sends a command whose answer is an acknowledgement.
func (c *Client) do(ctx context.Context, op string, cmd uint8, e *encoder) error {
	_, err := c.execute(ctx, op, cmd, flagsSet, e)
	return err
}

// one sends a command whose answer is one message.
func one[T any](ctx context.Context, c *Client, op string, cmd uint8, e *encoder,
	decode func([]byte) (T, error)) (T, error) {
	var zero T
	msgs, err := c.execute(ctx, op, cmd, flagsGet, e)
	if err != nil {
		return zero, err
	}
	if len(msgs) != 1 {
		return zero, &opError{op, fmt.Errorf("the kernel answered with %d messages, want 1", len(msgs))}
	}
	v, err := decode(msgs[0].Data)
	if err != nil {
		return zero, &opError{op, err}
	}
	return v, nil
}

// dump collects the rows of a small table.
func dump[T any](ctx context.Context, c *Client, op string, cmd uint8, e *encoder,
	decode func([]byte) (T, error)) ([]T, error) {
	msgs, err := c.execute(ctx, op, cmd, flagsDump, e)
	if err != nil {
		return nil, err
	}
	rows := make([]T, 0, len(msgs))
	for _, m := range msgs {
		v, err := decode(m.Data)
		if err != nil {
			return nil, &opError{op, err}
		}
		rows = append(rows, v)
	}
	return rows, nil
}

// stream iterates over the rows of a large table on a connection of its own.
func stream[T any](ctx context.Context, c *Client, op string, cmd uint8, e *encoder,
	decode func([]byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		data, err := e.encode()
		if err != nil {
			yield(zero, &opError{op, err})
			return
		}
		conn, err := c.dial()
		if err != nil {
			yield(zero, wrap(op, err))
			return
		}
		defer conn.Close()
		if err := sendDump(conn, cmd, data); err != nil {
			yield(zero, wrap(op, err))
			return
		}
		for m, err := range conn.ReceiveIter() {
			v, err := row(ctx, m, err, decode)
			if err != nil {
				conn.Close()
				yield(zero, wrap(op, err))
				return
			}
			if !yield(v, nil) {
				// Close now, so that the rest of the dump is not read.
				conn.Close()
				return
			}
		}
	}
}

// sendDump requests a dump on a fresh connection, using the family's current
// number.
func sendDump(conn *netlink.Conn, cmd uint8, data []byte) error {
	gc := genetlink.NewConn(conn)
	family, err := findFamily(gc)
	if err != nil {
		return err
	}
	_, err = gc.Send(message(cmd, data), family.ID, flagsDump)
	return err
}

// row decodes one message of a dump.
func row[T any](ctx context.Context, m netlink.Message, err error, decode func([]byte) (T, error)) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	var gm genetlink.Message
	if err := gm.UnmarshalBinary(m.Data); err != nil {
		return zero, err
	}
	return decode(gm.Data)
}
