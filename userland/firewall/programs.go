// SPDX-License-Identifier: MIT

package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nfnetlink_hook.h.
const (
	hookGet       = 0
	hookNumber    = 1
	hookChainInfo = 6
	infoType      = 2
	infoTypeBPF   = 2
)

// hookNumbers are those of linux/netfilter.h.
var hookNumbers = map[Hook]uint32{Prerouting: 0, Input: 1, Output: 3, Postrouting: 4}

// Programs tells how many programs of BPF see the packets of IPv4 and IPv6 at a hook (Linux 6.4
// and later), which are in no list of rules. A kernel without nfnetlink_hook does not say: 0.
func Programs(hook Hook) (int, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its hooks: %w", err)
	}
	defer conn.Close()
	return countPrograms(conn.Execute, hook)
}

// countPrograms asks a kernel.
func countPrograms(ask func(netlink.Message) ([]netlink.Message, error), hook Hook) (n int, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request, err := hookRequest(family, hookNumbers[hook])
		if err != nil {
			return 0, err
		}
		all, err := ask(request)
		if errors.Is(err, unix.EINVAL) { // it does not say
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("asking the kernel for its hooks: %w", err)
		}
		for _, m := range all {
			ok, err := isProgram(m.Data)
			if err != nil {
				return 0, fmt.Errorf("a hook of the kernel's: %w", err)
			}
			if ok {
				n++
			}
		}
	}
	return n, nil
}

// hookRequest asks who is at a hook of a family.
func hookRequest(family byte, number uint32) (netlink.Message, error) {
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Uint32(hookNumber, number)
	attrs, err := e.Encode()
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_HOOK<<8 | hookGet),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append([]byte{family, 0, 0, 0}, attrs...), // struct nfgenmsg, version 0
	}, err
}

// isProgram tells whether one of those who are at a hook is a program of BPF.
func isProgram(data []byte) (is bool, err error) {
	if len(data) < len(tablesHeader) {
		return false, fmt.Errorf("%d bytes", len(data))
	}
	d, err := netlink.NewAttributeDecoder(data[len(tablesHeader):])
	if err != nil {
		return false, err
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		if d.Type() != hookChainInfo {
			continue
		}
		d.Nested(func(info *netlink.AttributeDecoder) error {
			for info.Next() {
				is = is || info.Type() == infoType && info.Uint32() == infoTypeBPF
			}
			return nil
		})
	}
	return is, d.Err()
}
