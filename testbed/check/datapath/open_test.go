// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"io"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// openConnections are a host's open connections, by port of its services.
func openConnections(t *testing.T, s *server) map[uint16]uint32 {
	t.Helper()
	all, err := s.dpr.ServiceStates(t.Context())
	check(t, err)
	n := map[uint16]uint32{}
	for _, one := range all {
		n[one.Port] += one.Connections
	}
	return n
}

// wantOpen waits until a host has so many open connections, by port and together.
func wantOpen(t *testing.T, s *server, want map[uint16]uint32) {
	t.Helper()
	var sum uint32
	for _, n := range want {
		sum += n
	}
	eventually(t, func() error {
		load, err := s.dpr.Load(t.Context())
		check(t, err)
		if got := openConnections(t, s); fmt.Sprint(got) != fmt.Sprint(want) || load.Connections != sum {
			return fmt.Errorf("open connections %v, together %d, want %v", got, load.Connections, want)
		}
		return nil
	})
}

// slowReader is a client whose buffer holds little: most of an answer waits at the server.
func slowReader(t *testing.T, h *vnet.Host, to netip.AddrPort) *conn {
	t.Helper()
	k, err := dialWith(h, to, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	check(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

// A connection is open until its data is out, also if the server is done with it.
func TestOpenUntilDataIsOut(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, testOpenUntilDataIsOut)
}

func testOpenUntilDataIsOut(t *testing.T, w way) {
	const answer = 12000 // more than the client's buffer, less than the server's
	c := newCluster(t, w)
	c.a.keep(t)
	established := func(want int) {
		t.Helper()
		eventually(t, func() error {
			if n := snmp(t, c.a.Host, "TcpCurrEstab"); n != want {
				return fmt.Errorf("%d connections are established, want %d", n, want)
			}
			return nil
		})
	}
	wantOpen(t, c.a, map[uint16]uint32{port: 0})

	// FIN-WAIT-1.
	k := slowReader(t, c.c, c.a.service())
	wantOpen(t, c.a, map[uint16]uint32{port: 1})
	_, err := fmt.Fprintf(k, "send %d\nclose\n", answer)
	check(t, err)
	established(0)
	wantOpen(t, c.a, map[uint16]uint32{port: 1})

	// LAST-ACK.
	l := slowReader(t, c.c, c.a.service())
	_, err = fmt.Fprintf(l, "eofsend %d\n", answer)
	check(t, err)
	check(t, l.CloseWrite())
	established(0)
	wantOpen(t, c.a, map[uint16]uint32{port: 2})

	for i, k := range []*conn{k, l} {
		check(t, readPattern(k.r, answer))
		if _, err := k.r.ReadByte(); err != io.EOF {
			t.Errorf("after the answer: %v", err)
		}
		wantOpen(t, c.a, map[uint16]uint32{port: uint32(1 - i)})
	}

	// CLOSING: both ends close at once.
	r := c.raw(t, addrR)
	both := r.talk(c.a, 4000)
	both.open(t)
	wantOpen(t, c.a, map[uint16]uint32{port: 1})
	both.say(t, "PA", "close\n")
	both.hear(t, "FA")
	fin := both.segment("FA", "")
	fin.Ack--
	both.send(t, fin)
	both.hear(t, "A")
	established(0)
	wantOpen(t, c.a, map[uint16]uint32{port: 1})
	both.say(t, "A", "")
	wantOpen(t, c.a, map[uint16]uint32{port: 0})

	// A RST ends it at once.
	reset := r.talk(c.a, 4001)
	reset.open(t)
	wantOpen(t, c.a, map[uint16]uint32{port: 1})
	reset.say(t, "R", "")
	wantOpen(t, c.a, map[uint16]uint32{port: 0})
}

// Connections count for their service, and for no other; those that were open when a
// service is added count, too. A host's connections to servers elsewhere do not.
func TestOpenByService(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, testOpenByService)
}

func testOpenByService(t *testing.T, w way) {
	const other, none = 81, 82
	c := newCluster(t, w)
	c.a.keep(t)
	c.b.keep(t)
	for _, p := range []uint16{other, none} {
		serve(t, c.a.Host, "A", p)
	}
	to := func(p uint16) netip.AddrPort { return c.addrPort(addrA, p) }
	for range 2 {
		connect(t, c.c, to(port))
	}
	gone := connect(t, c.c, to(other))
	connect(t, c.c, to(none))
	connect(t, c.a.Host, c.b.service())
	wantOpen(t, c.a, map[uint16]uint32{port: 2})
	wantOpen(t, c.b, map[uint16]uint32{port: 1})

	check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: other}))
	wantOpen(t, c.a, map[uint16]uint32{port: 2, other: 1})
	connect(t, c.c, to(other))
	wantOpen(t, c.a, map[uint16]uint32{port: 2, other: 2})
	gone.Close()
	wantOpen(t, c.a, map[uint16]uint32{port: 2, other: 1})
	check(t, c.a.dpr.DeleteService(t.Context(), dprnl.Service{Port: other}))
	wantOpen(t, c.a, map[uint16]uint32{port: 2})
	check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: other, Address: c.addr(addrB)}))
	check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: none, Address: c.addr(addrA)}))
	wantOpen(t, c.a, map[uint16]uint32{port: 2, other: 0, none: 1})
	for _, s := range []dprnl.Service{{Port: port}, {Port: other, Address: c.addr(addrB)}, {Port: none, Address: c.addr(addrA)}} {
		check(t, c.a.dpr.DeleteService(t.Context(), s))
	}
	load, err := c.a.dpr.Load(t.Context())
	check(t, err)
	if load.Connections != 5 {
		t.Errorf("without services %d connections, want all 5", load.Connections)
	}
}

