// SPDX-License-Identifier: MIT

package receive

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A clock is what a test sets.
type clock struct{ now time.Time }

// neighbourhood is a receiver with a clock, and a peer whose reports it gets.
type neighbourhood struct {
	r     *Receiver
	k     *kernel
	clock *clock
	seq   uint64
}

func newNeighbourhood(t *testing.T) *neighbourhood {
	t.Helper()
	r, k, _ := setup(t)
	n := &neighbourhood{r: r, k: k, clock: &clock{start}}
	r.o.Now = func() time.Time { return n.clock.now }
	r.verifier = report.NewVerifier(policy(r.o.Config), r.o.Now, nil)
	r.services = []dprnl.Service{{Port: 80}, {Port: 443}}
	r.settings = report.SettingsOf(dprnl.Config{})
	return n
}

// say has the peer send a report; it returns what the kernel gets, nil if nothing.
func (n *neighbourhood) say(t *testing.T, d *report.Details) *dprnl.PeerUpdate {
	t.Helper()
	n.seq++
	before := len(n.k.peers)
	r := report.Report{Host: peer, Boot: report.BootID{2}, Sequence: n.seq, Time: n.clock.now, Period: time.Second, Weight: 1, Details: d}
	b, err := r.Append(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.r.one(t, b, peer); err != nil {
		t.Fatal(err)
	}
	if len(n.k.peers) == before {
		return nil
	}
	return &n.k.peers[len(n.k.peers)-1]
}

// hears are the details of a host that hears this one and some others.
func hears(others int) *report.Details {
	d := &report.Details{Peers: others + 1, Heard: []report.PeerID{report.IDOf(own)}}
	for i := range min(others, report.MaxHeard-1) {
		d.Heard = append(d.Heard, report.PeerID(i))
	}
	return d
}

// deaf are the details of a host that hears so many others, and not this one.
func deaf(others int) *report.Details {
	d := &report.Details{Peers: others}
	for i := range min(others, report.MaxHeard) {
		d.Heard = append(d.Heard, report.PeerID(i))
	}
	return d
}

// A peer that does not hear this host is barred; one report without this host may be
// chance.
func TestUnheard(t *testing.T) {
	n := newNeighbourhood(t)
	for i, tt := range []struct {
		after   time.Duration
		details *report.Details
		want    dprnl.Barred
	}{
		{0, deaf(0), dprnl.BarredUnheard},
		{time.Second, hears(1), dprnl.BarredNo},
		{2 * time.Second, deaf(1), dprnl.BarredNo},
		{time.Millisecond, deaf(1), dprnl.BarredUnheard},
		{time.Second, hears(0), dprnl.BarredNo},
		{10 * time.Second, hears(0), dprnl.BarredNo},
	} {
		n.clock.now = n.clock.now.Add(tt.after)
		if u := n.say(t, tt.details); u == nil || u.Barred != tt.want {
			t.Errorf("%d: %+v, want %v", i, u, tt.want)
		}
	}
}

// A host that hears more peers than a report can name names them in turn. The report that
// names this host may be lost, and all others of two rounds do not name it.
func TestUnheardAmongMany(t *testing.T) {
	for others, rounds := range map[int]int{report.MaxHeard: 2, report.MaxHeard + 1: 4, 300: 10, 1000: 32} {
		n := newNeighbourhood(t)
		if others > report.MaxHeard {
			// At first it has not yet named all.
			silence(t, n, others, rounds)
		}
		if u := n.say(t, hears(others)); u.Barred != dprnl.BarredNo {
			t.Errorf("%d: %v", others, u.Barred)
		}
		n.clock.now = n.clock.now.Add(time.Second)
		silence(t, n, others, rounds-1)
	}
}

// silence has the host not name this host in so many reports, and then in one more.
func silence(t *testing.T, n *neighbourhood, others, reports int) {
	t.Helper()
	for i := range reports {
		if u := n.say(t, deaf(others)); u.Barred != dprnl.BarredNo {
			t.Fatalf("%d: barred after %d reports", others, i)
		}
		n.clock.now = n.clock.now.Add(time.Second)
	}
	if u := n.say(t, deaf(others)); u.Barred != dprnl.BarredNo {
		t.Errorf("%d: barred at the last of %d reports", others, reports)
	}
	n.clock.now = n.clock.now.Add(time.Millisecond)
	if u := n.say(t, deaf(others)); u.Barred != dprnl.BarredUnheard {
		t.Errorf("%d: %v after %d reports that do not name this host", others, u.Barred, reports)
	}
}

// A peer with another marker is barred; one that says nothing of it is not.
func TestOtherSettings(t *testing.T) {
	n := newNeighbourhood(t)
	d := hears(0)
	for _, tt := range []struct {
		own, peer report.Digest
		want      dprnl.Barred
	}{
		{n.r.settings, n.r.settings, dprnl.BarredNo},
		{n.r.settings, report.SettingsOf(dprnl.Config{Marker: dprnl.MarkerSource}), dprnl.BarredSettings},
		{n.r.settings, report.Digest{}, dprnl.BarredNo},
		{report.Digest{}, report.SettingsOf(dprnl.Config{Marker: dprnl.MarkerSource}), dprnl.BarredNo},
	} {
		n.r.settings, d.Settings = tt.own, tt.peer
		if u := n.say(t, d); u.Barred != tt.want {
			t.Errorf("%x and %x: %v, want %v", tt.own, tt.peer, u.Barred, tt.want)
		}
	}
}

func svc(port uint16, state dprnl.ServiceState) report.Service {
	return report.Service{Port: port, State: state}
}

// What a peer cannot serve is down there: it says so, or does not have it.
func TestDown(t *testing.T) {
	ours := []dprnl.Service{{Port: 80}, {Port: 80, Address: netip.MustParseAddr("192.0.2.9")}, {Port: 443}}
	up, none, full := dprnl.ServiceUp, dprnl.ServiceNoListener, dprnl.ServiceFull
	var many []report.Service
	for i := range report.MaxServices {
		many = append(many, report.Service{Port: uint16(i + 100), State: up})
	}
	for name, tt := range map[string]struct {
		theirs []report.Service
		want   []uint16
	}{
		"all up":        {[]report.Service{svc(80, up), svc(443, up), svc(8080, none)}, nil},
		"one down":      {[]report.Service{svc(80, none), svc(443, up)}, []uint16{80}},
		"one full":      {[]report.Service{svc(80, up), svc(443, full)}, []uint16{443}},
		"a later state": {[]report.Service{svc(80, up), svc(443, 99)}, []uint16{443}},
		"one is missed": {[]report.Service{svc(443, up)}, []uint16{80}},
		"said, none":    {[]report.Service{}, []uint16{80, 443}},
		"nothing said":  {nil, nil},
		"more than fit": {many, nil},
	} {
		if got := down(&report.Details{Services: tt.theirs, ServicesSaid: tt.theirs != nil}, ours); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	n := newNeighbourhood(t)
	d := hears(0)
	d.Services = []report.Service{svc(80, none), svc(443, up)}
	if u := n.say(t, d); fmt.Sprint(u.Down) != "[80]" {
		t.Errorf("the kernel gets %v", u.Down)
	}
	d = hears(0)
	d.ServicesSaid = true
	if u := n.say(t, d); fmt.Sprint(u.Down) != "[80 443]" {
		t.Errorf("of a host without services the kernel gets %v", u.Down)
	}
	if u := n.say(t, hears(0)); len(u.Down) > 0 {
		t.Errorf("of a host that says nothing of services the kernel gets %v", u.Down)
	}
}

// Of a host that sends both versions, version 1 says nothing new; when it sends that
// alone, as after a return to an older release, it counts again.
func TestSuperseded(t *testing.T) {
	n := newNeighbourhood(t)
	if u := n.say(t, nil); u == nil {
		t.Error("version 1 alone is ignored")
	}
	d := hears(0)
	d.Services = []report.Service{svc(80, dprnl.ServiceNoListener)}
	n.say(t, d)
	if u := n.say(t, nil); u != nil {
		t.Errorf("version 1 beside version 2: the kernel gets %+v", u)
	}
	n.clock.now = n.clock.now.Add(3 * time.Second)
	if u := n.say(t, nil); u != nil {
		t.Errorf("version 1 three periods later: the kernel gets %+v", u)
	}
	if got := n.r.counts.Get(Superseded); got != 2 {
		t.Errorf("%d are counted as superseded", got)
	}
	n.clock.now = n.clock.now.Add(time.Millisecond)
	if u := n.say(t, nil); u == nil || u.Barred != dprnl.BarredNo || u.Down != nil {
		t.Errorf("version 1 alone again: the kernel gets %+v", u)
	}
	if u := n.say(t, deaf(0)); u == nil || u.Barred != dprnl.BarredUnheard {
		t.Errorf("%+v", u)
	}
}

// What is remembered of hosts is bounded.
func TestNeighboursAreBounded(t *testing.T) {
	r, _, _ := setup(t)
	for i := range dprnl.MaxPeers + 10 {
		rep := report.Report{Host: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Period: time.Second, Details: hears(0)}
		r.health(&rep)
	}
	if n := len(r.neighbours); n != 10 {
		t.Errorf("%d hosts are remembered", n)
	}
}
