// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// The hosts' links are in a VRF, so that packets pass the hooks twice, and both
// have the address that the client talks to: what B was handed it must not hand
// back, even if it would redirect, too. The servers are bound to the VRF.
//
//	C ── switch ── A (VRF; has the shared address)
//	        └───── B (VRF; likewise)
func TestVRF(t *testing.T) {
	shared := netip.MustParseAddr("198.51.100.1")
	// Without mark, what a peer tunnels to an address of this host is its own.
	watchKernel(t)
	c := bareCluster(t, dprnl.MarkerFragbit)
	for _, s := range []*server{c.a, c.b} {
		prefix := netip.PrefixFrom(s.addr, network.Bits())
		check(t, s.VRF("blue", 100, eth))
		// Its routes go to the VRF's table when it gets its address.
		check(t, s.RemoveAddress(eth, prefix))
		check(t, s.Address(eth, prefix))
		check(t, s.Address("blue", netip.PrefixFrom(shared, 32)))
		s.web = serveOn(t, s.Host, s.Name, "0.0.0.0:80", func(fd int) error {
			return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "blue")
		})
		s.set(t, dprnl.ConfigUpdate{Address: &s.addr, Policy: ptr(dprnl.PolicyLowest), State: ptr(dprnl.StateActive)})
	}
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
	check(t, c.c.Route(netip.PrefixFrom(shared, 32), addrA))
	c.a.report(t, c.b, 0)
	c.b.report(t, c.a, 0)
	// B has more load than A is said to have.
	connect(t, c.c, c.b.service()).wantServed(t, "B")
	a, b := c.a.meter(t), c.b.meter(t)
	k := connect(t, c.c, addrPort(shared, port))
	k.wantServed(t, "B")
	check(t, k.upload(100_000))
	check(t, k.download(100_000))
	wantChange(t, a, dprnl.StatRedirected, 1)
	wantChange(t, b, dprnl.StatRedirected, 0)
	wantChange(t, b, dprnl.StatRxSyn, 1)
}
