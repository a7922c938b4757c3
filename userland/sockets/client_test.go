// SPDX-License-Identifier: MIT

package sockets

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connection is the kernel's message about one.
func connection(family, state byte, service, client string, unread, unconfirmed uint32, retransmits byte) []byte {
	s, c := netip.MustParseAddrPort(service), netip.MustParseAddrPort(client)
	b := socket(family, s.Port(), s.Addr().String())
	b[offState], b[offRetransmits] = state, retransmits
	binary.BigEndian.PutUint16(b[offPeerPort:], c.Port())
	copy(b[offPeerAddress:], c.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[offReceive:], unread)
	binary.NativeEndian.PutUint32(b[offSend:], unconfirmed)
	return b
}

// What a client has with this host is found in both families.
func TestOf(t *testing.T) {
	sockets := over(dump2(
		[][]byte{
			connection(unix.AF_INET, 1, "192.0.2.1:80", "198.51.100.9:4000", 0, 1448, 3),
			connection(unix.AF_INET, 1, "192.0.2.1:80", "198.51.100.8:4000", 0, 0, 0),
			connection(unix.AF_INET, 6, "192.0.2.1:80", "198.51.100.9:4001", 0, 0, 0),
			connection(unix.AF_INET, 99, "192.0.2.1:80", "198.51.100.9:4002", 0, 0, 0),
		},
		[][]byte{connection(unix.AF_INET6, 8, "[::ffff:192.0.2.2]:80", "[::ffff:198.51.100.9]:4000", 7, 0, 0)},
	))
	client := netip.MustParseAddr("198.51.100.9")
	got, err := ofOver(t.Context(), client, 4000, sockets)
	want := []Connection{
		{netip.MustParseAddrPort("198.51.100.9:4000"), netip.MustParseAddrPort("192.0.2.1:80"), "established", 0, 1448, 3},
		{netip.MustParseAddrPort("198.51.100.9:4000"), netip.MustParseAddrPort("192.0.2.2:80"), "close-wait", 7, 0, 0},
	}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	got, err = ofOver(t.Context(), client, 0, sockets)
	if err != nil || len(got) != 4 || got[1].State != "time-wait" || got[2].State != "unknown" {
		t.Errorf("%+v, %v; want four", got, err)
	}
	if _, err := ofOver(t.Context(), client, 0, over(answers(map[byte][][]byte{unix.AF_INET: {make([]byte, 8)}}))); err == nil || err.Error() != "reading connections: the kernel's answer has 8 bytes, want 72" {
		t.Errorf("%v", err)
	}
}

// Real connections, and no listener. A client's port may have had connections with
// others on this machine, as that of a kernel's choice often had: each is told.
func TestOfReal(t *testing.T) {
	var client netip.AddrPort
	services := make(map[netip.AddrPort]uint32)
	for _, unread := range []uint32{100, 200} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(client), Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
		c, err := dialer.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(make([]byte, unread)); err != nil {
			t.Fatal(err)
		}
		client = netip.MustParseAddrPort(c.LocalAddr().String())
		services[netip.MustParseAddrPort(l.Addr().String())] = unread
	}
	var got []Connection
	for range 100 {
		var err error
		if got, err = Of(t.Context(), client.Addr(), client.Port()); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, c := range got {
			if unread, ok := services[c.Service]; ok && c.Client == client && c.State == "established" && c.Unread == unread {
				found++
			}
		}
		if found == len(services) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%+v: want those with %v", got, services)
}
