// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"maps"
	"net/netip"
	"testing"

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
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		seen := observe(t, c.b.Host)
		// What B sent: from A's address to the client.
		sent := wire.Segment{Src: k.remote, Dst: k.local, Flags: "A", Seq: k.ack, Ack: k.seq, Payload: pattern[:200]}
		quote := sent.Bytes()
		other := func(change func(*wire.Segment)) []byte {
			s := sent
			change(&s)
			return s.Bytes()
		}
		from, to := w.addr(addrR), w.addr(addrA)
		report := func(e wire.Error, quote []byte) []byte { return wire.ICMPError(from, to, e, 1300, quote) }
		gone := func(quote []byte) []byte { return report(wire.Unreachable, quote) }
		type message struct {
			packet  []byte
			forward bool
		}
		h := w.headerLen()
		short := h + 8 // the ports, and a sequence number
		messages := map[string]message{
			"too big":                   {report(wire.TooBig, quote), true},
			"host unreachable":          {gone(quote[:short]), true},
			"time exceeded":             {report(wire.TimeExceeded, quote[:short]), true},
			"parameter problem":         {report(wire.ParameterProblem, quote[:short]), true},
			"a byte less quoted":        {gone(quote[:short-1]), false},
			"ports quoted":              {gone(quote[:h+4]), false},
			"a header quoted":           {gone(quote[:h]), false},
			"less than a header quoted": {gone(quote[:h-1]), false},
			"no quote":                  {gone(nil), false},
			"quote of another version":  {gone(edit(bytes.Clone(quote), 0, quote[0]^0x20)), false},
			"about another protocol":    {gone(edit(bytes.Clone(quote), map[int]int{4: 9, 6: 6}[w.client], 17)), false},
			"about another client":      {gone(other(func(s *wire.Segment) { s.Dst = w.addrPort(addrC, 4000) })), false},
			"about another port":        {gone(other(func(s *wire.Segment) { s.Dst = w.addrPort(addrR, 4001) })), false},
			"about another host":        {gone(other(func(s *wire.Segment) { s.Src = c.b.service() })), false},
			"about the client's packet": {gone(k.segmentBytes("A", "")), false},
		}
		if w.six() {
			maps.Copy(messages, map[string]message{
				"echo request":        {wire.ICMP(from, to, 128, 0, 1300, quote), false},
				"unknown error":       {wire.ICMP(from, to, 100, 0, 1300, quote), false},
				"quote of a fragment": {gone(other(func(s *wire.Segment) { s.Extensions = []wire.Extension{wire.FragmentHeader(1, 5, false)} })), false},
			})
		} else {
			maps.Copy(messages, map[string]message{
				"quote with options":     {gone(other(func(s *wire.Segment) { s.IPOptions = options })), true},
				"source quench":          {wire.ICMP(from, to, 4, 0, 1300, quote), false},
				"redirect":               {wire.ICMP(from, to, 5, 1, 1300, quote), false},
				"echo request":           {wire.ICMP(from, to, 8, 0, 1300, quote), false},
				"quoted header of 16":    {gone(edit(bytes.Clone(quote), 0, 0x44)), false},
				"quoted header too long": {gone(edit(bytes.Clone(quote), 0, 0x4f)[:40]), false},
				"quote of a fragment":    {gone(edit(bytes.Clone(quote), 7, 1)), false},
			})
		}
		for name, tt := range messages {
			t.Run(name, func(t *testing.T) {
				a, b := c.a.meter(t), c.b.meter(t)
				r.send(t, c.a, tt.packet)
				if !tt.forward {
					silence(t, seen, (*wire.Packet).Tunnelled)
					a.want(t, counts{})
					return
				}
				p := await(t, seen, (*wire.Packet).Tunnelled)
				if !bytes.Equal(p.IP[1].Contents, tt.packet[:h]) || !bytes.Contains(p.Frame, tt.packet) {
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
	allWays(t, func(t *testing.T, w way) {
		const (
			forgedMTU = 600
			maxQuote  = 1280 - 48 // what a router may quote (RFC 4443, section 2.4(c))
		)
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		t.Run("sequence number", func(t *testing.T) {
			before := snmp(t, c.b.Host, "TcpExtOutOfWindowIcmps")
			s := wire.Segment{Src: k.remote, Dst: k.local, Flags: "A", Seq: k.ack + 1<<30, Payload: pattern[:200]}
			r.send(t, c.a, wire.ICMPError(w.addr(addrR), w.addr(addrA), wire.TooBig, forgedMTU, s.Bytes()))
			if got := snmp(t, c.b.Host, "TcpExtOutOfWindowIcmps") - before; got != 1 {
				t.Errorf("B found %d ICMP errors out of window, want 1", got)
			}
		})
		complain := func(quote []byte) {
			quote = quote[:min(len(quote), maxQuote)]
			r.send(t, c.a, wire.ICMPError(w.own(addrR), w.own(addrA), wire.TooBig, forgedMTU, quote))
		}
		most := mtu - w.headerLen() - 20 - w.overhead() // what the tunnel carries
		large := k.segmentBytes("PA", string(pattern[:most]))
		ours := w.outer(addrA, addrB)
		send := func() *wire.Packet {
			s := k.segment("PA", "recv 1300\n"+string(pattern[:1300])) // of more than 1280 bytes with all headers
			k.send(t, s)
			return r.get(t, func(p *wire.Packet) bool { return p.Reports(wire.TooBig) || k.mine(p) && p.Has("PA") })
		}
		other := r.talk(c.a, 4999)
		for name, quote := range map[string][]byte{
			"to nobody's tunnel":    w.outer(addrA, addrC).Wrap(large),
			"from nobody's tunnel":  w.outer(addrC, addrB).Wrap(large),
			"an outer header alone": ours.Wrap(large)[:w.overhead()],
			"no connection of ours": ours.Wrap(other.segmentBytes("PA", string(pattern[:most]))),
			"a packet that fits":    ours.Wrap(k.segmentBytes("A", "")),
		} {
			t.Run(name, func(t *testing.T) {
				complain(quote)
				p := send()
				if p.ICMP != nil {
					t.Fatalf("got %v", p)
				}
				for _, to := range []netip.Addr{w.own(addrB), w.own(addrC)} {
					if got := routeMTU(t, c.a.Host, to); got != mtu {
						t.Errorf("the way to %v takes %d bytes for A, want %d", to, got, mtu)
					}
				}
				k.ack = p.TCP.Seq + uint32(len(p.Payload))
				k.say(t, "A", "") // or the answer comes again, in place of the next
			})
		}
		t.Run("about the tunnel", func(t *testing.T) {
			complain(ours.Wrap(large)[:w.overhead()+w.headerLen()+8]) // what RFC 1812 has routers quote at least
			if p := send(); p.NextMTU() != w.leastMTU() {
				t.Errorf("got %v, want that the packet is too big", p)
			}
			if got := routeMTU(t, c.a.Host, c.b.addr); got != leastMTU {
				t.Errorf("the way to B takes %d bytes for A, want %d", got, leastMTU)
			}
		})
	})
}

// leastMTU is the smallest MTU of the way to a peer that a host believes.
const leastMTU = 1280

// leastMTU is what a client is told of such a way: no link of IPv6 is narrower than 1280
// bytes, so that the tunnel fragments what it must.
func (w way) leastMTU() int {
	if w.six() {
		return leastMTU
	}
	return leastMTU - w.overhead()
}

// routeMTU is the size of packets that a host sends to an address, as far as its
// kernel knows.
func routeMTU(t *testing.T, h *vnet.Host, to netip.Addr) (n int) {
	t.Helper()
	check(t, h.Do(func() error {
		domain, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU
		if to.Is6() {
			domain, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU
		}
		fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, port))); err != nil {
			return err
		}
		n, err = unix.GetsockoptInt(fd, level, option)
		return err
	}))
	return n
}

func (k *talk) segmentBytes(flags, payload string) []byte {
	s := k.segment(flags, payload)
	return s.Bytes()
}
