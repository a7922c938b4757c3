// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
)

// nobody is the user and group of the program.
const nobody = 65534

// victimPort is where the program connects to: the client's host, where nobody
// listens.
const victimPort = 9999

// Attempts that are not made with an accepted socket.
const (
	attemptRight  = "a program that got IP_TRANSPARENT as root"
	attemptHonest = "an honest server"
	attemptThief  = "listen on another host's address (IP_FREEBIND)"
)

// attempt is what the program does with a socket.
type attempt struct {
	name string
	own  bool // it listens on B's address, not on all
	six  bool // its listener is one of IPv6, for both
	do   func(*try, int, int)
}

// attempts are those with an accepted socket, or its listener.
var attempts = []attempt{
	{name: "look at IP_TRANSPARENT", do: func(t *try, fd, _ int) {
		v, err := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT)
		t.note("IP_TRANSPARENT %d", err, v)
		t.gained = t.gained || v != 0
	}},
	{name: "bind a foreign address", do: func(t *try, fd, _ int) {
		t.disconnect(fd)
		if t.bind(fd) {
			t.connect(fd)
		}
	}},
	{name: "connect from what it has", do: func(t *try, fd, _ int) { t.disconnect(fd); t.connect(fd) }},
	{name: "connect from what it has, on its own address", own: true, do: func(t *try, fd, _ int) { t.disconnect(fd); t.connect(fd) }},
	{name: "IP_FREEBIND", do: func(t *try, fd, _ int) { t.disconnect(fd); t.freebind(fd); t.connect(fd) }},
	{name: "IP_FREEBIND, TCP_FASTOPEN", do: func(t *try, fd, _ int) {
		t.disconnect(fd)
		t.freebind(fd)
		err := unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN|unix.MSG_DONTWAIT, victim())
		t.note("sendto(MSG_FASTOPEN)", err)
	}},
	{name: "IP_FREEBIND, TCP_FASTOPEN_CONNECT", do: func(t *try, fd, _ int) {
		t.disconnect(fd)
		t.freebind(fd)
		t.note("TCP_FASTOPEN_CONNECT", unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_FASTOPEN_CONNECT, 1))
		t.connect(fd)
		_, err := unix.Write(fd, []byte("x"))
		t.note("write", err)
	}},
	{name: "IP_FREEBIND, SO_BINDTODEVICE, SO_DONTROUTE", do: func(t *try, fd, _ int) {
		t.disconnect(fd)
		t.note("SO_BINDTODEVICE", unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, vnet.Link))
		t.note("SO_DONTROUTE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DONTROUTE, 1))
		t.freebind(fd)
		t.connect(fd)
	}},
	{name: "the listener: bind a foreign address", do: func(t *try, _, ln int) {
		t.disconnect(ln)
		if t.bind(ln) {
			t.connect(ln)
		}
	}},
	{name: "the listener: IP_FREEBIND", do: func(t *try, _, ln int) { t.disconnect(ln); t.freebind(ln); t.connect(ln) }},
	{name: "dual-stack: bind a foreign address", six: true, do: func(t *try, fd, _ int) {
		t.disconnect(fd)
		if t.bind(fd) {
			t.connect(fd)
		}
	}},
	{name: "dual-stack: the listener binds a foreign address", six: true, do: func(t *try, _, ln int) {
		t.disconnect(ln)
		if t.bind(ln) {
			t.connect(ln)
		}
	}},
}

// try is one attempt.
type try struct {
	six    bool
	gained bool
	notes  []string
}

func (t *try) note(format string, err error, args ...any) {
	text := fmt.Sprintf(format, args...)
	if err != nil {
		text += ": " + err.Error()
	}
	t.notes = append(t.notes, text)
}

func (t *try) disconnect(fd int) {
	var unspec [16]byte // AF_UNSPEC
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspec)), uintptr(len(unspec)))
	if errno != 0 {
		t.note("connect(AF_UNSPEC)", errno)
	}
}

// mapped is an IPv4 address as IPv6 has it.
func mapped(a [4]byte, port int) *unix.SockaddrInet6 {
	s := &unix.SockaddrInet6{Port: port}
	s.Addr[10], s.Addr[11] = 0xff, 0xff
	copy(s.Addr[12:], a[:])
	return s
}

func victim() unix.Sockaddr {
	return &unix.SockaddrInet4{Port: victimPort, Addr: addressC.As4()}
}

