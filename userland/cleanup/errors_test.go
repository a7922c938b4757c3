// SPDX-License-Identifier: MIT

package cleanup

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

// faulty fails at operations by their names, and counts how often it was closed.
type faulty struct {
	*kernel
	fails  map[string]error
	closed int
	expiry dprnl.Expiry // what Expire adds to its result
}

func (f *faulty) Expire(ctx context.Context, b uint32) (dprnl.Expiry, error) {
	x, err := f.kernel.Expire(ctx, b)
	f.expiry.Done, f.expiry.Scanned = x.Done, x.Scanned
	return f.expiry, errors.Join(err, f.fails["Expire"])
}

func (f *faulty) Services(ctx context.Context) ([]dprnl.Service, error) {
	s, _ := f.kernel.Services(ctx)
	return s, f.fails["Services"]
}

func (f *faulty) Peers(ctx context.Context) ([]dprnl.Peer, error) {
	p, _ := f.kernel.Peers(ctx)
	return p, f.fails["Peers"]
}

func (f *faulty) Peer(ctx context.Context, a netip.Addr) (dprnl.Peer, error) {
	p, err := f.kernel.Peer(ctx, a)
	if fails := f.fails["Peer"]; fails != nil {
		return dprnl.Peer{}, fails
	}
	return p, err
}

func (f *faulty) DeletePeer(ctx context.Context, a netip.Addr, dead bool) error {
	name := "DeletePeer"
	if dead {
		name = "DeleteDeadPeer"
	}
	if err := f.fails[name]; err != nil {
		return err
	}
	return f.kernel.DeletePeer(ctx, a, dead)
}

func (f *faulty) Close() error { f.closed++; return nil }

// faults is setup with a kernel that may fail and a log.
func faults(t *testing.T, v Verdict, peers ...dprnl.Peer) (*Cleaner, *faulty, *probe, *testlog.Buffer) {
	t.Helper()
	c, k, p := setup(t, v, peers...)
	f, log := &faulty{kernel: k, fails: map[string]error{}}, &testlog.Buffer{}
	o := c.o
	o.Dial = func() (Kernel, error) { return f, nil }
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return New(o), f, p, log
}

// Errors × operations: each is returned and logged, and the connection to the kernel
// is reopened unless the kernel itself refused.
func TestEveryOperationFails(t *testing.T) {
	broken, refused := errors.New("broken"), error(&dprnl.Error{Op: "asking", Errno: syscall.EINVAL})
	for _, err := range []error{broken, refused} {
		for operation, deleted := range map[string]string{
			"Expire": "", "Peers": "", "DeletePeer": "", "Services": "192.0.2.2", "Peer": "192.0.2.2", "DeleteDeadPeer": "192.0.2.2", "dial": "",
		} {
			c, k, p, log := faults(t, Dead, peer(time.Minute, true))
			k.fails[operation] = err
			if operation == "dial" {
				o := c.o
				o.Dial = func() (Kernel, error) { return nil, err }
				c = New(o)
			}
			got := c.clean(t.Context(), func() {})
			want := "cannot clean the tables"
			if operation == "Peer" || operation == "DeleteDeadPeer" {
				if got != nil {
					t.Fatal(got)
				}
				got, want = c.judge(t.Context(), <-c.results), "cannot delete a dead peer"
			}
			if !errors.Is(got, err) || k.done() != deleted {
				t.Errorf("%s: %v, deleted %q", operation, got, k.done())
			}
			if !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("%s: log %s", operation, log)
			}
			closed := 0
			if errors.Is(err, broken) && operation != "dial" {
				closed = 1
			}
			if k.closed != closed || operation == "Services" && p.count() != 0 {
				t.Errorf("%s, %v: closed %d times, want %d; %d probes", operation, err, k.closed, closed, p.count())
			}
		}
	}
}

// A verdict that cannot be acted on, as there is no kernel, is an error.
func TestJudgeWithoutKernel(t *testing.T) {
	c, _, _, _ := faults(t, Dead, peer(time.Minute, false))
	o := c.o
	o.Dial = func() (Kernel, error) { return nil, errors.New("no module") }
	c = New(o)
	if err := c.judge(t.Context(), result{host, Dead}); err == nil || !strings.Contains(err.Error(), "no module") {
		t.Errorf("error %v", err)
	}
}

