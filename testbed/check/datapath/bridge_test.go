// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// Both hosts have their address on a bridge, and br_netfilter shows the bridge's
// packets to the hooks of IP, as with Docker or Proxmox: the bridge must not take
// what was unwrapped for DNAT. Firewalls see what they see without.
//
//	C ── switch ── e0 br A
//	        └───── e0 br B
func TestBridgeNetfilter(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		for _, s := range []*server{c.a, c.b} {
			onBridge(t, s.Host, s.addr)
			firewall(t, s.Host, noInvalid)
		}
		check(t, c.c.Forget(eth))
		b := c.b.meter(t)
		for range 10 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			check(t, k.upload(100_000))
			check(t, k.download(100_000))
		}
		if got := b.changes(t)[dprnl.StatRxSyn]; got != 10 {
			t.Errorf("B took %d SYNs, want 10", got)
		}
		c.a.keep(t)
		connect(t, c.c, c.a.service()).wantServed(t, "A")
	})
}

const noInvalid = `
table ip t {
	chain c {
		type filter hook input priority 0
		ct state invalid drop
	}
}`

// onBridge moves a host's address to a bridge over its link, and has br_netfilter
// look at that.
func onBridge(t *testing.T, h *vnet.Host, addr netip.Addr) {
	t.Helper()
	_, err := h.Run(t.Context(), "modprobe", "br_netfilter")
	check(t, err)
	prefix := netip.PrefixFrom(addr, network.Bits())
	check(t, h.RemoveAddress(eth, prefix))
	check(t, h.Bridge("br", eth))
	check(t, h.Address("br", prefix))
	check(t, h.Sysctl("net/bridge/bridge-nf-call-iptables", "1"))
}
