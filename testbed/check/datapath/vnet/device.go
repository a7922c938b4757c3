// SPDX-License-Identifier: MIT

package vnet

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Bridge makes a bridge of a host, with a link of its as the only port.
func (h *Host) Bridge(name, port string) error {
	return h.master(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}, port)
}

// VRF makes a VRF of a host, with a routing table and a link of its.
func (h *Host) VRF(name string, table uint32, link string) error {
	return h.master(&netlink.Vrf{LinkAttrs: netlink.LinkAttrs{Name: name}, Table: table}, link)
}

func (h *Host) master(m netlink.Link, slave string) error {
	name := m.Attrs().Name
	if err := h.nl.LinkAdd(m); err != nil {
		return fmt.Errorf("%s: make %s %s: %w", h.Name, m.Type(), name, err)
	}
	made, err := h.link(name)
	if err != nil {
		return err
	}
	return errors.Join(
		h.change(slave, "put into "+name, func(l netlink.Link) error { return h.nl.LinkSetMaster(l, made) }),
		h.Up(name))
}

// Dummies adds n links that lead nowhere, and brings the last one up, whose name it returns.
func (h *Host) Dummies(n int) (last string, err error) {
	for i := range n {
		last = fmt.Sprintf("dummy%d", i)
		if err := h.nl.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: last}}); err != nil {
			return "", fmt.Errorf("%s: make %s: %w", h.Name, last, err)
		}
	}
	return last, h.Up(last)
}

// Delete removes a link, and with a cable's end the other end.
func (h *Host) Delete(link string) error { return h.change(link, "delete", h.nl.LinkDel) }