// bind binds the foreign address, which takes a right.
func (t *try) bind(fd int) bool {
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: foreign.As4()}
	if t.six {
		to = mapped(foreign.As4(), 0)
	}
	err := unix.Bind(fd, to)
	t.note("bind %s", err, foreign)
	t.gained = t.gained || err == nil
	return err == nil
}

// freebind binds it as everybody may; nothing may leave from there.
func (t *try) freebind(fd int) {
	t.note("IP_FREEBIND", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1))
	t.note("bind %s", unix.Bind(fd, &unix.SockaddrInet4{Addr: foreign.As4()}), foreign)
}

// connect connects to the client's host. What counts is what leaves.
func (t *try) connect(fd int) {
	to := victim()
	if t.six {
		to = mapped(addressC.As4(), victimPort)
	}
	err := errors.Join(unix.SetNonblock(fd, true), unix.Connect(fd, to))
	if errors.Is(err, unix.EINPROGRESS) {
		err = nil
	}
	t.note("connect", err)
}

// role is the program. It says how far it has come, and goes on when it gets a line.
func role(args []string) error {
	switch args[0] {
	case attemptRight:
		return rightful()
	case attemptHonest:
		return serveOnce(addressB.As4(), 1000, false)
	case attemptThief:
		return serveOnce(addressA.As4(), nobody, true)
	}
	for i := range attempts {
		if attempts[i].name == args[0] {
			return attempts[i].run()
		}
	}
	return fmt.Errorf("unknown attempt %q", args[0])
}

func say(step string, t *try) error {
	return json.NewEncoder(os.Stdout).Encode(said{step, strings.Join(t.notes, "; "), t.gained})
}

// awaitLine waits for a line.
func awaitLine() error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for a line: %w", err)
	}
	return nil
}

// drop gives up all rights.
func drop(id int) error {
	if err := errors.Join(unix.Setgroups(nil), unix.Setgid(id), unix.Setuid(id)); err != nil {
		return fmt.Errorf("giving up rights: %w", err)
	}
	return nil
}

// run accepts one connection as nobody, and makes the attempt.
func (a *attempt) run() error {
	if err := drop(nobody); err != nil {
		return err
	}
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: servicePort}
	family := unix.AF_INET
	if a.own {
		at = &unix.SockaddrInet4{Port: servicePort, Addr: addressB.As4()}
	}
	if a.six {
		family, at = unix.AF_INET6, &unix.SockaddrInet6{Port: servicePort}
	}
	ln, err := listen(family, at, false)
	if err != nil {
		return err
	}
	t := &try{six: a.six}
	if err := say("listening", t); err != nil {
		return err
	}
	fd, _, err := unix.Accept(ln)
	if err != nil {
		return err
	}
	if err := say("accepted", t); err != nil {
		return err
	}
	if err := awaitLine(); err != nil {
		return err
	}
	a.do(t, fd, ln)
	// What leaves leaves now.
	time.Sleep(50 * time.Millisecond)
	if err := say("tried", t); err != nil {
		return err
	}
	return awaitLine()
}

func listen(family int, at unix.Sockaddr, free bool) (int, error) {
	ln, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if free {
		err = unix.SetsockoptInt(ln, unix.SOL_IP, unix.IP_FREEBIND, 1)
	}
	err = errors.Join(err, unix.SetsockoptInt(ln, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(ln, at), unix.Listen(ln, 8))
	return ln, err
}

// serveOnce listens on an address as a user, and says so when it accepts.
func serveOnce(addr [4]byte, id int, free bool) error {
	if err := drop(id); err != nil {
		return err
	}
	t := &try{}
	ln, err := listen(unix.AF_INET, &unix.SockaddrInet4{Port: servicePort, Addr: addr}, free)
	t.note("listen on %v", err, addr)
	if err := say("listening", t); err != nil {
		return err
	}
	if err != nil {
		return awaitLine() // it does not even listen
	}
	if _, _, err := unix.Accept(ln); err != nil {
		return err
	}
	if err := say("accepted", t); err != nil {
		return err
	}
	return awaitLine()
}

// rightful uses the right that root gave it.
func rightful() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
		return err
	}
	if err := drop(nobody); err != nil {
		return err
	}
	if err := awaitLine(); err != nil {
		return err
	}
	t := &try{}
	if t.bind(fd) {
		t.connect(fd)
	}
	time.Sleep(50 * time.Millisecond)
	if err := say("tried", t); err != nil {
		return err
	}
	return awaitLine()
}
