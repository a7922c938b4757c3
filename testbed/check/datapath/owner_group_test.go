// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// theGroup is the group of the hosts.
var theGroup = netip.MustParseAddr("239.77.43.1")

// grouped is a takeover, of which an onlooker sees what goes to the group, and a connection
// that B serves and D is to find. B is in D's load table, with a protocol.
type grouped struct {
	*takeover
	moved    *talk
	onlooker *raw
}

func newGrouped(t *testing.T, w way, protocol uint32, members ...func(k *takeover) *server) *grouped {
	t.Helper()
	k := newTakeover(t, w)
	moved := k.raw(t, addrR).talk(k.a, 4000)
	moved.open(t)
	moved.wantServed(t, "B")
	k.die(t, dprnl.OrphansAsk)
	report := w.report(addrB, 1_000_000)
	report.Protocol = max(report.Protocol, protocol)
	check(t, k.d.dpr.SetPeer(t.Context(), report))
	for _, m := range members {
		m(k).set(t, dprnl.ConfigUpdate{Group: &theGroup})
		m(k).join(t)
	}
	moved.via = k.d
	return &grouped{k, moved, k.raw(t, netip.MustParseAddr("10.77.0.55"))}
}

// join has a host join the group on its link, as dpr-receive does.
func (s *server) join(t *testing.T) {
	t.Helper()
	index, err := s.Index(eth)
	check(t, err)
	check(t, s.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: theGroup.As4(), Ifindex: int32(index)})
	}))
}

func asking(k *takeover) *server { return k.d }
func owning(k *takeover) *server { return k.b }

// toGroup matches packets to the group.
func toGroup(p *wire.Packet) bool { return p.Tunnelled() && p.Dst() == theGroup }

// All hosts of a link are asked by one packet, which goes no further. Where tunnels are of
// IPv6 there is no group.
func TestOwnerGroup(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		g := newGrouped(t, w, 4, asking, owning)
		b, d := g.b.meter(t), g.d.meter(t)
		g.moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerHeld, 1)
		wantChange(t, b, dprnl.StatRxOwnerAsked, 1)
		if w.tunnel != 4 {
			silence(t, g.onlooker.Endpoint, toGroup)
			return
		}
		wantChange(t, d, dprnl.StatTxOwnerMessages, 1)
		p := g.onlooker.get(t, toGroup)
		if p.IP[0].TTL != 1 || p.IP[0].Src != g.d.addr || ownerMessage(p) == nil {
			t.Errorf("%v, want a question from %v that goes no further than the link", p, g.d.addr)
		}
	})
}

// Where multicasts get lost, or a host has not joined, each is asked when the client sends
// again.
func TestOwnerGroupLost(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		g := newGrouped(t, w, 4, asking)
		d := g.d.meter(t)
		if w.tunnel == 4 {
			g.moved.r.send(t, g.d, g.moved.segment("A", "").Bytes())
			g.onlooker.get(t, toGroup)
			time.Sleep(2 * settle)
			wantChange(t, d, dprnl.StatOwnerFound, 0)
		}
		g.moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
	})
}

// A host that has left the load table has mostly left the group, too: it is asked by itself, at
// once.
func TestOwnerGroupUnlisted(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		g := newGrouped(t, w, 4, asking)
		check(t, g.d.dpr.DeletePeer(t.Context(), g.b.addr, false))
		d := g.d.meter(t)
		g.moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerAsked, 1)
		wantChange(t, d, dprnl.StatOwnerHeld, 1)
		silence(t, g.onlooker.Endpoint, toGroup)
	})
}

// A host that does not know such questions is asked by itself, at once.
func TestOwnerGroupOlder(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		g := newGrouped(t, w, 0, asking, owning)
		d := g.d.meter(t)
		g.moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerAsked, 1)
		silence(t, g.onlooker.Endpoint, toGroup)
	})
}

