// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"

	"dpr/userland/dprnl"
)

// The family's commands by number, spelled out: these tests send what no
// client of ours would.
const (
	configGet, configSet, serviceAdd, serviceDel, serviceGet, peerSet, peerDel, peerGet = 1, 2, 3, 4, 5, 6, 7, 8
	flowGet, flowDel, expire, loadGet, statsGet, event                                  = 9, 10, 11, 12, 13, 14
	serviceSet, peerAsk, rulesSet, rulesGet, rulesTest                                  = 15, 16, 17, 18, 19
	backendSet, backendDel, backendGet, last                                            = 20, 21, 22, backendGet
)

// badMessage is a wrong message.
type badMessage struct {
	name    string
	command uint8
	payload []byte // attributes, or what stands in their place
	dump    bool
	errno   syscall.Errno // of the answer; 0: EINVAL or ERANGE
	bare    bool          // the answer has only the errno to say
}

// outcome is how the kernel answered one.
type outcome struct {
	Name    string
	Errno   syscall.Errno
	Message string
	Offset  int
	Changed string // what it changed all the same
}

// attr is one attribute.
func attr(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func u16(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

// counts is a list of numbers as an attribute's value.
func counts(list ...uint32) (b []byte) {
	for _, n := range list {
		b = append(b, u32(n)...)
	}
	return b
}

// ip is an address as an attribute's value.
func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

// oneRule is a group, and a rule that leads to it: records that are right.
var oneRule = dprnl.UncheckedRecords(dprnl.Ruleset{Groups: []dprnl.Group{{Name: "g"}}, Matches: []dprnl.Match{{Group: "g", Path: "/"}}})

// all puts attributes together.
func all(attrs ...[]byte) []byte { return slices.Concat(attrs...) }

// badMessages are wrong in one way each. own is the host's address, peer one
// that it knows.
func badMessages(own, peer string) []badMessage {
	const stranger = "10.77.0.250"
	backendName := attr(1, 'b', 0)
	bad := []badMessage{
		{name: "config: unknown attribute", command: configSet, payload: attr(200, u32(1)...)},
		{name: "config: unknown attribute beside a valid one", command: configSet, payload: all(attr(2, u32(2)...), attr(200, u32(1)...))},
		{name: "config: valid, then invalid", command: configSet, payload: all(attr(2, u32(2)...), attr(12, u32(0)...))},
		{name: "config: policy of 3 bytes", command: configSet, payload: attr(2, 1, 0, 0)},
		{name: "config: policy of 8 bytes", command: configSet, payload: attr(2, u64(1)...)},
		{name: "config: policy of no bytes", command: configSet, payload: attr(2)},
		{name: "config: address of 2 bytes", command: configSet, payload: attr(1, 10, 77)},
		{name: "config: address of 8 bytes", command: configSet, payload: attr(1, make([]byte, 8)...)},
		{name: "config: IPv4 address of 16 bytes", command: configSet, payload: attr(1, ip("::ffff:"+own)...)},
		{name: "config: address of the link", command: configSet, payload: attr(1, ip("fe80::1")...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: address :: with a service", command: configSet, payload: attr(1, ip("::")...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: IPv6 address of another host", command: configSet, payload: attr(1, ip("fd77::250")...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: multicast address", command: configSet, payload: attr(1, ip("224.0.0.1")...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: address 0.0.0.0 with a service", command: configSet, payload: attr(1, ip("0.0.0.0")...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: address of another host", command: configSet, payload: attr(1, ip(stranger)...), errno: syscall.EADDRNOTAVAIL},
		{name: "config: MaxLoad of 4 bytes", command: configSet, payload: attr(7, u32(1)...)},
		{name: "config: forwarding of 2 bytes", command: configSet, payload: attr(25, u16(1)...)},
		{name: "config: group of 16 bytes", command: configSet, payload: attr(27, ip("ff02::1")...)},
		{name: "config: a group that is none", command: configSet, payload: attr(27, ip(stranger)...)},
		{name: "config: last port of splices before the first", command: configSet, payload: all(attr(30, u32(62000)...), attr(31, u32(61000)...))},
		{name: "config: keys of 19 bytes", command: configSet, payload: attr(28, append([]byte{1}, make([]byte, 18)...)...)},
		{name: "config: a key of id 0", command: configSet, payload: attr(28, make([]byte, 20)...)},
		{name: "config: two keys of one id", command: configSet, payload: attr(28, append(append([]byte{1}, make([]byte, 19)...), append([]byte{1}, make([]byte, 19)...)...)...)},
		{name: "config: three keys", command: configSet, payload: attr(28, slices.Repeat([]byte{1}, 60)...)},
		{name: "config: ids of keys", command: configSet, payload: attr(29, u32(1)...)},
		{name: "config: all weights 0", command: configSet, payload: all(attr(8, u32(0)...), attr(9, u32(0)...), attr(10, u32(0)...), attr(11, u32(0)...))},
		{name: "config: attribute longer than the message", command: configSet, payload: append(u16(100), append(u16(2), u32(1)...)...)},
		{name: "config: attribute shorter than its header", command: configSet, payload: append(u16(2), append(u16(2), u32(1)...)...)},
		{name: "config: attribute twice, second wrong", command: configSet, payload: all(attr(2, u32(1)...), attr(2, u32(99)...))},
		{name: "config get: an attribute", command: configGet, payload: attr(200, u32(1)...)},

		{name: "service add: no port", command: serviceAdd},
		{name: "service add: port 0", command: serviceAdd, payload: attr(1, u16(0)...)},
		{name: "service add: port of 4 bytes", command: serviceAdd, payload: attr(1, u32(81)...)},
		{name: "service add: there already", command: serviceAdd, payload: attr(1, u16(80)...), errno: syscall.EEXIST},
		{name: "service add: address of 2 bytes", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(2, 10, 77))},
		{name: "service add: unknown attribute", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(99, 1))},
		{name: "service add: load 2", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(12, u32(2)...))},
		{name: "service add: load of 2 bytes", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(12, u16(1)...))},
		{name: "service add: forwarding 3", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(13, u32(3)...))},
		{name: "service add: dispatch 3", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(14, 3))},
		{name: "service add: dispatch of 4 bytes", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(14, u32(1)...))},
		{name: "service add: forwarding of 2 bytes", command: serviceAdd, payload: all(attr(1, u16(81)...), attr(13, u16(1)...))},
		{name: "service del: no port", command: serviceDel},
		{name: "service del: not there", command: serviceDel, payload: attr(1, u16(81)...), errno: syscall.ENOENT},
		{name: "service del: on another address", command: serviceDel, payload: all(attr(1, u16(80)...), attr(2, ip(own)...)), errno: syscall.ENOENT},

		{name: "peer set: no address", command: peerSet, payload: attr(6, u32(0)...)},
		{name: "peer set: address of 3 bytes", command: peerSet, payload: attr(1, 10, 77, 0)},
		{name: "peer set: IPv4 address of 16 bytes", command: peerSet, payload: attr(1, ip("::ffff:"+stranger)...)},
		{name: "peer set: multicast IPv6 address", command: peerSet, payload: attr(1, ip("ff02::1")...)},
		{name: "peer set: address of the link", command: peerSet, payload: attr(1, ip("fe80::1")...)},
		{name: "peer set: own address", command: peerSet, payload: attr(1, ip(own)...)},
		{name: "peer set: some of the metrics", command: peerSet, payload: all(attr(1, ip(stranger)...), attr(2, u32(1)...), attr(3, u32(1)...))},
		{name: "peer set: CPU over 1000", command: peerSet, payload: all(attr(1, ip(peer)...), attr(2, u32(1)...), attr(3, u32(1001)...), attr(4, u32(1)...), attr(5, u32(1)...))},
		{name: "peer set: an attribute of answers", command: peerSet, payload: all(attr(1, ip(stranger)...), attr(9, u64(1)...))},
		{name: "peer set: a flag of deletion", command: peerSet, payload: all(attr(1, ip(stranger)...), attr(8))},
		{name: "peer set: loads of services", command: peerSet, payload: all(attr(1, ip(peer)...), attr(24, counts(80, 1, 2)...))},
		{name: "peer set: forwarding", command: peerSet, payload: all(attr(1, ip(peer)...), attr(25, u32(2)...))},
		{name: "peer set: connections without a report", command: peerSet, payload: all(attr(1, ip(peer)...), attr(23, counts(80, 1)...))},
		{name: "peer del: no address", command: peerDel},
		{name: "peer del: unknown", command: peerDel, payload: attr(1, ip(stranger)...), errno: syscall.ENOENT},
		{name: "peer del: dead with a value", command: peerDel, payload: all(attr(1, ip(peer)...), attr(8, u32(1)...))},
		{name: "peer ask: no address", command: peerAsk},
		{name: "peer ask: unknown", command: peerAsk, payload: attr(1, ip(stranger)...), errno: syscall.ENOENT},
		{name: "peer ask: an attribute of reports", command: peerAsk, payload: all(attr(1, ip(peer)...), attr(20, u32(3)...))},
		{name: "peer ask: an attribute of answers", command: peerAsk, payload: all(attr(1, ip(peer)...), attr(26, u32(1)...))},
		{name: "peer get: unknown", command: peerGet, payload: attr(1, ip(stranger)...), errno: syscall.ENOENT},

		{name: "peer get: a dump with a filter", command: peerGet, payload: attr(1, ip(peer)...), dump: true},

		{name: "flow del: nothing", command: flowDel},
		{name: "flow del: no client port", command: flowDel, payload: all(attr(1, ip(stranger)...), attr(3, ip(own)...), attr(4, u16(80)...))},
		{name: "flow del: client of 2 bytes", command: flowDel, payload: all(attr(1, 10, 77), attr(2, u16(1)...), attr(3, ip(own)...), attr(4, u16(80)...))},
		{name: "flow del: not there", command: flowDel, payload: all(attr(1, ip(stranger)...), attr(2, u16(1)...), attr(3, ip(own)...), attr(4, u16(80)...)), errno: syscall.ENOENT},
		{name: "flow get: state out of range", command: flowGet, payload: attr(6, u32(5)...), dump: true},
		{name: "flow get: an attribute of answers", command: flowGet, payload: attr(7, u32(4)...), dump: true},
		{name: "expire: budget 0", command: expire, payload: attr(1, u32(0)...)},
		{name: "expire: budget too large", command: expire, payload: attr(1, u32(65537)...)},
		{name: "expire: budget of 2 bytes", command: expire, payload: attr(1, u16(1)...)},
		{name: "load get: an attribute", command: loadGet, payload: attr(1, u32(1)...)},
		{name: "stats get: an attribute", command: statsGet, payload: attr(1, u64(1)...)},

		{name: "rules set: no port", command: rulesSet, payload: attr(3, oneRule...)},
		{name: "rules set: not there", command: rulesSet, payload: all(attr(1, u16(81)...), attr(3, oneRule...)), errno: syscall.ENOENT},
		{name: "rules set: on another address", command: rulesSet, payload: all(attr(1, u16(80)...), attr(2, ip(own)...), attr(3, oneRule...)), errno: syscall.ENOENT},
		{name: "rules set: no records", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3))},
		{name: "rules set: records cut off", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3, oneRule[:len(oneRule)-1]...))},
		{name: "rules set: a group alone", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3, oneRule[:7]...))},
		{name: "rules set: unknown record", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3, append(slices.Clone(oneRule), 99, 0)...))},
		{name: "rules set: too many bytes", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3, make([]byte, dprnl.MaxRulesBytes+1)...))},
		{name: "rules set: bytes to test", command: rulesSet, payload: all(attr(1, u16(80)...), attr(3, oneRule...), attr(4, 1))},
		{name: "rules get: not there", command: rulesGet, payload: attr(1, u16(81)...), errno: syscall.ENOENT},
		{name: "rules get: records", command: rulesGet, payload: all(attr(1, u16(80)...), attr(3, oneRule...))},
		{name: "rules test: no bytes", command: rulesTest, payload: attr(1, u16(80)...)},
		{name: "rules test: not there", command: rulesTest, payload: all(attr(1, u16(81)...), attr(4, 1)), errno: syscall.ENOENT},
		{name: "rules test: too many bytes", command: rulesTest, payload: all(attr(1, u16(80)...), attr(4, make([]byte, 16385)...))},
		{name: "rules test: records", command: rulesTest, payload: all(attr(1, u16(80)...), attr(3, oneRule...), attr(4, 1))},
		{name: "rules test: an attribute of answers", command: rulesTest, payload: all(attr(1, u16(80)...), attr(4, 1), attr(8, u32(1)...))},
		{name: "rules test: a client that is none", command: rulesTest, payload: all(attr(1, u16(80)...), attr(4, 1), attr(6, ip("224.0.0.1")...))},
		{name: "rules test: a client of 3 bytes", command: rulesTest, payload: all(attr(1, u16(80)...), attr(4, 1), attr(6, 1, 2, 3))},
		{name: "rules get as a dump", command: rulesGet, dump: true, errno: syscall.EOPNOTSUPP, bare: true},

		{name: "service set: no port", command: serviceSet, payload: attr(5, u32(1)...)},
		{name: "service set: not there", command: serviceSet, payload: all(attr(1, u16(81)...), attr(5, u32(1)...)), errno: syscall.ENOENT},
		{name: "service set: policy out of range", command: serviceSet, payload: all(attr(1, u16(80)...), attr(5, u32(99)...))},

		{name: "backend set: no name", command: backendSet, payload: all(attr(2, ip(stranger)...), attr(7, u16(80)...))},
		{name: "backend set: an empty name", command: backendSet, payload: all(attr(1, 0), attr(2, ip(stranger)...), attr(7, u16(80)...))},
		{name: "backend set: a name with a space", command: backendSet, payload: all(attr(1, 'a', ' ', 'b', 0), attr(2, ip(stranger)...), attr(7, u16(80)...))},
		{name: "backend set: a name without its end", command: backendSet, payload: all(attr(1, 'a'), attr(2, ip(stranger)...), attr(7, u16(80)...))},
		{name: "backend set: a long name", command: backendSet, payload: all(attr(1, append(bytes.Repeat([]byte("n"), dprnl.MaxBackendName+1), 0)...), attr(2, ip(stranger)...), attr(7, u16(80)...))},
		{name: "backend set: no address", command: backendSet, payload: all(backendName, attr(7, u16(80)...))},
		{name: "backend set: address of 3 bytes", command: backendSet, payload: all(backendName, attr(2, 10, 77, 0), attr(7, u16(80)...))},
		{name: "backend set: own address", command: backendSet, payload: all(backendName, attr(2, ip(own)...), attr(7, u16(80)...))},
		{name: "backend set: a peer's address", command: backendSet, payload: all(backendName, attr(2, ip(peer)...), attr(7, u16(80)...))},
		{name: "backend set: multicast address", command: backendSet, payload: all(backendName, attr(2, ip("224.0.0.1")...), attr(7, u16(80)...))},
		{name: "backend set: no services", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...))},
		{name: "backend set: services of 3 bytes", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, 80, 0, 0))},
		{name: "backend set: service 0", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(0)...))},
		{name: "backend set: a service twice", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, append(u16(80), u16(80)...)...))},
		{name: "backend set: too many services", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, make([]byte, 2*dprnl.MaxBackendServices+2)...))},
		{name: "backend set: port of 4 bytes", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(3, u32(81)...))},
		{name: "backend set: weight 0", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(4, u32(0)...))},
		{name: "backend set: weight 65536", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(4, u32(65536)...))},
		{name: "backend set: down 2", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(6, 2))},
		{name: "backend set: version 1 of the PROXY protocol", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(11, 1))},
		{name: "backend set: an attribute of answers", command: backendSet, payload: all(backendName, attr(2, ip(stranger)...), attr(7, u16(80)...), attr(8, u32(1)...))},
		{name: "backend set: down alone, and not there", command: backendSet, payload: all(backendName, attr(6, 1)), errno: syscall.ENOENT},
		{name: "backend del: no name", command: backendDel},
		{name: "backend del: not there", command: backendDel, payload: backendName, errno: syscall.ENOENT},
		{name: "backend get without dump", command: backendGet, errno: syscall.EOPNOTSUPP, bare: true},

		{name: "service get without dump", command: serviceGet, errno: syscall.EOPNOTSUPP, bare: true},
		{name: "config get as a dump", command: configGet, dump: true, errno: syscall.EOPNOTSUPP, bare: true},
		{name: "event as a command", command: event, errno: syscall.EOPNOTSUPP, bare: true},
		{name: "unknown command", command: 100, errno: syscall.EOPNOTSUPP, bare: true},
		{name: "command 0", command: 0, errno: syscall.EOPNOTSUPP, bare: true},
	}
	for _, address := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"} {
		bad = append(bad, badMessage{name: "peer set: address " + address, command: peerSet, payload: attr(1, ip(address)...)})
	}
	// Connections by port, in a report.
	for _, r := range []struct {
		what  string
		value []byte
	}{
		{"a port alone", counts(80)}, {"half a number", counts(80, 1, 81)[:10]}, {"port 0", counts(0, 1)}, {"port 65536", counts(80, 1, 65536, 1)},
		{"a port twice", counts(80, 1, 80, 2)}, {"ports in disorder", counts(81, 1, 80, 2)}, {"too many ports", make([]byte, 8*(dprnl.MaxServices+1))},
	} {
		bad = append(bad, badMessage{name: "peer set: connections: " + r.what, command: peerSet, payload: all(attr(1, ip(peer)...),
			attr(2, u32(1)...), attr(3, u32(1)...), attr(4, u32(1)...), attr(5, u32(1)...), attr(23, r.value...))})
	}
	// Numbers beyond their ranges.
	for _, r := range []struct {
		what   string
		kind   uint16
		values []uint32
	}{
		{"policy", 2, []uint32{uint32(len(dprnl.PolicyWords())), 1 << 31}}, {"hash", 3, []uint32{2}}, {"estimate", 4, []uint32{2}},
		{"marker", 5, []uint32{2}}, {"state", 6, []uint32{3}},
		{"weight of connections", 8, []uint32{65536}}, {"weight of CPU", 9, []uint32{65536}},
		{"weight of redirected", 10, []uint32{65536}}, {"weight of sockets", 11, []uint32{65536}},
		{"flow limit", 12, []uint32{0, 1<<24 + 1}}, {"report age", 13, []uint32{0, 604800001}},
		{"SYN timeout", 14, []uint32{0, 604800001}}, {"established timeout", 15, []uint32{0, 604800001}},
		{"FIN timeout", 16, []uint32{0, 604800001}}, {"RST timeout", 17, []uint32{0, 604800001}},
		{"weight", 18, []uint32{0, 65536}}, {"orphans", 19, []uint32{2}},
		{"forwarding", 25, []uint32{3, 1 << 31}}, {"answers", 26, []uint32{2}},
		{"first port of splices", 30, []uint32{1023, 65536}}, {"last port of splices", 31, []uint32{1023, 65536}},
		{"splices", 32, []uint32{0, dprnl.MaxSplices + 1}},
	} {
		for _, v := range r.values {
			bad = append(bad, badMessage{name: fmt.Sprintf("config: %s %d", r.what, v), command: configSet, payload: attr(r.kind, u32(v)...)})
		}
	}
	for _, r := range []struct {
		what  string
		kind  uint16
		value uint32
	}{{"state 3", 6, 3}, {"weight 0", 7, 0}, {"weight 65536", 7, 65536}} {
		bad = append(bad, badMessage{name: "peer set: " + r.what, command: peerSet, payload: all(attr(1, ip(peer)...), attr(r.kind, u32(r.value)...))})
	}
	return bad
}

