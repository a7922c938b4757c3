// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Segments that the client's network cut into IP fragments, in whatever order
// and wherever cut, are put together before they are classified. Of IPv6 the first
// fragment must hold the TCP header, and a client cuts itself (RFC 8200, section 4.5).
//
//	R ── switch ── A
//	        └───── B
func TestFragments(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		id := uint16(0)
		for _, size := range w.fragmentSizes() {
			for _, order := range []string{"forward", "backward"} {
				t.Run(fmt.Sprintf("%d bytes %s", size, order), func(t *testing.T) {
					a, b := c.a.meter(t), c.b.meter(t)
					k := r.talk(c.a, 4000+id)
					cut := func(s wire.Segment) {
						id++
						s.MayFrag = true
						parts := wire.Fragment(s.Bytes(), size, uint32(id))
						if len(parts) == 1 {
							parts[0] = s.Bytes()
						}
						for i := range parts {
							if order == "backward" {
								i = len(parts) - 1 - i
							}
							r.send(t, c.a, parts[i])
						}
					}
					syn := k.segment("S", "")
					cut(syn)
					k.seq++
					k.hear(t, "SA")
					k.say(t, "A", "")
					ask := k.segment("PA", "recv 1000\n"+string(pattern[:1000]))
					cut(ask)
					k.seq += uint32(len(ask.Payload))
					if p := k.hear(t, "PA"); string(p.Payload) != "ok\n" {
						t.Errorf("answer %q", p.Payload)
					}
					gathered := uint64(2)
					if size >= 24 {
						gathered = 1 // the SYN is in one piece
					}
					sent := 2*w.bytes(0) + w.bytes(1010)
					a.want(t, counts{dprnl.StatRedirected: 1, dprnl.StatFragmentsGathered: gathered,
						dprnl.StatTxPackets: 3, dprnl.StatTxBytes: sent})
					b.want(t, counts{dprnl.StatRxPackets: 3, dprnl.StatRxBytes: sent, dprnl.StatRxSyn: 1,
						dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
				})
			}
		}
		t.Run("no service", func(t *testing.T) {
			s := r.talk(c.a, 5000).segment("S", string(pattern[:100]))
			s.Dst, s.MayFrag = w.addrPort(addrA, 81), true
			for _, f := range wire.Fragment(s.Bytes(), w.fragmentSizes()[0], 9999) {
				r.send(t, c.a, f)
			}
			r.get(t, func(p *wire.Packet) bool { return p.Has("R") && p.TCP.SrcPort == 81 })
		})
		if !w.six() {
			return
		}
		t.Run("header cut", func(t *testing.T) {
			seen := observe(t, c.b.Host)
			flows := len(c.a.flows(t))
			s := r.talk(c.a, 5001).segment("S", "")
			for _, f := range wire.Fragment(s.Bytes(), 16, 10000) {
				r.send(t, c.a, f)
			}
			silence(t, seen, (*wire.Packet).Tunnelled)
			if n := len(c.a.flows(t)); n != flows {
				t.Errorf("%d flows, before %d", n, flows)
			}
		})
	})
}

// fragmentSizes are sizes of fragments' payload in bytes.
func (w way) fragmentSizes() []int {
	if w.six() {
		return []int{24, 512}
	}
	return []int{8, 16, 24, 512}
}

// options that a client's packet may carry: one that fragments must repeat
// (router alert), two that they must not (record route, timestamp).
var options = []layers.IPv4Option{
	{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}},
	{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}},
	{OptionType: 68, OptionLength: 8, OptionData: []byte{5, 0, 0, 0, 0, 0}},
}

// A client's packets with IP options are redirected as they are; their TCP
// header is found behind the options. Where such a packet is fragmented, later
// fragments bear only the options that RFC 791 wants copied.
//
//	R ── switch ── A
//	        └───── B
func TestIPOptions(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		seen := observe(t, c.a.Host)
		k := r.talk(c.a, 4000)
		with := func(flags, payload string) wire.Segment {
			s := k.segment(flags, payload)
			s.IPOptions = options
			return s
		}
		tunnelled := func(s wire.Segment) {
			t.Helper()
			p := await(t, seen, (*wire.Packet).Tunnelled)
			if !bytes.Equal(p.Inner(), s.Bytes()) {
				t.Errorf("redirected as\n%x, sent as\n%x", p.Inner(), s.Bytes())
			}
		}
		syn := with("S", "")
		k.send(t, syn)
		tunnelled(syn)
		k.hear(t, "SA")
		ack := with("A", "")
		k.send(t, ack)
		tunnelled(ack)
		who := with("PA", "who\n")
		k.send(t, who)
		tunnelled(who)
		if p := k.hear(t, "PA"); string(p.Payload) != "B\n" {
			t.Errorf("served by %q", p.Payload)
		}
		k.say(t, "A", "")
		await(t, seen, (*wire.Packet).Tunnelled)

		big := with("PA", "recv 1430\n"+string(pattern[:1430]))
		big.MayFrag, big.ID = true, 78
		k.send(t, big)
		first, second := await(t, seen, (*wire.Packet).Tunnelled), await(t, seen, (*wire.Packet).Tunnelled)
		if got := optionTypes(first); got != "148 7 68 " {
			t.Errorf("options of the first fragment: %s", got)
		}
		if got := optionTypes(second); got != "148 " {
			t.Errorf("options of the second fragment: %s", got)
		}
		if !first.ChecksumsRight() || !second.ChecksumsRight() {
			t.Error("a checksum is wrong")
		}
		if p := k.hear(t, "PA"); string(p.Payload) != "ok\n" {
			t.Errorf("answer %q", p.Payload)
		}
	})
}

// optionTypes lists the types of the innermost header's options but padding.
func optionTypes(p *wire.Packet) string {
	out := ""
	for _, o := range p.IP[len(p.IP)-1].Options {
		if o.OptionType > 1 {
			out += fmt.Sprint(o.OptionType, " ")
		}
	}
	return out
}
