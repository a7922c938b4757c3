// SPDX-License-Identifier: MIT

package receive

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/report"
)

func open(t *testing.T, networks ...config.Network) (*socket, netip.AddrPort) {
	t.Helper()
	s, err := Open(config.Report{Networks: networks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	port := s.(*socket).conn.LocalAddr().(*net.UDPAddr).Port
	return s.(*socket), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
}

// A port that is taken is an error, and is not left half open.
func TestOpenFails(t *testing.T) {
	_, at := open(t)
	if s, err := Open(config.Report{Port: at.Port(), IPv6: true}); err != nil {
		t.Errorf("the same port of IPv6: %v", err)
	} else if _, err := Open(config.Report{Port: at.Port(), IPv6: true}); err == nil || s.Close() != nil {
		t.Error("a port of IPv6 is opened twice")
	}
	if _, err := Open(config.Report{Port: at.Port()}); err == nil || !strings.HasPrefix(err.Error(), "opening UDP port ") {
		t.Errorf("error %v", err)
	}
}

// Datagrams come whole up to a byte more than a report, with their sender; a deadline
// ends the wait, and a closed socket is an error.
func TestRead(t *testing.T) {
	s, at := open(t)
	c, err := net.Dial("udp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{report.MaxLen, report.MaxLen + 1, report.MaxLen + 50} {
		if _, err := c.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		batch, full, err := s.Read(time.Now().Add(5 * time.Second))
		if err != nil || full || len(batch) != 1 || len(batch[0].Data) != min(n, report.MaxLen+1) || batch[0].Sender != at.Addr() {
			t.Errorf("%d bytes: %v, %v", n, batch, err)
		}
	}
	for range 3 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Millisecond)
	if batch, full, err := s.Read(time.Now().Add(5 * time.Second)); err != nil || full || len(batch) != 3 {
		t.Errorf("%d datagrams, %v", len(batch), err)
	}
	begin := time.Now()
	if _, _, err := s.Read(begin.Add(50 * time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) < 40*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Read(time.Now().Add(time.Minute)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("it is closed twice")
	}
}

// The buffer has its size whatever net.core.rmem_max is.
func TestReadBuffer(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := open(t)
	raw, err := s.conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := limit + 4096
	if err := setReadBuffer(s.conn.(*net.UDPConn), size); err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		// The kernel doubles it, for its own use.
		if got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil || got < 2*size {
			t.Errorf("%d, %v; want %d", got, err, 2*size)
		}
	}); err != nil {
		t.Error(err)
	}
}

// Of multicasts those are wanted that are to a joined group by its interface; what is
// to this host itself comes by any.
func TestWanted(t *testing.T) {
	group := netip.MustParseAddr("239.77.43.1")
	s := &socket{groups: []*membership{{Network: config.Network{Group: group}, index: 7}}}
	for name, tt := range map[string]struct {
		dst   netip.Addr
		index int
		want  bool
	}{
		"joined":            {group, 7, true},
		"another interface": {group, 8, false},
		"another group":     {group.Next(), 7, false},
		"group of IPv6":     {netip.MustParseAddr("ff12::7743"), 7, false},
		"unicast":           {netip.MustParseAddr("10.0.0.1"), 8, true},
		"unicast of IPv6":   {netip.MustParseAddr("2001:db8::1"), 8, true},
		"nowhere":           {netip.Addr{}, 7, false},
	} {
		if got := s.wanted(tt.dst, tt.index); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for name, c := range map[string]packetConn{"IPv4": conn4{}, "IPv6": conn6{}} {
		if a, _ := c.destination([]byte{1}); a.IsValid() {
			t.Errorf("%s: a byte says that it went to %v", name, a)
		}
		if a, _ := c.destination(nil); a.IsValid() {
			t.Errorf("%s: nothing says that it went to %v", name, a)
		}
	}
}

// A group is joined on the interface that has the name now, once.
func TestMaintain(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, config.Network{Interface: "lo", Group: netip.MustParseAddr("239.77.43.1")}, config.Network{Unicast: netip.MustParseAddrPort("10.0.0.1:1")})
	if len(s.groups) != 1 {
		t.Fatalf("%d groups", len(s.groups))
	}
	g := s.groups[0]
	for range 2 {
		if err := s.Maintain(); err != nil || g.index != lo.Index {
			t.Errorf("%v, index %d", err, g.index)
		}
	}
	// The interface was replaced: another one has the name. That the group is joined
	// there already is as good as joining it.
	g.index = lo.Index + 1000
	if err := s.Maintain(); err != nil || g.index != lo.Index {
		t.Errorf("%v, index %d", err, g.index)
	}
	// It was renamed, and then removed.
	g.Interface = "none0"
	for index, want := range map[int]int{lo.Index: lo.Index, lo.Index + 1000: 0} {
		g.index = index
		if err := s.Maintain(); err == nil || !strings.Contains(err.Error(), "joining 239.77.43.1%none0: ") || g.index != want {
			t.Errorf("%v, index %d, want %d", err, g.index, want)
		}
	}
}

// What a count means is said.
func TestExplain(t *testing.T) {
	if Explain("x") != "" || Explain(Accepted) != "accepted and passed to the kernel" || Explain("clock") != report.Explain("clock") {
		t.Error("explanations are of others")
	}
}
