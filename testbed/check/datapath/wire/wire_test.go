// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Both families' addresses of a client, and of two hosts.
var (
	four = [3]netip.Addr{netip.MustParseAddr("10.77.0.101"), netip.MustParseAddr("10.77.0.11"), netip.MustParseAddr("10.77.0.12")}
	six  = [3]netip.Addr{netip.MustParseAddr("fd00:10:77::101"), netip.MustParseAddr("fd00:10:77::11"), netip.MustParseAddr("fd00:10:77::12")}
)

func both(t *testing.T, f func(t *testing.T, addrs [3]netip.Addr)) {
	t.Run("4", func(t *testing.T) { f(t, four) })
	t.Run("6", func(t *testing.T) { f(t, six) })
}

// frame puts an Ethernet header before an IP packet and takes all of it apart.
func frame(packet []byte) *Packet {
	typ := layers.EthernetTypeIPv4
	if packet[0]>>4 == 6 {
		typ = layers.EthernetTypeIPv6
	}
	mac := []byte{2, 0, 0, 0, 0, 1}
	return parse(serialize(&layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: typ}, gopacket.Payload(packet)))
}

func segment(a [3]netip.Addr, payload string) Segment {
	return Segment{
		Src: netip.AddrPortFrom(a[0], 4000), Dst: netip.AddrPortFrom(a[1], 80), Flags: "PA", Seq: 7, Ack: 9, TOS: 46<<2 | 1, TTL: 9,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}},
		Payload: []byte(payload), Label: 0xabcde,
	}
}

// What Segment builds parse reads, and another decoder than ours.
func TestSegment(t *testing.T) {
	both(t, func(t *testing.T, a [3]netip.Addr) {
		s := segment(a, "hello")
		p := frame(s.Bytes())
		if p.Src() != a[0] || p.Dst() != a[1] || !p.Has("PA") || p.Has("S") || p.TCP.Seq != 7 || p.TCP.Ack != 9 || p.MSS() != 1460 {
			t.Errorf("%v of %+v", p, s)
		}
		if ip := p.IP[0]; ip.TOS != s.TOS || ip.TTL != 9 || ip.Length != len(s.Bytes()) || ip.Label != s.Label && a[0].Is6() {
			t.Errorf("header %+v", ip)
		}
		if string(p.Payload) != "hello" || !p.ChecksumsRight() || !bytes.Equal(p.Inner(), s.Bytes()) || p.Tunnelled() {
			t.Errorf("%v: payload %q", p, p.Payload)
		}
		first := gopacket.LayerType(layers.LayerTypeIPv4)
		if a[0].Is6() {
			first = layers.LayerTypeIPv6
		}
		other := gopacket.NewPacket(s.Bytes(), first, gopacket.Default)
		if tcp, ok := other.TransportLayer().(*layers.TCP); !ok || tcp.SrcPort != 4000 || string(tcp.LayerPayload()) != "hello" {
			t.Errorf("decoded elsewhere as %v", other)
		}
		wrong := s.Bytes()
		wrong[len(wrong)-1]++
		if frame(wrong).ChecksumsRight() {
			t.Error("a wrong checksum is right")
		}
		// A device sums up what the checksum was left to it of.
		partial, at := Partial(s.Bytes()), len(p.IP[0].Contents)
		right := s.Bytes()[at+16 : at+18]
		if got := ^uint16(ones(partial[at:])); frame(partial).ChecksumsRight() || got != binary.BigEndian.Uint16(right) {
			t.Errorf("a device makes %#x of a partial checksum, want %#x", got, right)
		}
	})
}

