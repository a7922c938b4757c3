// SPDX-License-Identifier: MIT

package broadcast

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A report names the services by port, each with the worst state of its addresses.
func TestStates(t *testing.T) {
	up, none, full := dprnl.ServiceUp, dprnl.ServiceNoListener, dprnl.ServiceFull
	at := func(port uint16, s dprnl.ServiceState) dprnl.ServiceStatus {
		return dprnl.ServiceStatus{Service: dprnl.Service{Port: port}, State: s}
	}
	got := states([]dprnl.ServiceStatus{at(22, up), at(80, none), at(80, up), at(443, up), at(443, full)})
	if want := []report.Service{{Port: 22, State: up}, {Port: 80, State: none}, {Port: 443, State: full}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var many []dprnl.ServiceStatus
	for i := range report.MaxServices + 10 {
		many = append(many, at(uint16(i+1), up))
	}
	if got := states(many); len(got) != report.MaxServices || got[len(got)-1].Port != report.MaxServices {
		t.Errorf("%d services", len(got))
	}
	if got := states(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Addresses are named once, and none that no client can have.
func TestFurther(t *testing.T) {
	var all []netip.Addr
	for _, a := range []string{"127.0.0.1", "::1", "192.0.2.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "2001:db8::1", "169.254.0.1"} {
		all = append(all, netip.MustParseAddr(a))
	}
	if got := fmt.Sprint(further(all, host)); got != "[10.0.0.1 2001:db8::1]" {
		t.Errorf("%s", got)
	}
	for i := range 100 {
		all = append(all, netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
	}
	if got := further(all, host); len(got) != report.MaxAddresses {
		t.Errorf("%d addresses", len(got))
	}
}

// Each report goes on where the last one stopped, so that all peers are named in turn.
func TestHeard(t *testing.T) {
	b, _, _ := setup(t)
	var peers []dprnl.Peer
	want := map[report.PeerID]int{}
	for i := range 150 {
		a := netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})
		peers = append(peers, dprnl.Peer{Address: a, Reported: true, Age: time.Second})
		want[report.IDOf(a)] = 0
	}
	silent, unknown := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	peers = append(peers, dprnl.Peer{Address: silent, Reported: true, Age: 3001 * time.Millisecond}, dprnl.Peer{Address: unknown})
	slices.Reverse(peers)
	for range 3 {
		n, ids := b.heard(slices.Clone(peers), 3*time.Second)
		if n != 150 || len(ids) != report.MaxHeard {
			t.Errorf("%d of %d", len(ids), n)
		}
		for _, id := range ids {
			if _, known := want[id]; !known {
				t.Errorf("%x is none of them", id)
			}
			want[id]++
		}
	}
	for id, n := range want {
		if n == 0 || n > 2 {
			t.Errorf("%x was named %d times in three reports", id, n)
		}
	}
	if n, ids := b.heard(peers[:2], 3*time.Second); n != 0 || len(ids) != 0 {
		t.Errorf("%d, %v", n, ids)
	}
	// There are fewer of a sudden.
	if n, ids := b.heard(slices.Clone(peers[2:4]), 3*time.Second); n != 2 || len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("%d, %v", n, ids)
	}
}

func TestAddresses(t *testing.T) {
	all, err := Addresses()
	if err != nil || !slices.Contains(all, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v, %v", all, err)
	}
}
