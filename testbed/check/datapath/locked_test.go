// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net"
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
