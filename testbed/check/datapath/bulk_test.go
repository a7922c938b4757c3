// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// bulk are the ways on which redirected packets have a mark that keeps receivers from merging
// them.
var bulk = []way{fragbit4, fragbit64}

// unscaled is the largest window that a server can offer in its SYN-ACK.
const unscaled = 65535

// Data beyond what a client can send before it has heard of the server's socket go without the
// mark, to a peer that takes that; all else has it.
func TestBulkUnmarked(t *testing.T) {
	for name, x := range map[string]struct {
		protocol uint32
		unmarked bool
	}{"older": {4, false}, "": {5, true}} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, bulk, func(t *testing.T, w way) {
				c := newCluster(t, w)
				c.redirect(t)
				check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, false))
				p, r := c.raw(t, addrP), c.raw(t, addrR)
				u := w.reportOf(addrP, x.protocol)
				check(t, c.a.dpr.SetPeer(t.Context(), u))
				k := r.talk(c.a, 4000)
				sent := func(what, flags string, beyond uint32, marked bool) {
					t.Helper()
					s := k.segment(flags, "x")
					if flags == "S" {
						s.Payload = nil
					}
					s.Seq = 1_000_000 + beyond
					k.send(t, s)
					got := p.get(t, func(q *wire.Packet) bool { return q.Tunnelled() && q.TCP != nil && q.TCP.Seq == s.Seq })
					if is := got.IP[0].Flags&layers.IPv4EvilBit != 0; is != marked {
						t.Errorf("%s: marked: %v, want %v: %v", what, is, marked, got)
					}
				}
				sent("SYN", "S", 0, true)
				sent("handshake", "A", 1, true)
				sent("first window", "A", unscaled, true)
				sent("bulk", "A", unscaled+1, !x.unmarked)
				sent("more", "PA", 1<<30, !x.unmarked)
				sent("FIN", "FA", 1<<30+1, true)
			})
		})
	}
}

// A client begins another connection on a 4-tuple, or somebody has forged a SYN of it before:
// nothing tells then what is bulk data. A server that answers SYNs by cookies has no socket before
// the handshake is over, and must see its last segment.
//
//	R ── switch ── A
//	        └───── B (tcp_syncookies=2)
func TestBulkReused(t *testing.T) {
	eachWay(t, bulk, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		check(t, c.b.Sysctl("net/ipv4/tcp_syncookies", "2"))
		r := c.raw(t, addrR)
		t.Run("forgotten by the client", func(t *testing.T) {
			k := r.talk(c.a, 4000)
			k.open(t)
			k.wantServed(t, "B")
			k.seq += 200_000
			k.say(t, "S", "")
			challenge := k.hear(t, "A")
			rst := wire.Segment{Src: k.local, Dst: k.remote, Flags: "R", Seq: challenge.TCP.Ack}
			r.send(t, c.a, rst.Bytes())
			a := c.a.meter(t)
			k.seq += 200_000
			k.reopen(t)
			k.wantServed(t, "B")
			wantChange(t, a, dprnl.StatRedirected, 0)
		})
		t.Run("forged", func(t *testing.T) {
			k := r.talk(c.a, 4001)
			forged := k.segment("S", "")
			forged.Seq += 1 << 30
			r.send(t, c.a, forged.Bytes())
			k.hear(t, "SA")
			k.open(t)
			k.wantServed(t, "B")
		})
	})
}

// B merges what A redirects, and an upload arrives intact. Without GRO it does, too.
func TestBulkMerged(t *testing.T) {
	eachWay(t, bulk, func(t *testing.T, w way) {
		for name, on := range map[string]bool{"merged": true, "apart": false} {
			t.Run(name, func(t *testing.T) {
				c := newCluster(t, w)
				c.redirect(t, c.b)
				c.a.fresh(t, c.b, 0)
				c.b.fresh(t, c.a, 1<<20)
				offload(t, c.c, false)
				offload(t, c.a.Host, false)
				offload(t, c.b.Host, on)
				// A link does not merge what comes from one that takes super-packets.
				offloadOf(t, c.sw.Host, c.b.Name, false)
				a, b := c.a.meter(t), c.b.meter(t)
				k := connect(t, c.c, c.a.service())
				check(t, k.upload(4<<20))
				k.wantServed(t, "B")
				sent, got := a.changes(t)[dprnl.StatTxPackets], b.changes(t)[dprnl.StatRxPackets]
				t.Logf("%d packets sent, %d received", sent, got)
				if on && got > sent*3/4 {
					t.Errorf("B got %d packets of %d: they were not merged", got, sent)
				}
			})
		}
	})
}

// The server's socket has gone without a word, as when the host was rebooted: the client is
// told, although nothing says what its unmarked data are.
func TestBulkMissed(t *testing.T) {
	eachWay(t, bulk, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.redirect(t, c.b)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		a, b := c.a.meter(t), c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(1<<20))
		c.b.web.vanish(t)
		begin := time.Now()
		if err := k.uploadFor(4*step, 1<<20); err == nil {
			t.Error("uploaded to nobody")
		}
		t.Logf("told after %v", time.Since(begin))
		if n := b.changes(t)[dprnl.StatBulkMissed]; n == 0 {
			t.Error("B told nothing")
		}
		wantChange(t, a, dprnl.StatFlowsEnded, 1)
	})
}

// vanish closes all connections without a word to their clients.
func (w *web) vanish(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		raw, err := c.(*net.TCPConn).SyscallConn()
		check(t, err)
		var set error
		check(t, raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) }))
		check(t, set)
		check(t, c.Close())
	}
}

// Bulk data that no peer has redirected are of a tunnel of the host's own: it gets them.
func TestBulkOfOtherTunnel(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.b.fresh(t, c.a, 1<<20)
		r := c.raw(t, addrR)
		b := c.b.meter(t)
		k := r.talk(c.b, 4000)
		k.remote = c.a.service()
		outer := wire.Tunnel{Src: addrA, Dst: addrB}
		for _, flags := range []string{"S", "A", "PA", "R"} {
			s := k.segment(flags, "")
			s.Seq += unscaled + 1
			r.send(t, c.b, outer.Wrap(s.Bytes()))
		}
		time.Sleep(settle)
		got := b.changes(t)
		if got[dprnl.StatRxPackets] != 0 || got[dprnl.StatRxSyn] != 0 || got[dprnl.StatRxReset] != 0 {
			t.Errorf("%v, want all of it left to the stack", got)
		}
		if got[dprnl.StatBulkMissed] == 0 {
			t.Error("A was not told")
		}
	})
}
