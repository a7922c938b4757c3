// SPDX-License-Identifier: MIT

package cleanup

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// received returns how many packets the device that leads to a host has received since
// it came up; !ok if there is no way to the host.
func received(host netip.Addr) (n uint64, ok bool) {
	routes, err := netlink.RouteGet(host.AsSlice())
	if err != nil || len(routes) == 0 {
		return 0, false
	}
	l, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil || l.Attrs().Statistics == nil {
		return 0, false
	}
	return l.Attrs().Statistics.RxPackets, true
}
