// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// message is one netlink message to the module.
type message struct {
	data    []byte
	command uint8
	// framed says that the headers are as they must be: only the module, and the
	// kernel by the policy of its attributes, can refuse it.
	framed bool
	// ours says that it is for the family.
	ours    bool
	changes bool
}

// maker makes messages up: a third of them good, the others damaged in places.
type maker struct {
	*rand.Rand
	family uint16
	sent   uint32
}

func (m *maker) oneIn(n int) bool { return m.IntN(n) == 0 }

// addresses are what the network has, and what no host can be.
var addresses = []string{
	"10.0.0.1", "10.0.0.1", "10.0.0.9", "10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5",
	"10.128.0.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.9.255.255", "240.0.0.1",
	"fd00::1", "fd00::1", "fd00::9", "fd09::1", "fd09::2", "fd09::3", "fd09::4", "fd09::5",
	"fd80::1", "::", "::1", "ff0e::1", "fe80::1", "::ffff:10.9.0.2",
}

// names are what a backend is called, rightly and wrongly.
var names = []string{"a", "a", "b", "b.example", "c-_9", "", "x y", strings.Repeat("n", dprnl.MaxBackendName), strings.Repeat("n", dprnl.MaxBackendName+1)}

// groups are what hosts may have joined, none, and what no group is.
var groups = []netip.Addr{
	netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("224.0.0.9"), netip.IPv4Unspecified(), netip.MustParseAddr("10.9.0.1"), netip.IPv6Unspecified(),
}

// address draws one of them, or any.
func (m *maker) address() netip.Addr {
	if m.oneIn(16) {
		return netip.AddrFrom16([16]byte(m.bytes(16)))
	}
	if m.oneIn(16) {
		return netip.AddrFrom4([4]byte(m.bytes(4)))
	}
	return netip.MustParseAddr(addresses[m.IntN(len(addresses))])
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

// number returns a value for an attribute, good or near the edges.
func (m *maker) number(most uint64) uint64 {
	switch m.IntN(6) {
	case 0:
		return most
	case 1:
		return most + uint64(m.IntN(3)) - 1
	case 2:
		return uint64(m.IntN(3))
	case 3:
		return m.Uint64() >> m.IntN(64)
	default:
		if most < 1<<32 {
			return m.Uint64N(most + 1)
		}
		return uint64(m.IntN(1000))
	}
}

func (m *maker) value(a attribute) []byte {
	switch a.kind {
	case kindU16:
		v := m.number(a.most)
		if m.oneIn(2) {
			v = uint64(80 + m.IntN(4))
		}
		return binary.NativeEndian.AppendUint16(nil, uint16(v))
	case kindU32:
		return binary.NativeEndian.AppendUint32(nil, uint32(m.number(a.most)))
	case kindU64:
		return binary.NativeEndian.AppendUint64(nil, m.number(1<<63))
	case kindAddress:
		return m.address().AsSlice()
	case kindPorts:
		var b []byte
		for range min(m.number(a.most), a.most+10) {
			b = binary.NativeEndian.AppendUint16(b, uint16(80+m.IntN(4)))
		}
		return b
	case kindCounts:
		var b []byte
		port := uint32(76) // in order, mostly
		for range min(m.number(a.most), a.most+10) {
			port += uint32(max(m.IntN(20)-1, 0))
			b = binary.NativeEndian.AppendUint32(b, port)
			b = binary.NativeEndian.AppendUint32(b, uint32(m.number(most32)))
		}
		return b
	case kindU8:
		return []byte{byte(m.number(a.most))}
	case kindName:
		name := []byte(names[m.IntN(len(names))] + "\x00")
		if m.oneIn(8) {
			name = m.scratched(name)
		}
		return name
	case kindGroup:
		return groups[m.IntN(len(groups))].AsSlice()
	case kindKeys:
		var b []byte
		for range min(m.number(a.most), a.most+3) {
			b = append(append(b, 0, 0, 0, byte(m.IntN(4))), m.bytes(dprnl.HandoverKeyLen)...)
		}
		return b
	case kindRecords:
		return m.scratched(dprnl.UncheckedRecords(rulesets[m.IntN(len(rulesets))]))
	case kindBytes:
		return m.scratched(m.request())
	case kindAddresses, kindAddresses6:
		var b []byte
		for range min(m.number(a.most), a.most+10) {
			b = append(b, peerAddressOf(m.IntN(peers), a.kind == kindAddresses6).AsSlice()...)
		}
		return b
	default:
		return nil
	}
}

func appendAttribute(b []byte, number uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, number)
	return align(append(b, value...))
}

