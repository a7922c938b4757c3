// SPDX-License-Identifier: MIT

package chaos

import (
	"maps"
	"strings"
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
)

// twoHosts are servers that have one address.
func twoHosts() []lab.Host {
	return []lab.Host{{Name: "s1", Address: "10.77.0.11", Address6: "fd77::11"}, {Name: "s2", Address: "10.77.0.12", Address6: "fd77::12"}}
}

// Routes have the hosts as next hops that no event has taken away, and all if none is left.
func TestRoads(t *testing.T) {
	r := roadsOf(nil, twoHosts())
	r.hops["s2"] = 5
	const (
		s1 = "ip -4 route replace 10.88.0.80 nexthop via 10.77.0.11 dev eth0 weight 1\nip -6 route replace fd88::80 nexthop via fd77::11 dev eth0 weight 1\n"
		s2 = "ip -4 route replace 10.88.0.80 nexthop via 10.77.0.12 dev eth0 weight 5\nip -6 route replace fd88::80 nexthop via fd77::12 dev eth0 weight 5\n"
	)
	r.holds["s2"]++
	if got := r.script(); got != s1 {
		t.Errorf("without s2: %q", got)
	}
	// Two events keep it away until both are over.
	r.holds["s2"]++
	r.holds["s2"]--
	if got := r.script(); got != s1 {
		t.Errorf("s2 is needed away: %q", got)
	}
	r.holds["s1"]++
	if got := r.script(); strings.Count(got, "nexthop") != 4 {
		t.Errorf("all are away: %q", got)
	}
	r.holds["s2"]--
	if got := r.script(); got != s2 {
		t.Errorf("without s1: %q", got)
	}
}

// A connection to the address of all hosts may fail only for what happened to the host that
// served it.
func TestSharedHarms(t *testing.T) {
	for _, tt := range []struct {
		kind   HarmKind
		host   string
		served string
		proof  Proof
		want   Cause
	}{
		{Off, "s1", "s1", ByAnswer, ServedOff},
		{Off, "s2", "s1", ByAnswer, ""},
		{Reloaded, "s1", "s1", ByAnswer, ""},
		{Reloaded, "s2", "s1", ByFlow, ""},
		{Isolated, "s1", "s1", ByAnswer, ServedIsolated},
		{Isolated, "s2", "s1", ByAnswer, ""},
		{Off, "s2", "", Unproved, ServedOff + unknownServer},
	} {
		c := failed(sharedName, tt.served, tt.proof, 1, 20)
		if got := Judge(&c, []Harm{harm(tt.kind, tt.host, 2, 19)}, four); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
		if c.Redirected() {
			t.Errorf("%+v: nobody knows where it came to", tt)
		}
	}
}

// The cluster's connections use the address that they ask.
func TestAddressOf(t *testing.T) {
	c := newCluster(nil, testCluster)
	if got := c.asked(); len(got) != 3 {
		t.Errorf("clients ask %v", got)
	}
	c.roads = roadsOf(nil, twoHosts())
	for f, want := range map[family.Family]string{family.V4: "10.88.0.80", family.V6: "fd88::80"} {
		got, err := c.address(&Conn{Asked: c.asked()[0], Family: f})
		if err != nil || got.String() != want {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// Counters add up over reloads, and without what they were before the run.
func TestCount(t *testing.T) {
	c := newCluster(nil, testCluster)
	for i, n := range []uint64{100, 130, 130} {
		c.count("s1", map[string]uint64{countFound: n, countAsked: 7, "rx_syn": n})
		if i == 1 {
			c.count("s2", map[string]uint64{countFound: 1000})
		}
	}
	c.counters["s1"] = map[string]uint64{} // its module is new
	c.count("s1", map[string]uint64{countFound: 5})
	if want := map[string]uint64{countFound: 35}; !maps.Equal(c.counted, want) {
		t.Errorf("%v, want %v", c.counted, want)
	}
}
