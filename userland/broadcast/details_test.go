// SPDX-License-Identifier: MIT

package broadcast

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
	"dpr/userland/testnetns"
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

// A report says how many connections the ports have, as long as there is room: those first
// whose services are compared by them.
func TestCounts(t *testing.T) {
	at := func(port uint16, n uint32, load dprnl.ServiceLoad) dprnl.ServiceStatus {
		return dprnl.ServiceStatus{Service: dprnl.Service{Port: port, Rules: dprnl.Rules{Load: dprnl.Own(load)}}, Connections: n, Counted: true}
	}
	host, service := dprnl.LoadOfHost, dprnl.LoadOfService
	uncounted := at(443, 0, service)
	uncounted.Counted = false
	got := counts([]dprnl.ServiceStatus{at(22, 1, host), at(80, 0, host), at(80, 7, service), at(80, 2, host), at(443, 5, service), uncounted})
	if want := []dprnl.PortCount{{Port: 22, Connections: 1}, {Port: 80, Connections: 9}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var many []dprnl.ServiceStatus
	for i := range 3 * report.MaxCounts {
		load := host
		if i >= 2*report.MaxCounts+2 {
			load = service
		}
		many = append(many, at(uint16(i+1), uint32(i), load))
	}
	got = counts(many)
	if len(got) != report.MaxCounts || got[1].Port != 2 || got[2].Port != 2*report.MaxCounts+3 || got[len(got)-1].Port != 3*report.MaxCounts {
		t.Errorf("%v", got)
	}
	for i := range many {
		many[i].Rules.Load = dprnl.Own(service)
	}
	if got = counts(many); len(got) != report.MaxCounts || got[0].Port != 1 {
		t.Errorf("%v", got)
	}
	if got := counts(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// A host says that it takes connections back only if it has a place for them: with a key, and a
// service that is not placed by SYNs.
func TestKnown(t *testing.T) {
	keys, none := [dprnl.MaxHandoverKeys]uint32{7}, [dprnl.MaxHandoverKeys]uint32{}
	by := func(all ...dprnl.Dispatch) (services []dprnl.ServiceStatus) {
		services = []dprnl.ServiceStatus{{Service: dprnl.Service{Port: 22}}}
		for _, d := range all {
			services = append(services, dprnl.ServiceStatus{Service: dprnl.Service{Port: 80, Rules: dprnl.Rules{Dispatch: dprnl.Own(d)}}})
		}
		return services
	}
	for _, tt := range []struct {
		knows    uint32
		keys     [dprnl.MaxHandoverKeys]uint32
		services []dprnl.ServiceStatus
		want     uint32
	}{
		{6, keys, nil, 5},
		{6, keys, by(), 5},
		{6, keys, by(dprnl.DispatchSyn), 5},
		{6, keys, by(dprnl.DispatchSyn, dprnl.DispatchConnection), 6},
		{6, keys, by(dprnl.DispatchRequest, dprnl.DispatchSyn), 6},
		{6, none, by(dprnl.DispatchRequest), 4},
		{6, none, nil, 4},
		{5, keys, by(dprnl.DispatchConnection), 5},
		{3, keys, nil, 3},
		{3, none, by(dprnl.DispatchConnection), 3},
	} {
		b, k, n := setup(t)
		k.protocol, k.config.HandoverKeyIDs, k.services = tt.knows, tt.keys, tt.services
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := verify(t, testConfig().Report.Keys[0], n.sent[netA]...)[0].Details.Protocol; uint32(got) != tt.want {
			t.Errorf("%+v: %d, want %d", tt, got, tt.want)
		}
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
	if got := fmt.Sprint(further(all, netip.MustParseAddr("2001:db8::1"))); got != "[192.0.2.1 10.0.0.1]" {
		t.Errorf("%s", got)
	}
	for i := range 100 {
		all = append(all, netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
	}
	// The one of IPv6 is among them, however many there are of IPv4, and the other way round.
	got := further(all, host)
	if len(got) != report.MaxAddresses || got[0] != netip.MustParseAddr("10.0.0.1") || got[len(got)-1] != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("%v", got)
	}
	for i := range 100 {
		all = append(all, netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}))
	}
	got = further(all, host)
	if four := slices.IndexFunc(got, netip.Addr.Is6); len(got) != report.MaxAddresses || four != report.MaxAddresses/2 {
		t.Errorf("%v", got)
	}
	if got = further(all[len(all)-100:], host); len(got) != report.MaxAddresses || got[0] != netip.MustParseAddr("2001::") {
		t.Errorf("%v", got)
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
	// A leaving peer is heard, whatever its age: the kernel ignores its later reports.
	leaving := dprnl.Peer{Address: silent, Reported: true, Age: time.Minute, State: dprnl.StateLeaving}
	if n, ids := b.heard([]dprnl.Peer{leaving}, 3*time.Second); n != 1 || !slices.Equal(ids, []report.PeerID{report.IDOf(silent)}) {
		t.Errorf("leaving: %d, %v", n, ids)
	}
	leaving.Reported = false
	if n, ids := b.heard([]dprnl.Peer{leaving}, 3*time.Second); n != 0 || len(ids) != 0 {
		t.Errorf("leaving, without a report: %d, %v", n, ids)
	}
	// There are fewer of a sudden.
	if n, ids := b.heard(slices.Clone(peers[2:4]), 3*time.Second); n != 2 || len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("%d, %v", n, ids)
	}
}

// Addresses that will be gone come last: if there are many, others are named.
func TestAddresses(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	n.Run("ip link add d0 type veth peer name d1")
	n.Run("ip link set d0 addrgenmode none up")
	n.Run("ip addr add 2001:db8::1/64 dev d0 nodad")
	n.Run("ip addr add 2001:db8::2/64 dev d0 nodad preferred_lft 0")
	n.Run("ip addr add 192.0.2.1/24 dev d0")
	n.Do(func() {
		all, err := Addresses()
		if err != nil || len(all) != 5 || all[4] != netip.MustParseAddr("2001:db8::2") || !slices.Contains(all, host) {
			t.Errorf("%v, %v", all, err)
		}
	})
}
