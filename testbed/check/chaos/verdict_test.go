// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/accounting"
)

// passing is the result of a run that was well.
func passing() *Result {
	r := &Result{
		Seed: 7, Kernel: "6.1", Began: time.Now().Add(-time.Hour), Took: time.Hour, Planned: 4, Hosts: 4,
		EventKinds: map[EventKind]int{}, Connections: map[Kind]*Tally{}, Allowed: map[Cause]int{FlowLost: 3}, Unexpected: []Conn{},
		Readings: 16, Slack: 40, Killed: map[string]int{"s1 dpr-receive": 2}, Restarts: map[string]int{"s1 dpr-receive": 1},
		Harms: []Harm{harm(Off, "s2", 10, 20), harm(Reloaded, "s3", 10, 12)},
	}
	for _, k := range Kinds {
		r.Connections[k] = &Tally{All: 100, Redirected: 50, Requests: 100, Bytes: 1e6}
	}
	r.Connections[Idle].Failed = 3
	r.Families = map[string]*Tally{"IPv4": {All: 300, Redirected: 200, Failed: 3}, "IPv6": {All: 300, Redirected: 100}}
	for i, k := range []EventKind{Kill, Power, Reload, Cut} {
		r.happened(Event{N: i, Kind: k}, at(10), at(20))
	}
	r.healed(2*time.Second, 300)
	r.healed(4*time.Second, 300)
	return r
}

func TestRunPasses(t *testing.T) {
	r := passing()
	if why := r.failures(); len(why) > 0 {
		t.Fatal(strings.Join(why, "\n"))
	}
	if p := r.Part(); !p.Passed() || p.Seed != 7 || p.Kernel != "6.1" || p.Seconds != 3600 || p.Began != r.Began || p.Results != r {
		t.Errorf("%+v", p)
	}
	if r.HealedMean != 3*time.Second || r.HealedMost != 4*time.Second {
		t.Errorf("healed after %v, %v at most", r.HealedMean, r.HealedMost)
	}
}