func align(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// attribute returns one that the command takes, or damages it.
func (m *maker) attribute(b []byte, a attribute, damage bool) []byte {
	number, value := a.number, m.value(a)
	if !damage {
		return appendAttribute(b, number, value)
	}
	at := len(b)
	switch m.IntN(8) {
	case 0: // another's number
		number = uint16(m.IntN(attributes))
	case 1:
		number = uint16(m.Uint32())
	case 2:
		number |= []uint16{unix.NLA_F_NESTED, unix.NLA_F_NET_BYTEORDER}[m.IntN(2)]
	case 3: // shorter
		value = value[:m.IntN(len(value)+1)]
	case 4: // longer
		value = append(value, make([]byte, 1+m.IntN(40))...)
	case 5: // twice
		b = appendAttribute(b, number, value)
		value = m.value(a)
	case 6: // in another one
		value = appendAttribute(nil, number, value)
		number = uint16(m.IntN(attributes)) | unix.NLA_F_NESTED
	case 7: // a length that is a lie
		b = appendAttribute(b, number, value)
		binary.NativeEndian.PutUint16(b[at:], uint16(m.IntN(64)))
		return b
	}
	return appendAttribute(b, number, value)
}

// payload makes a command's attributes: those that it needs, mostly.
func (m *maker) payload(c command, damage bool) []byte {
	var b []byte
	all := m.oneIn(2)
	for _, a := range c.takes {
		// A change of the configuration names few values, to be accepted now and then.
		if !all && m.oneIn(3) || c.number == 2 && !m.oneIn(5) {
			continue
		}
		b = m.attribute(b, a, damage && m.oneIn(3))
	}
	if c.number == 6 && m.oneIn(2) {
		b = m.report()
	}
	if c.number == 20 && m.oneIn(3) {
		b = m.backend()
	}
	if damage && m.oneIn(6) {
		b = m.attribute(b, attribute{uint16(m.IntN(attributes)), kind(m.IntN(int(kinds))), 1}, true)
	}
	if damage && m.oneIn(8) {
		b = append(b, make([]byte, 1+m.IntN(7))...)
	}
	if damage && m.oneIn(8) {
		b = b[:m.IntN(len(b)+1)]
	}
	return b
}

// backend is one that is accepted, so that there are some.
func (m *maker) backend() []byte {
	b := appendAttribute(nil, 1, []byte(names[m.IntN(4)]+"\x00"))
	b = appendAttribute(b, 2, backendAddress(m.IntN(backends), m.oneIn(3)).AsSlice())
	return appendAttribute(b, 7, binary.NativeEndian.AppendUint16(nil, ports[m.IntN(len(ports))]))
}

// report is one that is accepted, so that there are peers.
func (m *maker) report() []byte {
	b := appendAttribute(nil, 1, peerAddressOf(m.IntN(peers), m.oneIn(3)).AsSlice())
	for i := range 4 {
		b = appendAttribute(b, uint16(2+i), binary.NativeEndian.AppendUint32(nil, uint32(m.IntN(1000))))
	}
	return b
}

// one makes a message.
func (m *maker) one() message {
	c := family[m.IntN(len(family))]
	damage := !m.oneIn(3)
	out := message{command: c.number, framed: true, ours: true, changes: c.changes}
	flags := uint16(unix.NLM_F_REQUEST)
	if c.dump && !m.oneIn(4) {
		flags |= unix.NLM_F_DUMP
	} else if m.oneIn(2) {
		flags |= unix.NLM_F_ACK
	}
	payload, number, version, reserved := m.payload(c, damage), m.family, uint8(1), uint16(0)
	if damage && m.oneIn(12) {
		out.framed = false
		switch m.IntN(5) {
		case 0:
			out.command = uint8(m.IntN(256))
		case 1:
			version = uint8(m.IntN(256))
		case 2:
			reserved = uint16(m.IntN(1 << 16))
		case 3:
			flags = uint16(m.IntN(1<<16)) | unix.NLM_F_REQUEST
		case 4: // none of the kernel's own, and no other family's
			number, out.ours = uint16(0x4000+m.IntN(1000)), false
		}
	}
	m.sent++
	b := binary.NativeEndian.AppendUint32(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, number)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, m.sent)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, out.command, version)
	b = binary.NativeEndian.AppendUint16(b, reserved)
	b = append(b, payload...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	out.data = b
	return out
}

// cut damages a message's own length: the kernel does not look at what follows.
func (m *maker) cut(o message) message {
	o.framed = false
	if m.oneIn(2) {
		binary.NativeEndian.PutUint32(o.data, uint32(m.IntN(2*len(o.data))))
	} else {
		o.data = o.data[:1+m.IntN(len(o.data)-1)]
	}
	return o
}
