// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// An ICMP error about a redirected connection goes to the serving host as it is.
// What is no such error, or quotes too little or something else, stays at A.
//
//	R ── switch ── A
//	        └───── B
func TestIcmpErrors(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		seen := observe(t, c.b.Host)
		// What B sent: from A's address to the client.
		sent := wire.Segment{Src: k.remote, Dst: k.local, Flags: "A", Seq: k.ack, Ack: k.seq, Payload: pattern[:200]}
		quote := sent.Bytes()
		withOptions := sent
		withOptions.IPOptions = options
		other := func(change func(*wire.Segment)) []byte {
			s := sent
			change(&s)
			return s.Bytes()
		}
		icmp := func(typ, code uint8, quote []byte) []byte { return wire.ICMP(addrR, addrA, typ, code, 1300, quote) }
		for name, tt := range map[string]struct {
			packet  []byte
			forward bool
		}{
			"fragmentation needed":      {icmp(3, 4, quote), true},
			"host unreachable":          {icmp(3, 1, quote[:28]), true},
			"time exceeded":             {icmp(11, 0, quote[:28]), true},
			"parameter problem":         {icmp(12, 0, quote[:28]), true},
			"quote with options":        {icmp(3, 1, withOptions.Bytes()), true},
			"source quench":             {icmp(4, 0, quote), false},
			"redirect":                  {icmp(5, 1, quote), false},
			"echo request":              {icmp(8, 0, quote), false},
			"quote of 27 bytes":         {icmp(3, 1, quote[:27]), false},
			"quote of 24 bytes":         {icmp(3, 1, quote[:24]), false},
			"quote of 20 bytes":         {icmp(3, 1, quote[:20]), false},
			"quote of 19 bytes":         {icmp(3, 1, quote[:19]), false},
			"no quote":                  {icmp(3, 1, nil), false},
			"quote of version 6":        {icmp(3, 1, edit(bytes.Clone(quote), 0, 0x65)), false},
			"quoted header of 16":       {icmp(3, 1, edit(bytes.Clone(quote), 0, 0x44)), false},
			"quoted header too long":    {icmp(3, 1, edit(bytes.Clone(quote), 0, 0x4f)[:40]), false},
			"quote of a fragment":       {icmp(3, 1, edit(bytes.Clone(quote), 7, 1)), false},
			"about another protocol":    {icmp(3, 1, edit(bytes.Clone(quote), 9, 17)), false},
			"about another client":      {icmp(3, 1, other(func(s *wire.Segment) { s.Dst = addrPort(addrC, 4000) })), false},
			"about another port":        {icmp(3, 1, other(func(s *wire.Segment) { s.Dst = addrPort(addrR, 4001) })), false},
			"about another host":        {icmp(3, 1, other(func(s *wire.Segment) { s.Src = c.b.service() })), false},
			"about the client's packet": {icmp(3, 1, k.segmentBytes("A", "")), false},
		} {
			t.Run(name, func(t *testing.T) {
				a, b := c.a.meter(t), c.b.meter(t)
				r.send(t, c.a, tt.packet)
				if !tt.forward {
					silence(t, seen, (*wire.Packet).Tunnelled)
					a.want(t, counts{})
					return
				}
				p := await(t, seen, (*wire.Packet).Tunnelled)
				if !bytes.Equal(p.IP[1].Contents, tt.packet[:20]) || !bytes.Contains(p.Frame, tt.packet) {
					t.Errorf("forwarded as %x, sent as %x", p.Frame, tt.packet)
				}
				n := uint64(len(tt.packet))
				a.want(t, counts{dprnl.StatTxIcmp: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: n})
				b.want(t, counts{dprnl.StatRxIcmp: 1, dprnl.StatRxPackets: 1, dprnl.StatRxBytes: n})
			})
		}
		k.wantServed(t, "B")
	})
}

// A forged ICMP error whose quote is beyond what B has sent changes nothing at
// B, and a router's complaint about A's tunnel that is not about it changes
// nothing at A; nor does one that anybody could write.
func TestIcmpForged(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		t.Run("sequence number", func(t *testing.T) {
			before := snmp(t, c.b.Host, "TcpExtOutOfWindowIcmps")
			s := wire.Segment{Src: k.remote, Dst: k.local, Flags: "A", Seq: k.ack + 1<<30, Payload: pattern[:200]}
			r.send(t, c.a, wire.ICMP(addrR, addrA, 3, 4, 600, s.Bytes()))
			if got := snmp(t, c.b.Host, "TcpExtOutOfWindowIcmps") - before; got != 1 {
				t.Errorf("B found %d ICMP errors out of window, want 1", got)
			}
		})
		complain := func(quote []byte) {
			r.send(t, c.a, wire.ICMP(addrR, addrA, 3, 4, 600, quote))
		}
		large := k.segmentBytes("PA", string(pattern[:1400]))
		ours := wire.Tunnel{Src: addrA, Dst: addrB, Marked: true}
		send := func() *wire.Packet {
			s := k.segment("PA", "recv 1300\n"+string(pattern[:1300]))
			k.send(t, s)
			return r.get(t, func(p *wire.Packet) bool { return p.ICMP != nil || k.mine(p) && p.Has("PA") })
		}
		other := r.talk(c.a, 4999)
		for name, quote := range map[string][]byte{
			"to nobody's tunnel":    (&wire.Tunnel{Src: addrA, Dst: addrC, Marked: true}).Wrap(large),
			"from nobody's tunnel":  (&wire.Tunnel{Src: addrC, Dst: addrB, Marked: true}).Wrap(large),
			"an outer header alone": ours.Wrap(large)[:20],
			"no connection of ours": ours.Wrap(other.segmentBytes("PA", string(pattern[:1400]))),
			"a packet that fits":    ours.Wrap(k.segmentBytes("A", "")),
		} {
			t.Run(name, func(t *testing.T) {
				complain(quote)
				p := send()
				if p.ICMP != nil {
					t.Fatalf("got %v", p)
				}
				for _, to := range []netip.Addr{addrB, addrC} {
					if got := routeMTU(t, c.a.Host, to); got != mtu {
						t.Errorf("the way to %v takes %d bytes for A, want %d", to, got, mtu)
					}
				}
				k.ack = p.TCP.Seq + uint32(len(p.Payload))
				k.say(t, "A", "") // or the answer comes again, in place of the next
			})
		}
		t.Run("about the tunnel", func(t *testing.T) {
			complain(ours.Wrap(large)[:48]) // what RFC 1812 has routers quote at least
			if p := send(); p.ICMP == nil || p.ICMP.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || p.ICMP.Seq != leastMTU-20 {
				t.Errorf("got %v, want that the packet is too big", p)
			}
			if got := routeMTU(t, c.a.Host, addrB); got != leastMTU {
				t.Errorf("the way to B takes %d bytes for A, want %d", got, leastMTU)
			}
		})
	})
}

// leastMTU is the smallest MTU of the way to a peer that a host believes.
const leastMTU = 1280

// routeMTU is the size of packets that a host sends to an address, as far as its
// kernel knows.
func routeMTU(t *testing.T, h *vnet.Host, to netip.Addr) (n int) {
	t.Helper()
	check(t, h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: to.As4()}); err != nil {
			return err
		}
		n, err = unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		return err
	}))
	return n
}

func (k *talk) segmentBytes(flags, payload string) []byte {
	s := k.segment(flags, payload)
	return s.Bytes()
}
