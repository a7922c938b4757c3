// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Data of somebody who sees nothing of the connection, in its client's name, do not keep it from
// moving, from a peer or from the first host.
//
//	C, R (forges) ── switch ── A
//	                    ├───── B
//	                    └───── D
func TestMigrateBlind(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		a, b := m.a.meter(t), m.b.meter(t)
		r, rnd := m.raw(t, addrR), rand.New(rand.NewPCG(1, 2))
		k := m.visit(t)
		client := netip.MustParseAddrPort(k.LocalAddr().String())
		for _, host := range []string{"B", "A"} {
			k.wantFrom(t, host, "/"+host)
			seq := rnd.Uint32()
			for i := range uint32(4) {
				s := wire.Segment{Src: client, Dst: netip.AddrPortFrom(m.a.at, webPort), Flags: "PA", Seq: seq + i<<30, Ack: rnd.Uint32(), Payload: []byte("x")}
				r.send(t, m.a, s.Bytes())
			}
			time.Sleep(settle)
			k.wantFrom(t, "D", "/D")
		}
		wantChange(t, a, dprnl.StatMigrateStayedUnknown, 0)
		wantChange(t, b, dprnl.StatMigrateStayedUnknown, 0)
	})
}

// A connection moves after an upload whose parts came in the wrong order, and after one with a
// forged segment in its midst, which TCP drops. It stays after a head whose parts did.
//
//	R ── switch ── A
//	        ├───── B
//	        └───── D
func TestMigrateReordered(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		r := m.raw(t, addrR)
		k := r.talk(m.a, 4000)
		k.remote = netip.AddrPortFrom(m.a.at, webPort)
		k.open(t)
		late := func(first, second string) {
			t.Helper()
			s := k.segment("PA", second)
			s.Seq += uint32(len(first))
			r.send(t, m.a, s.Bytes())
			time.Sleep(settle)
			k.say(t, "PA", first)
			k.seq += uint32(len(second))
		}
		answered := func(by string) {
			t.Helper()
			p := r.get(t, func(p *wire.Packet) bool { return k.mine(p) && len(p.Payload) > 0 && p.TCP.Seq == k.ack })
			if !strings.Contains(string(p.Payload), "Server: "+by+"\r\n") {
				t.Errorf("answer %q, want one by %s", p.Payload, by)
			}
			k.ack += uint32(len(p.Payload))
			k.say(t, "A", "")
		}
		ask := func(path, by string) {
			t.Helper()
			k.say(t, "PA", "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
			answered(by)
		}
		body := string(pattern[:1000])
		head := func(path string) string {
			return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", path, len(body))
		}
		ask("/B", "B")
		late(head("/B")+body[:100], body[100:])
		answered("B")
		ask("/D", "D")

		k.say(t, "PA", head("/D")+body[:100])
		forged := k.segment("PA", strings.Repeat("x", 200))
		forged.Seq += 850 // 50 bytes before the upload's end
		forged.Ack -= 1 << 30
		r.send(t, m.a, forged.Bytes())
		time.Sleep(settle)
		k.say(t, "PA", body[100:])
		answered("D")
		ask("/B", "B")

		b := m.b.meter(t)
		late("GET /B HTTP/1.1\r\n", "Host: a\r\n\r\n")
		answered("B")
		ask("/D", "B")
		changed(t, b, dprnl.StatMigrateStayedUnknown, 1)
	})
}
