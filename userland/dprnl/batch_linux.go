// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"fmt"

	"github.com/mdlayher/netlink"
)

// SetPeers is SetPeer for many, in one round trip to the kernel. It returns
// nil if all were taken, else one error per update, nil for those that were.
// An update that is refused does not keep the others back; those of one peer
// are taken in their order.
func (c *Client) SetPeers(ctx context.Context, list []PeerUpdate) []error {
	if c.batch(ctx, list) == nil {
		return nil
	}
	// The kernel does not say which it was, so they are sent one by one. Those
	// that it took already it takes again: they say the same.
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

// batch sends updates in one datagram, of which the last asks for an
// acknowledgement: the kernel goes through them in their order, so that it
// comes after what the kernel says of the others, which is errors only.
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
		m, err := peerMessage(u, c.family.ID)
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
		// Answers that were not read must not be taken for later ones.
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
		return fmt.Errorf("the kernel answered with %d messages, want the acknowledgement of message %d", len(answer), want)
	}
	return nil
}

func peerMessage(u PeerUpdate, family uint16) (netlink.Message, error) {
	e := newEncoder()
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
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(family), Flags: netlink.Request}, Data: payload}, nil
}
