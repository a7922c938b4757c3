// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The guest's network. Packets of clients seem to come in at inDev; what is
// redirected leaves through outDev, behind which all peers are; what answers
// clients leaves through clientDev. None of them is connected to anything.
const (
	inDev     = "in0"
	outDev    = "out0"
	clientDev = "cl0"

	service    = 80   // port of the service that is balanced
	elsePort   = 8081 // port of another service of this host
	closedPort = 8082 // port without a service
)

var (
	address = netip.MustParseAddr("10.0.0.1")      // this host's
	virtual = netip.MustParseAddr("10.0.0.9")      // another address of it, for the receiving side of ipip
	outside = netip.MustParsePrefix("10.9.0.1/16") // of outDev
	clients = netip.MustParsePrefix("10.128.0.0/9")
)

// peerAddress returns the address of peer i, from 0 on.
func peerAddress(i int) netip.Addr {
	a := outside.Masked().Addr().As4()
	n := i + 2 // the first is this host
	a[2], a[3] = byte(n>>8), byte(n)
	return netip.AddrFrom4(a)
}

// buildNetwork makes the devices and the neighbours of as many peers as there
// will be at most.
func buildNetwork(peers []int) error {
	// The kernel sends packets of its own by IPv6, which would be counted.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		return fmt.Errorf("switching IPv6 off: %w", err)
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	for _, name := range []string{inDev, outDev, clientDev} {
		if err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
			return fmt.Errorf("making device %s: %w", name, err)
		}
	}
	out, err := netlink.LinkByName(outDev)
	if err != nil {
		return fmt.Errorf("finding device %s: %w", outDev, err)
	}
	// As on Ethernet, a peer's packets need its hardware address.
	if err := netlink.LinkSetARPOn(out); err != nil {
		return fmt.Errorf("setting device %s up: %w", outDev, err)
	}
	addresses := map[string]netip.Prefix{inDev: netip.PrefixFrom(address, 32), outDev: outside, "lo": netip.PrefixFrom(virtual, 32)}
	for _, name := range []string{inDev, outDev, "lo"} {
		if err := addAddress(name, addresses[name]); err != nil {
			return err
		}
	}
	for _, name := range []string{inDev, outDev, clientDev} {
		if err := linkUp(name); err != nil {
			return err
		}
	}
	if err := addRoute(clientDev, clients); err != nil {
		return err
	}
	return addNeighbours(out, slices.Max(peers))
}

func linkUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("setting device %s up: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func addAddress(name string, p netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p)})
	}
	if err != nil {
		return fmt.Errorf("giving device %s address %s: %w", name, p, err)
	}
	return nil
}

func addRoute(name string, p netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(p), Scope: netlink.SCOPE_LINK})
	}
	if err != nil {
		return fmt.Errorf("adding a route to %s by device %s: %w", p, name, err)
	}
	return nil
}

// addNeighbours makes the peers reachable.
func addNeighbours(l netlink.Link, peers int) error {
	for i := range peers {
		a := peerAddress(i)
		b := a.As4()
		err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
			IP: a.AsSlice(), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, b[2], b[3]},
		})
		if err != nil {
			return fmt.Errorf("adding neighbour %s: %w", a, err)
		}
	}
	return nil
}
