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
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, s := range []*server{c.a, c.b} {
			onBridge(t, s.Host, map[*server]netip.Addr{c.a: addrA, c.b: addrB}[s])
			firewall(t, s.Host, w, noInvalid)
		}
		check(t, c.c.Forget(eth))
		b := c.b.meter(t)
		again := snmp(t, c.c, "TcpExtTCPSynRetrans") // a bridge learns who is where
		for range 10 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			check(t, k.upload(100_000))
			check(t, k.download(100_000))
		}
		again = snmp(t, c.c, "TcpExtTCPSynRetrans") - again
		if got := b.changes(t)[dprnl.StatRxSyn]; got < 10 || got > 10+uint64(again) {
			t.Errorf("B took %d SYNs, want 10, and %d that were repeated at most", got, again)
		}
		c.a.keep(t)
		connect(t, c.c, c.a.service()).wantServed(t, "A")
	})
}

const noInvalid = `
table @IP@ t {
	chain c {
		type filter hook input priority 0
		ct state invalid drop
	}
}`

// onBridge moves a host's addresses, given by the IPv4 one, to a bridge over its link, and
// has br_netfilter look at that.
func onBridge(t *testing.T, h *vnet.Host, addr netip.Addr) {
	t.Helper()
	_, err := h.Run(t.Context(), "modprobe", "br_netfilter")
	check(t, err)
	prefix := netip.PrefixFrom(addr, network.Bits())
	check(t, h.RemoveAddress(eth, prefix))
	check(t, h.RemoveAddress(eth, vnet.TwinPrefix(prefix)))
	check(t, h.Bridge("br", eth))
	addresses(t, h, "br", prefix)
	check(t, h.Sysctl("net/bridge/bridge-nf-call-iptables", "1"))
	check(t, h.Sysctl("net/bridge/bridge-nf-call-ip6tables", "1"))
}