// Outer headers of either family carry packets of either.
func TestTunnel(t *testing.T) {
	both(t, func(t *testing.T, a [3]netip.Addr) {
		both(t, func(t *testing.T, o [3]netip.Addr) {
			inner := segment(a, "x").Bytes()
			p := frame(Tunnel{Src: o[1], Dst: o[2], Marked: true, TOS: 3, ID: 0x1234, Offer: true}.Wrap(inner))
			if len(p.IP) != 2 || !p.Tunnelled() || !bytes.Equal(p.Inner(), inner) || p.Src() != a[0] || !p.ChecksumsRight() || p.TCP == nil {
				t.Fatalf("%v", p)
			}
			ip := p.IP[0]
			proto := layers.IPProtocolIPv4
			if a[0].Is6() {
				proto = layers.IPProtocolIPv6
			}
			if ip.Src != o[1] || ip.Dst != o[2] || ip.TOS != 3 || ip.Protocol != proto {
				t.Errorf("outer header %+v", ip)
			}
			if o[0].Is4() && (ip.ID != 0x1234 || ip.Flags != Mark) || o[0].Is6() && ip.Label != 0x11234 {
				t.Errorf("marks of the outer header %+v", ip)
			}
			if again := frame(Tunnel{Src: o[2], Dst: o[1]}.Wrap(p.Outer())); len(again.IP) != 3 || again.TCP == nil {
				t.Errorf("refused: %v", again)
			}
		})
	})
}

// Extension headers are passed over, of which each has its place.
func TestExtensions(t *testing.T) {
	s := segment(six, "data")
	for _, x := range []struct {
		extensions []Extension
		bytes      int // of them all
	}{
		{[]Extension{HopByHop()}, 8},
		{[]Extension{HopByHop(5, 2, 0, 0)}, 8}, // router alert
		{[]Extension{Destination(make([]byte, 7)...)}, 16},
		{[]Extension{Routing(0, 1, six[2])}, 24},
		{[]Extension{Routing(4, 0, six[1], six[2])}, 40},
		{[]Extension{Atomic(77)}, 8},
		{[]Extension{HopByHop(), Destination(), Routing(4, 0), Atomic(77), Destination()}, 40},
	} {
		s.Extensions = x.extensions
		p := frame(s.Bytes())
		if len(s.Bytes()) != len(segment(six, "data").Bytes())+x.bytes {
			t.Errorf("%v: %d bytes", x.extensions, len(s.Bytes()))
		}
		if p.TCP == nil || string(p.Payload) != "data" || len(p.IP[0].Extensions) != len(x.extensions) || !p.ChecksumsRight() {
			t.Errorf("%v: %v", x.extensions, p)
			continue
		}
		for i, e := range p.IP[0].Extensions {
			if e != x.extensions[i].Type {
				t.Errorf("%v: header %d is %v", x.extensions, i, e)
			}
		}
		if got := gopacket.NewPacket(s.Bytes(), layers.LayerTypeIPv6, gopacket.Default).ErrorLayer(); got != nil && x.extensions[0].Type != layers.IPProtocolIPv6Fragment {
			t.Errorf("%v: decoded elsewhere: %v", x.extensions, got.Error())
		}
	}
}

// A packet that is cut anywhere is not read beyond its end.
func TestCut(t *testing.T) {
	both(t, func(t *testing.T, a [3]netip.Addr) {
		s := segment(a, "data")
		if a[0].Is6() {
			s.Extensions = []Extension{HopByHop(), Routing(4, 0, six[1]), Atomic(1), Destination()}
		}
		whole := Tunnel{Src: a[1], Dst: a[2]}.Wrap(s.Bytes())
		for n := 1; n < len(whole); n++ {
			if p := frame(whole[:n]); p.TCP != nil && n < len(whole)-4 {
				t.Errorf("%d bytes of %d are %v", n, len(whole), p)
			}
		}
	})
}

