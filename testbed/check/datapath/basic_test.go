// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"testing"

	"dpr/userland/dprnl"
)

// A connection to A is served by B, which the client cannot tell; A counts it,
// and B sees the client's own address.
//
//	C ── switch ── A
//	        └───── B
func TestRedirect(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		a, b := c.a.meter(t), c.b.meter(t)
		conn := connect(t, c.c, c.a.service())
		conn.wantServed(t, "B")
		if got, err := conn.ask("peer"); err != nil || got != conn.LocalAddr().String() {
			t.Errorf("B sees the client as %q (%v), want %v", got, err, conn.LocalAddr())
		}
		check(t, conn.upload(2<<20))
		check(t, conn.download(2<<20))
		a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1, dprnl.StatMssLowered: 1,
			dprnl.StatRxListenerDeferred: maybe})
		if tx, rx := a.changes(t)[dprnl.StatTxBytes], b.changes(t)[dprnl.StatRxBytes]; tx != rx {
			t.Errorf("A sent %d bytes, B received %d", tx, rx)
		}
	})
}