// spoils make one field of a result wrong; the run must fail with these words.
var spoils = map[string][]struct {
	spoil func(*Result)
	words string
}{
	"Seed": {{func(r *Result) {
		r.Unexpected, r.Connections[Idle].Failed = []Conn{failed("s1", "s2", ByFlow, 1, 2)}, 4
	}, "seed 7: unexpected failure"}},
	"Kernel":  {{func(r *Result) { r.Kernel = "" }, "the kernel is not known"}},
	"Began":   {{func(r *Result) { r.Began = time.Time{} }, "not known when the run was"}},
	"Took":    {{func(r *Result) { r.Took = 0 }, "not known when the run was"}},
	"Planned": {{func(r *Result) { r.Planned = 300 }, "4 of 300 events took place"}, {func(r *Result) { r.Planned, r.Events, r.History, r.EventKinds = 0, 0, nil, nil; r.Harms = nil }, "0 of 0 events"}},
	"Hosts":   {{func(r *Result) { r.Hosts = 0 }, "0 hosts"}, {func(r *Result) { r.Hosts = 5 }, "packets were counted 16 times: want 20"}},
	"Rounds":  {{func(r *Result) { r.Rounds, r.RoundConnections = 0, nil }, "no round ended well"}, {func(r *Result) { r.Rounds = 1 }, "in 2 of 1 rounds"}},
	"RoundConnections": {
		{func(r *Result) { r.RoundConnections[1] = 0 }, "no connection ended in round 2: the clients stood still"},
		{func(r *Result) { r.RoundConnections = r.RoundConnections[:1] }, "counted in 1 of 2 rounds"},
	},
	"Shared": {{func(r *Result) { r.Shared = true }, "no connection that came to another host was found"}},
	"Counted": {{func(r *Result) {
		r.Shared, r.Counted = true, map[string]uint64{countFound: 1, countRedirected: 40, countHashed: 19}
	}, "59 of 600 connections were redirected"}},
	"Events":     {{func(r *Result) { r.Events = 3 }, "3 of 4 events took place"}},
	"EventKinds": {{func(r *Result) { r.EventKinds[Cut] = 2 }, "by the history"}},
	"Connections": {
		{func(r *Result) { r.Connections[Upload].Failed, r.Allowed[FlowLost] = 100, 103 }, "of 100 connections of kind upload none succeeded"},
		{func(r *Result) { delete(r.Connections, Upload) }, "of 0 connections of kind upload none succeeded"},
		{func(r *Result) { r.Connections[Upload].Requests = 99 }, "kind upload: 99 requests"},
		{func(r *Result) { r.Connections[Upload].Bytes = 99 }, "99 bytes"},
		{func(r *Result) {
			for _, t := range r.Connections {
				t.Redirected = 9
			}
		}, "54 of 600 connections were redirected: want 10 %"},
		{func(r *Result) { r.Connections[Idle].Failed = 4 }, "of 4 failures 3 are allowed and 0 are not"},
	},
	"Families": {
		{func(r *Result) { r.Families["IPv6"].Failed = 300 }, "of 300 connections by IPv6 none succeeded"},
		{func(r *Result) { r.Families["IPv6"].Redirected = 0 }, "none of 300 connections by IPv6 was redirected"},
		{func(r *Result) { delete(r.Families, "IPv4") }, "of 0 connections by IPv4 none succeeded"},
		{func(r *Result) { r.Families["IPv4"].All = 299 }, "599 connections are of a family: want 600"},
	},
	"Allowed": {
		{func(r *Result) { r.Connections[Large].Failed, r.Allowed[AskedOff] = 58, 58 }, "61 of 600 connections failed with a reason: want 10 % at most"},
		{func(r *Result) { r.Allowed[AskedOff] = 1 }, "of 3 failures 4 are allowed"},
	},
	"Unexpected": {{func(r *Result) {
		r.Unexpected, r.Connections[Idle].Failed = []Conn{failed("s1", "s2", ByFlow, 1, 2)}, 4
	}, "from c1 port 40000 to s1 by IPv4, served by s2"}},
	"Trouble":    {{func(r *Result) { r.Trouble = []string{"s1: packets are unaccounted for"} }, "s1: packets are unaccounted for"}},
	"HealedMost": {{func(r *Result) { r.HealedMost = 61 * time.Second }, "a round took 1m1s to heal"}},
	"HealedMean": {{func(r *Result) { r.HealedMean = 5 * time.Second }, "5s in the mean"}},
	"Readings":   {{func(r *Result) { r.Readings = 15 }, "packets were counted 15 times: want 16"}, {func(r *Result) { r.Readings = 0 }, "packets were counted 0 times"}},
	"Slack":      {{func(r *Result) { r.Slack = 1 << 30 }, "1073741824 packets could be missing"}, {func(r *Result) { r.Slack = 1001 }, "1001 packets"}, {func(r *Result) { r.Slack = -1 }, "-1 packets"}},
	"Killed":     {{func(r *Result) { r.Killed = nil }, "s1 dpr-receive was started again 1 times, and killed 0 times"}, {func(r *Result) { r.Killed, r.Restarts = nil, nil }, "1 events killed no process"}},
	"Restarts": {
		{func(r *Result) { r.Restarts["s1 nginx"] = 1 }, "s1 nginx was started again 1 times, and killed 0 times"},
		{func(r *Result) { r.Restarts["s1 dpr-receive"] = 3 }, "started again 3 times, and killed 2 times"},
		{func(r *Result) { r.Restarts = nil }, "2 processes were killed, and none was seen to start again"},
	},
	"History": {
		{func(r *Result) { r.History = r.History[1:]; r.EventKinds[Kill] = 0 }, "the history has 3 of 4 events"},
		{func(r *Result) { r.History[0].End = at(9) }, "ended before it began"},
		{func(r *Result) { r.History[0].Begin, r.History[0].End = time.Time{}, time.Time{} }, "ended before it began"},
	},
	"Harms": {
		{func(r *Result) { r.Harms[0].End = time.Time{} }, "s2 is still powered off"},
		{func(r *Result) { r.Harms = r.Harms[:1] }, `harms of kind "module reloaded": 1 fewer`},
		{func(r *Result) { r.Harms = append(r.Harms, harm(Isolated, "s1", 1, 2)) }, `harms of kind "isolated": -1 fewer`},
	},
}

// Each field of a result can fail the run, and each time the words are its own.
func TestSpoiltRunsFail(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Result]()) {
		if f.IsExported() && len(spoils[f.Name]) == 0 {
			t.Errorf("no result is spoilt by its field %s", f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spoils)) {
		for _, s := range spoils[name] {
			r := passing()
			s.spoil(r)
			if why := strings.Join(r.failures(), "\n"); !strings.Contains(why, s.words) {
				t.Errorf("%s: failures %q, want %q", name, why, s.words)
			}
		}
	}
}

