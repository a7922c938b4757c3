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

	address6 = netip.MustParseAddr("fd00::1")
	other6   = netip.MustParseAddr("fd00::9")
	outside6 = netip.MustParsePrefix("fd09::1/64")
	clients6 = netip.MustParsePrefix("fd80::/64")
)

// ownAddresses are this host's, in this network and in the small one.
func ownAddresses() []netip.Addr {
	return append(ends(false), append(ends(true), outside.Addr(), outside6.Addr())...)
}

// ends are the addresses of this host that clients and peers talk to, of one family.
func ends(wide bool) []netip.Addr {
	if wide {
		return []netip.Addr{address6, other6}
	}
	return []netip.Addr{address, other}
}

// The service's ports. On the last, nobody listens.
var ports = []uint16{80, 81, 82}

// peers is how many hosts there are that packets come from.
const peers = 6

// newest is the protocol of hosts of this version.
const newest = 6

// backends is how many servers there are that run nothing of ours.
const backends = 3

// backendAddress is a backend's address of one family. It is behind out0, too.
func backendAddress(i int, wide bool) netip.Addr { return peerAddressOf(peers+i, wide) }

func peerAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, 0, byte(2 + i)})
}

// peerAddressOf is a peer's address of one family.
func peerAddressOf(i int, wide bool) netip.Addr {
	if !wide {
		return peerAddress(i)
	}
	a := outside6.Addr().As16()
	a[15] = byte(2 + i)
	return netip.AddrFrom16(a)
}

// buildNetwork makes the network of the calling thread's namespace.
func buildNetwork() error {
	if err := quietIPv6(); err != nil {
		return err
	}
	for _, d := range []struct {
		name      string
		addresses []netip.Prefix
	}{
		{"lo", []netip.Prefix{netip.PrefixFrom(other, 32), netip.PrefixFrom(other6, 128)}},
		{"in0", []netip.Prefix{netip.PrefixFrom(address, 32), netip.PrefixFrom(address6, 128)}},
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
	for _, c := range []netip.Prefix{clients, clients6} {
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(c), Scope: netlink.SCOPE_LINK}); err != nil {
			return fmt.Errorf("adding a route to %s: %w", c, err)
		}
	}
	if err := knowPeers("out0", false); err != nil {
		return err
	}
	return buildOutside6()
}

// quietIPv6 keeps the kernel from making addresses up, and from asking for routers.
func quietIPv6() error {
	for name, value := range map[string]string{"disable_ipv6": "0", "accept_ra": "0", "addr_gen_mode": "1"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("setting IPv6 up: %w", err)
		}
	}
	return nil
}

// buildOutside6 makes the way to the peers by IPv6, if the device can have one: it loses
// all of it when its MTU gets smaller than IPv6's least.
func buildOutside6() error {
	l, err := netlink.LinkByName("out0")
	if err != nil {
		return fmt.Errorf("device out0: %w", err)
	}
	if l.Attrs().MTU < 1280 {
		return nil
	}
	if err := addAddress(l, outside6); err != nil {
		return err
	}
	return knowPeers("out0", true)
}

// addAddress gives a device an address, unless it has it.
func addAddress(l netlink.Link, a netip.Prefix) error {
	given := &netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		given.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(l, given); err != nil {
		return fmt.Errorf("adding address %s: %w", a, err)
	}
	return nil
}

// knowPeers makes the peers' hardware addresses known: nobody is there to ask.
func knowPeers(name string, wide bool) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("device %s: %w", name, err)
	}
	family := unix.AF_INET
	if wide {
		family = unix.AF_INET6
	}
	for i := range peers + backends {
		a := peerAddressOf(i, wide)
		err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT,
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
		if err := addAddress(l, a); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(l)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
