// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

// logged is setup with a log.
func logged(t *testing.T) (*Broadcaster, *kernel, *ether, *testlog.Buffer) {
	t.Helper()
	b, k, n := setup(t)
	log := &testlog.Buffer{}
	o := b.o
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b, k, n, log
}

// faulty fails at one operation, keeps the contexts that it was given, and counts how
// often it was closed.
type faulty struct {
	*kernel
	config, load error
	contexts     []error
	closed       int
}

func (f *faulty) Config(ctx context.Context) (dprnl.Config, error) {
	f.contexts = append(f.contexts, ctx.Err())
	c, err := f.kernel.Config(ctx)
	return c, errors.Join(err, f.config)
}

func (f *faulty) Load(ctx context.Context) (dprnl.Load, error) {
	f.contexts = append(f.contexts, ctx.Err())
	l, err := f.kernel.Load(ctx)
	return l, errors.Join(err, f.load)
}

func (f *faulty) Close() error { f.closed++; return nil }

// Errors × operations: no report is sent, the error is returned and logged, and the
// connection to the kernel is reopened unless the kernel itself refused.
func TestEveryOperationFails(t *testing.T) {
	broken, refused := errors.New("broken"), error(&dprnl.Error{Op: "asking", Errno: 22})
	for _, operation := range []string{"dial", "config", "load", "sequence"} {
		for _, err := range []error{broken, refused} {
			b, plain, n, log := logged(t)
			k := &faulty{kernel: plain}
			o := b.o
			o.Dial = func() (Kernel, error) { return k, nil }
			switch operation {
			case "dial":
				o.Dial = func() (Kernel, error) { return nil, err }
			case "config":
				k.config = err
			case "load":
				k.load = err
			case "sequence":
				o.Sequence = func() (uint64, error) { return 0, err }
			}
			b, newErr := New(o)
			if newErr != nil {
				t.Fatal(newErr)
			}
			got := b.beat(t.Context())
			if !errors.Is(got, err) || n.count(netA) != 0 {
				t.Errorf("%s, %v: %v, %d reports", operation, err, got, n.count(netA))
			}
			if operation == "sequence" && !strings.Contains(got.Error(), "boot time clock") {
				t.Errorf("%v", got)
			}
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "no report sent") {
				t.Errorf("%s: log %s", operation, log)
			}
			closed := 0
			if errors.Is(err, broken) && (operation == "config" || operation == "load") {
				closed = 1
			}
			if k.closed != closed {
				t.Errorf("%s, %v: closed %d times, want %d", operation, err, k.closed, closed)
			}
		}
	}
}

// What is wrong because everything ends is not worth a line.
func TestEndIsNotLogged(t *testing.T) {
	b, k, _, log := logged(t)
	k.err = errors.New("broken")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.beat(ctx); err == nil || log.String() != "" {
		t.Errorf("%v, log %s", err, log)
	}
}

// A kernel without an address, or with values that cannot be sent, is logged.
func TestReasonsForNoReport(t *testing.T) {
	for want, change := range map[string]func(*kernel){
		"the kernel has no address for this host":       func(k *kernel) { k.config.Address = netip.IPv4Unspecified() },
		"the kernel has no address for this host (dprc": func(k *kernel) { k.config.Address = netip.Addr{} },
		"CPU utilisation 1001":                          func(k *kernel) { k.load.CPU = 1001 },
	} {
		b, k, _, log := logged(t)
		change(k)
		if err := b.beat(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(log.String(), want) {
			t.Errorf("%v, log %s; want %q", err, log, want)
		}
	}
}

// The weight is at least 1, whatever the kernel says, and else what it says.
func TestWeight(t *testing.T) {
	for in, want := range map[uint32]uint32{0: 1, 1: 1, 9: 9} {
		b, k, n := setup(t)
		k.config.Weight = in
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, testConfig().Report.Keys[0], n.sent[netA]...); r[0].Weight != want {
			t.Errorf("weight %d of %d", r[0].Weight, in)
		}
	}
}

// Without keys reports are not authenticated.
func TestNoKeys(t *testing.T) {
	b, _, n := setup(t)
	c := testConfig()
	c.Report.Keys = nil
	b.Reload(c)
	if err := b.beat(t.Context()); err != nil || len(n.sent[netA]) != 1 || len(n.old[netA][0]) != 76 {
		t.Errorf("%v, %x", err, n.old[netA])
	}
}