// The bounds themselves are still right.
func TestBoundsAreRight(t *testing.T) {
	r := passing()
	r.Slack, r.HealedMost, r.HealedMean = mostSlack, wellTimeout, wellTimeout
	for _, t := range r.Connections {
		t.Redirected = 10
	}
	r.Connections[Large].Failed, r.Allowed[AskedOff] = 57, 57
	r.Restarts["s1 dpr-receive"] = 2
	if why := r.failures(); len(why) > 0 {
		t.Error(strings.Join(why, "\n"))
	}
	r = passing()
	r.Slack = 0
	r.Unexpected, r.Connections[Idle].Failed = []Conn{failed("s1", "s2", ByFlow, 1, 2)}, 4
	if why := r.failures(); len(why) != 1 || !strings.Contains(why[0], "unexpected failure") {
		t.Error(strings.Join(why, "\n"))
	}
	// Without a process killed none must have been started again.
	r = passing()
	r.History[0].Kind, r.EventKinds, r.Killed, r.Restarts = Cut, map[EventKind]int{Cut: 2, Power: 1, Reload: 1}, nil, nil
	if why := r.failures(); len(why) > 0 {
		t.Error(strings.Join(why, "\n"))
	}
	r.History[0].Kind, r.EventKinds = KillAll, map[EventKind]int{KillAll: 1, Cut: 1, Power: 1, Reload: 1}
	if why := strings.Join(r.failures(), "\n"); why != "1 events killed no process" {
		t.Error(why)
	}
	r = passing()
	r.History[0].End = r.History[0].Begin
	r.Connections[Upload].Requests, r.Connections[Upload].Bytes = 100, 100
	r.Connections[Idle].Requests = 97
	if why := r.failures(); len(why) > 0 {
		t.Error(strings.Join(why, "\n"))
	}
}

// Which events may end connections.
func TestHarmOf(t *testing.T) {
	want := map[EventKind]HarmKind{Power: Off, Reload: Reloaded, Isolate: Isolated}
	for _, k := range EventKinds() {
		if got := harmOf(k); got != want[k] {
			t.Errorf("%s: %q", k, got)
		}
	}
}

// With an address that all hosts have, dpr's counters say what was redirected.
func TestSharedRun(t *testing.T) {
	r := passing()
	for _, t := range r.Connections {
		t.Redirected = 0
	}
	for _, t := range r.Families {
		t.Redirected = 0
	}
	r.Shared, r.Counted = true, map[string]uint64{countFound: 1, countRedirected: 40, countHashed: 20}
	if why := r.failures(); len(why) > 0 {
		t.Error(strings.Join(why, "\n"))
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "owner_found") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// Connections are counted by kind, and failures by reason.
func TestAdd(t *testing.T) {
	r := passing()
	before := r.sum()
	c := failed("s2", "s1", ByAnswer, 9, 11)
	c.Kind, c.Requests, c.Bytes = Large, 2, 30
	if got := r.add(&c, r.Harms, four); got != nil || r.Allowed[AskedOff] != 1 {
		t.Errorf("%v, %v", got, r.Allowed)
	}
	c.Begin, c.End = at(100), at(101)
	if got := r.add(&c, r.Harms, four); got != &c || len(r.Unexpected) != 1 || r.Unexpected[0].Kind != Large {
		t.Errorf("%v, %v", got, r.Unexpected)
	}
	c.Class, c.Served = "", "s2"
	if got := r.add(&c, r.Harms, four); got != nil {
		t.Errorf("%v", got)
	}
	now := r.sum()
	want := Tally{before.All + 3, before.Redirected + 2, before.Requests + 6, before.Bytes + 90, before.Failed + 2}
	if now != want || r.total() != want.All || r.Connections[Large].All != 103 {
		t.Errorf("%+v, want %+v", now, want)
	}
	if r.allowed() != 4 {
		t.Errorf("%d allowed", r.allowed())
	}
}

// What the cluster knows at the end is in the result: of packets also those that are
// still open, and of restarts those since the run began.
func TestEnd(t *testing.T) {
	c := newCluster(nil, Cluster{Asked: []string{"s1"}, Spare: "s4"})
	for i, packets := range []uint64{0, 5} {
		l := accounting.Ledger{}
		if err := l.Add(accounting.Reading{First: accounting.Entry{Passed: packets}, Last: accounting.Entry{Passed: 100}}); err != nil {
			t.Fatal(err)
		}
		c.open([]string{"s1", "s2"}[i], l)
	}
	c.open("s1", accounting.Opened()) // its module is new
	c.harms = []Harm{harm(Off, "s1", 1, 2)}
	c.killed["s1 nginx"] = 4
	r := &Result{Began: time.Now().Add(-time.Minute), before: map[string]int{"s1 nginx": 2, "s2 nginx": 1}}
	r.end(c, map[string]int{"s1 nginx": 5, "s2 nginx": 1})
	if r.Readings != 2 || r.Slack != 100 || len(c.ledgers) != 0 {
		t.Errorf("%d readings, slack %d, %d open", r.Readings, r.Slack, len(c.ledgers))
	}
	if len(r.Harms) != 1 || r.Killed["s1 nginx"] != 4 || !maps.Equal(r.Restarts, map[string]int{"s1 nginx": 3}) || r.Took < time.Minute {
		t.Errorf("%+v", r)
	}
}

// At the end the packets are counted once more, the last connections are judged, and what
// the lab has to say is in the result.
func TestFinish(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		ctx                          context.Context
		err, quiet, check, restarted error
		quiets                       int
		trouble                      string
	}{
		"well":        {t.Context(), nil, nil, nil, nil, 1, ""},
		"a round":     {t.Context(), broken, nil, nil, nil, 0, "broken"},
		"the packets": {t.Context(), nil, broken, nil, nil, 1, "broken"},
		"a server":    {t.Context(), nil, nil, broken, nil, 1, "broken"},
		"the logs":    {t.Context(), nil, nil, nil, broken, 1, "broken"},
		"interrupted": {ended, nil, nil, nil, nil, 0, "interrupted"},
	} {
		c := newCluster(nil, Cluster{Asked: []string{"s1"}, Spare: "s4"})
		r := &runner{cluster: c, o: Options{Progress: io.Discard}, result: passing()}
		r.record(failed("s1", "s1", ByAnswer, 1, 2))
		quiets := 0
		r.finish(tt.ctx, tt.err, ending{
			func(context.Context) error { quiets++; return tt.quiet },
			func() error { return tt.check },
			func() (map[string]int, error) { return map[string]int{"s1 nginx": 2}, tt.restarted },
		})
		if quiets != tt.quiets || strings.Join(r.result.Trouble, "; ") != tt.trouble {
			t.Errorf("%s: packets counted %d times, trouble %q", name, quiets, r.result.Trouble)
		}
		if len(r.result.Unexpected) != 1 || r.result.Restarts["s1 nginx"] != 2 || len(r.conns) != 0 {
			t.Errorf("%s: %+v", name, r.result)
		}
	}
}

