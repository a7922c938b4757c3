// SPDX-License-Identifier: MIT

package vnet

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Protect has a host protect its packets of a protocol, such as 4, to another host by ESP,
// and take such packets of that host only if they are protected. The other host does
// the same. Mode is transport or tunnel. The cipher is none: only who signs counts.
func (h *Host) Protect(own, other netip.Addr, protocol uint8, mode netlink.Mode) error {
	return h.ProtectPorts(netip.AddrPortFrom(own, 0), netip.AddrPortFrom(other, 0), protocol, mode)
}

// ProtectPorts is Protect for the packets of some ports. Port 0 is any.
func (h *Host) ProtectPorts(own, other netip.AddrPort, protocol uint8, mode netlink.Mode) error {
	if err := h.Key(own.Addr(), other.Addr(), mode, 0); err != nil {
		return err
	}
	return h.xfrm(func(nl *netlink.Handle) error {
		for _, way := range [][2]netip.AddrPort{{own, other}, {other, own}} {
			direction := netlink.XFRM_DIR_OUT
			if way[0] == other {
				direction = netlink.XFRM_DIR_IN
			}
			from, to := way[0].Addr(), way[1].Addr()
			// With addresses also in transport mode: its family follows from them.
			tmpl := netlink.XfrmPolicyTmpl{Proto: netlink.XFRM_PROTO_ESP, Mode: mode, Src: from.AsSlice(), Dst: to.AsSlice()}
			err := nl.XfrmPolicyAdd(&netlink.XfrmPolicy{
				Src: ipNet(netip.PrefixFrom(from, from.BitLen())), Dst: ipNet(netip.PrefixFrom(to, to.BitLen())),
				SrcPort: int(way[0].Port()), DstPort: int(way[1].Port()),
				Proto: netlink.Proto(protocol),
				Dir:   direction, Tmpls: []netlink.XfrmPolicyTmpl{tmpl},
			})
			if err != nil {
				return fmt.Errorf("%s: want packets from %v to %v protected: %w", h.Name, way[0], way[1], err)
			}
		}
		return nil
	})
}

// Key gives a host keys for its packets to another host, and for those from there. Each
// generation has its own; the other host must have the same.
func (h *Host) Key(own, other netip.Addr, mode netlink.Mode, generation uint8) error {
	return h.xfrm(func(nl *netlink.Handle) error {
		for _, way := range [][2]netip.Addr{{own, other}, {other, own}} {
			from, to := way[0].AsSlice(), way[1].AsSlice()
			key := make([]byte, 20)
			key[0] = generation
			err := nl.XfrmStateAdd(&netlink.XfrmState{
				Src: from, Dst: to, Proto: netlink.XFRM_PROTO_ESP, Mode: mode, Spi: 0x1000*(1+int(generation)) + int(from[len(from)-1]),
				Auth:  &netlink.XfrmStateAlgo{Name: "hmac(sha1)", Key: key},
				Crypt: &netlink.XfrmStateAlgo{Name: "ecb(cipher_null)"},
			})
			if err != nil {
				return fmt.Errorf("%s: protect packets from %v to %v: %w", h.Name, way[0], way[1], err)
			}
		}
		return nil
	})
}

// Unkey takes a host's keys.
func (h *Host) Unkey() error {
	return h.xfrm(func(nl *netlink.Handle) error {
		return nl.XfrmStateFlush(netlink.XFRM_PROTO_ESP)
	})
}

// Unprotect takes a host's policies.
func (h *Host) Unprotect() error {
	return h.xfrm(func(nl *netlink.Handle) error {
		return nl.XfrmPolicyFlush()
	})
}

func (h *Host) xfrm(f func(*netlink.Handle) error) error {
	nl, err := netlink.NewHandleAt(h.ns, unix.NETLINK_XFRM)
	if err != nil {
		return fmt.Errorf("%s: netlink of IPsec: %w", h.Name, err)
	}
	defer nl.Close()
	return f(nl)
}
