// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// The hosts' links are in a VRF, so that packets pass the hooks twice, and both
// have the address that the client talks to: what B was handed it must not hand
// back, even if it would redirect, too. The servers are bound to the VRF, so that only who
// looks there finds their sockets.
//
//	C ── switch ── A (VRF; has the shared address)
//	        └───── B (VRF; likewise)
func TestVRF(t *testing.T) {
	// Without mark, what a peer tunnels to an address of this host is its own, unless the
	// peer says that it has the address, too.
	eachWay(t, []way{fragbit4, fragbit64, direct4}, testVRF)
}

func testVRF(t *testing.T, w way) {
	shared := netip.MustParseAddr("198.51.100.1")
	c := bareCluster(t, w)
	for s, addr := range map[*server]netip.Addr{c.a: addrA, c.b: addrB} {
		prefix := netip.PrefixFrom(addr, network.Bits())
		check(t, s.VRF("blue", 100, eth))
		// Its routes go to the VRF's table when it gets its address. The kernel has taken
		// the IPv6 one away.
		check(t, s.RemoveAddress(eth, prefix))
		addresses(t, s.Host, eth, prefix)
		addresses(t, s.Host, "blue", netip.PrefixFrom(shared, 32))
		s.web = s.serveFor(t, func(fd int) error {
			return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "blue")
		})
		s.set(t, dprnl.ConfigUpdate{Address: &s.addr, Policy: ptr(dprnl.PolicyLowest), State: ptr(dprnl.StateActive)})
	}
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
	route(t, c.c, shared.String()+"/32", addrA.String())
	c.a.report(t, c.b, 0)
	c.b.report(t, c.a, 0)
	// B has more load than A is said to have.
	connect(t, c.c, c.b.service()).wantServed(t, "B")
	a, b := c.a.meter(t), c.b.meter(t)
	k := connect(t, c.c, w.addrPort(shared, port))
	k.wantServed(t, "B")
	check(t, k.upload(100_000))
	check(t, k.download(100_000))
	wantChange(t, a, dprnl.StatRedirected, 1)
	wantChange(t, b, dprnl.StatRedirected, 0)
	wantChange(t, b, dprnl.StatRxSyn, 1)

	// B finds its socket when A asks whether it has the connection, and who has it.
	const soon = 300 * time.Millisecond
	a = c.a.meter(t)
	c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)})
	time.Sleep(soon + settle)
	eventually(t, func() error {
		_, err := c.a.dpr.Expire(t.Context(), 0)
		check(t, err)
		if a.changes(t)[dprnl.StatRxFlowAnswered] == 0 {
			return errors.New("B has not answered")
		}
		return nil
	})
	if n := a.changes(t)[dprnl.StatFlowsEnded]; n != 0 {
		t.Errorf("B says that it has not the connection that it serves")
	}
	c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(time.Minute), Orphans: ptr(dprnl.OrphansAsk)})
	check(t, k.upload(100_000))
	check(t, c.a.dpr.DeleteFlow(t.Context(), c.a.flows(t)[0].FlowKey))
	check(t, k.upload(100_000))
	changed(t, a, dprnl.StatOwnerFound, 1)
	c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansReset)})

	// A host whose link is in a VRF does no handshake for another one.
	for s, peer := range map[*server]*server{c.a: c.b, c.b: c.a} {
		s.takeOver(t)
		peer.others = append(peer.others, w.addr(shared)) // bulk data have no mark
		s.fresh(t, peer, 0)
	}
	k = connect(t, c.c, w.addrPort(shared, port))
	k.wantServed(t, "B")
	check(t, k.upload(100_000))
	c.a.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateActive), MaxLoad: ptr(uint64(1 << 40))})
	connect(t, c.c, w.addrPort(shared, port)).wantServed(t, "A")
	if got := a.changes(t); got[dprnl.StatHandoverOff] == 0 || got[dprnl.StatHandoverSyn] != 0 {
		t.Errorf("handshakes in a VRF: %v", got)
	}
}
