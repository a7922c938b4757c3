// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// A program that uses a socket without end keeps no connection from moving but that one, whose
// request it gets.
func TestMigrateLocked(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		f := newFault(t)
		held := make(chan net.Conn, 1)
		m.sites["B"].hold = func(c net.Conn) { held <- c }
		locked, other := m.visit(t), m.visit(t)
		for _, k := range []*conn{locked, other} {
			k.wantFrom(t, "B", "/B")
		}
		locked.wantFrom(t, "B", "/B?hold")
		c := <-held
		t.Cleanup(func() { f.end(); c.Close() })
		f.during(t, c.(syscall.Conn), func(fd uintptr) {
			_, _, _ = unix.Syscall(unix.SYS_WRITE, fd, f.missing(), 1)
		})
		b := m.b.meter(t)
		request := "GET /D HTTP/1.1\r\nHost: a\r\n\r\n"
		_, err := locked.Write([]byte(request))
		check(t, err)
		eventually(t, func() error { return atLeast(b.changes(t), dprnl.StatMigrateHeld, 1) })
		other.wantFrom(t, "D", "/D")
		changed(t, b, dprnl.StatMigrateStayedBusy, 1)
		f.end()
		<-f.done
		check(t, c.SetDeadline(time.Now().Add(step)))
		got := make([]byte, 100)
		if n, err := c.Read(got); err != nil || string(got[:n]) != request {
			t.Errorf("the program got %q (%v), want %q", got[:n], err, request)
		}
	})
}

// One that uses a listener so keeps no other listener from taking connections.
//
//	C, R ── switch ── A
//	           └───── B (two listeners)
func TestListenerLocked(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		f := newFault(t)
		const second = 8080
		for _, s := range []*server{c.a, c.b} {
			check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: second}))
		}
		var ln net.Listener
		lc := net.ListenConfig{KeepAlive: -1}
		lc.SetMultipathTCP(false)
		check(t, c.b.Do(func() (err error) {
			ln, err = lc.Listen(t.Context(), "tcp4", "0.0.0.0:8080")
			return err
		}))
		t.Cleanup(func() { f.end(); ln.Close() })
		// Half of a filter's description is in the page that is there: a number comes first,
		// before the lock.
		const whole, half = 16, 8
		f.during(t, ln.(syscall.Conn), func(fd uintptr) {
			_, _, _ = unix.Syscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, f.missing()-half, whole, 0)
		})
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.remote = netip.AddrPortFrom(c.a.at, second)
		k.say(t, "S", "")
		time.Sleep(settle)
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		f.end()
		<-f.done
		k.seq--
		k.reopen(t)
	})
}
