// SPDX-License-Identifier: MIT

package vnet

import (
	"errors"
	"net/netip"
)

// Of every host of a Net.
const (
	Link    = "e0"
	LinkMTU = 1500
)

// Net is hosts on one switch, in one network of 24 bits, and what else must be ended
// with them.
type Net struct {
	Switch  *Switch
	closers []func() error
}

// NewNet returns a switch without hosts. The caller closes it.
func NewNet() (*Net, error) {
	sw, err := NewSwitch("switch")
	if err != nil {
		return nil, err
	}
	return &Net{sw, []func() error{sw.Close}}, nil
}

// NewHost adds a host, with an address if there is one.
func (n *Net) NewHost(name string, addr netip.Addr) (*Host, error) {
	h, err := NewHost(name)
	if err != nil {
		return nil, err
	}
	n.Defer(h.Close)
	if err := n.Switch.Plug(h, Link, LinkMTU); err != nil || !addr.IsValid() {
		return h, err
	}
	return h, h.Address(Link, netip.PrefixFrom(addr, 24))
}

// Defer has Close call functions, before what was made earlier ends.
func (n *Net) Defer(closers ...func() error) { n.closers = append(n.closers, closers...) }

// Close ends all of it; what was made last ends first.
func (n *Net) Close() error {
	var err error
	for i := len(n.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, n.closers[i]())
	}
	return err
}
