// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"testing"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// names of the ECN field's values, in their order.
var ecnNames = []string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}

// The outer header of a redirected packet has the inner one's DSCP and, as in
// RFC 6040's normal mode, its ECN field; an IPv6 one has its flow label, too, which an
// inner IPv4 header has not (0).
//
//	R ── switch ── A
//	        └───── B
func TestEcnEncapsulate(t *testing.T) {
	onlyTunnels(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		seen := observe(t, c.b.Host)
		for _, dscp := range []uint8{0, 46} {
			for ecn, name := range ecnNames {
				s := k.segment("A", "")
				s.TOS, s.Label = dscp<<2|uint8(ecn), 0xfedcb
				r.send(t, c.a, s.Bytes())
				p := await(t, seen, (*wire.Packet).Tunnelled)
				if p.IP[0].TOS != s.TOS || p.IP[1].TOS != s.TOS {
					t.Errorf("DSCP %d, %s: outer TOS %#x, inner %#x, want %#x", dscp, name, p.IP[0].TOS, p.IP[1].TOS, s.TOS)
				}
				if w.tunnel == 6 && p.IP[0].Label != p.IP[1].Label {
					t.Errorf("outer flow label %#x, inner %#x", p.IP[0].Label, p.IP[1].Label)
				}
			}
		}
	})
}

// Of a marked packet B's stack sees congestion that the outer header or the
// inner one tells of, if the inner one can; what RFC 6040 has dropped is.
//
//	R (client, and A) ── switch ── B
func TestEcnDecapsulate(t *testing.T) {
	onlyTunnels(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.b.Sysctl("net/ipv4/tcp_ecn", "1"))
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.say(t, "SEC", "")
		if p := k.hear(t, "SA"); !p.Has("E") {
			t.Fatalf("ECN is not negotiated: %v", p)
		}
		k.say(t, "A", "")
		for outer := range ecnNames {
			for inner := range ecnNames {
				t.Run(fmt.Sprintf("outer %s inner %s", ecnNames[outer], ecnNames[inner]), func(t *testing.T) {
					b := c.b.meter(t)
					s := k.segment("PAC", "who\n") // CWR: nothing is echoed from before
					s.TOS = uint8(inner)
					tunnel := w.outer(addrA, addrB)
					tunnel.TOS = uint8(outer)
					r.send(t, c.b, tunnel.Wrap(s.Bytes()))
					if outer == 3 && inner == 0 && w.marked() {
						silence(t, r.Endpoint, k.mine)
						b.want(t, counts{dprnl.StatRxEcn: 1})
						return
					}
					if outer == 3 && inner == 0 {
						// Without mark it may be no redirected packet: the stack's.
						silence(t, r.Endpoint, k.mine)
						b.want(t, counts{})
						return
					}
					k.seq += 4
					p := k.hear(t, "PA")
					if ce := outer == 3 || inner == 3; p.Has("E") != ce {
						t.Errorf("B echoes congestion: %v, want %v", p.Has("E"), ce)
					}
					k.say(t, "A", "")
					// Counted here, not in what comes next.
					eventually(t, func() error {
						if n := b.changes(t)[dprnl.StatRxPackets]; n != 2 {
							return fmt.Errorf("B counted %d packets of 2", n)
						}
						return nil
					})
				})
			}
		}
	})
}
