// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The guest's network; testbed/check/fuzz/packets/fuzz.h knows it too. Packets seem to
// come in at in0; peers are behind out0, clients behind cl0, none of which is
// connected to anything.
var (
	address = netip.MustParseAddr("10.0.0.1")
	other   = netip.MustParseAddr("10.0.0.9")
	outside = netip.MustParsePrefix("10.9.0.1/16")
	clients = netip.MustParsePrefix("10.128.0.0/9")
)

// ownAddresses are this host's, in this network and in the small one.
func ownAddresses() []netip.Addr { return []netip.Addr{address, other, outside.Addr()} }

// The service's ports. On the last, nobody listens.
var ports = []uint16{80, 81, 82}

// peers is how many hosts there are that packets come from.
const peers = 6

func peerAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, 0, byte(2 + i)})
}

// buildNetwork makes the network of the calling thread's namespace.
func buildNetwork() error {
	// The kernel sends packets of its own by IPv6, which would be counted.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("switching IPv6 off: %w", err)
	}
	for _, d := range []struct {
		name      string
		addresses []netip.Prefix
	}{
		{"lo", []netip.Prefix{netip.PrefixFrom(other, 32)}},
		{"in0", []netip.Prefix{netip.PrefixFrom(address, 32)}},
		{"out0", []netip.Prefix{outside}},
		{"cl0", nil},
	} {
		if err := buildDevice(d.name, d.addresses); err != nil {
			return fmt.Errorf("device %s: %w", d.name, err)
		}
	}
	l, err := netlink.LinkByName("cl0")
	if err != nil {
		return fmt.Errorf("device cl0: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(clients), Scope: netlink.SCOPE_LINK}); err != nil {
		return fmt.Errorf("adding a route to %s: %w", clients, err)
	}
	if l, err = netlink.LinkByName("out0"); err != nil {
		return fmt.Errorf("device out0: %w", err)
	}
	for i := range peers {
		a := peerAddress(i)
		err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
			IP: a.AsSlice(), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)},
		})
		if err != nil {
			return fmt.Errorf("adding neighbour %s: %w", a, err)
		}
	}
	return nil
}

func buildDevice(name string, addresses []netip.Prefix) error {
	if name != "lo" {
		if err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
			return err
		}
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	// As on Ethernet, a packet needs its receiver's hardware address.
	if name == "out0" {
		if err := netlink.LinkSetARPOn(l); err != nil {
			return err
		}
	}
	for _, a := range addresses {
		if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(a)}); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(l)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