// Somebody else may have deleted the peer: no error, and nothing is said of it.
func TestDeletedByAnother(t *testing.T) {
	c, k, _, log := faults(t, Dead, peer(6*time.Second, true))
	k.fails["DeletePeer"] = fs.ErrNotExist
	if err := c.clean(t.Context(), func() {}); err != nil || strings.Contains(log.String(), "is silent") {
		t.Errorf("%v, log %s", err, log)
	}
	c, k, _, log = faults(t, Dead, peer(time.Minute, false))
	interval(t, c)
	if !strings.Contains(log.String(), "peer is dead; ending its flows") {
		t.Errorf("log %s", log)
	}
	k.fails["Peer"] = fs.ErrNotExist
	if err := c.judge(t.Context(), result{host, Dead}); err != nil || strings.Count(log.String(), "is dead") != 1 {
		t.Errorf("%v, log %s", err, log)
	}
}

// A peer that was heard just long enough ago is not dead.
func TestDeadAfter(t *testing.T) {
	c, k, _, _ := faults(t, Dead, peer(15*time.Second, false))
	if err := c.judge(t.Context(), result{host, Dead}); err != nil || k.done() != "" {
		t.Errorf("%v, deleted %q", err, k.done())
	}
	k.set(peer(15*time.Second+1, false))
	if err := c.judge(t.Context(), result{host, Dead}); err != nil || k.done() != "192.0.2.2 dead" || len(c.next) != 0 {
		t.Errorf("%v, deleted %q, remembered %v", err, k.done(), c.next)
	}
}

