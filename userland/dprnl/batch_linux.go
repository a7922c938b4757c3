// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// SetPeers calls SetPeer for many peers in one round trip to the kernel. It
// returns nil if all updates succeeded, otherwise one error per update, nil for
// those that succeeded. A refused update does not stop the others; updates of one
// peer are applied in order.
func (c *Client) SetPeers(ctx context.Context, list []PeerUpdate) []error {
	if c.batch(ctx, list) == nil {
		return nil
	}
	// The kernel does not say which update failed, so send them one by one.
	// Repeating an update that succeeded is harmless.
	errs := make([]error, len(list))
	failed := false
	for i, u := range list {
		errs[i] = c.SetPeer(ctx, u)
		failed = failed || errs[i] != nil
	}
	if !failed {
		return nil
	}
	return errs
}

// batch sends updates in one datagram, the last with a request for an
// acknowledgement. The kernel processes them in order, so the acknowledgement
// comes after the answers to the others, which are only errors.
func (c *Client) batch(ctx context.Context, list []PeerUpdate) error {
	if len(list) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := make([]netlink.Message, len(list))
	for i, u := range list {
		m, err := peerMessage(u, c.family)
		if err != nil {
			return err
		}
		messages[i] = m
	}
	messages[len(list)-1].Header.Flags |= netlink.Acknowledge
	if c.batches == nil {
		conn, err := c.dial()
		if err != nil {
			return err
		}
		c.batches = conn
	}
	err := exchange(c.batches, messages)
	if err != nil {
		// Unread answers must not be mistaken for those of a later batch.
		c.batches.Close()
		c.batches = nil
	}
	return err
}

// exchange sends messages and waits for the acknowledgement of the last.
func exchange(conn *netlink.Conn, messages []netlink.Message) error {
	sent, err := conn.SendMessages(messages)
	if err != nil {
		return err
	}
	answer, err := conn.Receive()
	if err != nil {
		return err
	}
	if want := sent[len(sent)-1].Header.Sequence; len(answer) != 1 || answer[0].Header.Sequence != want {
		return fmt.Errorf("the kernel answered with %d messages, want only the acknowledgement of message %d", len(answer), want)
	}
	return nil
}

func peerMessage(u PeerUpdate, family genetlink.Family) (netlink.Message, error) {
	e := newEncoder(family.Version)
	e.peer(u)
	data, err := e.encode()
	if err != nil {
		return netlink.Message{}, err
	}
	gm := message(cmdPeerSet, data)
	payload, err := gm.MarshalBinary()
	if err != nil {
		return netlink.Message{}, err
	}
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(family.ID), Flags: netlink.Request}, Data: payload}, nil
}