// Fragments, put together, are the packet.
func TestFragment(t *testing.T) {
	both(t, func(t *testing.T, a [3]netip.Addr) {
		for _, size := range []int{8, 16, 24, 512} {
			s := segment(a, strings.Repeat("0123456789", 100))
			s.MayFrag = true
			if a[0].Is6() {
				s.Extensions = []Extension{HopByHop(), Destination()} // only the first is in all
			}
			packet := s.Bytes()
			parts := Fragment(packet, size, 0xbeef)
			var got []byte
			for i, b := range parts {
				p := frame(b)
				ip := p.IP[0]
				if p.TCP != nil || ip.ID != 0xbeef || int(ip.FragOffset)*8 != len(got) || ip.Length != len(b) || !p.ChecksumsRight() {
					t.Fatalf("fragment %d: %v", i, p)
				}
				if more := ip.Flags&layers.IPv4MoreFragments != 0; more != (i < len(parts)-1) || len(ip.Payload) > size {
					t.Fatalf("fragment %d: more %v, %d bytes", i, more, len(ip.Payload))
				}
				if a[0].Is6() {
					b = b[48+8:] // header, hop-by-hop options, fragment header
				} else {
					b = b[20:]
				}
				got = append(got, b...)
			}
			head := 20
			if a[0].Is6() {
				head = 48
			}
			if !bytes.Equal(got, packet[head:]) {
				t.Errorf("fragments of %d bytes are not the packet", size)
			}
		}
	})
}

func TestICMP(t *testing.T) {
	both(t, func(t *testing.T, a [3]netip.Addr) {
		quote := segment(a, "data").Bytes()
		for _, e := range []Error{TooBig, Unreachable, TimeExceeded, ParameterProblem} {
			p := frame(ICMPError(a[0], a[1], e, 1300, quote))
			if !p.Reports(e) || p.Reports(e%ParameterProblem+1) || p.TCP != nil || p.Discovery() || !bytes.Equal(p.Payload, quote) {
				t.Errorf("error %d: %v", e, p)
			}
			if got := p.NextMTU(); got != 1300 && e == TooBig || got != 0 && e != TooBig {
				t.Errorf("error %d: MTU %d", e, got)
			}
			b := p.IP[0].Payload
			if a[0].Is6() {
				b = append(pseudo(a[0], a[1], layers.IPProtocolICMPv6, len(b)), b...)
			}
			if ones(b) != 0xffff {
				t.Errorf("error %d: wrong checksum", e)
			}
		}
	})
}

// A neighbour solicitation as the kernel sends it is understood, and answered as RFC 4861
// wants.
func TestNeighbour(t *testing.T) {
	b := append([]byte{solicitation, 0, 0, 0, 0, 0, 0, 0}, six[0].AsSlice()...)
	b = append(b, 1, 1, 2, 0, 0, 0, 0, 9)
	group := netip.MustParseAddr("ff02::1:ff00:101")
	p := frame(icmp6(six[1], group, 255, b))
	if target, ok := p.solicited(); !ok || target != six[0] || !p.Discovery() {
		t.Errorf("%v asks for %v, %v", p, target, ok)
	}
	if _, ok := frame(icmp6(netip.IPv6Unspecified(), group, 255, b)).solicited(); ok {
		t.Error("a host that looks for duplicates wants no answer")
	}
	mac := []byte{2, 0, 0, 0, 0, 5}
	a := frame(advertise(six[0], six[1], mac))
	if a.ICMP == nil || a.ICMP.Type != advertisement || a.ICMP.Rest != 0x60000000 || a.IP[0].TTL != 255 || a.Dst() != six[1] || a.Src() != six[0] {
		t.Errorf("%v: %+v", a, a.ICMP)
	}
	if want := append(six[0].AsSlice(), 2, 1, 2, 0, 0, 0, 0, 5); !bytes.Equal(a.Payload, want) {
		t.Errorf("advertised %x, want %x", a.Payload, want)
	}
	if _, ok := a.solicited(); ok {
		t.Error("an advertisement is no solicitation")
	}
}

func TestString(t *testing.T) {
	got := fmt.Sprint(frame(Tunnel{Src: six[1], Dst: six[2], ID: 5}.Wrap(segment(four, "x").Bytes())))
	for _, want := range []string{"fd00:10:77::11>fd00:10:77::12 p4", "label 0x5", "10.77.0.101>10.77.0.11 p6", "seq 7"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q has no %q", got, want)
		}
	}
}
