// SPDX-License-Identifier: MIT

// Package datapath holds the tests of the packet path. They are built on one
// machine (go test -c -tags lab) and run as root in a guest whose kernel has
// dpr.ko: each makes a cluster of network namespaces in that one kernel, since
// the module's state is per namespace, and runs with each way that there is: clients
// of either family, tunnels of either, and the marker. Package host boots such a guest
// and runs them in it.
//
// Package vnet makes the networks, package wire builds and observes packets.
package datapath
