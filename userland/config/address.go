// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"dpr/userland/ifaddr"
)

// ParseHost parses an address by which other hosts reach one, of either family.
func ParseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	why := ""
	switch {
	case err != nil:
	case a.Is4In6():
		why = "; write " + a.Unmap().String()
	case a.IsLinkLocalUnicast() && a.Is6():
		why = ": it is valid on one link only"
	case unicast(a):
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("%q is not a host's IPv4 or IPv6 address%s", s, why)
}

// unicast says whether an address is that of a host on a network.
func unicast(a netip.Addr) bool {
	if a.Is4() && (a.As4()[0] >= 240 || a.As4()[0] == 0) {
		return false
	}
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a.Zone() == ""
}

// parseGroup parses a multicast group that other hosts can hear.
func parseGroup(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err == nil && a.IsMulticast() && (a.Is4() || a.Zone() == "" && heard(a.As16()[1]&0xf)) {
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("%q is not an IPv4 or IPv6 multicast address that other hosts hear", s)
}

// heard says whether a scope of IPv6 multicasts (RFC 4291, section 2.7) goes beyond the
// host, and is not reserved.
func heard(scope byte) bool { return scope > 1 && scope < 15 }

// A family is that of what was read before.
type family struct {
	name string
	of   netip.Addr // invalid: nothing yet
}

// check makes a network of the other family a mistake: reports go out from this host's
// address.
func (f *family) check(d *decoder, t table, n Network) {
	a := n.Unicast.Addr()
	if n.Group.IsValid() {
		a = n.Group
	}
	switch {
	case !a.IsValid(): // a name, which may have addresses of both
	case !f.of.IsValid():
		f.name, f.of = "the network "+n.String(), a
	case f.of.Is4() != a.Is4():
		d.mistake(t.path, "the network %v and %s are not both of IPv4 or both of IPv6", n, f.name)
	}
}

// HostAddress returns this host's address: the one in the file, or else the first
// IPv4 address of the first report network's interface. If that network's group is an
// IPv6 one, it is the interface's oldest IPv6 address, but none that is of the link,
// temporary or deprecated.
func (c *Config) HostAddress() (netip.Addr, error) {
	if c.Address.IsValid() {
		return c.Address, nil
	}
	for _, n := range c.Report.Networks {
		if n.Interface == "" {
			continue
		}
		addrs, err := ifaddr.Of(n.Interface)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("finding this host's address on interface %s: %w", n.Interface, err)
		}
		if n.Group.Is6() {
			return oldestIPv6(n.Interface, addrs)
		}
		return firstIPv4(n.Interface, addrs)
	}
	return netip.Addr{}, errors.New("cannot determine this host's address: the key address is missing and no report.network names an interface")
}

// Renumbered returns this host's new address if no interface has the old one any
// more and the file leaves it to be found; else the old one. An interface without
// one that fits is an error.
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

func firstIPv4(name string, addrs []ifaddr.Address) (netip.Addr, error) {
	for _, a := range addrs {
		if a.Addr.Is4() {
			return a.Addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no IPv4 address to use as this host's address", name)
}

// oldestIPv6 returns the last of those that fit: it stays the same when others come.
func oldestIPv6(name string, addrs []ifaddr.Address) (netip.Addr, error) {
	for _, a := range slices.Backward(addrs) {
		if a.Addr.Is6() && a.Addr.IsGlobalUnicast() && !a.Passing {
			return a.Addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no IPv6 address to use as this host's address, but for those that are temporary, deprecated or of the link", name)
}
