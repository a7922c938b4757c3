// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// What comes to B by IP-in-IP and is not a client's packet from a peer is
// dropped if it is marked, and left to the stack if not; each is counted by its
// reason and by nothing else. No socket sees it, nobody is answered.
//
//	R (any sender) ── switch ── B (peer: A)
func TestStrangers(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		client := w.addrPort(stranger, 4000)
		attacks := w.attacks(client)
		r.Own(client.Addr()) // would see an answer
		for name, a := range attacks {
			t.Run(name, func(t *testing.T) {
				b := c.b.meter(t)
				r.send(t, c.b, a.packet)
				want := counts{}
				if a.want != 0 && a.marked {
					want[a.want] = 1
				}
				eventually(t, func() error {
					if len(want) > 0 && len(b.changes(t)) == 0 {
						return fmt.Errorf("%v is not counted", a.want)
					}
					return nil
				})
				b.want(t, want)
			})
		}
		// One silence for all.
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Eth.SrcMAC.String() != r.MAC.String() })
		if n := len(c.b.web.accepted()); n != 0 {
			t.Errorf("%d connections came to the service", n)
		}
	})
}

// A marked packet is cut at every byte: it is malformed as long as a header is
// missing, and never read beyond its end.
func TestTruncated(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		syn := wire.Segment{Src: w.addrPort(addrR, 4000), Dst: w.addrPort(addrA, 81), Flags: "S"}
		header := w.headerLen()
		if w.six() {
			syn.Extensions = []wire.Extension{wire.HopByHop(), wire.Destination()}
			header += 16
		} else {
			syn.IPOptions = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
			header += 4
		}
		inner := syn.Bytes()
		tunnel := w.outer(addrA, addrB)
		tunnel.Marked = w.tunnel == 4
		b := c.b.meter(t)
		all := uint64(0)
		for n := range inner {
			r.send(t, c.b, tunnel.Wrap(inner[:n]))
			all++
			if n >= w.headerLen() && (w.six() || n >= header) { // the IP header agrees with what there is
				r.send(t, c.b, tunnel.Wrap(shorten(inner, n)))
				all++
			}
		}
		if w.tunnel == 6 {
			// Nothing is answered, or counted: it may be for a tunnel of B's own.
			silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == r.addr })
			b.want(t, counts{})
			return
		}
		eventually(t, func() error {
			if got := b.changes(t)[dprnl.StatRxMalformed]; got < all {
				return fmt.Errorf("%d of %d counted as malformed", got, all)
			}
			return nil
		})
		b.want(t, counts{dprnl.StatRxMalformed: all})
		// Whole, it gets the RST that all the others did not get.
		r.send(t, c.b, tunnel.Wrap(inner))
		rst := r.get(t, func(p *wire.Packet) bool { return p.Has("R") })
		if rst.TCP.Ack != 1 || rst.Src() != c.a.at || !rst.ChecksumsRight() {
			t.Errorf("RST %v, want one from %v that acknowledges 1", rst, c.a.at)
		}
		b.want(t, counts{dprnl.StatRxMalformed: all, dprnl.StatRxReset: 1})
	})
}

// Protocol 4 without mark is none of DPR's business if it is not from a peer,
// or the marker is the bit: the stack refuses it.
func TestUnmarked(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.b.web = serve(t, c.b.Host, "B", port)
		r := c.raw(t, addrR)
		inner := wire.Segment{Src: w.addrPort(addrR, 4000), Dst: c.a.service(), Flags: "S"}.Bytes()
		b := c.b.meter(t)
		unmarked := func(from netip.Addr) []byte {
			outer := w.outer(from, addrB)
			outer.Marked = false
			return outer.Wrap(inner)
		}
		r.send(t, c.b, unmarked(addrR))
		r.get(t, (*wire.Packet).Undeliverable)
		b.want(t, counts{})
		r.send(t, c.b, unmarked(addrA))
		if !w.marked() {
			r.get(t, func(p *wire.Packet) bool { return p.Has("SA") && p.Src() == c.a.at })
			return
		}
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Eth.SrcMAC.String() != r.MAC.String() })
		b.want(t, counts{})
	})
}

// shorten returns a packet cut to n bytes, at least its IP header, with the header's length
// right.
func shorten(packet []byte, n int) []byte {
	cut := bytes.Clone(packet[:n])
	if cut[0]>>4 == 6 {
		binary.BigEndian.PutUint16(cut[4:], uint16(n-40))
		return cut
	}
	binary.BigEndian.PutUint16(cut[2:], uint16(n))
	return wire.FixChecksum(cut)
}

// edit returns a packet with one byte changed and the IP checksum right, if it has one.
func edit(packet []byte, at int, to byte) []byte {
	four := packet[0]>>4 == 4
	packet[at] = to
	if !four {
		return packet
	}
	return wire.FixChecksum(packet)
}

// flip returns a packet with one byte wrong.
func flip(packet []byte, at int) []byte {
	packet[at] ^= 0xff
	return packet
}