// Networks that fail to open or to send are logged, the others get their report,
// and nothing is logged of those.
func TestNetworksFail(t *testing.T) {
	b, _, n, log := logged(t)
	open := b.o.Open
	fails := true
	b.o.Open = func(net config.Network, port uint16, from netip.Addr) (Sender, error) {
		if port != 7743 {
			t.Errorf("port %d", port)
		}
		if fails && net.String() == netA {
			return nil, errors.New("no such device")
		}
		return open(net, port, from)
	}
	n.failing[netB] = errors.New("network is down")
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sending to a network failed", "network=" + netA, "no such device", "network=" + netB, "network is down"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	if n.open != 0 {
		t.Errorf("%d sockets are open", n.open)
	}
	fails = false
	delete(n.failing, netB)
	before := log.String()
	if err := b.beat(t.Context()); err != nil || n.count(netA) != 1 || n.count(netB) != 1 || log.String() != before {
		t.Errorf("%v; %d and %d reports; log %s", err, n.count(netA), n.count(netB), strings.TrimPrefix(log.String(), before))
	}
	b.close()
	b.close()
	if n.open != 0 {
		t.Errorf("%d sockets are open after two closes", n.open)
	}
}

// Another address of this host reopens networks, the same one does not, nor does
// the same configuration.
func TestPrepare(t *testing.T) {
	b, _, n := setup(t)
	for range 3 {
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.opened) != 2 {
		t.Errorf("opened %v", n.opened)
	}
	b.Reload(testConfig())
	if err := b.beat(t.Context()); err != nil || len(n.opened) != 4 || n.open != 2 {
		t.Errorf("%v; opened %v", err, n.opened)
	}
}

// Its last word is sent although its context has ended.
func TestLastWord(t *testing.T) {
	b, plain, n := setup(t)
	k := &faulty{kernel: plain}
	b.o.Dial = func() (Kernel, error) { return k, nil }
	b, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.beat(t.Context()); err != nil { // draining
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.part(ctx)
	if n.count(netA) != 2 {
		t.Errorf("%d reports", n.count(netA))
	}
	if slices.ContainsFunc(k.contexts, func(err error) bool { return err != nil }) {
		t.Errorf("it asked with a context that had ended: %v", k.contexts)
	}
}

// A changed state is announced; the same one, and what cannot be read, is not.
func TestAnnounce(t *testing.T) {
	b, k, n, log := logged(t)
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "announced this host's state") || !strings.Contains(log.String(), "state=draining") {
		t.Errorf("log %s", log)
	}
	if err := b.announce(t.Context()); err != nil || n.count(netA) != 1 {
		t.Errorf("%v, %d reports", err, n.count(netA))
	}
	k.setState(dprnl.StateActive)
	if err := b.announce(t.Context()); err != nil || n.count(netA) != 2 {
		t.Errorf("%v, %d reports", err, n.count(netA))
	}
	if got := strings.Count(log.String(), "announced this host's state"); got != 2 {
		t.Errorf("announced %d times", got)
	}
	if err := b.beat(t.Context()); err != nil || strings.Count(log.String(), "announced this host's state") != 2 {
		t.Errorf("a state that stays is announced: %s", log)
	}
	k.setState(dprnl.StateLeaving)
	k.load.CPU = 1001
	if err := b.announce(t.Context()); err == nil {
		t.Error("a report that cannot be sent is no error")
	}
	k.err = errors.New("broken")
	if err := b.announce(t.Context()); err == nil || n.count(netA) != 3 {
		t.Errorf("%v, %d reports", err, n.count(netA))
	}
	b.link.Close()
	b.o.Dial = func() (Kernel, error) { return nil, errors.New("no module") }
	b, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.announce(t.Context()); err != nil {
		t.Errorf("without a kernel: %v", err)
	}
}

