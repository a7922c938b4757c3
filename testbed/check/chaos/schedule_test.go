// SPDX-License-Identifier: MIT

package chaos

import (
	"reflect"
	"slices"
	"testing"
)

var testCluster = Cluster{Asked: []string{"s1", "s2", "s3"}, Spare: "s4"}

func TestScheduleRepeats(t *testing.T) {
	a, b := NewSchedule(7, 200, testCluster, Choice{Slow: true}), NewSchedule(7, 200, testCluster, Choice{Slow: true})
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed made two schedules")
	}
	if reflect.DeepEqual(a, NewSchedule(8, 200, testCluster, Choice{Slow: true})) {
		t.Error("two seeds made one schedule")
	}
}

// Every kind comes early, and a thousand events have each as often as its weight
// says, about.
func TestScheduleKinds(t *testing.T) {
	for _, with := range []Choice{{Slow: true}, {}, {Slow: true, Shared: true}} {
		unwanted := func(slow, shared bool) bool { return slow && !with.Slow || shared && !with.Shared }
		count := map[EventKind]int{}
		n := 0
		for _, r := range NewSchedule(3, 1000, testCluster, with) {
			for _, e := range r {
				if n++; e.N != n {
					t.Fatalf("event %d has number %d", n, e.N)
				}
				count[e.Kind]++
			}
		}
		if n != 1000 {
			t.Errorf("%d events", n)
		}
		sum := 0
		for _, k := range kinds {
			if !k.shared || with.Shared {
				sum += k.weight
			}
		}
		for _, k := range kinds {
			want := k.weight * 1000 / sum
			switch {
			case unwanted(k.slow, k.shared):
				if count[k.kind] > 0 {
					t.Errorf("%s is not wanted", k.kind)
				}
			case count[k.kind] < want/3 || count[k.kind] == 0 || count[k.kind] > 3*want+5:
				t.Errorf("%s comes %d times, want about %d", k.kind, count[k.kind], want)
			}
		}
		seen := map[EventKind]bool{}
		for _, r := range NewSchedule(3, len(kinds)+2, testCluster, with) {
			for _, e := range r {
				seen[e.Kind] = true
			}
		}
		for _, k := range kinds {
			if seen[k.kind] == unwanted(k.slow, k.shared) {
				t.Errorf("%+v: %s among the first: %v", with, k.kind, seen[k.kind])
			}
		}
	}
}

// In a short run some hosts redirect whatever policies are drawn.
func TestPolicyOff(t *testing.T) {
	all := func(with Choice) (n int) {
		for seed := range uint64(200) {
			for _, r := range NewSchedule(seed, 20, testCluster, with) {
				for _, e := range r {
					if e.Kind == Policy && e.Args[0] == "all" && e.Args[1] == "off" {
						n++
					}
				}
			}
		}
		return n
	}
	if short, long := all(Choice{}), all(Choice{Slow: true}); short != 0 || long == 0 {
		t.Errorf("no host redirects any more: %d times in short runs, %d in long ones", short, long)
	}
}

// What overlaps can overlap: a host that is off suffers nothing else, and no two
// events use its network, its clock or its module.
func TestScheduleOverlaps(t *testing.T) {
	needs := map[EventKind]resource{}
	for _, k := range kinds {
		needs[k.kind] = k.needs
	}
	overlaps := 0
	for _, r := range NewSchedule(11, 3000, testCluster, Choice{Slow: true, Shared: true}) {
		if len(r) == 0 || len(r) > maxOverlap {
			t.Fatalf("%d events overlap", len(r))
		}
		if len(r) > 1 {
			overlaps++
		}
		for i, a := range r {
			if (a.Kind == Spare) && a.Host != "s4" {
				t.Errorf("%v: not the spare", a)
			}
			if a.Kind == Deaf && (a.Args[0] == a.Host || !slices.Contains(testCluster.Hosts(), a.Args[0])) {
				t.Errorf("%v: no such peer", a)
			}
			for _, b := range r[:i] {
				n, m := needs[a.Kind], needs[b.Kind]
				if a.Host == b.Host && (n == machine || m == machine || n == m && n != none) {
					t.Errorf("%v and %v overlap", a, b)
				}
			}
		}
	}
	if overlaps < 500 {
		t.Errorf("only %d rounds have overlapping events", overlaps)
	}
}

// Clocks are wrong at one host at a time if that is asked for.
func TestClocksApart(t *testing.T) {
	for _, apart := range []bool{true, false} {
		together := 0
		for _, r := range NewSchedule(5, 3000, testCluster, Choice{Slow: true, Apart: apart}) {
			n := 0
			for _, e := range r {
				if e.Kind == Clock {
					n++
				}
			}
			if n > 1 {
				together++
			}
		}
		if (together == 0) != apart {
			t.Errorf("apart %v: clocks of %d rounds are wrong together", apart, together)
		}
	}
}
