// SPDX-License-Identifier: MIT

package broadcast

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
)

// suspended is set when the test runs itself in a time namespace.
const suspended = "DPR_TEST_SUSPENDED"

var loopback, loopback6 = netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()

// What a network cannot have is said, in words of its own.
func TestOpenFails(t *testing.T) {
	group, group6 := netip.MustParseAddr("239.77.43.1"), netip.MustParseAddr("ff12::7743")
	for want, tt := range map[string]struct {
		n    config.Network
		host netip.Addr
	}{
		"opening a UDP socket on 192.0.2.1": {config.Network{Unicast: netip.MustParseAddrPort("127.0.0.1:9")}, host},
		"interface none0: ":                 {config.Network{Interface: "none0", Group: group, TTL: 1}, loopback},
		"reports from this host's address, 127.0.0.1, cannot go to 2001:db8::1: ": {config.Network{Unicast: netip.MustParseAddrPort("[2001:db8::1]:9")}, loopback},
		"reports from this host's address, ::1, cannot go to 239.77.43.1: ":       {config.Network{Interface: "lo", Group: group, TTL: 1}, loopback6},
		"setting the multicast TTL to 301: ":                                      {config.Network{Interface: "lo", Group: group6, TTL: 301}, loopback6},
		"setting the multicast TTL to 300: ":                                      {config.Network{Interface: "lo", Group: group, TTL: 300}, loopback},
	} {
		s, err := Open(tt.n, 7743, tt.host)
		if err == nil || s != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A multicast leaves by its interface, with its TTL, to its group and port, from this
// host's address, and does not come back.
func TestOpenMulticast(t *testing.T) {
	n := config.Network{Interface: "lo", Group: netip.MustParseAddr("239.77.43.1"), TTL: 7}
	opened, err := Open(n, 4321, loopback)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*socket)
	defer s.Close()
	p := ipv4.NewPacketConn(s.conn)
	ttl, err := p.MulticastTTL()
	if err != nil || ttl != 7 {
		t.Errorf("TTL %d, %v", ttl, err)
	}
	loops, err := p.MulticastLoopback()
	if err != nil || loops {
		t.Errorf("it is looped back: %t, %v", loops, err)
	}
	if got := s.to.String(); got != "239.77.43.1:4321" {
		t.Errorf("to %s", got)
	}
	if got := s.conn.LocalAddr().(*net.UDPAddr).IP.String(); got != "127.0.0.1" {
		t.Errorf("from %s", got)
	}
}

// So does one of IPv6, whose TTL is the hop limit.
func TestOpenMulticastOfIPv6(t *testing.T) {
	n := config.Network{Interface: "lo", Group: netip.MustParseAddr("ff12::7743"), TTL: 7}
	opened, err := Open(n, 4321, loopback6)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*socket)
	defer s.Close()
	p := ipv6.NewPacketConn(s.conn)
	if limit, err := p.MulticastHopLimit(); err != nil || limit != 7 {
		t.Errorf("hop limit %d, %v", limit, err)
	}
	if loops, err := p.MulticastLoopback(); err != nil || loops {
		t.Errorf("it is looped back: %t, %v", loops, err)
	}
	if ifi, err := p.MulticastInterface(); err != nil || ifi.Name != "lo" {
		t.Errorf("interface %v, %v", ifi, err)
	}
	if got := s.to.String(); got != "[ff12::7743]:4321" {
		t.Errorf("to %s", got)
	}
	if got := s.conn.LocalAddr().(*net.UDPAddr).IP.String(); got != "::1" {
		t.Errorf("from %s", got)
	}
}

// A unicast arrives, and a closed socket sends no more and says so.
func TestOpenUnicast(t *testing.T) {
	for _, from := range []netip.Addr{loopback, loopback6} {
		t.Run(from.String(), func(t *testing.T) { openUnicast(t, from) })
	}
}

func openUnicast(t *testing.T, loopback netip.Addr) {
	t.Helper()
	in, err := net.ListenPacket("udp", netip.AddrPortFrom(loopback, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	to := in.LocalAddr().(*net.UDPAddr).AddrPort()
	s, err := Open(config.Network{Unicast: to}, 7743, loopback)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if err := in.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := in.ReadFrom(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Send([]byte("again")); err == nil {
		t.Error("a closed socket sends")
	}
	if err := s.Close(); err == nil {
		t.Error("it is closed twice")
	}
}

// Sequence numbers come from the clock that counts suspension too, and are those of
// this boot.
func TestBootClockIsTheBootTime(t *testing.T) {
	if os.Getenv(suspended) == "" {
		// Where both clocks differ, as after a suspension.
		cmd := exec.Command("unshare", "--time", "--boottime", "100000", "--fork", os.Args[0], "-test.run", "^TestBootClockIsTheBootTime$", "-test.v")
		cmd.Env = append(os.Environ(), suspended+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v (are we root?)\n%s", err, out)
		}
		return
	}
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
		t.Fatal(err)
	}
	got, err := BootClock()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &after); err != nil {
		t.Fatal(err)
	}
	if got < uint64(before.Nano()) || got > uint64(after.Nano()) {
		t.Errorf("%d is not from %d to %d", got, before.Nano(), after.Nano())
	}
}
