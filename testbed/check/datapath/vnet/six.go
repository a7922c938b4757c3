// SPDX-License-Identifier: MIT

package vnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// enable6 gives a link IPv6, with a link-local address. No host has to be waited for,
// and no router is listened to: addresses are not probed, and come from Address alone.
func (h *Host) enable6(link string) error {
	for _, s := range []struct{ name, value string }{
		{"accept_ra", "0"}, {"router_solicitations", "0"},
		{"accept_dad", "0"}, {"dad_transmits", "0"},
		{"disable_ipv6", "0"}, // now the link-local address comes
	} {
		if err := h.Sysctl("net/ipv6/conf/"+link+"/"+s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}

// joinTimeout is how long the kernel may take to listen for who looks for an address.
const joinTimeout = 2 * time.Second

// joined waits until a link receives what is for the group of an address's neighbour
// solicitations (RFC 4291, section 2.7.1): the kernel joins it some time after the address
// is there, and whoever asks before waits for a second.
func (h *Host) joined(l netlink.Link, a netip.Addr) error {
	at := l.Attrs()
	if at.Flags&net.FlagUp == 0 || at.RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) != 0 {
		return nil // nobody asks there
	}
	b := a.As16()
	group := fmt.Sprintf("ff0200000000000000000001ff%x", b[13:])
	for end := time.Now().Add(joinTimeout); ; time.Sleep(time.Millisecond) {
		groups, err := h.Read("/proc/thread-self/net/igmp6")
		if err != nil {
			return err
		}
		for line := range strings.Lines(groups) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == at.Name && f[2] == group {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v it is not in the group %s:\n%s", joinTimeout, group, groups)
		}
	}
}

// LinkLocal returns a link's IPv6 address that is valid on its cable alone.
func (h *Host) LinkLocal(link string) (netip.Addr, error) {
	var found netip.Addr
	err := h.change(link, "find the link-local address of", func(l netlink.Link) error {
		all, err := h.nl.AddrList(l, netlink.FAMILY_V6)
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
				found, _ = netip.AddrFromSlice(a.IP)
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
	return found, err
}

// Temporary adds an IPv6 address to a link that is used no more for new connections
// (deprecated), as a temporary address after its time (RFC 8981).
func (h *Host) Temporary(link string, p netip.Prefix) error {
	if err := h.enable6(link); err != nil {
		return err
	}
	return h.change(link, fmt.Sprintf("add %v to", p), func(l netlink.Link) error {
		const valid = 3600 // seconds; preferred for none
		err := h.nl.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD, ValidLft: valid, PreferedLft: 0})
		return errors.Join(err, h.joined(l, p.Addr()))
	})
}

// Twin returns the IPv6 address that a host of the tests has beside an IPv4 one: with
// 10.77.0.11 it is fd00:10:77::11, so that a reader sees which is whose. The unspecified
// and the loopback address have their like.
func Twin(a netip.Addr) netip.Addr {
	switch {
	case !a.Is4():
		return a
	case a.IsUnspecified():
		return netip.IPv6Unspecified()
	case a.IsLoopback():
		return netip.IPv6Loopback()
	}
	b := a.As4()
	return netip.MustParseAddr(fmt.Sprintf("fd00:%d:%d:%d::%d", b[0], b[1], b[2], b[3]))
}

// TwinPrefix returns the IPv6 prefix that belongs to an IPv4 one as Twin says: of 24 bits
// it is one of 64, of 30 one of 126.
func TwinPrefix(p netip.Prefix) netip.Prefix {
	bits := p.Bits()
	switch {
	case !p.Addr().Is4():
		return p
	case bits <= 24:
		bits = min(bits, 1)*16 + bits*2 // fd00 comes first
	default:
		bits += 96
	}
	return netip.PrefixFrom(Twin(p.Addr()), bits)
}