// Where the hosts hear reports by another link than redirected packets take, nobody is in the
// group on that one: each peer is asked by itself, at once.
func TestOwnerGroupElsewhere(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		g := newGrouped(t, w, 4)
		g.d.set(t, dprnl.ConfigUpdate{Group: &theGroup})
		d := g.d.meter(t)
		g.moved.wantServed(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerAsked, 1)
		silence(t, g.onlooker.Endpoint, toGroup)
	})
}

// Where IPsec protects what hosts redirect, they ask nobody without it, and take no such
// question.
func TestOwnerGroupIPsec(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		if w.tunnel != 4 {
			return // no group, as TestOwnerGroup shows
		}
		g := newGrouped(t, w, 4, asking, owning)
		g.moved.r.send(t, g.d, g.moved.segment("A", "").Bytes())
		ask := ownerMessage(g.onlooker.get(t, toGroup))
		// Questions are packets of the hosts' own family, whatever the client's is.
		check(t, g.b.Protect(g.b.addr, g.d.addr, unix.IPPROTO_IPIP, netlink.XFRM_MODE_TRANSPORT))
		check(t, g.d.Protect(g.d.addr, g.b.addr, unix.IPPROTO_IPIP, netlink.XFRM_MODE_TRANSPORT))
		b := g.b.meter(t)
		g.onlooker.send(t, g.b, w.message(addrD, theGroup, ask))
		changed(t, b, dprnl.StatRxBadAddress, 1)
		wantChange(t, b, dprnl.StatRxOwnerAsked, 0)
		stray := g.moved.r.talk(g.d, 4001)
		stray.remote, stray.ack = g.a.service(), 77
		d := g.d.meter(t)
		stray.send(t, stray.segment("A", ""))
		changed(t, d, dprnl.StatOwnerAsked, 1)
		changed(t, b, dprnl.StatRxOwnerAsked, 1)
		silence(t, g.onlooker.Endpoint, toGroup)
	})
}

// To the group a host says nothing that it cannot say to one: only a peer's question counts,
// and only in the host's own group.
func TestOwnerGroupForged(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		if w.tunnel != 4 {
			return // no group, as TestOwnerGroup shows
		}
		g := newGrouped(t, w, 4, asking, owning)
		g.moved.r.send(t, g.d, g.moved.segment("A", "").Bytes())
		ask := ownerMessage(g.onlooker.get(t, toGroup))
		b := g.b.meter(t)
		tell := func(from, to netip.Addr, message []byte) {
			g.onlooker.send(t, g.b, w.message(from, to, message))
		}
		other := netip.MustParseAddr("239.77.43.2")
		tell(netip.MustParseAddr("10.77.0.56"), theGroup, ask) // a stranger
		tell(addrD, other, ask)                                // another group
		tell(addrD, theGroup, ownerClaim(ask))                 // no question
		tell(addrD, theGroup, ownerAnswer(ask, ownerStill))    // not to all
		tell(addrD, theGroup, ask[:len(ask)-1])                // short
		changed(t, b, dprnl.StatRxMalformed, 3)
		time.Sleep(settle)
		for _, stat := range []dprnl.Stat{dprnl.StatRxOwnerAsked, dprnl.StatOwnerClaimed, dprnl.StatRxOwnerRefused, dprnl.StatRxFlowAsked} {
			wantChange(t, b, stat, 0)
		}
		tell(addrD, theGroup, ask)
		changed(t, b, dprnl.StatOwnerClaimed, 1)
	})
}

// A group is a multicast address of IPv4, or none.
func TestOwnerGroupIsMulticast(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, bad := range []string{"192.0.2.1", "240.0.0.1", "223.255.255.255"} {
			err := c.a.dpr.SetConfig(t.Context(), dprnl.ConfigUpdate{Group: ptr(netip.MustParseAddr(bad))})
			if err == nil || !strings.Contains(err.Error(), "not a multicast address") {
				t.Errorf("%s: %v", bad, err)
			}
		}
		for _, good := range []netip.Addr{theGroup, {}} {
			c.a.set(t, dprnl.ConfigUpdate{Group: &good})
			if got, err := c.a.dpr.Config(t.Context()); err != nil || got.Group != good {
				t.Errorf("group %v (%v), want %v", got.Group, err, good)
			}
		}
	})
}
