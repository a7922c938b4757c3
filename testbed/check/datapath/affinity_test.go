// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// newAffine makes a cluster of three hosts that know each other and have an affinity, and
// a client with many addresses, which are returned.
func newAffine(t *testing.T, w way) (*three, []netip.Addr) {
	t.Helper()
	x := newThree(t, w, choices["lowest"])
	hosts := []*server{x.a, x.b, x.d}
	for _, s := range hosts {
		s.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), ReportMaxAge: ptr(time.Hour), Affinity: ptr(uint32(32)), Affinity6: ptr(uint32(128))})
		for _, o := range hosts {
			if o != s {
				s.report(t, o, 0)
			}
		}
	}
	var clients []netip.Addr
	for i := range 24 {
		a := netip.AddrFrom4([4]byte{10, 77, 0, byte(128 + i)})
		addresses(t, x.c, eth, netip.PrefixFrom(a, network.Bits()))
		clients = append(clients, w.addr(a))
	}
	return x, clients
}

// belongs asks by way of a host who serves a client.
func (x *three) belongs(t *testing.T, client netip.Addr, via *server) string {
	t.Helper()
	k, err := dialBy(x.c, via.service(), net.Dialer{Timeout: step, LocalAddr: &net.TCPAddr{IP: client.AsSlice()}})
	check(t, err)
	defer k.Close()
	who, err := k.ask("who")
	check(t, err)
	return who
}

// A client has one host, whichever it reaches and whatever the loads. When a host goes,
// its clients get others, and nobody else does; when it comes back, they come back.
//
//	C (many clients) ── switch ── A
//	                       ├───── B
//	                       └───── D
func TestAffinity(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		x, clients := newAffine(t, w)
		hosts := []*server{x.a, x.b, x.d}
		want := map[netip.Addr]string{}
		for _, c := range clients {
			want[c] = x.belongs(t, c, x.a)
		}
		if n := len(slices.Compact(slices.Sorted(maps.Values(want)))); n != 3 {
			t.Errorf("clients have %d hosts: %v", n, want)
		}
		all := func(when string, hosts ...*server) {
			t.Helper()
			for _, via := range hosts {
				before := via.meter(t)
				own := uint64(0)
				for _, c := range clients {
					if who := x.belongs(t, c, via); who != want[c] {
						t.Errorf("%s: by way of %s, %v is served by %s, want %s", when, via.Name, c, who, want[c])
					}
					if want[c] == via.Name {
						own++
					}
				}
				if n := before.changes(t)[dprnl.StatServedAffinity]; n != own {
					t.Errorf("%s: %s counts %d of its own clients, want %d", when, via.Name, n, own)
				}
			}
		}
		all("at first", hosts...)
		x.a.report(t, x.b, 1_000_000)
		all("B has much load", x.a)

		first := maps.Clone(want)
		for _, s := range hosts[:2] {
			check(t, s.dpr.DeletePeer(t.Context(), w.own(addrD), false))
		}
		for c, who := range want {
			if who == "D" {
				want[c] = x.belongs(t, c, x.a)
			}
		}
		all("D is gone", x.a, x.b)
		for _, s := range hosts[:2] {
			s.report(t, x.d, 0)
		}
		want = first
		all("D is back", hosts...)

		// A host without a server is passed over, before and after its peers know.
		for c, who := range want {
			if who == "B" {
				want[c] = ""
			}
		}
		x.b.web.stop()
		for _, via := range []*server{x.a, x.d} {
			for c, who := range want {
				got := x.belongs(t, c, via)
				if want[c] == "" {
					want[c] = got
				}
				if got == "B" || who != "" && got != who {
					t.Errorf("B has no server: by way of %s, %v is served by %s, before by %s", via.Name, c, got, who)
				}
			}
		}
	})
}

// The affinity is a prefix's, for a time, or a service's own; the policy off has none.
func TestAffinityOf(t *testing.T) {
	allWays(t, testAffinityOf)
}

func testAffinityOf(t *testing.T, w way) {
	x, clients := newAffine(t, w)
	hosts := func(via *server) string {
		t.Helper()
		served := map[string]int{}
		for _, c := range clients {
			served[x.belongs(t, c, via)]++
		}
		return fmt.Sprint(slices.Sorted(maps.Keys(served)))
	}
	if got := hosts(x.a); got != "[A B D]" {
		t.Errorf("each address for itself: %s", got)
	}
	x.a.set(t, dprnl.ConfigUpdate{Affinity: ptr(uint32(27)), Affinity6: ptr(uint32(64))}) // all clients are of one
	one := hosts(x.a)
	if len(one) != len("[A]") {
		t.Errorf("one prefix has %s", one)
	}
	x.a.keep(t)
	if got := hosts(x.a); got != "[A]" {
		t.Errorf("under the policy off: %s", got)
	}
	x.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), AffinityTime: ptr(time.Second)})
	eventually(t, func() error {
		if got := hosts(x.a); got == one {
			return errors.New("a second later the prefix still has " + got)
		}
		return nil
	})
	x.a.set(t, dprnl.ConfigUpdate{Affinity: ptr(uint32(0))})
	x.a.report(t, x.d, 1_000)
	if got := hosts(x.a); got != "[B]" {
		t.Errorf("by load: %s", got)
	}
	check(t, x.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{
		Affinity: dprnl.Own[uint32](32), Affinity6: dprnl.Own[uint32](128), AffinityTime: dprnl.Own[time.Duration](0)}}))
	if got := hosts(x.a); got != "[A B D]" {
		t.Errorf("the service's own: %s", got)
	}
}
