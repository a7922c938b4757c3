// SPDX-License-Identifier: MIT

package receive

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// What the status says of a host follows its reports.
func TestHostStatus(t *testing.T) {
	n := newNeighbourhood(t)
	last := func() HostStatus {
		t.Helper()
		list := n.r.status().Hosts
		if len(list) != 1 || list[0].Address != peer {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	d := deaf(1)
	d.Software, d.Services = "0.3.0", []report.Service{{Port: 80, State: dprnl.ServiceUp}}
	d.Addresses = []netip.Addr{netip.MustParseAddr("198.51.100.9")}
	n.say(t, d)
	if s := last(); !s.Received.Equal(start) || s.Protocol != 2 || s.Version != "0.3.0" || s.Key == "" || s.Hears != 1 || s.Clock != 0 || s.Period != 1 ||
		!slices.Equal(s.Down, []uint16{443}) || s.Barred != dprnl.BarredUnheard || !s.Since.Equal(start) || s.Refused != "" ||
		!slices.Equal(s.Addresses, d.Addresses) {
		t.Errorf("%+v", s)
	}
	// Since when it is barred stays, also while the reason comes again.
	n.clock.now = start.Add(time.Second)
	n.say(t, d)
	if s := last(); !s.Since.Equal(start) || !s.Received.Equal(n.clock.now) {
		t.Errorf("%+v", s)
	}
	n.say(t, hears(0))
	if s := last(); s.Barred != dprnl.BarredNo || !s.Since.IsZero() || s.Version != "" {
		t.Errorf("%+v", s)
	}
	n.clock.now = start.Add(3 * time.Second)
	other := hears(0)
	other.Settings = report.Digest{1}
	n.say(t, other)
	if s := last(); s.Barred != dprnl.BarredSettings || !s.Since.Equal(n.clock.now) {
		t.Errorf("%+v", s)
	}
	// Its clock is behind; it goes back to version 1.
	n.clock.now = start.Add(10 * time.Second)
	rep := report.Report{Host: peer, Boot: report.BootID{2}, Sequence: 99, Time: start.Add(8 * time.Second), Period: time.Second, Weight: 1, State: dprnl.StateDraining}
	b, err := rep.Append(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.r.one(t, b, peer); err != nil {
		t.Fatal(err)
	}
	if s := last(); s.Clock != -2 || s.Protocol != 1 || s.Hears != 0 || s.Addresses != nil || s.State != dprnl.StateDraining {
		t.Errorf("%+v", s)
	}
	// A datagram of it is refused: the rest stays.
	if err := n.r.one(t, []byte("?"), peer); err != nil {
		t.Fatal(err)
	}
	if s := last(); s.Refused != "truncated" || !s.RefusedAt.Equal(n.clock.now) || s.Clock != -2 {
		t.Errorf("%+v", s)
	}
}

// made is one of many addresses.
func made(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// Datagrams from made-up addresses are bounded, leave room for hosts, and make room for others
// after an hour.
func TestHostStatusIsBounded(t *testing.T) {
	h := newHostTable()
	for i := range dprnl.MaxPeers + 10 {
		h.refused(made(i), "truncated", start)
	}
	if len(h.list(start)) != maxStrangers {
		t.Errorf("%d hosts", len(h.list(start)))
	}
	h.refused(peer, "truncated", start.Add(forgetAfter))
	if h.strangers[peer] != nil {
		t.Error("there was no room")
	}
	h.accepted(&report.Report{Host: peer, Time: start}, "", dprnl.BarredNo, nil, start)
	h.refused(peer, "replayed", start)
	if s := h.all[peer]; s == nil || s.Refused != "replayed" || len(h.strangers) != maxStrangers {
		t.Errorf("%+v, %d strangers", s, len(h.strangers))
	}
	later := start.Add(forgetAfter + time.Second)
	h.refused(made(dprnl.MaxPeers), "unknown_key", later)
	if len(h.strangers) != 1 {
		t.Errorf("%d strangers", len(h.strangers))
	}
	// One whose report is accepted is no stranger any more.
	h.accepted(&report.Report{Host: made(dprnl.MaxPeers), Time: start}, "", dprnl.BarredNo, nil, later)
	list := h.list(start)
	if len(list) != 2 || list[0].Address != made(dprnl.MaxPeers) || list[0].Refused != "unknown_key" || !list[0].Received.Equal(later) ||
		list[1].Address != peer || list[1].Key != "" {
		t.Errorf("%+v, want them by address", list)
	}
}

// A host that has been silent for an hour, and of which nothing was refused, is told of no more.
func TestSilentHostsAreForgotten(t *testing.T) {
	h := newHostTable()
	silent, stranger, refused := made(1), made(2), made(3)
	for _, a := range []netip.Addr{silent, refused} {
		h.accepted(&report.Report{Host: a, Time: start}, "", dprnl.BarredNo, nil, start)
	}
	h.refused(stranger, "unknown_key", start)
	if n := len(h.list(start.Add(forgetAfter))); n != 3 {
		t.Errorf("after an hour %d hosts", n)
	}
	later := start.Add(forgetAfter + time.Second)
	h.refused(refused, "clock", later)
	if list := h.list(later); len(list) != 1 || list[0].Address != refused || len(h.all) != 1 || len(h.strangers) != 0 {
		t.Errorf("%+v", list)
	}
}

// Hosts, too, are bounded, and make room after an hour.
func TestHostsAreBounded(t *testing.T) {
	h := newHostTable()
	for i := range dprnl.MaxPeers + 10 {
		h.accepted(&report.Report{Host: made(i), Time: start}, "", dprnl.BarredNo, nil, start)
	}
	if len(h.all) != dprnl.MaxPeers {
		t.Errorf("%d hosts", len(h.all))
	}
	h.accepted(&report.Report{Host: peer, Time: start}, "", dprnl.BarredNo, nil, start.Add(forgetAfter+time.Second))
	if len(h.all) != 1 || h.all[peer] == nil {
		t.Errorf("%d hosts", len(h.all))
	}
}

// A host sends both versions at once; they may arrive in one batch. The newer one counts,
// in either order.
func TestBothVersionsAtOnce(t *testing.T) {
	n := newNeighbourhood(t)
	datagram := func(seq uint64, d *report.Details) Datagram {
		rep := report.Report{Host: peer, Boot: report.BootID{2}, Sequence: seq, Time: n.clock.now, Period: time.Second, Weight: 1, Details: d}
		b, err := rep.Append(nil, key)
		if err != nil {
			t.Fatal(err)
		}
		return Datagram{b, peer}
	}
	d := deaf(1)
	d.Software = "0.3.0"
	for i, batch := range [][]Datagram{
		{datagram(1, d), datagram(2, nil)},
		{datagram(3, nil), datagram(4, d)},
	} {
		if err := n.r.handle(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if s := n.r.status().Hosts[0]; s.Protocol != 2 || s.Version != "0.3.0" || s.Barred != dprnl.BarredUnheard {
			t.Errorf("%d: %+v", i, s)
		}
		if got := n.k.peers[len(n.k.peers)-1]; got.Protocol != 2 || got.Barred != dprnl.BarredUnheard || len(n.k.peers) != i+1 {
			t.Errorf("%d: the kernel gets %+v", i, n.k.peers)
		}
	}
	if got := n.r.counts.Get(Superseded); got != 2 {
		t.Errorf("%d superseded", got)
	}
}
