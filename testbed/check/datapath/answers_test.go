// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
)

// What the kernel of the serving host answers for sockets without owner: it too
// comes from the address that the client knows, and at once.
//
//	C, R ── switch ── A
//	           └───── B
func TestAnswersWithoutOwner(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		port := uint16(4100)
		begin := func(t *testing.T) *talk {
			port++
			k := r.talk(c.a, port)
			k.open(t)
			k.wantServed(t, "B")
			return k
		}
		// The server's program is done with its socket some time after the FIN is out.
		released := func(t *testing.T, k *talk) {
			t.Helper()
			eventually(t, func() error { return withoutOwner(c.b, k.local) })
		}
		// Nothing but an ACK: no SYN-ACK or FIN that comes again.
		pure := func(p *wire.Packet) bool { return p.Has("A") && !p.TCP.SYN && !p.TCP.FIN }
		ack := func(t *testing.T, k *talk) {
			t.Helper()
			r.get(t, func(p *wire.Packet) bool { return k.mine(p) && pure(p) })
		}
		// The server's program still has its half of the first.
		for _, word := range []string{"shut", "close"} {
			t.Run("ACK of TIME_WAIT after "+word, func(t *testing.T) {
				k := begin(t)
				k.say(t, "PA", word+"\n")
				k.hear(t, "FA")
				if word == "close" {
					released(t, k)
				}
				r.Take(k.mine)
				k.answer(t, "FA", "", pure) // acknowledges the FIN as well
				k.seq--
				r.Take(k.mine)
				k.answer(t, "FA", "", pure) // as if that ACK had been lost
			})
		}
		t.Run("ACK of FIN_WAIT2", func(t *testing.T) {
			k := begin(t)
			k.say(t, "PA", "close\n")
			k.hear(t, "FA")
			released(t, k)
			k.say(t, "A", "")
			r.Take(k.mine)
			k.say(t, "FA", "")
			ack(t, k)
		})
		t.Run("RST of FIN_WAIT1", func(t *testing.T) {
			k := begin(t)
			k.say(t, "PA", "close\n")
			fin := k.hear(t, "FA")
			released(t, k)
			k.ack = fin.TCP.Seq // not acknowledged
			k.say(t, "PA", "more")
			k.hear(t, "R")
		})
		t.Run("RST of FIN_WAIT2", func(t *testing.T) {
			k := begin(t)
			k.say(t, "PA", "close\n")
			k.hear(t, "FA")
			released(t, k)
			k.say(t, "A", "")
			k.say(t, "PA", "more")
			k.hear(t, "R")
		})
		t.Run("ACK of a request", func(t *testing.T) {
			port++
			k := r.talk(c.a, port)
			k.say(t, "S", "")
			k.hear(t, "SA")
			s := k.segment("PA", "out of the window")
			s.Seq += 1_000_000
			r.send(t, c.a, s.Bytes())
			ack(t, k)
			k.say(t, "A", "")
			k.wantServed(t, "B")
		})
		t.Run("RST to nothing", func(t *testing.T) {
			k := begin(t)
			k.say(t, "RA", "")
			r.Take(k.mine)
			k.answer(t, "A", "", func(p *wire.Packet) bool { return p.Has("R") })
		})
	})
}

// withoutOwner returns an error unless a server's socket of a client's connection has lost
// its owner.
func withoutOwner(s *server, client netip.AddrPort) error {
	file := "/proc/thread-self/net/tcp"
	if client.Addr().Is6() {
		file += "6"
	}
	table, err := s.Read(file)
	if err != nil {
		return err
	}
	remote := ""
	for a := client.Addr().AsSlice(); len(a) > 0; a = a[4:] {
		remote += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(a))
	}
	remote += fmt.Sprintf(":%04X", client.Port())
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 9 && f[2] == remote && f[9] == "0" {
			return nil
		}
	}
	return fmt.Errorf("no socket without owner of %v in\n%s", client, table)
}

// Whoever has a connection that was redirected, or its listener, and no rights
// can send nothing else from another host's address.
//
// With IPv6 that is so of every socket: nobody needs rights for IPV6_FREEBIND, and routes
// look at no source.
func TestNoRightsByListener(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		for name, on := range map[string]netip.Addr{"all": w.any(), "own": w.addr(addrB)} {
			for _, free := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					c := bareCluster(t, w)
					c.redirect(t, c.b)
					var l, a int
					check(t, c.b.Do(func() (err error) {
						if l, err = unix.Socket(w.domain(), unix.SOCK_STREAM, 0); err != nil {
							return err
						}
						return errors.Join(unix.Bind(l, sockaddr(netip.AddrPortFrom(on, port))), unix.Listen(l, 10))
					}))
					defer unix.Close(l)
					connect(t, c.c, c.a.service())
					var err error
					a, _, err = unix.Accept(l)
					check(t, err)
					defer unix.Close(a)
					sa, err := unix.Getsockname(a)
					check(t, err)
					if got := addrOf(sa); got != w.addr(addrA) {
						t.Fatalf("accepted at %v", got)
					}
					for _, fd := range []int{a, l} {
						var un [unix.SizeofSockaddrInet6]byte // AF_UNSPEC
						_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&un)), uintptr(len(un)))
						if e != 0 {
							t.Fatal("connect(AF_UNSPEC):", e)
						}
						// Not this program's rights count, but that the socket has none.
						if free {
							check(t, w.freebind(fd))
						}
						err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(w.parse("203.0.113.7"), 0)))
						if !free && err == nil {
							t.Error("bound to a foreign address")
						}
						check(t, unix.SetNonblock(fd, true))
						err = unix.Connect(fd, sockaddr(w.addrPort(addrC, 9)))
						sa, _ := unix.Getsockname(fd)
						t.Log(name, free, "connect:", err, sa)
						from := addrOf(sa)
						if connecting(err) && from != w.addr(addrB) && !anybodyConnects(t, c, from) {
							t.Errorf("connects from %v", from)
						}
					}
				})
			}
		}
	})
}

// connecting says whether a connection of a socket that does not wait is on its way.
func connecting(err error) bool { return err == nil || errors.Is(err, unix.EINPROGRESS) }

// anybodyConnects says whether a user without rights can connect from an address on a
// host on which nothing of ours runs.
func anybodyConnects(t *testing.T, c *cluster, from netip.Addr) bool {
	t.Helper()
	var err error
	check(t, c.c.Do(func() error {
		// Of this thread alone, which does not outlive this.
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); e != 0 {
			return e
		}
		fd, e := unix.Socket(c.way.domain(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if e != nil {
			return e
		}
		defer unix.Close(fd)
		if err = errors.Join(c.way.freebind(fd), unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0)))); err == nil {
			err = unix.Connect(fd, sockaddr(c.way.addrPort(addrB, 9)))
		}
		return nil
	}))
	return connecting(err)
}
