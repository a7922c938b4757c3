// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// received is what a serving host counts of one connection without trouble.
func received(more counts) counts {
	c := counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1, dprnl.StatMssLowered: 1,
		dprnl.StatRxListenerDeferred: maybe}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// The serving host has no listener, or has one no more, nor has the first host: the
// client gets a RST, not silence. With a listener again all is well.
//
//	C ── switch ── A (has no server)
//	        └───── B
func TestNoListener(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.redirect(t, c.b)
		refusedNow := func(t *testing.T) {
			t.Helper()
			c.a.report(t, c.b, 0)
			b := c.b.meter(t)
			if k, err := dial(c.c, c.a.service()); !refused(err) {
				t.Errorf("connecting: %v %v, want refused", k, err)
			}
			// An acknowledgment of an earlier connection may be late.
			b.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some,
				dprnl.StatRxPackets: maybe, dprnl.StatRxBytes: maybe})
			c.a.report(t, c.b, 0)
		}
		t.Run("none", refusedNow)
		web := serve(t, c.b.Host, "B", port)
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		web.stop()
		t.Run("closed", refusedNow)
		web = serve(t, c.b.Host, "B again", port)
		b := c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B again")
		b.want(t, received(nil))

		// The listener closes, the connection does not.
		web.deaf()
		t.Run("closed under a connection", refusedNow)
		k.wantServed(t, "B again")
		check(t, k.upload(100_000))

		t.Run("a service there no more", func(t *testing.T) {
			// A has not heard of it yet.
			serve(t, c.b.Host, "B to the end", port)
			check(t, c.b.dpr.DeleteService(t.Context(), dprnl.Service{Port: port}))
			connect(t, c.c, c.a.service()).wantServed(t, "B to the end")
			k.wantServed(t, "B again")
		})
		t.Run("never a service there", func(t *testing.T) {
			serve(t, c.b.Host, "B", 81)
			check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: 81}))
			b := c.b.meter(t)
			k, err := dialFor(c.c, w.addrPort(addrA, 81), time.Second)
			if !w.marked() {
				// Without mark it may be from a tunnel of the hosts' own.
				if err == nil {
					t.Errorf("connected to %v", k.RemoteAddr())
				}
				b.want(t, counts{dprnl.StatRxPackets: maybe, dprnl.StatRxBytes: maybe})
				return
			}
			if !refused(err) {
				t.Errorf("connecting: %v %v, want refused", k, err)
			}
			b.want(t, counts{dprnl.StatRefusedNoListener: 1, dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some,
				dprnl.StatRxPackets: maybe, dprnl.StatRxBytes: maybe})
		})
	})
}

// A server listens on one of its host's addresses. What the host has found out of that one says
// nothing of another one, in the same jiffy either: nobody gets a RST, and nobody who sends SYNs
// to the one address has connections to the other one redirected.
//
//	R ── switch ── A (.11, where its server listens, and .21)
//	        └───── B
func TestListenerOnOneAddress(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		const pairs = 200
		c := bareCluster(t, w)
		second := netip.MustParseAddr("10.77.0.21")
		addresses(t, c.a.Host, eth, netip.PrefixFrom(second, network.Bits()))
		serveOn(t, c.a.Host, "A", c.a.own80(), nil)
		serve(t, c.b.Host, "B", port)
		c.redirect(t, c.b)
		// A serves what it can.
		c.a.set(t, dprnl.ConfigUpdate{MaxLoad: ptr(uint64(1 << 40))})
		r := c.raw(t, addrR)
		listens, other := c.a.service(), w.addrPort(second, port)
		for i, pair := range [][2]netip.AddrPort{{listens, other}, {other, listens}} {
			a := c.a.meter(t)
			from := uint16(10000 * (i + 1))
			for n := range uint16(pairs) {
				for _, to := range pair {
					s := wire.Segment{Src: w.addrPort(addrR, from+n), Dst: to, Flags: "S", Seq: 1}
					r.send(t, c.a, s.Bytes())
				}
			}
			answered := map[string]bool{}
			refused := 0
			eventually(t, func() error {
				for _, p := range r.Take(func(p *wire.Packet) bool { return p.TCP != nil && !p.Tunnelled() && (p.Has("SA") || p.TCP.RST) }) {
					if client := uint16(p.TCP.DstPort); client < from || client >= from+pairs {
						continue // of those before, once more
					}
					if p.TCP.RST {
						refused++
					}
					answered[fmt.Sprint(p.Src(), p.TCP.DstPort)] = true
				}
				if len(answered) < 2*pairs {
					return fmt.Errorf("%d of %d SYNs are answered", len(answered), 2*pairs)
				}
				return nil
			})
			got := a.changes(t)
			if refused != 0 || got[dprnl.StatServedBelowMaxLoad] != pairs || got[dprnl.StatRedirected] != pairs {
				t.Errorf("of %d SYNs to %v, and to %v: %d refused, %d served, %d redirected; want that half are served, half redirected",
					2*pairs, pair[0], pair[1], refused, got[dprnl.StatServedBelowMaxLoad], got[dprnl.StatRedirected])
			}
		}
	})
}

