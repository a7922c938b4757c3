// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// What the kernel of the serving host answers for sockets without owner: it too
// comes from the address that the client knows, and at once.
//
//	C, R ── switch ── A
//	           └───── B
func TestAnswersWithoutOwner(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
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
	table, err := s.Read("/proc/thread-self/net/tcp")
	if err != nil {
		return err
	}
	a := client.Addr().As4()
	remote := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(a[:]), client.Port())
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
func TestNoRightsByListener(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		for name, on := range map[string][4]byte{"all": {}, "own": addrB.As4()} {
			for _, free := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					c := bareCluster(t, m)
					c.redirect(t, c.b)
					var l, a int
					check(t, c.b.Do(func() (err error) {
						if l, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
							return err
						}
						return errors.Join(unix.Bind(l, &unix.SockaddrInet4{Port: int(c.a.service().Port()), Addr: on}), unix.Listen(l, 10))
					}))
					defer unix.Close(l)
					connect(t, c.c, c.a.service())
					var err error
					a, _, err = unix.Accept(l)
					check(t, err)
					defer unix.Close(a)
					sa, err := unix.Getsockname(a)
					check(t, err)
					if got := sa.(*unix.SockaddrInet4).Addr; got != addrA.As4() {
						t.Fatalf("accepted at %v", got)
					}
					for _, fd := range []int{a, l} {
						var un [16]byte
						_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&un)), 16)
						if e != 0 {
							t.Fatal("connect(AF_UNSPEC):", e)
						}
						// Not this program's rights count, but that the socket has none.
						if free {
							check(t, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1))
						}
						err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{203, 0, 113, 7}})
						if !free && err == nil {
							t.Error("bound to a foreign address")
						}
						check(t, unix.SetNonblock(fd, true))
						err = unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: addrC.As4()})
						sa, _ := unix.Getsockname(fd)
						t.Log(name, free, "connect:", err, sa)
						from := sa.(*unix.SockaddrInet4).Addr
						if (err == nil || errors.Is(err, syscall.EINPROGRESS)) && from != addrB.As4() {
							t.Errorf("connects from %v", from)
						}
					}
				})
			}
		}
	})
}