// What is found out is said once, and then only to who looks closely.
func TestVerdictsAreLogged(t *testing.T) {
	for v, want := range map[Verdict]string{Alive: "peer is silent but its host answers", Unknown: "nothing is known of a silent peer"} {
		c, _, _, log := faults(t, v, peer(time.Minute, false))
		for range 2 {
			if err := c.judge(t.Context(), result{host, v}); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Count(log.String(), "level=WARN msg=\""+want) != 1 || strings.Count(log.String(), "level=DEBUG msg=\""+want) != 1 {
			t.Errorf("log %s", log)
		}
	}
	c, _, _, log := faults(t, Dead, peer(6*time.Second, true))
	interval(t, c)
	if !strings.Contains(log.String(), "peer is silent; it gets no new connections") {
		t.Errorf("log %s", log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := log.String()
	if err := c.judge(ctx, result{host, Dead}); err != nil || log.String() != before {
		t.Errorf("at the end: %v, %s", err, log)
	}
	c, k, _, log := faults(t, Dead)
	k.fails["Peers"] = errors.New("broken")
	if err := c.clean(ctx, func() {}); err == nil || strings.Contains(log.String(), "cannot clean") {
		t.Errorf("at the end: %v, %s", err, log)
	}
}

// The counts of all steps are added up; only resets are worth a line by themselves.
func TestExpiryIsLogged(t *testing.T) {
	for reset, level := range map[uint32]string{0: "DEBUG", 1: "INFO"} {
		c, k, _, log := faults(t, Dead)
		k.steps, k.expiry = 3, dprnl.Expiry{Expired: 2, Reset: reset, Flows: 9}
		beats := 0
		if err := c.clean(t.Context(), func() { beats++ }); err != nil || beats != 3 {
			t.Errorf("%v, %d heartbeats", err, beats)
		}
		want := "level=" + level + ` msg="flows cleaned" scanned=12288 expired=6 reset=` + map[uint32]string{0: "0", 1: "3"}[reset] + " left=9"
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
}

// A host that is heard again, or that is no peer any more, is forgotten; others stay.
func TestHostsAreForgotten(t *testing.T) {
	c, k, _, _ := faults(t, Alive, peer(time.Minute, false))
	other, gone := netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")
	p := peer(time.Minute, false)
	p.Address = other
	k.set(p)
	soon := time.Now().Add(time.Hour)
	c.next[host], c.next[other], c.next[gone] = soon, soon, soon
	k.set(peer(time.Second, true))
	if err := c.clean(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	if len(c.next) != 1 || !c.next[other].Equal(soon) {
		t.Errorf("remembered %v", c.next)
	}
	// One that never reported was added by hand: it is left alone, however old.
	k.set(dprnl.Peer{Address: other, Age: time.Hour, Listed: true})
	if err := c.clean(t.Context(), func() {}); err != nil || k.done() != "" {
		t.Errorf("%v, deleted %q", err, k.done())
	}
}

// While a probe is on its way no other one is sent.
func TestOneProbeAtATime(t *testing.T) {
	c, _, p, _ := faults(t, Alive, peer(time.Minute, false))
	for range 3 {
		if err := c.clean(t.Context(), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	<-c.results
	if p.count() != 1 || len(c.probing) != 1 {
		t.Errorf("%d probes", p.count())
	}
}

// Run cleans each interval, not more often, takes a new one over, shows that it
// lives in between, and closes its connection.
func TestIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, _, _ := faults(t, Dead)
		slow, fast := config.Defaults(), config.Defaults()
		slow.Cleanup.Interval, fast.Cleanup.Interval = time.Hour, 5*time.Millisecond
		c.Reload(&fast)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var beats atomic.Int32
		go func() { done <- c.Run(ctx, func() {}, func() { beats.Add(1) }) }()
		passes := func(d time.Duration, calls int, alive int32) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			if n := beats.Swap(0); k.expired != calls || n != alive {
				t.Errorf("%d intervals and %d heartbeats, want %d and %d", k.expired, n, calls, alive)
			}
		}
		// Each interval beats once in its only step and once at its end.
		passes(0, 1, 2)
		passes(30*fast.Cleanup.Interval, 31, 60)
		c.Reload(&slow)
		passes(fast.Cleanup.Interval, 32, 2) // the last of the short ones
		passes(1200*time.Millisecond, 32, 1)
		passes(slow.Cleanup.Interval, 33, 3602)
		cancel()
		if err := <-done; err != nil || k.closed != 1 {
			t.Errorf("%v, closed %d times", err, k.closed)
		}
	})
}

// Run ends when the kernel takes the right away, and not for other trouble.
func TestRunEndsWithoutTheRight(t *testing.T) {
	c, k, _, _ := faults(t, Dead)
	fast := config.Defaults()
	fast.Cleanup.Interval = time.Millisecond
	c.Reload(&fast)
	k.mu.Lock()
	k.err = errors.New("broken")
	k.mu.Unlock()
	done := make(chan error)
	go func() { done <- c.Run(t.Context(), func() {}, func() {}) }()
	time.Sleep(20 * time.Millisecond)
	k.mu.Lock()
	k.err = &dprnl.Error{Op: "x", Errno: syscall.EPERM}
	k.mu.Unlock()
	if err := <-done; !errors.Is(err, dprnl.ErrNoRight) {
		t.Errorf("error %v", err)
	}
}

// closing is a connection that says when it is closed.
type closing struct {
	net.Conn
	closed chan bool
}

func (c closing) Close() error { c.closed <- true; return nil }

// A connection that was accepted is closed, and one that was not is none.
func TestProbeCloses(t *testing.T) {
	closed := make(chan bool, 1)
	p := prober(func(context.Context, string) (net.Conn, error) { return closing{closed: closed}, nil })
	if got := p.Probe(t.Context(), host, []uint16{80}); got != Alive {
		t.Errorf("%v", got)
	}
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Error("the connection stays open")
	}
}

// A probe takes its time: three rounds, with pauses between them, and ends with its
// context.
func TestProbePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if p := NewProber(); p.Attempts != 3 || p.Timeout != 2*time.Second || p.Pause != 1500*time.Millisecond {
			t.Errorf("%+v", p)
		}
		p := prober(func(context.Context, string) (net.Conn, error) { return nil, dialError(syscall.EHOSTDOWN) })
		p.Pause = 30 * time.Second
		begin := time.Now()
		if got, took := p.Probe(t.Context(), host, []uint16{80}), time.Since(begin); got != Dead || took != 2*p.Pause {
			t.Errorf("%v after %v", got, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		p.Pause = time.Minute
		if got := p.Probe(ctx, host, []uint16{80}); got != Unknown {
			t.Errorf("ended in a pause: %v", got)
		}
		if sleep(ctx, time.Minute) {
			t.Error("it slept after the end")
		}
		if got := verdict(context.Canceled); got != Unknown {
			t.Errorf("%v", got)
		}
	})
}

// Another number of silent periods, another period and another time until a peer is
// dead hold from the next interval on.
func TestReloadTakesEffect(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*config.Config)
		age    time.Duration
		before string
		after  string
		probes int
	}{
		"silent_periods": {func(c *config.Config) { c.Cleanup.SilentPeriods = 3 }, 4 * time.Second, "", "192.0.2.2", 0},
		"period":         {func(c *config.Config) { c.Report.Period = 500 * time.Millisecond }, 4 * time.Second, "", "192.0.2.2", 0},
		"dead_after":     {func(c *config.Config) { c.Cleanup.DeadAfter = 6 * time.Second }, 7 * time.Second, "192.0.2.2", "192.0.2.2, 192.0.2.2 dead", 1},
	} {
		c, k, p, _ := faults(t, Dead, peer(tt.age, true))
		interval(t, c)
		if k.done() != tt.before || p.count() != 0 {
			t.Errorf("%s, before: %q, %d probes", name, k.done(), p.count())
		}
		cfg := config.Defaults()
		tt.change(&cfg)
		c.Reload(&cfg)
		interval(t, c)
		if k.done() != tt.after || p.count() != tt.probes {
			t.Errorf("%s, after: %q, %d probes", name, k.done(), p.count())
		}
	}
}
