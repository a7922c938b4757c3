// SPDX-License-Identifier: MIT

package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// socket is the kernel's message about one.
func socket(family byte, port uint16, address string) []byte {
	b := make([]byte, messageLen)
	b[0] = family
	binary.BigEndian.PutUint16(b[offPort:], port)
	copy(b[offAddress:], netip.MustParseAddr(address).AsSlice())
	return b
}

// answers answers a request for sockets of each family.
func answers(list map[byte][][]byte) nltest.Func {
	return func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) == 0 {
			return nil, errors.New("nothing was asked")
		}
		var all []netlink.Message
		for _, data := range list[req[0].Data[0]] {
			all = append(all, netlink.Message{Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Multi}, Data: data})
		}
		return nltest.Multipart(append(all, netlink.Message{Header: netlink.Header{Type: netlink.Done, Flags: netlink.Multi}}))
	}
}

// dump2 answers requests for both families.
func dump2(v4, v6 [][]byte) nltest.Func {
	return answers(map[byte][][]byte{unix.AF_INET: v4, unix.AF_INET6: v6})
}

func over(f nltest.Func) func() (*netlink.Conn, error) {
	return func() (*netlink.Conn, error) { return nltest.Dial(f), nil }
}

// What each family has is counted, by port and address.
func TestCountsBothFamilies(t *testing.T) {
	n, err := countOver(t.Context(), []uint16{80, 443}, over(answers(map[byte][][]byte{
		unix.AF_INET: {socket(unix.AF_INET, 80, "192.0.2.1"), socket(unix.AF_INET, 81, "192.0.2.1"), socket(unix.AF_INET, 80, "127.0.0.1")},
		unix.AF_INET6: {socket(unix.AF_INET6, 443, "2001:db8::1"), socket(unix.AF_INET6, 443, "::1"),
			socket(unix.AF_INET6, 80, "::ffff:192.0.2.1"), socket(unix.AF_INET6, 80, "::ffff:127.0.0.1")},
	})))
	if err != nil || n != 3 {
		t.Errorf("%d connections, %v; want 3", n, err)
	}
}

// Whatever fails of the connection to the kernel fails the count, and is said.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOBUFS, syscall.ENOENT, syscall.EINTR} {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			n, err := countOver(t.Context(), []uint16{80}, over(func(req []netlink.Message) ([]netlink.Message, error) {
				if req[0].Data[0] == family {
					req[0].Header.Flags = 0 // those of a dump mean something else in an answer
					return nltest.Error(int(errno), req)
				}
				return answers(map[byte][][]byte{unix.AF_INET: {socket(unix.AF_INET, 80, "192.0.2.1")}})(req)
			}))
			if errno == syscall.ENOENT && family == unix.AF_INET6 { // the kernel has no IPv6
				if n != 1 || err != nil {
					t.Errorf("without IPv6: %d, %v", n, err)
				}
				continue
			}
			if !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "counting connections: ") {
				t.Errorf("%v of family %d: %d, %v", errno, family, n, err)
			}
		}
	}
	for name, tt := range map[string]struct {
		dial func() (*netlink.Conn, error)
		want string
	}{
		"dial":    {func() (*netlink.Conn, error) { return nil, broken }, "broken"},
		"receive": {over(func([]netlink.Message) ([]netlink.Message, error) { return nil, broken }), "broken"},
		"short":   {over(answers(map[byte][][]byte{unix.AF_INET: {make([]byte, messageLen-1)}})), "71 bytes, want 72"},
		"short 6": {over(answers(map[byte][][]byte{unix.AF_INET6: {make([]byte, 8)}})), "8 bytes, want 72"},
	} {
		if _, err := countOver(t.Context(), []uint16{80}, tt.dial); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCountEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := countOver(ctx, []uint16{80}, over(answers(map[byte][][]byte{unix.AF_INET: {socket(unix.AF_INET, 80, "192.0.2.1")}})))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		family  byte
		address string
	}{{unix.AF_INET, "192.0.2.1"}, {unix.AF_INET6, "2001:db8::1"}} {
		port, address, err := parse(socket(tt.family, 4660, tt.address))
		if port != 4660 || address.String() != tt.address || err != nil {
			t.Errorf("%d, %v, %v", port, address, err)
		}
	}
}
