// SPDX-License-Identifier: MIT

package rawip

import (
	"bytes"
	"net/netip"
	"testing"

	"dpr/testbed/check/datapath/wire"
)

// A packet is the one that the tests' other builder makes.
func TestTCP(t *testing.T) {
	from, to := netip.MustParseAddrPort("10.0.0.1:1234"), netip.MustParseAddrPort("192.0.2.9:80")
	for _, data := range []string{"", "x", "hello"} {
		b := make([]byte, 40+len(data))
		copy(b[40:], data)
		got := TCPData(b, from, to, 0x18, 0xfffffff0, 77)
		want := wire.Segment{Src: from, Dst: to, Flags: "PA", Seq: 0xfffffff0, Ack: 77, Payload: []byte(data)}.Bytes()
		if !bytes.Equal(got, want) {
			t.Errorf("%q: got % x, want % x", data, got, want)
		}
	}
}

// So is one of IPv6.
func TestTCP6(t *testing.T) {
	from, to := netip.MustParseAddrPort("[2001:db8::1]:1234"), netip.MustParseAddrPort("[2001:db8:9::9]:80")
	got := TCP6(make([]byte, Room), from, to, 2, 0xfffffff0, 0)
	want := wire.Segment{Src: from, Dst: to, Flags: "S", Seq: 0xfffffff0}.Bytes()
	if !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}
