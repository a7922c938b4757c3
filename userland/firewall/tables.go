// SPDX-License-Identifier: MIT

package firewall

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tablesHeader is struct nfgenmsg (linux/netfilter/nfnetlink.h): any family, version 0.
var tablesHeader = []byte{unix.AF_UNSPEC, 0, 0, 0}

// countTables counts the tables that nftables has in this network namespace. The kernel tells
// it to a caller with CAP_NET_ADMIN only; it loads nf_tables for the question, as for nft's.
func countTables() (int, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its tables: %w", err)
	}
	defer conn.Close()
	tables, err := conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: tablesHeader,
	})
	if errors.Is(err, unix.EINVAL) { // a kernel without nftables
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its tables: %w", err)
	}
	return len(tables), nil
}