// Each host's service is on an address of its own. Its connections that the other host has
// redirected are to that host's address, and count all the same; those to another address of the
// host that serves do not.
//
//	C ── switch ── A (serves .11:81)
//	        └───── B (serves .12:81, and has .22)
func TestOpenByAddress(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		const other = 81
		c := newCluster(t, w)
		second := netip.MustParseAddr("10.77.0.22")
		addresses(t, c.b.Host, eth, netip.PrefixFrom(second, network.Bits()))
		webs := map[*server]*web{}
		for _, s := range []*server{c.a, c.b} {
			webs[s] = serve(t, s.Host, s.Name, other)
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: other, Address: s.at}))
		}
		connect(t, c.c, w.addrPort(addrA, other)).wantServed(t, "B")
		wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 1})
		connect(t, c.c, w.addrPort(addrB, other)).wantServed(t, "B")
		wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 2})
		connect(t, c.c, w.addrPort(second, other)).wantServed(t, "B")
		wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 2})

		// With every change of the services all are counted anew.
		check(t, c.b.dpr.DeleteService(t.Context(), dprnl.Service{Port: port}))
		wantOpen(t, c.b, map[uint16]uint32{other: 2})
		// What counts at first is taken off in the end, also if the address is B's meanwhile.
		addresses(t, c.b.Host, "lo", netip.PrefixFrom(addrA, 32))
		webs[c.b].abort()
		wantOpen(t, c.b, map[uint16]uint32{other: 0})
		wantOpen(t, c.a, map[uint16]uint32{port: 0, other: 0})
	})
}

// The host that serves gets the address of a redirected connection, which counts no more, and loses
// it again.
//
//	C ── switch ── A (serves .11:81)
//	        └───── B (serves .12:81, and has .11 for a while)
func TestOpenAddressMoves(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		const other = 81
		c := newCluster(t, w)
		webs := map[*server]*web{}
		for _, s := range []*server{c.a, c.b} {
			webs[s] = serve(t, s.Host, s.Name, other)
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: other, Address: s.at}))
		}
		connect(t, c.c, w.addrPort(addrA, other)).wantServed(t, "B")
		wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 1})
		moved := netip.PrefixFrom(c.a.at, c.a.at.BitLen())
		for range 2 {
			check(t, c.b.Address("lo", moved))
			wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 0})
			check(t, c.b.RemoveAddress("lo", moved))
			wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 1})
		}
		webs[c.b].abort()
		wantOpen(t, c.b, map[uint16]uint32{port: 0, other: 0})
	})
}

// Nothing is counted twice or forgotten of what opens and closes while the connections
// are counted for the first time.
func TestOpenWhileCounting(t *testing.T) {
	watchKernel(t)
	const held = 3
	c := newCluster(t, fragbit4)
	c.a.keep(t)
	for range held {
		connect(t, c.c, c.a.service())
	}
	check(t, setOnline(1, true))
	t.Cleanup(func() { check(t, setOnline(1, false)) })
	for range 40 {
		l := startLoad(t, c.c, c.a.service(), 6)
		l.more(t, 6)
		// With every change of the services all are counted anew.
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: 81}))
		check(t, c.a.dpr.DeleteService(t.Context(), dprnl.Service{Port: 81}))
		l.stop()
		wantOpen(t, c.a, map[uint16]uint32{port: held})
	}
}
