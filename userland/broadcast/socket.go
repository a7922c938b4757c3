// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/report"
)

// socket is a Sender over UDP.
type socket struct {
	conn net.PacketConn
	to   net.Addr
}

// Open opens a network for sending datagrams from the address host, which
// receivers compare with the address in the report. Multicasts leave through the
// network's interface and are not looped back to this host.
func Open(n config.Network, port uint16, host netip.Addr) (Sender, error) {
	to := n.Unicast
	if !to.IsValid() {
		to = netip.AddrPortFrom(n.Group, port)
	}
	if to.Addr().Is4() != host.Is4() {
		return nil, fmt.Errorf("reports from this host's address, %v, cannot go to %v: they are not both of IPv4 or both of IPv6", host, to.Addr())
	}
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(context.Background(), protocol(host), netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return nil, fmt.Errorf("opening a UDP socket on %v: %w", host, err)
	}
	if n.Group.IsValid() {
		if err := multicast(multicasterOf(conn, host), n); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &socket{conn, net.UDPAddrFromAddrPort(to)}, nil
}

// protocol is the word for UDP of an address's family.
func protocol(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}

// A multicaster is a socket of either family.
type multicaster interface {
	SetMulticastInterface(*net.Interface) error
	SetMulticastTTL(int) error
	SetMulticastLoopback(bool) error
}

// hops is a socket of IPv6, whose TTL is called hop limit.
type hops struct{ *ipv6.PacketConn }

// SetMulticastTTL implements multicaster.
func (h hops) SetMulticastTTL(n int) error { return h.SetMulticastHopLimit(n) }

func multicasterOf(conn net.PacketConn, host netip.Addr) multicaster {
	if host.Is4() {
		return ipv4.NewPacketConn(conn)
	}
	return hops{ipv6.NewPacketConn(conn)}
}

func multicast(p multicaster, n config.Network) error {
	ifi, err := net.InterfaceByName(n.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", n.Interface, err)
	}
	if err := p.SetMulticastInterface(ifi); err != nil {
		return fmt.Errorf("setting the multicast interface to %s: %w", n.Interface, err)
	}
	if err := p.SetMulticastTTL(n.TTL); err != nil {
		return fmt.Errorf("setting the multicast TTL to %d: %w", n.TTL, err)
	}
	if err := p.SetMulticastLoopback(false); err != nil {
		return fmt.Errorf("turning multicast loopback off: %w", err)
	}
	return nil
}

func (s *socket) Send(b []byte) error {
	_, err := s.conn.WriteTo(b, s.to)
	return err
}

func (s *socket) Close() error { return s.conn.Close() }

// BootID reads the boot id of the running kernel.
func BootID() (report.BootID, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return report.BootID{}, fmt.Errorf("reading the boot id: %w", err)
	}
	return report.ParseBootID(strings.TrimSpace(string(text)))
}

// BootClock returns the nanoseconds since boot, including suspended time. It
// only grows within a boot, even from one process to the next.
func BootClock() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, err
	}
	return uint64(ts.Nano()), nil
}
