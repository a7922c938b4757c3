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

// Net is hosts on one switch, in one network, of 24 bits if it is IPv4, and what else must be ended
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

// NewHost adds a host with addresses; an invalid one is none. Those of IPv6 are in
// networks of 64 bits.
func (n *Net) NewHost(name string, addrs ...netip.Addr) (*Host, error) {
	h, err := NewHost(name)
	if err != nil {
		return nil, err
	}
	n.Defer(h.Close)
	if err := n.Switch.Plug(h, Link, LinkMTU); err != nil {
		return h, err
	}
	for _, addr := range addrs {
		bits := 24
		if addr.Is6() {
			bits = 64
		}
		if !addr.IsValid() {
			continue
		}
		if err := h.Address(Link, netip.PrefixFrom(addr, bits)); err != nil {
			return h, err
		}
	}
	return h, nil
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