// state is what no wrong message may change.
type state struct {
	Config   dprnl.Config
	Services []dprnl.Service
	Peers    map[string]string
	Backends []dprnl.BackendStatus
}

func readState(ctx context.Context, c *dprnl.Client) (state, error) {
	var s state
	var err error
	if s.Config, err = c.Config(ctx); err != nil {
		return s, err
	}
	if s.Services, err = c.Services(ctx); err != nil {
		return s, err
	}
	if s.Backends, err = c.Backends(ctx); err != nil {
		return s, err
	}
	peers, err := c.Peers(ctx)
	s.Peers = make(map[string]string)
	for _, p := range peers {
		s.Peers[p.Address.String()] = fmt.Sprint(p.State, p.Weight, p.Listed)
	}
	return s, err
}

// badNetlink runs in a guest: it sends every wrong message and writes the
// outcomes as JSON.
func badNetlink(ctx context.Context, w io.Writer) error {
	client, err := dprnl.New()
	if err != nil {
		return err
	}
	defer client.Close()
	conn, err := genetlink.Dial(&netlink.Config{Strict: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	family, err := conn.GetFamily(dprnl.GenlName)
	if err != nil {
		return err
	}
	before, err := readState(ctx, client)
	if err != nil {
		return err
	}
	if len(os.Args) < 3 {
		return errors.New("bad-netlink: no address of a peer given")
	}
	var outcomes []outcome
	for _, bad := range badMessages(before.Config.Address.String(), os.Args[2]) {
		flags := netlink.Request | netlink.Acknowledge
		if bad.dump {
			flags = netlink.Request | netlink.Dump
		}
		_, err := conn.Execute(genetlink.Message{Header: genetlink.Header{Command: bad.command, Version: 1}, Data: bad.payload}, family.ID, flags)
		o := outcome{Name: bad.name}
		var refused *netlink.OpError
		if errors.As(err, &refused) {
			o.Message, o.Offset = refused.Message, refused.Offset
		}
		errors.As(err, &o.Errno)
		after, err := readState(ctx, client)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(before, after) {
			o.Changed = fmt.Sprintf("%+v to %+v", before, after)
			before = after
		}
		outcomes = append(outcomes, o)
	}
	return json.NewEncoder(w).Encode(outcomes)
}

// Every wrong netlink message is refused, the answer names what is wrong, and
// nothing has changed.
func TestWrongNetlinkMessages(t *testing.T) {
	l := start(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const program = "/tmp/itest"
	if err := l.Push(t.Context(), "s1", self, program); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(t, "s1", "rm", "-f", program) })
	var outcomes []outcome
	if err := json.Unmarshal([]byte(run(t, "s1", program, "bad-netlink", address(t, "s2"))), &outcomes); err != nil {
		t.Fatal(err)
	}
	bad := badMessages(address(t, "s1"), address(t, "s2"))
	if len(outcomes) != len(bad) {
		t.Fatalf("%d outcomes of %d messages", len(outcomes), len(bad))
	}
	for i, o := range outcomes {
		t.Run(strings.ReplaceAll(o.Name, " ", "_"), func(t *testing.T) {
			want := []syscall.Errno{syscall.EINVAL, syscall.ERANGE}
			if bad[i].errno != 0 {
				want = []syscall.Errno{bad[i].errno}
			}
			if o.Name != bad[i].name || !slices.Contains(want, o.Errno) {
				t.Errorf("answer %v (%s), want %v", o.Errno, o.Message, want)
			}
			if o.Message == "" && o.Offset == 0 && !bad[i].bare {
				t.Errorf("the answer %v does not say what is wrong", o.Errno)
			}
			if o.Changed != "" {
				t.Errorf("it changed %s", o.Changed)
			}
		})
	}
}