// Ways in which a server program may listen.
//
//	C ── switch ── A
//	        └───── B
func TestListeners(t *testing.T) {
	reuse := func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
	tests := map[string]func(t *testing.T, c *cluster){
		"on its host's address": func(t *testing.T, c *cluster) {
			serveOn(t, c.b.Host, "B", c.b.own80(), nil)
		},
		"on its host's and on all addresses": func(t *testing.T, c *cluster) {
			c.b.serveFor(t, reuse)
			serveOn(t, c.b.Host, "own", c.b.own80(), reuse)
		},
		"for both families on all addresses": func(t *testing.T, c *cluster) {
			serveOn(t, c.b.Host, "B", "[::]:80", nil)
		},
		"for its clients' family on all addresses": func(t *testing.T, c *cluster) {
			c.b.serveFor(t, nil)
		},
		"transparent already": func(t *testing.T, c *cluster) {
			c.b.serveFor(t, c.transparent)
		},
		"bound to its link": func(t *testing.T, c *cluster) {
			c.b.serveFor(t, func(fd int) error { return unix.BindToDevice(fd, eth) })
		},
	}
	for name, listen := range tests {
		t.Run(name, func(t *testing.T) {
			anyForwarding(t, func(t *testing.T, w way) {
				c := bareCluster(t, w)
				c.redirect(t, c.b)
				listen(t, c)
				for range 2 {
					b := c.b.meter(t)
					k := connect(t, c.c, c.a.service())
					k.wantServed(t, "B")
					check(t, k.upload(100_000))
					check(t, k.download(100_000))
					b.want(t, received(nil))
				}
				connect(t, c.c, c.b.service()) // directly
			})
		})
	}
}

// own80 is the service at the host's own address of its clients' family.
func (s *server) own80() string { return s.service().String() }

// transparent lets a socket of the clients' family have any address.
func (w way) transparent(fd int) error {
	if w.six() {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
}

// Four processes share the port by SO_REUSEPORT: all of them get redirected
// connections.
//
//	C ── switch ── A
//	        └───── B (4 listeners)
func TestReusePort(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.redirect(t, c.b)
		for i := range 4 {
			serveByProcess(t, c.b.Host, fmt.Sprint(i), netip.AddrPortFrom(w.any(), port).String())
		}
		unchanged(t, c.c, "TcpExtTCPSynRetrans")
		served := map[string]int{}
		for range 64 {
			k := connect(t, c.c, c.a.service())
			got, err := k.ask("who")
			check(t, err)
			served[got]++
		}
		if len(served) != 4 {
			t.Errorf("connections by process: %v, want some for each of 4", served)
		}
	})
}

// Several services, one of them on one address only. What is no service is not
// redirected.
//
//	C ── switch ── A (.11 and .21)
//	        └───── B
func TestServices(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		second := netip.MustParseAddr("10.77.0.21")
		addresses(t, c.a.Host, eth, netip.PrefixFrom(second, 24))
		for _, p := range []uint16{443, 8080, 9000} {
			for _, s := range []*server{c.a, c.b} {
				serve(t, s.Host, s.Name, p)
			}
		}
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: 443}))
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: 8080, Address: w.addr(second)}))
		check(t, c.b.dpr.AddService(t.Context(), dprnl.Service{Port: 443}))
		check(t, c.b.dpr.AddService(t.Context(), dprnl.Service{Port: 8080, Address: w.addr(addrB)}))
		for to, by := range map[netip.AddrPort]string{
			w.addrPort(addrA, 80): "B", w.addrPort(second, 80): "B",
			w.addrPort(addrA, 443): "B", w.addrPort(second, 443): "B",
			w.addrPort(addrA, 8080): "A", w.addrPort(second, 8080): "B",
			w.addrPort(addrA, 9000): "A", w.addrPort(second, 9000): "A",
		} {
			connect(t, c.c, to).wantServed(t, by)
		}
		if n := len(c.a.flows(t)); n != 5 {
			t.Errorf("%d flows, want 5", n)
		}
	})
}

