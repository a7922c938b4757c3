// SPDX-License-Identifier: MIT

package ifaddr

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dpr/userland/testnetns"
)

// Of an interface's addresses those are left out that cannot be used, and those are
// named that do not stay.
func TestAddresses(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	n.Run("ip link add d0 type veth peer name d1")
	n.Run("ip link set d0 addrgenmode none up")
	n.Run("ip link set d1 addrgenmode none up")
	n.Run("ip addr add 192.0.2.1/24 dev d0")
	n.Run("ip addr add 192.0.2.2/24 dev d0")
	n.Run("ip addr add 2001:db8::1/64 dev d0 nodad")
	n.Run("ip addr add 2001:db8::2/64 dev d0 nodad preferred_lft 0")
	n.Run("ip addr add 2001:db8::3/64 dev d0 nodad")
	n.Run("sysctl -qw net.ipv6.conf.d0.dad_transmits=100")
	n.Run("ip addr add 2001:db8::4/64 dev d0")
	n.Do(func() {
		all, err := Of("d0")
		if got := fmt.Sprint(all); err != nil || got != "[{192.0.2.1 false} {192.0.2.2 false} {2001:db8::3 false} {2001:db8::2 true} {2001:db8::1 false}]" {
			t.Errorf("%s, %v", got, err)
		}
		if all, err = All(); err != nil || !slices.Contains(all, Address{netip.IPv6Loopback(), false}) || len(all) != 7 {
			t.Errorf("%v, %v", all, err)
		}
		if _, err := Of("none0"); err == nil {
			t.Error("an interface that is not there has addresses")
		}
	})
}

func TestParseFlags(t *testing.T) {
	const line = "20010db8000000000000000000000004 03 40 00 a2       d0\n"
	a := netip.MustParseAddr("2001:db8::4")
	flags, err := parseFlags([]byte(line))
	if err != nil || len(flags) != 1 || flags[a] != 0xa2 {
		t.Errorf("%v, %v", flags, err)
	}
	// One interface still looks whether another host has it, the other has it.
	flags, err = parseFlags([]byte(strings.ReplaceAll(line, "a2", "c0") + strings.ReplaceAll(line, "a2", "80")))
	if err != nil || flags[a] != 0x80 {
		t.Errorf("%v, %v", flags, err)
	}
	if flags, err = parseFlags(nil); err != nil || len(flags) != 0 {
		t.Errorf("%v, %v", flags, err)
	}
	for text, want := range map[string]string{
		line[:20]: "is no address with flags",
		"20010db800000000000000000000000x" + line[32:]: "is no address",
		"20010db8" + line[32:]:                         "is no address",
		strings.Replace(line, "a2", "1a2", 1):          "are no flags",
	} {
		if _, err := parseFlags([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
