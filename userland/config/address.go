// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// HostAddress returns this host's address: the one in the file, or else the first
// IPv4 address of the first report network's interface.
func (c *Config) HostAddress() (netip.Addr, error) {
	if c.Address.IsValid() {
		return c.Address, nil
	}
	for _, n := range c.Report.Networks {
		if n.Interface == "" {
			continue
		}
		ifi, err := net.InterfaceByName(n.Interface)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("finding this host's address on interface %s: %w", n.Interface, err)
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			return netip.Addr{}, fmt.Errorf("finding this host's address on interface %s: %w", n.Interface, err)
		}
		return firstIPv4(n.Interface, addrs)
	}
	return netip.Addr{}, errors.New("cannot determine this host's address: the key address is missing and no report.network names an interface")
}

// Renumbered returns this host's new address if no interface has the old one any
// more and the file leaves it to be found; else the old one. An interface without
// any IPv4 address is an error.
func (c *Config) Renumbered(old netip.Addr) (netip.Addr, error) {
	if c.Address.IsValid() {
		return old, nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading this host's addresses: %w", err)
	}
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok && p.IP.Equal(old.AsSlice()) {
			return old, nil
		}
	}
	return c.HostAddress()
}

func firstIPv4(name string, addrs []net.Addr) (netip.Addr, error) {
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(p.IP); ok && ip.Unmap().Is4() {
				return ip.Unmap(), nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no IPv4 address to use as this host's address", name)
}
