// SPDX-License-Identifier: MIT

package moved

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// small is a cluster in which nothing takes long.
func small(hosts, connections int) Config {
	c := Defaults()
	c.Hosts, c.Connections, c.Burst = hosts, connections, 0
	return c
}

func run(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

// The limits are those of the module's source.
func TestLimitsAreTheModules(t *testing.T) {
	files, err := filepath.Glob("../../../../kmod/*.[ch]")
	if err != nil || len(files) == 0 {
		t.Fatalf("the module's sources: %d files, %v", len(files), err)
	}
	text := map[string]string{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^#define\s+(DPR_\w+)\s+(.*?)\s*(?:/\*.*)?$`).FindAllStringSubmatch(string(b), -1) {
			text[m[1]] = m[2]
		}
	}
	values := map[string]float64{}
	for name, is := range text {
		if of, ok := text[is]; ok { // the name of another limit
			is = of
		}
		if v, ok := constant(is); ok {
			values[name] = v
		}
	}
	l := ModuleLimits
	for name, want := range map[string]float64{
		"DPR_OWNER_BUCKETS": float64(l.Buckets), "DPR_OWNER_WAYS": float64(l.Ways), "DPR_OWNER_TRIES": float64(l.Tries),
		"DPR_OWNER_PEERS": float64(l.Peers), "DPR_OWNER_RATE": l.Rate, "DPR_OWNER_AGAIN": l.Again, "DPR_OWNER_HOLD": l.Hold,
		"DPR_OWNER_MEMORY": l.Memory, "DPR_OWNER_PATIENCE": l.Patience, "DPR_HELD_BYTES": float64(l.HeldBytes),
		"DPR_OWNER_LEAST": l.Least,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v in the module (found: %v), %v here", name, got, ok, want)
		}
	}
}

// constant evaluates what a limit is defined as; HZ is a second.
func constant(text string) (float64, bool) {
	f := strings.Fields(strings.Trim(text, "() "))
	var v []float64
	for _, w := range f {
		if w == "HZ" {
			w = "1"
		}
		if n, err := strconv.ParseFloat(w, 64); err == nil {
			v = append(v, n)
		}
	}
	switch {
	case len(f) == 1 && len(v) == 1:
		return v[0], true
	case len(f) != 3 || len(v) != 2:
		return 0, false
	case f[1] == "*":
		return v[0] * v[1], true
	case f[1] == "/":
		return v[0] / v[1], true
	case f[1] == "<<":
		return v[0] * math.Pow(2, v[1]), true
	}
	return 0, false
}

