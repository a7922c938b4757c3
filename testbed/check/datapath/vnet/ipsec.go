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
	nl, err := netlink.NewHandleAt(h.ns, unix.NETLINK_XFRM)
	if err != nil {
		return fmt.Errorf("%s: netlink of IPsec: %w", h.Name, err)
	}
	defer nl.Close()
	for _, way := range [][2]netip.Addr{{own, other}, {other, own}} {
		from, to := way[0].AsSlice(), way[1].AsSlice()
		err = nl.XfrmStateAdd(&netlink.XfrmState{
			Src: from, Dst: to, Proto: netlink.XFRM_PROTO_ESP, Mode: mode, Spi: 0x1000 + int(from[len(from)-1]),
			Auth:  &netlink.XfrmStateAlgo{Name: "hmac(sha1)", Key: make([]byte, 20)},
			Crypt: &netlink.XfrmStateAlgo{Name: "ecb(cipher_null)"},
		})
		if err != nil {
			return fmt.Errorf("%s: protect packets from %v to %v: %w", h.Name, way[0], way[1], err)
		}
		direction := netlink.XFRM_DIR_OUT
		if way[0] == other {
			direction = netlink.XFRM_DIR_IN
		}
		// With addresses also in transport mode: its family follows from them.
		tmpl := netlink.XfrmPolicyTmpl{Proto: netlink.XFRM_PROTO_ESP, Mode: mode, Src: from, Dst: to}
		err = nl.XfrmPolicyAdd(&netlink.XfrmPolicy{
			Src: ipNet(netip.PrefixFrom(way[0], way[0].BitLen())), Dst: ipNet(netip.PrefixFrom(way[1], way[1].BitLen())),
			Proto: netlink.Proto(protocol),
			Dir:   direction, Tmpls: []netlink.XfrmPolicyTmpl{tmpl},
		})
		if err != nil {
			return fmt.Errorf("%s: want packets from %v to %v protected: %w", h.Name, way[0], way[1], err)
		}
	}
	return nil
}