// A harm begins before what does it and ends after it, also if that fails.
func TestDuring(t *testing.T) {
	c := newCluster(nil, Cluster{})
	want := errors.New("broken")
	err := c.during(Isolated, "s2", func() error {
		if h := c.harmed(); len(h) != 1 || !h[0].End.IsZero() || h[0].Kind != Isolated || h[0].Host != "s2" {
			t.Errorf("%+v", h)
		}
		return want
	})
	if h := c.harmed(); !errors.Is(err, want) || h[0].End.Before(h[0].Begin) || h[0].Begin.IsZero() {
		t.Errorf("%v, %+v", err, h)
	}
}

// Who serves by the routing table and who answers must be one.
func TestTwoServers(t *testing.T) {
	for _, tt := range []struct {
		proof  Proof
		served string
		want   bool
	}{{ByFlow, "s1", true}, {ByFlow, "s2", false}, {ByAnswer, "s1", true}, {ByAnswer, "s2", false}, {ByNoFlow, "s1", false}, {Unproved, "", false}} {
		s := &session{c: Conn{Proof: tt.proof, Served: tt.served}}
		err := s.servedBy(&http.Response{Header: http.Header{"X-Served-By": {"s2"}}})
		if errors.Is(err, errTwoServers) != tt.want || !tt.want && (s.c.Served != "s2" || s.c.Proof != ByAnswer) {
			t.Errorf("%+v: %v, %+v", tt, err, s.c)
		}
	}
}

func TestPrint(t *testing.T) {
	r := passing()
	r.Unexpected = []Conn{failed("s1", "s2", ByFlow, 1, 2)}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"seed 7: 4 of 4 events in 3600 s on kernel 6.1", "event times process", "connections all redirected requests MB failed", "allowed to fail, because the connection times", "upload 100 50 % 100 1 0", "process killed 1", "packets lost 0", "upload 100",
		"all 600 50 % 600 6 3", "module was reloaded 3", "unexpected failures 1",
		"well again after 3.0 s in the mean, 4.0 s at most; packets counted 16 times, at most 40 packets",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if got := share(999, 1000); got != "100 %" {
		t.Errorf("99.9 %% are %s", got)
	}
	if got := share(1, 2); got != "50 %" {
		t.Errorf("a half is %s", got)
	}
	if got := share(1, 0); got != "-" {
		t.Errorf("a share of nothing is %q", got)
	}
	if err := r.Print(brokenWriter{}); err == nil {
		t.Error("what cannot be printed is no error")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
