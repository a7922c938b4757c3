// SPDX-License-Identifier: MIT

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// EventKind is what is done to the cluster.
type EventKind string

// The kinds of events.
const (
	Kill      EventKind = "process killed"
	KillAll   EventKind = "processes killed"
	Cut       EventKind = "cable out"
	CutOut    EventKind = "sends nothing"
	CutIn     EventKind = "hears nothing"
	Deaf      EventKind = "does not hear a peer"
	Loss      EventKind = "packets lost"
	Delay     EventKind = "packets delayed"
	Reorder   EventKind = "packets reordered"
	Duplicate EventKind = "packets duplicated"
	Clock     EventKind = "clock stepped"
	Reload    EventKind = "module reloaded"
	Policy    EventKind = "policy changed"
	Service   EventKind = "service removed and added"
	Drain     EventKind = "drained and added"
	Power     EventKind = "powered off and on"
	Spare     EventKind = "spare drained, off, on, added"
	Isolate   EventKind = "cable out for long"
	Reroute   EventKind = "no next hop"    // of the address of all hosts
	Rehash    EventKind = "routes changed" // to that address
)

// resource is what events of one round must not share on one host.
type resource int

const (
	network  resource = iota // qdisc, cable, packet filter
	clocks                   // the time of day
	operator                 // dprctl, the module
	machine                  // all of it: nothing else happens to the host
	routes                   // the clients' to the address of all hosts
	none                     // processes may die at any time
)

// kinds are all events, how often each comes, what it needs, and how long it
// lasts.
var kinds = []struct {
	kind        EventKind
	weight      int
	needs       resource
	least, most time.Duration
	slow        bool // takes many seconds, whatever it lasts
	shared      bool // needs an address that all hosts have
}{
	{Kill, 180, none, 0, 0, false, false},
	{KillAll, 40, none, 0, 0, false, false},
	{Cut, 80, network, 300 * time.Millisecond, 2 * time.Second, false, false},
	{CutOut, 70, network, 300 * time.Millisecond, 2 * time.Second, false, false},
	{CutIn, 70, network, 300 * time.Millisecond, 3 * time.Second, false, false},
	{Deaf, 50, network, 300 * time.Millisecond, 3 * time.Second, false, false},
	{Loss, 70, network, 500 * time.Millisecond, 3 * time.Second, false, false},
	{Delay, 50, network, 500 * time.Millisecond, 3 * time.Second, false, false},
	{Reorder, 50, network, 500 * time.Millisecond, 3 * time.Second, false, false},
	{Duplicate, 50, network, 500 * time.Millisecond, 3 * time.Second, false, false},
	{Clock, 70, clocks, 300 * time.Millisecond, 4 * time.Second, false, false},
	{Reload, 60, operator, 0, 0, false, false},
	{Policy, 70, operator, 0, 0, false, false},
	{Service, 15, operator, 200 * time.Millisecond, time.Second, false, false},
	{Drain, 40, operator, 500 * time.Millisecond, 3 * time.Second, false, false},
	{Power, 16, machine, 0, 2 * time.Second, true, false},
	{Spare, 4, machine, 0, time.Second, true, false},
	{Isolate, 3, network, 21 * time.Second, 23 * time.Second, true, false},
	{Reroute, 250, routes, 200 * time.Millisecond, 4 * time.Second, false, true},
	{Rehash, 150, none, 0, 0, false, true},
}

// EventKinds are all kinds of events.
func EventKinds() []EventKind {
	var all []EventKind
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	return all
}

// Event is one thing that is done to a host, and undone.
type Event struct {
	N     int           `json:"n"`
	Kind  EventKind     `json:"kind"`
	Host  string        `json:"host"`
	After time.Duration `json:"after_ns"` // from the round's begin
	Lasts time.Duration `json:"lasts_ns"`
	// What of its kind: a process, a peer, parameters of tc or of dprctl policy
	// set, the seconds of a clock's step, how a module comes back.
	Args []string `json:"args,omitempty"`
}

func (e Event) String() string {
	text := fmt.Sprintf("%d: %s %s", e.N, e.Host, e.Kind)
	if len(e.Args) > 0 {
		text += " " + strings.Join(e.Args, " ")
	}
	if e.Lasts > 0 {
		text += fmt.Sprintf(" for %.1f s", e.Lasts.Seconds())
	}
	return text
}

// Round is what overlaps; all is undone before the next one.
type Round []Event

// Cluster says which hosts there are.
type Cluster struct {
	Asked []string // whose addresses clients know
	Spare string   // the one more
}

// Hosts are all hosts.
func (c Cluster) Hosts() []string { return append(slices.Clone(c.Asked), c.Spare) }

// maxOverlap is how many events overlap.
const maxOverlap = 8

// Choice says which kinds of events there are besides the others.
type Choice struct {
	Slow   bool // those that take many seconds
	Shared bool // those of the routes to an address that all hosts have
	// Apart has the clocks of two hosts never be wrong at a time: version 0.2 refuses the
	// reports of a host that reboots afterwards until the time comes that both had.
	Apart bool
}

