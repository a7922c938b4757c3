// SPDX-License-Identifier: MIT

package report

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var host6 = netip.MustParseAddr("2001:db8::7")

// detailed6 returns a report of version 2 of a host whose own address is an IPv6 one.
func detailed6(t testing.TB) Report {
	t.Helper()
	r := detailed(t)
	r.Host = host6
	r.Details.Addresses = addresses("192.0.2.7", "2001:db8::8")
	return r
}

// A host of IPv6 has its address where one of IPv4 has its own, and reports come from it.
func TestHostOfIPv6(t *testing.T) {
	b := mustAppend(t, detailed6(t), testKey(7))
	if got := hex.EncodeToString(b[offHost2:offBoot2]); got != "20010db8000000000000000000000007" {
		t.Errorf("host %s", got)
	}
	v, _ := verifier(testKey(7))
	if _, err := v.Verify(b, host); !errors.Is(err, ErrSender) {
		t.Errorf("from %v: %v", host, err)
	}
	if r, err := v.Verify(b, host6); err != nil || !reflect.DeepEqual(r, detailed6(t)) {
		t.Errorf("%+v %+v, %v", r, r.Details, err)
	}
	if _, err := v.Verify(b, host6); !errors.Is(err, ErrReplayed) || v.Hosts() != 1 {
		t.Errorf("again: %v, %d hosts", err, v.Hosts())
	}
}

// What is no address of a host is refused, be it sent or received.
func TestHostsRefused(t *testing.T) {
	for _, a := range addresses("::", "::1", "ff02::1", "fe80::7", "::ffff:0.0.0.0", "::ffff:127.0.0.1") {
		r := detailed6(t)
		r.Host = a
		if b, err := r.Append(nil, nil); !errors.Is(err, ErrRange) || len(b) > 0 || !strings.Contains(err.Error(), "host "+a.String()) {
			t.Errorf("%v: %x, %v", a, b, err)
		}
		b := mustAppend(t, detailed6(t), nil)
		a16 := a.As16()
		copy(b[offHost2:], a16[:])
		v, _ := verifier()
		if _, err := v.Verify(b, a); !errors.Is(err, ErrRange) {
			t.Errorf("%v received: %v", a, err)
		}
	}
	// Version 1 has no room for it.
	r := testReport(t)
	r.Host = host6
	if b, err := r.Append(nil, nil); !errors.Is(err, ErrRange) || len(b) > 0 || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("version 1: %x, %v", b, err)
	}
}

// What a host knows that does not say it, its version says.
func TestProtocol(t *testing.T) {
	first, silent, later := testReport(t), detailed(t), detailed(t)
	silent.Details.Protocol, later.Details.Protocol = 0, 9
	known := detailed(t)
	for want, r := range map[uint32]Report{1: first, 2: silent, 3: known, 9: later} {
		v, _ := verifier()
		got, err := v.Verify(mustAppend(t, r, nil), host)
		if err != nil || got.Protocol() != want || r.Protocol() != want {
			t.Errorf("%d, want %d (%v)", got.Protocol(), want, err)
		}
	}
}

// Reports of both families are remembered over a restart.
func TestMemoryOfBothFamilies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	now := start
	v := process(t, path, &now)
	all := map[netip.Addr][]byte{host: mustAppend(t, detailed(t), nil), host6: mustAppend(t, detailed6(t), nil)}
	for from, b := range all {
		if _, err := v.Verify(b, from); err != nil {
			t.Fatal(err)
		}
	}
	v = process(t, path, &now)
	for from, b := range all {
		if _, err := v.Verify(b, from); !errors.Is(err, ErrReplayed) {
			t.Errorf("%v: %v", from, err)
		}
	}
}
