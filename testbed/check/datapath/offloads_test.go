// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"testing"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// Transfers arrive intact whatever the links do for the stack: with checksum and
// segmentation offload and GRO on or off on each leg, so that A gets and sends
// super-packets, packets without checksum, and plain ones.
//
//	C ── switch ── A
//	        └───── B
func TestOffloads(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		hosts := []*vnet.Host{c.c, c.a.Host, c.b.Host}
		for combination := range 1 << len(hosts) {
			name := ""
			for i, h := range hosts {
				name += h.Name + map[bool]string{true: "+", false: "-"}[combination>>i&1 == 1]
			}
			t.Run(name, func(t *testing.T) {
				for i, h := range hosts {
					offload(t, h, combination>>i&1 == 1)
					unchanged(t, h, "TcpInCsumErrors", "TcpInErrs", "IpInDiscards", "IpInHdrErrors", "IpOutDiscards",
						"Ip6InDiscards", "Ip6InHdrErrors", "Ip6OutDiscards", "TcpExtTCPSynRetrans")
				}
				a, b := c.a.meter(t), c.b.meter(t)
				k := connect(t, c.c, c.a.service())
				check(t, k.upload(512<<10))
				check(t, k.download(512<<10))
				k.wantServed(t, "B")
				a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
				b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1,
					dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
			})
		}
	})
}

// GRO merges a client's packets before A sees them, and A's before B does: fewer
// packets are redirected than sent, and B gets fewer still where nothing in the
// outer header keeps them apart.
func TestSuperPackets(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.c, true)
		a := c.a.meter(t)
		const n = 4 << 20
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(n))
		// No plain packet holds more than 1,460 bytes; a slow kernel merges
		// fewer of them than a fast one.
		if got, plain := a.changes(t)[dprnl.StatTxPackets], uint64(n/1460); got > plain*3/4 {
			t.Errorf("%d packets for %d bytes: no super-packets", got, n)
		}
	})
}

// offload turns what a host's link does for the stack on or off.
func offload(t *testing.T, h *vnet.Host, on bool) {
	t.Helper()
	offloadOf(t, h, eth, on)
}

// offloadOf is offload of a link by its name.
func offloadOf(t *testing.T, h *vnet.Host, link string, on bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	args := []string{"ethtool", "-K", link}
	for _, feature := range []string{"tx", "sg", "tso", "gso", "gro"} {
		args = append(args, feature, map[bool]string{true: "on", false: "off"}[on])
	}
	_, err := h.Run(ctx, args...)
	check(t, err)
}
