// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"dpr/testbed/lab"
)

// payloads are the UDP payloads of a capture.
func payloads(t *testing.T, file string) [][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for packet := range gopacket.NewPacketSource(r, r.LinkType()).Packets() {
		if udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
			list = append(list, udp.Payload)
		}
	}
	return list
}

// replay sends datagrams from a client to a server's report port, with the
// address of another server as their source.
func replay(t *testing.T, l *lab.Lab, client, source, target string, datagrams [][]byte) {
	t.Helper()
	send := replayer(t, l, client, source, target)
	for _, d := range datagrams {
		if err := send(d); err != nil {
			t.Fatal(err)
		}
	}
}

// replayer is what replay sends by, until the test ends.
func replayer(t *testing.T, l *lab.Lab, client, source, target string) func(datagram []byte) error {
	t.Helper()
	port, err := net.LookupPort("udp", reportPort(t, target))
	if err != nil {
		t.Fatal(err)
	}
	src, dst := netip.MustParseAddr(address(t, source)), netip.MustParseAddr(address(t, target))
	var fd int
	// A socket stays in the namespace that it was made in.
	err = l.InNamespace(client, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func(datagram []byte) error {
		return unix.Sendto(fd, ipUDP(src, dst, uint16(port), datagram), 0, &unix.SockaddrInet4{Addr: dst.As4()})
	}
}

// ipUDP puts headers before a datagram; the kernel fills in the lengths and
// the checksum of IP, and UDP does without.
func ipUDP(src, dst netip.Addr, port uint16, payload []byte) []byte {
	b := make([]byte, 28, 28+len(payload))
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[20:], port)
	binary.BigEndian.PutUint16(b[22:], port)
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	return append(b, payload...)
}