func TestConstant(t *testing.T) {
	for text, want := range map[string]float64{"1024": 1024, "(HZ / 4)": 0.25, "(120 * HZ)": 120, "(4 << 20)": 4 << 20} {
		if got, ok := constant(text); got != want || !ok {
			t.Errorf("%s: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "x", "(HZ / x)", "(HZ % 4)", "1 2"} {
		if got, ok := constant(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// One connection takes three ways between hosts: the question, the claim, the segment.
func TestOneConnection(t *testing.T) {
	c := small(2, 1)
	r := run(t, c)
	want := 3*c.Hop + 4*c.Receive + 3*c.Transmit
	if r.Found != 1 || !near(r.Last, want) || r.Held != 1 || r.Questions != 1 || r.Claims != 1 || r.Again != 0 {
		t.Errorf("found after %g, want %g: %+v", r.Last, want, r)
	}
}

// A client sends again after a round trip and 200 ms, then after twice as long each time.
func TestCopies(t *testing.T) {
	c := small(2, 1)
	c.RTT, c.Limits.Rate = 0.1, 0
	c.Send = 1e-9 // all have the same round trip
	for _, tt := range []struct {
		seconds float64
		want    uint64
	}{{0.29, 0}, {0.31, 1}, {0.59, 1}, {0.61, 2}, {1.19, 2}, {1.21, 3}, {4.81, 5}} {
		c.Seconds = tt.seconds + c.RTT // until the first comes
		if r := run(t, c); r.Again != tt.want || r.Found != 0 || r.Limited != tt.want+1 {
			t.Errorf("%g s: %d copies, %d limited, want %d: %+v", tt.seconds, r.Again, r.Limited, tt.want, r)
		}
	}
}

// A client does not send again what has been acknowledged.
func TestAcknowledged(t *testing.T) {
	c := small(2, 2)
	c.Burst = 2 // the other one is found later
	if r := run(t, c); r.Again != 0 || r.Found != 2 {
		t.Errorf("%+v", r)
	}
}

// As many questions go at once as messages may be sent.
func TestRate(t *testing.T) {
	c := small(100, 10_000)
	c.Spread, c.Seconds, c.Ring, c.Receive, c.Transmit = One, 0.01, 0, 0, 0
	r := run(t, c)
	if want := 20_000 / 99; r.Asked != uint64(want) || r.Questions != uint64(99*want) || r.Found != want || r.Limited != uint64(c.Connections-want) {
		t.Errorf("%d asked for, want %d: %+v", r.Asked, want, r)
	}
}

func TestTokens(t *testing.T) {
	tb := newTable(&Limits{Buckets: 1, Ways: 1, Rate: 100})
	for _, tt := range []struct {
		now, cost float64
		want      bool
	}{{0, 100, true}, {0, 1, false}, {0.5, 51, false}, {0.5, 50, true}, {9, 101, false}, {9, 100, true}} {
		if got := tb.take(tt.now, tt.cost); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

// The table decides as the module does.
func TestAdmit(t *testing.T) {
	l := ModuleLimits
	l.Buckets, l.Ways, l.Least, l.HeldBytes = 1, 2, 0, 3000
	tb := newTable(&l)
	for i, tt := range []struct {
		now  float64
		conn int32
		want verdict
		held bool
	}{
		{0, 1, asked, true},
		{0.05, 1, waited, false},
		{0.1, 1, asked, true},
		{0.15, 2, asked, true},
		{0.15, 3, limited, false}, // both places are open
		{0.2, 1, asked, true},
		{0.25, 2, asked, true},
		{0.31, 1, nobody, false},
		{5, 3, limited, false},
		{5.21, 3, asked, true}, // the place of 1
		{5.21, 1, limited, false},
		{130, 2, asked, true}, // its tries are forgotten
	} {
		v, a := tb.admit(tt.now, 0, tt.conn, 1500, 1, 1, 0)
		if v != tt.want || (a != nil && a.held) != tt.held {
			t.Fatalf("step %d: verdict %d, %+v; want %+v", i, v, a, tt)
		}
	}
	if _, a := newTable(&l).admit(0, 0, 1, 3001, 1, 1, 0); a.held {
		t.Error("a segment waits that is too large")
	}
}

// Nobody has a connection only if the peers had long enough to answer.
func TestLeast(t *testing.T) {
	l := ModuleLimits
	l.Least = 1
	tb := newTable(&l)
	for i, want := range []verdict{asked, asked, asked, asked, asked, nobody} {
		if v, _ := tb.admit(float64(i)*0.21, 0, 1, 1, 1, 1, 0); v != want {
			t.Errorf("try %d: verdict %d, want %d", i, v, want)
		}
	}
}

// A question that names the likeliest peer costs one message, and may be put once more.
func TestAdmitLikely(t *testing.T) {
	l := ModuleLimits
	l.Least = 0
	tb := newTable(&l)
	for i, cost := range []float64{1, 99, 99, 99} {
		before := tb.tokens
		if v, _ := tb.admit(float64(i)*0.11, 0, 1, 1, 1, 99, 1); v != asked {
			t.Fatalf("try %d: verdict %d", i, v)
		}
		if got := math.Min(before+0.11*float64(min(i, 1))*tb.limits.Rate, tb.limits.Rate) - tb.tokens; !near(got, cost) {
			t.Errorf("try %d cost %g, want %g", i, got, cost)
		}
	}
	if v, _ := tb.admit(0.45, 0, 1, 1, 1, 99, 1); v != nobody {
		t.Errorf("the fifth try: verdict %d", v)
	}
}

// A claim that comes too late finds no segment that waits: its client sends it again.
func TestHoldEnds(t *testing.T) {
	c := small(2, 1)
	c.Hop, c.RTT = 0.3, 1
	r := run(t, c)
	if r.Expired != 1 || r.Held != 0 || r.Found != 1 || r.Again != 1 || r.Last < minRTO+c.RTT/2 {
		t.Errorf("%+v", r)
	}
}

// If those that are asked do not have it, the client gets a RST.
func TestNobody(t *testing.T) {
	c := small(10, 1)
	c.Spread, c.Limits.Peers, c.Limits.Least = One, 1, 0
	for seed := range uint64(50) {
		c.Seed = seed
		s := &sim{Config: c, r: &Result{}}
		s.populate()
		r := run(t, c)
		if found := s.conns[0].owner <= 3; (r.Found == 1) != found || (r.Reset == 1) == found || (r.Unknown == 1) == found {
			t.Errorf("host %d has it: %+v", s.conns[0].owner, r)
		}
	}
}

// Every way to ask finds all connections, and no client gets a RST, however few messages
// may be sent.
func TestWays(t *testing.T) {
	for _, way := range Ways {
		for _, likely := range []float64{0, 0.5, 1} {
			for _, rate := range []float64{ModuleLimits.Rate, 300} {
				c := small(20, 500)
				c.Ask, c.Likely, c.Limits.Rate, c.Seconds, c.Burst = way, likely, rate, 1000, 0.01
				if r := run(t, c); r.Found != c.Connections || r.Reset != 0 {
					t.Errorf("%s, likely %g, %g messages: %+v", way, likely, rate, r)
				}
			}
		}
	}
}

// How many messages a connection costs.
func TestQuestions(t *testing.T) {
	const hosts, n = 20, 120
	for _, tt := range []struct {
		way    string
		likely float64
		want   uint64
	}{
		{Unicast, 0, n * (hosts - 1)},
		{LikelyCopy, 1, n},
		{LikelyCopy, 0, n * hosts},
		{LikelyUnicast, 1, n},
		{LikelyUnicast, 0, n * (hosts - 1)},
		{OneByOne, 1, n},
		{Multicast, 0, n},
		{LikelyMulticast, 1, n},
		{LikelyMulticast, 0, 2 * n},
		{BatchUnicast, 0, n / 60 * (hosts - 1)},
		{BatchMulticast, 0, n / 60},
	} {
		c := small(hosts, n)
		c.Ask, c.Likely, c.Spread = tt.way, tt.likely, One
		if r := run(t, c); r.Questions != tt.want || r.Claims != n || r.Found != n {
			t.Errorf("%s, likely %g: %d questions, want %d: %+v", tt.way, tt.likely, r.Questions, tt.want, r)
		}
	}
}

// Questions for which no more messages may be sent wait together, and are put once.
func TestBatchWaits(t *testing.T) {
	const hosts, n = 20, 200
	c := small(hosts, n)
	c.Ask, c.Spread, c.Limits.Rate = BatchUnicast, One, hosts-1 // one round of messages a second
	r := run(t, c)
	want := uint64((n + 59) / 60 * (hosts - 1))
	if r.Found != n || r.Questions != want || r.Again < n-60 || r.Last < 3 || r.Last > 5 {
		t.Errorf("%d questions, want %d: %+v", r.Questions, want, r)
	}
}

// Without others in its message a question waits until messages may be sent, too.
func TestBatchOfOne(t *testing.T) {
	c := small(20, 60)
	c.Ask, c.Spread, c.Limits.Rate, c.Batch = BatchUnicast, One, 19*10, 1 // ten rounds at once, and a second
	if r := run(t, c); r.Found != 60 || r.Questions != 60*19 || r.Last < 4.9 || r.Last > 10 {
		t.Errorf("%+v", r)
	}
}

// A message to all is heard by all.
func TestHeard(t *testing.T) {
	c := small(5, 1)
	c.Ask, c.Hop = Multicast, 0
	s := &sim{Config: c, r: &Result{}, left: 1}
	s.populate()
	for s.left > 0 {
		e, _ := s.next()
		s.now = e.at
		s.happen(e)
	}
	var heard uint64
	for i := range s.hosts {
		heard += s.hosts[i].heard.sum()
	}
	if heard != 4+1 { // and the claim
		t.Errorf("%d messages were heard, want 5", heard)
	}
}

// A processor does one thing after the other, and drops what finds its ring full.
func TestProcessor(t *testing.T) {
	c := small(2, 1000)
	c.Spread, c.Owners, c.Ring, c.Hop = One, One, 0, 0
	r := run(t, c)
	if least := 1000 * (2*c.Receive + c.Transmit); r.Last < least || r.Overflowed != 0 {
		t.Errorf("all after %g s, want at least %g: %+v", r.Last, least, r)
	}
	c.Ring, c.Burst = 100, 0.002
	if r := run(t, c); r.Overflowed == 0 || r.Again == 0 || r.Found != 1000 {
		t.Errorf("with a ring of %d: %+v", c.Ring, r)
	}
}

// Clients that share the hosts' processor send when it has nothing else to do.
func TestShared(t *testing.T) {
	c := small(2, 1000)
	c.Spread, c.Owners, c.Ring, c.Send = One, One, 0, 20e-6
	c.RTT = 1 // all have sent by then
	if r := run(t, c); !near(r.Burst, 0.02) || r.Found != 1000 {
		t.Errorf("%+v", r)
	}
	c.RTT = 0.001
	if r := run(t, c); r.Burst < 0.021 || r.Found != 1000 {
		t.Errorf("%+v", r)
	}
}

// Who has connections, and where they come to.
func TestDraw(t *testing.T) {
	for _, to := range []string{One, All} {
		for _, from := range []string{One, All} {
			c := small(5, 2000)
			c.Spread, c.Owners, c.Likely = to, from, 0.25
			s := &sim{Config: c, r: &Result{}}
			s.populate()
			hosts, owners, likely := map[int32]bool{}, map[int32]bool{}, 0
			for _, k := range s.conns {
				if k.host == k.owner || k.likely == k.host {
					t.Fatalf("%s, %s: %+v", from, to, k)
				}
				hosts[k.host], owners[k.owner] = true, true
				if k.likely == k.owner {
					likely++
				}
			}
			count := func(m map[int32]bool) string { return map[bool]string{true: One, false: All}[len(m) == 1] }
			if count(hosts) != to || count(owners) != from || likely < 400 || likely > 600 {
				t.Errorf("%s, %s: to %v, from %v, %d are likely", from, to, hosts, owners, likely)
			}
		}
	}
}

func TestSeed(t *testing.T) {
	c := small(10, 300)
	a, b := run(t, c), run(t, c)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, small(2, 1)); err == nil {
		t.Error("it ran")
	}
}

func TestAgenda(t *testing.T) {
	var a agenda
	r := rand.New(rand.NewPCG(1, 2))
	var want []float64
	for range 1000 {
		at := float64(r.IntN(50))
		want = append(want, at)
		a.add(event{at: at, number: int32(len(want))})
	}
	slices.Sort(want)
	last := event{at: -1}
	for _, at := range want {
		e, ok := a.next()
		if !ok || e.at != at || e.at == last.at && e.number < last.number {
			t.Fatalf("got %+v after %+v, want %g", e, last, at)
		}
		last = e
	}
	if _, ok := a.next(); ok {
		t.Error("one is left")
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 0.25: 1, 0.26: 2, 0.5: 2, 0.99: 4, 1: 4} {
		if got := quantile(v, q); got != want {
			t.Errorf("%g: %g, want %g", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("of nothing")
	}
}

func TestPeak(t *testing.T) {
	var w windows
	for i := range 10 {
		w.add(0.25+0.001*float64(i), &packet{})
	}
	w.add(0.31, &packet{more: make([]int32, 60)})
	if m, bits := w.peak(); m != 100 || !near(bits, 8*(78+60*24)*10) || w.sum() != 11 {
		t.Errorf("%g messages, %g bits, %d in all", m, bits, w.sum())
	}
}

func TestOptions(t *testing.T) {
	o := OptionDefaults()
	all, err := o.Configs()
	if err != nil || len(all) != 2*len(Ways) || all[0].Hosts != 10 || all[len(Ways)].Hosts != 100 {
		t.Errorf("%+v, %v", all, err)
	}
	o.Sizes = []int{1}
	if _, err := o.Configs(); err == nil {
		t.Error("a cluster of one host is simulated")
	}
}

func TestValidate(t *testing.T) {
	for i, change := range []func(*Config){
		func(c *Config) { c.Hosts = 1 }, func(c *Config) { c.Connections = 0 }, func(c *Config) { c.Ask = "x" },
		func(c *Config) { c.Spread = "" }, func(c *Config) { c.Owners = "x" }, func(c *Config) { c.Likely = math.NaN() },
		func(c *Config) { c.Ring = -1 }, func(c *Config) { c.Batch = 0 }, func(c *Config) { c.Segment = 0 }, func(c *Config) { c.Hop = -1 }, func(c *Config) { c.Seconds = math.Inf(1) },
	} {
		c := Defaults()
		change(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("change %d is simulated", i)
		}
	}
}

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b, []*Result{run(t, small(2, 10))}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "2") || !strings.Contains(lines[1], fmt.Sprint(10)) {
		t.Errorf("%s", b.String())
	}
}
