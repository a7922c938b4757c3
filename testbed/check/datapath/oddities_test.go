// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"net"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// What is for nobody in particular at the link layer, a host discards (RFC 1122,
// section 3.2.1.3): it is neither redirected nor taken from a tunnel.
//
//	R ── switch ── A
//	        └───── B
func TestLinkBroadcast(t *testing.T) {
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		a, b := c.a.meter(t), c.b.meter(t)
		syn := k.segment("S", "")
		check(t, r.Send(everybody, syn.Bytes()))
		outer := w.outer(addrA, addrB)
		check(t, r.Send(everybody, outer.Wrap(syn.Bytes())))
		silence(t, r.Endpoint, k.mine)
		a.want(t, counts{})
		b.want(t, counts{})
		k.open(t)
		k.wantServed(t, "B")
	})
}

// Fragments in a tunnel are put together before it is asked which service they are
// for: none gets to a port that is not one.
//
//	R (as A) ── switch ── B
func TestFragmentsToOtherPorts(t *testing.T) {
	eachWay(t, []way{fragbit4, fragbit64}, testFragmentsToOtherPorts) // marked, so that dpr judges them
}

func testFragmentsToOtherPorts(t *testing.T, w way) {
	c := newCluster(t, w)
	r := c.raw(t, addrR)
	serve(t, c.b.Host, "secret", 2222)
	b := c.b.meter(t)
	s := wire.Segment{Src: w.addrPort(addrR, 4000), Dst: w.addrPort(addrA, 2222), Flags: "S", Seq: 1, Payload: pattern[:200], MayFrag: true}
	parts := wire.Fragment(s.Bytes(), 64, 9)
	for _, p := range parts {
		r.send(t, c.b, w.outer(addrA, addrB).Wrap(p))
	}
	silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Has("SA") })
	b.want(t, counts{dprnl.StatRxFragments: uint64(len(parts) - 1), dprnl.StatFragmentsGathered: 1, dprnl.StatRxReset: 1})
}

// The route that a redirected packet was taken in by is not that of the next packet
// to the same address: one that was not redirected, to an address that is not B's,
// B does not take.
//
//	R ── switch ── B
func TestRouteHint(t *testing.T) {
	allWays(t, testRouteHint)
}

func testRouteHint(t *testing.T, w way) {
	c := newCluster(t, w)
	r := c.raw(t, addrR)
	serve(t, c.b.Host, "secret", 2222)
	tunnelled := w.outer(addrA, addrB).Wrap(wire.Segment{
		Src: w.addrPort(addrR, 4000), Dst: c.a.service(), Flags: "A", Seq: 1, Ack: 1}.Bytes())
	mac, err := c.b.MAC(eth)
	check(t, err)
	// Hints are of packets that come as a list: at once, and by a link that merges, from one
	// that does not take super-packets.
	offload(t, c.b.Host, true)
	offloadOf(t, c.sw.Host, c.b.Name, false)
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err = c.sw.Run(ctx, "tc", "qdisc", "add", "dev", c.b.Name, "root", "netem", "slot", "20ms", "20ms")
	check(t, err)
	for i := range uint16(200) {
		plain := wire.Segment{Src: w.addrPort(addrR, 5000+i), Dst: w.addrPort(addrA, 2222), Flags: "S", Seq: 1}
		check(t, r.Send(mac, tunnelled))
		check(t, r.Send(mac, plain.Bytes()))
	}
	silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Has("SA") && p.TCP.SrcPort == layers.TCPPort(2222) })
}