// NewSchedule draws a schedule of n events. Every kind is in the first of them
// once, as far as they go; then they come as often as their weights say.
func NewSchedule(seed uint64, n int, c Cluster, with Choice) []Round {
	s := scheduler{random: rand.New(rand.NewPCG(seed, 1)), cluster: c, with: with}
	for i := range kinds {
		if (with.Slow || !kinds[i].slow) && (with.Shared || !kinds[i].shared) {
			s.allowed = append(s.allowed, i)
		}
	}
	s.first = slices.Clone(s.allowed)
	s.random.Shuffle(len(s.first), func(i, j int) { s.first[i], s.first[j] = s.first[j], s.first[i] })
	var rounds []Round
	for s.made < n {
		rounds = append(rounds, s.round(min(1+s.random.IntN(maxOverlap), n-s.made)))
	}
	return rounds
}

type scheduler struct {
	random  *rand.Rand
	with    Choice
	cluster Cluster
	allowed []int // of kinds
	first   []int // that have not come yet
	made    int
}

// taken is what a round's events have of the hosts.
type taken map[string][]resource

func (t taken) free(host string, r resource) bool {
	has := t[host]
	switch r {
	case machine:
		return len(has) == 0
	case none:
		return !slices.Contains(has, machine)
	}
	return !slices.Contains(has, machine) && !slices.Contains(has, r)
}

// anywhere says whether an event has a resource of any host.
func (t taken) anywhere(r resource) bool {
	for _, has := range t {
		if slices.Contains(has, r) {
			return true
		}
	}
	return false
}

func (s *scheduler) round(n int) Round {
	var r Round
	have := taken{}
	for len(r) < n {
		kind := s.kind()
		k := kinds[kind]
		host, ok := s.free(k.kind, k.needs, have)
		if !ok {
			// The kind comes in the next round; this one is over.
			s.first = append([]int{kind}, s.first...)
			break
		}
		have[host] = append(have[host], k.needs)
		e := Event{N: s.made + 1, Kind: k.kind, Host: host, After: s.between(0, 800*time.Millisecond), Lasts: s.between(k.least, k.most)}
		e.Args = s.args(e)
		r = append(r, e)
		s.made++
	}
	return r
}

// free draws a host for a kind of event, one that has what it needs.
func (s *scheduler) free(k EventKind, needs resource, have taken) (string, bool) {
	if s.with.Apart && needs == clocks && have.anywhere(clocks) {
		return "", false
	}
	for range 10 {
		if host := s.host(k); have.free(host, needs) {
			return host, true
		}
	}
	return "", false
}

func (s *scheduler) kind() int {
	if len(s.first) > 0 {
		kind := s.first[0]
		s.first = s.first[1:]
		return kind
	}
	sum := 0
	for _, i := range s.allowed {
		sum += kinds[i].weight
	}
	at := s.random.IntN(sum)
	for _, i := range s.allowed {
		if at -= kinds[i].weight; at < 0 {
			return i
		}
	}
	return s.allowed[0]
}

func (s *scheduler) host(k EventKind) string {
	if k == Spare {
		return s.cluster.Spare
	}
	hosts := s.cluster.Hosts()
	return hosts[s.random.IntN(len(hosts))]
}

func (s *scheduler) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return (least + time.Duration(s.random.Int64N(int64(most-least)))).Round(time.Millisecond)
}

func (s *scheduler) pick(from ...string) string { return from[s.random.IntN(len(from))] }

func (s *scheduler) number(format string, least, most int) string {
	return fmt.Sprintf(format, least+s.random.IntN(most-least+1))
}

// args draws what an event is made with.
func (s *scheduler) args(e Event) []string {
	switch e.Kind {
	case Kill:
		return []string{s.pick("dpr-broadcast", "dpr-receive", "dpr-cleanup")}
	case KillAll:
		return []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"}
	case Deaf:
		others := slices.DeleteFunc(s.cluster.Hosts(), func(h string) bool { return h == e.Host })
		return []string{s.pick(others...)}
	case Loss:
		return []string{"loss", s.number("%d%%", 1, 15)}
	case Delay:
		return []string{"delay", s.number("%dms", 10, 150), s.number("%dms", 1, 10)}
	case Reorder:
		return []string{"delay", s.number("%dms", 5, 40), "reorder", s.number("%d%%", 10, 60)}
	case Duplicate:
		return []string{"duplicate", s.number("%d%%", 2, 30)}
	case Clock:
		return []string{s.pick("-3600", "-60", "-12", "-5", "-2", "2", "5", "12", "60", "3600")}
	case Rehash:
		return []string{s.number("%d", 1, 8), s.number("%d", 1, 8), s.number("%d", 1, 8), s.number("%d", 1, 8)}
	case Reload:
		return []string{s.pick("dprctl apply", "by the processes")}
	case Policy:
		return s.policy()
	}
	return nil
}

// policy draws a policy for all hosts, or for one alone.
func (s *scheduler) policy() []string {
	policies := []string{
		"lowest", "lowest", "lowest --estimate reported", "inverse", "inverse", "two", "offer", "offer --max-load auto",
		"stateless", "stateless --hash port", "off", "lowest --max-load 3",
	}
	args := append([]string{s.pick("all", "all", "all", "one")}, strings.Fields(s.pick(policies...))...)
	if args[1] == "off" && !s.with.Slow {
		args[0] = "one" // in a short run, nothing would be left to judge
	}
	// What an earlier one said does not stay.
	for _, flag := range []string{"--max-load=0", "--hash=address-port", "--estimate=corrected"} {
		name, _, _ := strings.Cut(flag, "=")
		if !slices.Contains(args, name) {
			args = append(args, flag)
		}
	}
	return args
}
