// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/lab/family"
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

// A network is the guest's addresses of one family.
type network struct {
	family  family.Family
	address netip.Addr   // this host's
	virtual netip.Addr   // another address of it, for the receiving side of tunnel devices
	outside netip.Prefix // of outDev, with its address
	clients netip.Prefix
}

// networks are those of both families.
var networks = map[family.Family]*network{
	family.V4: {
		family.V4, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9"),
		netip.MustParsePrefix("10.9.0.1/16"), netip.MustParsePrefix("10.128.0.0/9"),
	},
	family.V6: {
		family.V6, netip.MustParseAddr("fd10::1"), netip.MustParseAddr("fd10::9"),
		netip.MustParsePrefix("fd10:9::1/64"), netip.MustParsePrefix("fd10:128::/64"),
	},
}

// peer returns the address of peer i, from 0 on.
func (n *network) peer(i int) netip.Addr {
	return within(n.outside, i+2) // the first is this host
}

// within returns address i of a network that ends with zero bits, 16 or, if i is below 256, 8.
func within(network netip.Prefix, i int) netip.Addr {
	b := network.Masked().Addr().AsSlice()
	b[len(b)-2] |= byte(i >> 8)
	b[len(b)-1] = byte(i)
	a, _ := netip.AddrFromSlice(b) // as long as it was
	return a
}

// client is the address and port of injected connection 0.
func (n *network) client() netip.AddrPort { return netip.AddrPortFrom(n.clients.Addr(), 1024) }

// endpoint writes an address with a port.
func endpoint(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }

// The kernel sends packets of its own by IPv6, which would be counted. Where IPv6 is not
// measured there is none; where it is, these come before any other: reports of groups, of
// which there are some for this long.
const groupTime = 5 * time.Second

// ownIPv6 sets how the kernel uses IPv6 by itself on the devices to come.
func ownIPv6(f family.Family) error {
	values := map[string]string{"disable_ipv6": "1"}
	if f == family.V6 {
		// No addresses but ours, and those at once. 1: none of the link.
		values = map[string]string{"disable_ipv6": "0", "accept_dad": "0", "accept_ra": "0", "router_solicitations": "0", "addr_gen_mode": "1"}
	}
	for name, value := range values {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("setting %s of IPv6 to %s: %w", name, value, err)
		}
	}
	return nil
}

// build makes the devices and the neighbours of as many peers as there will be at
// most.
func (n *network) build(peers []int) error {
	if err := ownIPv6(n.family); err != nil {
		return err
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
	addresses := map[string]netip.Prefix{
		inDev: netip.PrefixFrom(n.address, n.address.BitLen()), outDev: n.outside, "lo": netip.PrefixFrom(n.virtual, n.virtual.BitLen()),
	}
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
	if err := addRoute(clientDev, n.clients); err != nil {
		return err
	}
	if n.family == family.V6 {
		time.Sleep(groupTime)
	}
	return n.addPeers(outDev, slices.Max(peers))
}

// addPeers puts peers behind a device.
func (n *network) addPeers(device string, peers int) error {
	hosts := make([]netip.Addr, peers)
	for i := range hosts {
		hosts[i] = n.peer(i)
	}
	return addNeighbours(device, hosts)
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
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		err = netlink.AddrAdd(l, a)
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

// addNeighbours makes peers reachable, each by a hardware address of its own.
func addNeighbours(device string, peers []netip.Addr) error {
	for _, a := range peers {
		if err := addNeighbour(device, a, hardware(a)); err != nil {
			return err
		}
	}
	return nil
}

// hardware returns the hardware address of a host outside.
func hardware(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	return net.HardwareAddr{2, 0, 0, 0, b[len(b)-2], b[len(b)-1]}
}
