// SPDX-License-Identifier: MIT

package vnet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Connect joins two hosts by a cable: a pair of links, one in each, of the given
// MTU. Both are up.
func Connect(a *Host, linkA string, b *Host, linkB string, mtu int) error {
	pair := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: linkA, MTU: mtu},
		PeerName:      linkB,
		PeerNamespace: netlink.NsFd(int(b.ns)),
		PeerMTU:       uint32(mtu),
	}
	if err := a.nl.LinkAdd(pair); err != nil {
		return fmt.Errorf("connect %s %s to %s %s: %w", a.Name, linkA, b.Name, linkB, err)
	}
	return errors.Join(a.Up(linkA), b.Up(linkB))
}

// A Switch is a namespace that is a bridge.
type Switch struct {
	*Host
}

const bridge = "br0"

// NewSwitch makes a switch without ports. It forwards at once and knows no
// spanning tree.
func NewSwitch(name string) (*Switch, error) {
	h, err := NewHost(name)
	if err != nil {
		return nil, err
	}
	no := false
	err = h.nl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}, MulticastSnooping: &no})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make bridge %s: %w", name, err), h.Close())
	}
	if err := h.Up(bridge); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &Switch{h}, nil
}

// Plug connects a link of a host to the switch. The switch's port has the
// host's name.
func (s *Switch) Plug(h *Host, link string, mtu int) error {
	if err := Connect(s.Host, h.Name, h, link, mtu); err != nil {
		return err
	}
	br, err := s.link(bridge)
	if err != nil {
		return err
	}
	return s.change(h.Name, "make a port of", func(l netlink.Link) error {
		return s.nl.LinkSetMaster(l, br)
	})
}

// Unplug takes the host's cable out of the switch: its port stays, but down.
func (s *Switch) Unplug(h *Host) error { return s.Down(h.Name) }

// Replug undoes Unplug.
func (s *Switch) Replug(h *Host) error { return s.Up(h.Name) }

// IPIP adds a tunnel device to a host, for packets of IPv4, or of IPv6 if six, and brings it
// up. The addresses of its ends are of either family.
func (h *Host) IPIP(name string, local, remote netip.Addr, six bool) error {
	attrs := netlink.LinkAttrs{Name: name}
	var tunnel netlink.Link = &netlink.Iptun{LinkAttrs: attrs, Local: local.AsSlice(), Remote: remote.AsSlice(), PMtuDisc: 1}
	switch {
	case local.Is6():
		tunnel = &netlink.Ip6tnl{LinkAttrs: attrs, Local: local.AsSlice(), Remote: remote.AsSlice(), Ttl: 64}
	case six:
		tunnel = &netlink.Sittun{LinkAttrs: attrs, Local: local.AsSlice(), Remote: remote.AsSlice(), Ttl: 64, PMtuDisc: 1}
	}
	if err := h.nl.LinkAdd(tunnel); err != nil {
		return fmt.Errorf("%s: add tunnel %s from %v to %v: %w", h.Name, name, local, remote, err)
	}
	return h.Up(name)
}

// Links returns the names of the host's links.
func (h *Host) Links() ([]string, error) {
	all, err := h.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("%s: list links: %w", h.Name, err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Attrs().Name)
	}
	return names, nil
}

// Received returns how many packets a link has received.
func (h *Host) Received(link string) (uint64, error) {
	l, err := h.link(link)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.RxPackets, nil
}
