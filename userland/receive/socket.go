// SPDX-License-Identifier: MIT

package receive

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"

	"dpr/userland/config"
	"dpr/userland/report"
)

// readBuffer holds the reports of 10,000 hosts, should they come at once.
const readBuffer = 4 << 20

// A socket is the Source of all networks: one UDP port, one membership for
// every group and interface.
type socket struct {
	conn   net.PacketConn
	packet *ipv4.PacketConn
	groups []*membership
	batch  []ipv4.Message // room for what is read
	read   []Datagram     // what was read and is wanted
}

// A membership is a multicast group on an interface.
type membership struct {
	config.Network
	index int // of the interface joined on; 0: not joined
}

// Open opens the port and joins what can be joined; see Maintain.
func Open(c config.Report) (Source, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(c.Port)})
	if err != nil {
		return nil, fmt.Errorf("opening UDP port %d for reports: %w", c.Port, err)
	}
	// More than net.core.rmem_max is not given; less is no error either.
	if err := conn.SetReadBuffer(readBuffer); err != nil {
		conn.Close()
		return nil, fmt.Errorf("setting the receive buffer: %w", err)
	}
	s := &socket{conn: conn, packet: ipv4.NewPacketConn(conn), batch: make([]ipv4.Message, MaxBatch)}
	for i := range s.batch {
		s.batch[i].Buffers = [][]byte{make([]byte, report.MaxLen+1)}
		s.batch[i].OOB = ipv4.NewControlMessage(ipv4.FlagDst | ipv4.FlagInterface)
	}
	// The destination tells a joined group from one that another process
	// joined: the kernel delivers both.
	if err := s.packet.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil {
		conn.Close()
		return nil, fmt.Errorf("asking for destination addresses: %w", err)
	}
	for _, n := range c.Networks {
		if !n.Unicast.IsValid() {
			s.groups = append(s.groups, &membership{Network: n})
		}
	}
	return s, nil
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

// join joins a group unless it is joined on the interface that has the name
// now.
func (s *socket) join(g *membership) error {
	ifi, err := net.InterfaceByName(g.Interface)
	if err != nil {
		g.index = 0
		return err
	}
	if ifi.Index == g.index {
		return nil
	}
	if err := s.packet.JoinGroup(ifi, &net.UDPAddr{IP: g.Group.AsSlice()}); err != nil {
		return err
	}
	g.index = ifi.Index
	return nil
}

// Read implements Source. Datagrams of other networks are passed over.
func (s *socket) Read(deadline time.Time) ([]Datagram, error) {
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	n, err := s.packet.ReadBatch(s.batch, 0)
	if err != nil {
		return nil, err
	}
	s.read = s.read[:0]
	for _, m := range s.batch[:n] {
		var cm ipv4.ControlMessage
		udp, ok := m.Addr.(*net.UDPAddr)
		if !ok || cm.Parse(m.OOB[:m.NN]) != nil || !s.wanted(&cm) {
			continue
		}
		s.read = append(s.read, Datagram{m.Buffers[0][:m.N], udp.AddrPort().Addr().Unmap()})
	}
	return s.read, nil
}

// wanted says whether a datagram came by a configured network. One to this
// host itself may come from any other: networks that send to us by unicast
// need not be those that we send to.
func (s *socket) wanted(cm *ipv4.ControlMessage) bool {
	dst, ok := netip.AddrFromSlice(cm.Dst)
	if !ok {
		return false
	}
	dst = dst.Unmap()
	if !dst.IsMulticast() {
		return true
	}
	for _, g := range s.groups {
		if g.Group == dst && g.index == cm.IfIndex {
			return true
		}
	}
	return false
}

// Close implements Source.
func (s *socket) Close() error { return s.conn.Close() }