// A program that chooses among the listeners of a group may have the packet's data
// moved; what dpr reads of it afterwards is what is there now. The checkers of the
// debug kernel see it if not.
//
//	C ── switch ── A
//	        └───── B
func TestListenersWithProgram(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		for i, on := range []string{netip.AddrPortFrom(w.any(), port).String(), c.b.own80()} {
			web := serveByProgram(t, c.b.Host, on)
			c.redirect(t, c.b)
			r := c.raw(t, netip.AddrFrom4([4]byte{10, 77, 0, byte(210 + i)}))
			for p := range uint16(20) {
				k := r.talk(c.a, 4000+p)
				k.say(t, "S", string(pattern[:100]))
				k.hear(t, "SA")
				k.seq -= 100
				k.say(t, "A", "")
				k.wantServed(t, "B")
			}
			web.stop()
		}
	})
}

// serveByProgram starts a web whose listener is a group of one, in which a program
// chooses that loads a byte of the TCP payload, if there is one.
func serveByProgram(t *testing.T, h *vnet.Host, on string) *web {
	t.Helper()
	return serveOn(t, h, "B", on, func(fd int) error {
		program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0}, {Code: unix.BPF_RET | unix.BPF_K, K: 0}}
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
				&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}))
	})
}

// The same of a SYN for a connection in TIME_WAIT, whose TCP header is so spread
// over two fragments that it fits nowhere but in memory of another place.
//
//	R ── switch ── A
//	        └───── B
func TestListenersWithProgramMoveHeader(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		serveByProgram(t, c.b.Host, c.b.own80())
		c.redirect(t, c.b)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		k.say(t, "PA", "close\n")
		k.hear(t, "FA")
		k.say(t, "FA", "")
		k.hear(t, "A")

		k.seq += 1 << 20
		syn := k.segment("S", "")
		for range 40 {
			if !w.six() {
				syn.IPOptions = append(syn.IPOptions, layers.IPv4Option{OptionType: 1, OptionLength: 1})
			}
			syn.Options = append(syn.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1})
		}
		syn.MayFrag = true
		// 60 bytes of either header, and 24 of TCP: with what the kernel puts before
		// and behind it fills 512 bytes but 18. With IPv6 the headers are shorter.
		tunnel := w.outer(addrA, addrB)
		if w.tunnel == 4 {
			tunnel.Options = syn.IPOptions
		}
		for _, part := range wire.Fragment(syn.Bytes(), 24, 1) {
			r.send(t, c.b, tunnel.Wrap(part))
		}
		k.seq++
		k.hear(t, "SA")
		k.say(t, "A", "")
		k.wantServed(t, "B")
	})
}

// A user without rights can bind to the address of another host, and so listen
// where redirected connections go: not in place of a server of another user.
//
//	C ── switch ── A
//	        └───── B (server; thief)
func TestNoStolenService(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		const high = 8080
		c := bareCluster(t, w)
		for _, s := range []*server{c.a, c.b} {
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: high}))
		}
		c.redirect(t, c.b)
		server := serveOn(t, c.b.Host, "server", w.addrPort(addrB, high).String(), nil)
		serveAs(t, c.b.Host, w, "thief", w.addrPort(addrA, high).String(), 65534)
		connect(t, c.c, w.addrPort(addrA, high)).wantServed(t, "server")
		// Who serves alone may listen where it can.
		server.stop()
		connect(t, c.c, w.addrPort(addrA, high)).wantServed(t, "thief")
	})
}

// serveAs starts a web on an address that the host need not have, by a user.
func serveAs(t *testing.T, h *vnet.Host, w way, name, address string, uid int) {
	t.Helper()
	err := h.Do(func() error {
		// Of this thread alone, which does not outlive this.
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); e != 0 {
			return e
		}
		lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, rc syscall.RawConn) error {
			var err error
			return errors.Join(rc.Control(func(fd uintptr) { err = w.freebind(int(fd)) }), err)
		}}
		lc.SetMultipathTCP(false)
		ln, err := lc.Listen(t.Context(), w.tcp(), address)
		if err != nil {
			return err
		}
		web := &web{name: name, lns: []net.Listener{ln}, conns: map[net.Conn]bool{}}
		t.Cleanup(web.stop)
		go web.run(ln)
		return nil
	})
	check(t, err)
}