// A new period holds from the next report on.
func TestPeriodIsReloaded(t *testing.T) {
	b, _, n := setup(t)
	slow, fast := testConfig(), testConfig()
	slow.Report.Period, fast.Report.Period = 50*time.Millisecond, 5*time.Millisecond
	b.config.Store(slow)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	alive := 0
	go func() { done <- b.Run(ctx, func() {}, func() { alive++ }) }()
	for n.count(netA) < 3 {
		time.Sleep(time.Millisecond)
	}
	b.Reload(fast)
	begin, first := time.Now(), n.count(netA)
	for n.count(netA) < first+40 && time.Since(begin) < 10*time.Second {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	slower := testConfig()
	slower.Report.Period = time.Hour
	b.Reload(slower)
	time.Sleep(20 * time.Millisecond)
	before := n.count(netA)
	time.Sleep(30 * time.Millisecond)
	after := n.count(netA)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took > 9*time.Second {
		t.Errorf("40 reports of 5 ms took %v", took)
	}
	if after > before+1 {
		t.Errorf("%d reports in an hour's period", after-before)
	}
	if alive < 40 {
		t.Errorf("%d heartbeats", alive)
	}
}

// A process with a long period still shows that it lives, and does nothing else.
func TestHeartbeat(t *testing.T) {
	b, k, n := setup(t)
	k.setState(dprnl.StateActive)
	c := testConfig()
	c.Report.Period = time.Hour
	b.config.Store(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	beats := make(chan bool, 10)
	go func() { done <- b.Run(ctx, func() {}, func() { beats <- true }) }()
	for range 2 {
		select {
		case <-beats:
		case <-time.After(time.Minute):
			t.Fatal("no heartbeat")
		}
	}
	cancel()
	if err := <-done; err != nil || n.count(netA) != 1 {
		t.Errorf("%v, %d reports", err, n.count(netA))
	}
}

// A kernel that takes the right away ends it, also later on.
func TestRunEndsLater(t *testing.T) {
	b, k, n := setup(t)
	c := testConfig()
	c.Report.Period = 5 * time.Millisecond
	b.config.Store(c)
	done := make(chan error)
	go func() { done <- b.Run(t.Context(), func() {}, func() {}) }()
	for n.count(netA) < 2 {
		time.Sleep(time.Millisecond)
	}
	k.mu.Lock()
	k.err = &dprnl.Error{Op: "x", Errno: 1}
	k.mu.Unlock()
	if err := <-done; !errors.Is(err, dprnl.ErrNoRight) || n.open != 0 {
		t.Errorf("%v, %d open", err, n.open)
	}
}

// script is a subscription that yields scripted events, and counts its ends.
type script struct {
	steps  []any // a dprnl.Event or an error
	closed *int
}

func (s script) All(context.Context) iter.Seq2[dprnl.Event, error] {
	return func(yield func(dprnl.Event, error) bool) {
		for _, step := range s.steps {
			ev, _ := step.(dprnl.Event)
			err, _ := step.(error)
			if !yield(ev, err) {
				return
			}
		}
	}
}

func (s script) Close() error { *s.closed++; return nil }

// Of a subscription counts its begin, what concerns the configuration, and what was
// lost; an error ends it; it is closed in any case.
func TestEvents(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		steps []any
		calls int
		err   error
	}{
		"nothing": {nil, 1, nil},
		"config":  {[]any{dprnl.Event{Type: dprnl.EventConfig}}, 2, nil},
		"another": {[]any{dprnl.Event{Type: dprnl.EventTableFull}}, 1, nil},
		"lost":    {[]any{dprnl.ErrEventsLost, dprnl.Event{Type: dprnl.EventConfig}}, 3, nil},
		"broken":  {[]any{dprnl.Event{Type: dprnl.EventConfig}, broken, dprnl.Event{Type: dprnl.EventConfig}}, 2, broken},
	} {
		b, _, _ := setup(t)
		calls, closed := 0, 0
		b.o.Events = func() (EventSource, error) { return script{tt.steps, &closed}, nil }
		err := b.events(t.Context(), func() { calls++ })
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || calls != tt.calls || closed != 1 {
			t.Errorf("%s: %v, notified %d times, closed %d times", name, err, calls, closed)
		}
	}
	b, _, _ := setup(t)
	b.o.Events = func() (EventSource, error) { return nil, broken }
	if err := b.events(t.Context(), func() { t.Error("notified of nothing") }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// Why changes are not announced at once is logged, but for the module's absence and
// the end of the process.
func TestWatchLogs(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{"broken": {errors.New("broken"), true}, "not loaded": {dprnl.ErrNotLoaded, false}, "ended": {nil, false}} {
		b, _, _, log := logged(t)
		tried := make(chan bool, 10)
		closed := 0
		b.o.Events = func() (EventSource, error) {
			defer func() { tried <- true }()
			if tt.err == nil {
				return script{nil, &closed}, nil
			}
			return nil, tt.err
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.watch(ctx)
		<-tried
		<-tried // the first was dealt with
		cancel()
		if got := strings.Contains(log.String(), "only at the next period"); got != tt.want {
			t.Errorf("%s: log %s", name, log)
		}
	}
	b, _, _, log := logged(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	b.o.Events = func() (EventSource, error) {
		cancel()
		time.AfterFunc(20*time.Millisecond, func() { close(ended) })
		return nil, errors.New("broken")
	}
	b.watch(ctx)
	if <-ended; log.String() != "" {
		t.Errorf("at the end: %s", log)
	}
}

// Another port, other networks and another key hold from the next report on.
func TestReloadTakesEffect(t *testing.T) {
	b, _, n := setup(t)
	var opened []string
	open := b.o.Open
	b.o.Open = func(net config.Network, port uint16, from netip.Addr) (Sender, error) {
		opened = append(opened, fmt.Sprint(net, " ", port))
		return open(net, port, from)
	}
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := testConfig()
	c.Report.Port = 99
	c.Report.Networks = []config.Network{{Unicast: netip.MustParseAddrPort("10.0.0.3:5")}}
	c.Report.Keys = c.Report.Keys[1:]
	b.Reload(c)
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{netA + " 7743", netB + " 7743", "10.0.0.3:5 99"}; !slices.Equal(opened, want) {
		t.Errorf("opened %q, want %q", opened, want)
	}
	if n.count(netA) != 1 || n.count("10.0.0.3:5") != 1 || n.open != 1 {
		t.Errorf("sent %d and %d, %d open", n.count(netA), n.count("10.0.0.3:5"), n.open)
	}
	verify(t, c.Report.Keys[0], n.sent["10.0.0.3:5"]...)
}
