// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/report"
)

// readBuffer has room for the reports of 10,000 hosts arriving at once.
const readBuffer = 4 << 20

// A socket is the Source of all networks, which are of one family: one UDP port with one
// membership for each group and interface.
type socket struct {
	conn   net.PacketConn
	packet packetConn
	groups []*membership
	batch  []ipv4.Message // buffers for reading
	read   []Datagram     // the wanted datagrams of the last read
}

// A membership is a multicast group on an interface.
type membership struct {
	config.Network
	index int // of the joined interface; 0: not joined
}

// Open opens the port; Maintain joins the networks.
func Open(c config.Report) (Source, error) {
	network := "udp4"
	if c.IPv6 {
		network = "udp6"
	}
	listen := net.ListenConfig{Control: onlyJoined}
	listener, err := listen.ListenPacket(context.Background(), network, fmt.Sprintf(":%d", c.Port))
	if err != nil {
		return nil, fmt.Errorf("opening UDP port %d for reports: %w", c.Port, err)
	}
	conn := listener.(*net.UDPConn)
	if err := setReadBuffer(conn, readBuffer); err != nil {
		conn.Close()
		return nil, fmt.Errorf("setting the receive buffer: %w", err)
	}
	s := &socket{conn: conn, packet: newPacketConn(conn, c.IPv6), batch: make([]ipv4.Message, MaxBatch)}
	for i := range s.batch {
		s.batch[i].Buffers = [][]byte{make([]byte, report.MaxLen+1)}
		s.batch[i].OOB = s.packet.controlBuffer()
	}
	// The destination distinguishes groups by the interface on which they are joined;
	// the kernel does not with IPv6.
	if err := s.packet.wantDestinations(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("enabling destination addresses on the report socket: %w", err)
	}
	for _, n := range c.Networks {
		if n.Group.IsValid() {
			s.groups = append(s.groups, &membership{Network: n})
		}
	}
	return s, nil
}

// setReadBuffer sets the size beyond net.core.rmem_max if this process may, else up to it.
func setReadBuffer(conn *net.UDPConn, size int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	})
	if err == nil && refused != nil {
		err = conn.SetReadBuffer(size)
	}
	return err
}

// onlyJoined has the kernel drop multicasts to groups that the socket itself has not joined.
// Otherwise anybody on the link could fill the buffer through the group of all hosts.
func onlyJoined(network, _ string, raw syscall.RawConn) error {
	level, option := unix.IPPROTO_IP, unix.IP_MULTICAST_ALL
	if network == "udp6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL
	}
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 0) })
	return errors.Join(err, os.NewSyscallError("setsockopt", failed))
}

// Maintain implements Source.
func (s *socket) Maintain() error {
	var errs []error
	for _, g := range s.groups {
		if err := s.join(g); err != nil {
			errs = append(errs, fmt.Errorf("joining %v: %w", g.Network, err))
		}
	}
	return errors.Join(errs...)
}

// join joins a group unless it is already joined on the interface that currently
// has the name. If none has it, the interface may have been renamed: the receiver
// hears it as long as it exists.
func (s *socket) join(g *membership) error {
	ifi, err := net.InterfaceByName(g.Interface)
	if err != nil {
		if _, gone := net.InterfaceByIndex(g.index); gone != nil {
			g.index = 0
		}
		return err
	}
	if ifi.Index == g.index {
		return nil
	}
	group := &net.UDPAddr{IP: g.Group.AsSlice()}
	if err := s.packet.JoinGroup(ifi, group); err != nil && !errors.Is(err, unix.EADDRINUSE) {
		return err
	}
	if g.index != 0 {
		// The kernel has done it if that interface is gone.
		_ = s.packet.LeaveGroup(&net.Interface{Index: g.index}, group)
	}
	g.index = ifi.Index
	return nil
}

// Read implements Source. It skips datagrams of other networks.
func (s *socket) Read(deadline time.Time) ([]Datagram, bool, error) {
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return nil, false, err
	}
	n, err := s.packet.ReadBatch(s.batch, 0)
	if err != nil {
		return nil, false, err
	}
	s.read = s.read[:0]
	for _, m := range s.batch[:n] {
		udp, ok := m.Addr.(*net.UDPAddr)
		if !ok || !s.wanted(s.packet.destination(m.OOB[:m.NN])) {
			continue
		}
		s.read = append(s.read, Datagram{m.Buffers[0][:m.N], udp.AddrPort().Addr().Unmap()})
	}
	return s.read, n == MaxBatch, nil
}

// wanted reports whether a datagram arrived on a configured network. Unicast
// datagrams may come from anywhere: the networks that send to us by unicast need
// not be those that we send to.
func (s *socket) wanted(dst netip.Addr, index int) bool {
	if !dst.IsMulticast() {
		return dst.IsValid()
	}
	for _, g := range s.groups {
		if g.Group == dst && g.index == index {
			return true
		}
	}
	return false
}

// Close implements Source.
func (s *socket) Close() error { return s.conn.Close() }
