// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
	"dpr/userland/testlog"
)

// faulty fails at operations by their names, and counts how often it was closed.
type faulty struct {
	*kernel
	fails  map[string]error
	closed int
	update dprnl.ConfigUpdate // the last
}

func (f *faulty) Config(ctx context.Context) (dprnl.Config, error) {
	c, _ := f.kernel.Config(ctx)
	return c, f.fails["Config"]
}

func (f *faulty) Services(ctx context.Context) ([]dprnl.Service, error) {
	l, _ := f.kernel.Services(ctx)
	return l, f.fails["Services"]
}

func (f *faulty) SetConfig(ctx context.Context, u dprnl.ConfigUpdate) error {
	if err := f.fails["SetConfig"]; err != nil {
		return err
	}
	f.update = u
	return f.kernel.SetConfig(ctx, u)
}

func (f *faulty) AddService(ctx context.Context, s dprnl.Service) error {
	if err := f.fails["AddService"]; err != nil {
		return err
	}
	return f.kernel.AddService(ctx, s)
}

func (f *faulty) SetPeer(ctx context.Context, u dprnl.PeerUpdate) error {
	if err := f.fails["SetPeer"]; err != nil {
		return err
	}
	return f.kernel.SetPeer(ctx, u)
}

func (f *faulty) SetPeers(ctx context.Context, list []dprnl.PeerUpdate) []error {
	if err := f.fails["SetPeers"]; err != nil {
		return slices.Repeat([]error{err}, len(list))
	}
	return f.kernel.SetPeers(ctx, list)
}

func (f *faulty) DeletePeer(ctx context.Context, a netip.Addr, dead bool) error {
	if err := f.fails["DeletePeer"]; err != nil {
		return err
	}
	return f.kernel.DeletePeer(ctx, a, dead)
}

func (f *faulty) Close() error { f.closed++; return nil }

// spring is a source that yields scripted reads.
type spring struct {
	reads      []any // []Datagram or an error, the last one for all that follow
	full       bool  // others are waiting
	calls      int
	deadlines  []time.Time
	maintained int
	joins      error
	closed     int
}

func (s *spring) Read(deadline time.Time) ([]Datagram, bool, error) {
	s.deadlines = append(s.deadlines, deadline)
	step := s.reads[min(s.calls, len(s.reads)-1)]
	s.calls++
	if err, ok := step.(error); ok {
		return nil, false, err
	}
	return step.([]Datagram), s.full, nil
}

func (s *spring) Maintain() error { s.maintained++; return s.joins }
func (s *spring) Close() error    { s.closed++; return nil }

// faults is setup with a kernel that may fail, a scripted source,
// and a log.
func faults(t *testing.T) (*Receiver, *faulty, *spring, *testlog.Buffer) {
	t.Helper()
	r, k, _ := setup(t)
	f, s, log := &faulty{kernel: k, fails: map[string]error{}}, &spring{reads: []any{os.ErrDeadlineExceeded}}, &testlog.Buffer{}
	o := r.o
	o.Dial = func() (Kernel, error) { return f, nil }
	o.Open = func(config.Report) (Source, error) { return s, nil }
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.host = own
	if err := r.reopen(r.config.Load()); err != nil {
		t.Fatal(err)
	}
	return r, f, s, log
}

// Errors × operations: each is returned, counted and logged, and the connection to the
// kernel is reopened unless the kernel itself refused.
func TestEveryOperationFails(t *testing.T) {
	broken, refused := errors.New("broken"), error(&dprnl.Error{Op: "asking", Errno: syscall.EINVAL})
	for _, err := range []error{broken, refused} {
		for operation, state := range map[string]dprnl.State{
			"SetPeers": dprnl.StateActive, "SetPeer": dprnl.StateLeaving, "DeletePeer": dprnl.StateLeaving, "dial": dprnl.StateActive, "dial leaving": dprnl.StateLeaving,
		} {
			r, k, _, log := faults(t)
			k.fails[operation] = err
			if strings.HasPrefix(operation, "dial") {
				o := r.o
				o.Dial = func() (Kernel, error) { return nil, err }
				r, _ = New(o)
			}
			got := r.one(t, sent(t, peer, 2, 1, state, key), peer)
			if !errors.Is(got, err) || r.counts.Get("kernel") != 1 || r.counts.Get("accepted") != 0 {
				t.Errorf("%s: %v, counts %v", operation, got, r.counts.attrs())
			}
			if !strings.Contains(log.String(), "cannot pass a report to the kernel") || !strings.Contains(log.String(), "peer=192.0.2.2") {
				t.Errorf("%s: log %s", operation, log)
			}
			closed := 0
			if errors.Is(err, broken) && !strings.HasPrefix(operation, "dial") {
				closed = 1
			}
			if k.closed != closed || len(r.left) != 0 {
				t.Errorf("%s, %v: closed %d times, want %d; left %v", operation, err, k.closed, closed, r.left)
			}
		}
		for _, operation := range []string{"Config", "SetConfig", "dial"} {
			r, k, s, log := faults(t)
			k.kernel.config.Address = netip.IPv4Unspecified()
			k.fails[operation] = err
			if operation == "dial" {
				o := r.o
				o.Dial = func() (Kernel, error) { return nil, err }
				r, _ = New(o)
				r.source, r.current = s, r.config.Load()
			}
			if got := r.maintain(t.Context()); !errors.Is(got, err) || !strings.Contains(log.String(), "kernel is not ready") {
				t.Errorf("%s: %v, log %s", operation, got, log)
			}
			if closed := errors.Is(err, broken) && operation != "dial"; (k.closed == 1) != closed {
				t.Errorf("%s, %v: closed %d times", operation, err, k.closed)
			}
		}
	}
	// A peer that is gone already has left as well.
	r, k, _, log := faults(t)
	k.fails["DeletePeer"] = fs.ErrNotExist
	if err := r.one(t, sent(t, peer, 2, 1, dprnl.StateLeaving, key), peer); err != nil || !r.left[peer] || !strings.Contains(log.String(), "peer is leaving") {
		t.Errorf("%v, left %v, log %s", err, r.left, log)
	}
}

// The lack of the right outweighs other trouble; else the first counts.
func TestWorstError(t *testing.T) {
	noRight := error(&dprnl.Error{Op: "x", Errno: syscall.EPERM})
	r, k, _, _ := faults(t)
	k.fails["SetPeers"], k.fails["SetPeer"] = errors.New("first"), noRight
	host := netip.MustParseAddr("192.0.2.3")
	batch := []Datagram{{sent(t, peer, 2, 1, dprnl.StateActive, key), peer}, {sent(t, host, 3, 1, dprnl.StateLeaving, key), host}}
	if err := r.handle(t.Context(), batch); !errors.Is(err, dprnl.ErrNoRight) {
		t.Errorf("error %v", err)
	}
	r, k, _, _ = faults(t)
	k.fails["SetPeers"], k.fails["SetPeer"] = errors.New("first"), errors.New("second")
	if err := r.handle(t.Context(), batch); err == nil || err.Error() != "first" {
		t.Errorf("error %v", err)
	}
}

// What goes wrong because everything ends is not worth a line.
func TestEndIsNotLogged(t *testing.T) {
	r, k, _, log := faults(t)
	k.fails["SetPeers"], k.fails["Config"] = errors.New("broken"), errors.New("broken")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := log.String()
	_ = r.handle(ctx, []Datagram{{sent(t, peer, 2, 1, dprnl.StateActive, key), peer}})
	_ = r.maintain(ctx)
	if log.String() != before {
		t.Errorf("log %s", strings.TrimPrefix(log.String(), before))
	}
}

// An empty or useless batch does not bother the kernel, and refusals are logged.
func TestRefusalsAreLogged(t *testing.T) {
	r, k, _, log := faults(t)
	k.fails["SetPeers"] = errors.New("called with nothing")
	if err := r.handle(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := r.one(t, []byte("?"), peer); err != nil {
		t.Error(err)
	}
	if err := r.one(t, sent(t, own, 9, 2, 0, key), own); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`msg="report refused" sender=192.0.2.2 reason=truncated`, `level=ERROR msg="another host uses this host's address" address=192.0.2.1`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
}

// A memory that fails is logged once reports arrive, and they are accepted all the same.
func TestMemoryFails(t *testing.T) {
	r, k, _, log := faults(t)
	path := filepath.Join(t.TempDir(), "reports")
	m, err := report.OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	o := r.o
	o.Memory = m
	if r, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := r.one(t, sent(t, peer, 2, 1, 0, key), peer); err != nil || strings.Contains(log.String(), "cannot store") {
		t.Errorf("%v, log %s", err, log)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.one(t, sent(t, peer, 2, 2, 0, key), peer); err != nil || !strings.Contains(log.String(), "cannot store accepted reports") || len(k.peers) != 2 {
		t.Errorf("%v, log %s", err, log)
	}
}

// A source that fails is logged, and not read again immediately.
func TestReadFails(t *testing.T) {
	r, _, s, log := faults(t)
	s.reads = []any{errors.New("no such device")}
	begin := time.Now()
	if err := r.step(t.Context()); err != nil || !strings.Contains(log.String(), "receiving failed") || !strings.Contains(log.String(), "no such device") {
		t.Errorf("%v, log %s", err, log)
	}
	if took := time.Since(begin); took < 90*time.Millisecond {
		t.Errorf("after %v", took)
	}
	s.reads = []any{os.ErrDeadlineExceeded}
	before := log.String()
	if err := r.step(t.Context()); err != nil || log.String() != before {
		t.Errorf("a second without a datagram: %v, log %s", err, log)
	}
}

// After a batch it waits for others to come together, unless the batch was full, however few
// of it are wanted; it looks after the rest once a second.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, s, _ := faults(t)
		one := []Datagram{{[]byte("?"), peer}}
		s.reads, s.full = []any{[]Datagram{}, one}, true
		begin := time.Now()
		if err := r.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("a full batch took %v", took)
		}
		s.full = false
		begin = time.Now()
		if err := r.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != gather || s.maintained != 1 {
			t.Errorf("one datagram took %v; maintained %d times", took, s.maintained)
		}
		if until := s.deadlines[1].Sub(begin); until != time.Second {
			t.Errorf("it waits for %v", until)
		}
		r.due = time.Now()
		if err := r.step(t.Context()); err != nil || s.maintained != 2 {
			t.Errorf("%v, maintained %d times", err, s.maintained)
		}
		// An error of the kernel, of either kind, is handed on.
		r, k, s, _ := faults(t)
		k.fails["Config"] = errors.New("broken")
		if err := r.step(t.Context()); err == nil || s.calls != 0 {
			t.Errorf("%v, %d reads", err, s.calls)
		}
		r, k, s, _ = faults(t)
		k.fails["SetPeers"] = errors.New("broken")
		s.reads = []any{[]Datagram{{sent(t, peer, 2, 1, 0, key), peer}}}
		if err := r.step(t.Context()); err == nil {
			t.Error("no error")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin = time.Now()
		if sleep(ctx, time.Minute); time.Since(begin) != 0 {
			t.Error("it slept after the end")
		}
	})
}

// A new configuration opens its port, and closes the old one's: before, if both are
// the same, else after. One that cannot be opened is logged, and tried again.
func TestReopen(t *testing.T) {
	for _, same := range []bool{true, false} {
		r, _, old, log := faults(t)
		fresh := &spring{reads: []any{os.ErrDeadlineExceeded}}
		fails := errors.New("port taken")
		var closedBefore []int
		r.o.Open = func(c config.Report) (Source, error) {
			closedBefore = append(closedBefore, old.closed)
			if fails != nil {
				return nil, fails
			}
			return fresh, nil
		}
		c := testConfig()
		if !same {
			c.Report.Port++
		}
		other := report.NewKey([report.KeyLen]byte{2})
		c.Report.Keys = []*report.Key{other}
		c.Report.ClockWindow = time.Second
		r.Reload(c)
		if err := r.maintain(t.Context()); err != nil || !strings.Contains(log.String(), "cannot open the new networks") || r.current == c {
			t.Errorf("%v, log %s", err, log)
		}
		fails = nil
		if err := r.maintain(t.Context()); err != nil || r.source != fresh || r.current != c || fresh.maintained != 1 {
			t.Errorf("%v, %+v", err, fresh)
		}
		want := []int{0, 0}
		if same {
			want = []int{1, 2}
		}
		if !slices.Equal(closedBefore, want) || old.closed == 0 || fresh.closed != 0 {
			t.Errorf("same port %t: closed %v before, %d in all; the new one %d", same, closedBefore, old.closed, fresh.closed)
		}
		// Its keys and its window hold.
		r.one(t, sent(t, peer, 2, 1, 0, key), peer)
		rep := report.Report{Host: peer, Boot: report.BootID{2}, Sequence: 5, Time: start.Add(2 * time.Second), Period: time.Second, Weight: 1}
		b, err := rep.Append(nil, other)
		if err != nil {
			t.Fatal(err)
		}
		r.one(t, b, peer)
		r.one(t, sent(t, peer, 2, 9, 0, other), peer)
		if r.counts.Get("unknown_key") != 1 || r.counts.Get("clock") != 1 || r.counts.Get("accepted") != 1 {
			t.Errorf("counts %v", r.counts.attrs())
		}
		if err := r.maintain(t.Context()); err != nil || len(closedBefore) != 2 {
			t.Errorf("opened %d times", len(closedBefore))
		}
	}
}

// A kernel without a configuration gets all of the file's.
func TestAdopt(t *testing.T) {
	r, k, s, log := faults(t)
	k.kernel.config = dprnl.Config{Address: netip.IPv4Unspecified()}
	c := testConfig()
	c.MaxFlows, c.Weight = 77, 9
	r.config.Store(c)
	r.left[peer], r.host = true, netip.Addr{}
	s.joins = errors.New("no such interface")
	if err := r.maintain(t.Context()); err != nil || r.host != own || len(r.left) != 0 {
		t.Errorf("%v, host %v, left %v", err, r.host, r.left)
	}
	if k.update.MaxFlows == nil || *k.update.MaxFlows != 77 || *k.update.Weight != 9 || len(k.services) != 1 {
		t.Errorf("%+v", k.update)
	}
	for _, want := range []string{"kernel was unconfigured; applied the configuration file", "cannot join a network", "no such interface"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	// One that has an address keeps what it has.
	k.kernel.config.Address, k.update = peer, dprnl.ConfigUpdate{}
	if err := r.adopt(t.Context()); err != nil || r.host != peer || k.update.Address != nil {
		t.Errorf("%v, host %v", err, r.host)
	}
	k.kernel.config.Address = netip.Addr{}
	k.fails["SetConfig"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil || r.host.IsValid() {
		t.Errorf("%v, host %v", err, r.host)
	}
}

// A file that was applied in part, when the kernel already has the address, is applied again
// after 10 s or a reload, until that succeeds; meanwhile the host takes part as the kernel has
// it.
func TestAdoptAgain(t *testing.T) {
	r, k, _, log := faults(t)
	now := start
	r.o.Now = func() time.Time { return now }
	k.kernel.config, k.services = dprnl.Config{Address: netip.IPv4Unspecified()}, nil
	k.fails["AddService"] = errors.New("broken")
	for _, after := range []time.Duration{0, 10, 20, 31} {
		now = start.Add(after * time.Second)
		if err := r.adopt(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("after %d s: error %v", after, err)
		}
		if k.kernel.config.Address != own || len(k.services) != 0 {
			t.Errorf("address %v, services %v", k.kernel.config.Address, k.services)
		}
	}
	k.kernel.config.State = dprnl.StateDraining // an operator does that, and the file is applied
	now = start.Add(40 * time.Second)
	if k.update = (dprnl.ConfigUpdate{}); r.adopt(t.Context()) != nil || k.update.Policy != nil {
		t.Errorf("it is applied again too early: %+v", k.update)
	}
	if r.host != own {
		t.Errorf("host %v", r.host)
	}
	r.Reload(testConfig())
	if err := r.adopt(t.Context()); err == nil {
		t.Error("a file that was reloaded is not applied")
	}
	delete(k.fails, "AddService")
	now = now.Add(10 * time.Second)
	if err := r.adopt(t.Context()); err != nil || len(k.services) != 1 || k.update.MaxFlows == nil || r.host != own || !strings.Contains(log.String(), "configured in part") {
		t.Errorf("%v, services %v, host %v, log %s", err, k.services, r.host, log)
	}
	k.update, now = dprnl.ConfigUpdate{}, now.Add(time.Hour)
	if err := r.adopt(t.Context()); err != nil || k.update != (dprnl.ConfigUpdate{}) {
		t.Errorf("%v, it is applied once more: %+v", err, k.update)
	}
	// What another process configured after a failure without effect is left alone.
	r, k, _, _ = faults(t)
	k.kernel.config = dprnl.Config{Address: netip.IPv4Unspecified()}
	k.fails["SetConfig"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil {
		t.Error("no error")
	}
	delete(k.fails, "SetConfig")
	k.kernel.config = dprnl.Config{Address: own, HandoverKeyIDs: [dprnl.MaxHandoverKeys]uint32{key.ID()}}
	if err := r.adopt(t.Context()); err != nil || k.update != (dprnl.ConfigUpdate{}) || r.host != own {
		t.Errorf("%v, update %+v, host %v", err, k.update, r.host)
	}
}

// Once another process has configured what a failure left, that stays, even after a reload.
func TestAdoptLeavesOthersAlone(t *testing.T) {
	for what, change := range map[string]func(*kernel){
		"a policy": func(k *kernel) { k.config.Policy = dprnl.PolicyTwo },
		"a service": func(k *kernel) {
			k.services = append(k.services, dprnl.Service{Port: 8080, Address: netip.IPv4Unspecified()})
		},
	} {
		r, k, _, _ := faults(t)
		now := start
		r.o.Now = func() time.Time { return now }
		k.kernel.config, k.services = dprnl.Config{Address: netip.IPv4Unspecified()}, nil
		k.fails["AddService"] = errors.New("broken")
		for range 3 {
			if err := r.adopt(t.Context()); err != nil && !strings.Contains(err.Error(), "broken") {
				t.Errorf("%s: %v", what, err)
			}
			now = now.Add(time.Second)
		}
		delete(k.fails, "AddService")
		change(k.kernel)
		config, services := k.kernel.config, slices.Clone(k.services)
		for range 2 {
			if err := r.adopt(t.Context()); err != nil || k.kernel.config != config || !slices.Equal(k.services, services) {
				t.Errorf("%s: %v, %+v, services %v", what, err, k.kernel.config, k.services)
			}
			now = now.Add(time.Minute)
			r.Reload(testConfig())
		}
	}
}

// A process that starts anew finds what the one before left, if that ended while it applied a
// file: a kernel with an address, and a part of the file's services, or none. What is removed by
// hand stays so, before and after the start, and what somebody else has added.
func TestAdoptAfterRestart(t *testing.T) {
	r, k, _, _ := faults(t)
	if k.services = nil; r.adopt(t.Context()) != nil || len(k.services) != 0 || k.update != (dprnl.ConfigUpdate{}) {
		t.Errorf("services that were removed are back: %v, %+v", k.services, k.update)
	}

	r, k, _, _ = interrupted(t)
	k.services = nil
	k.fails["Services"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil || len(k.services) != 0 || !r.wasApplying() {
		t.Errorf("%v, services %v", err, k.services)
	}
	delete(k.fails, "Services")
	k.fails["AddService"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil || !r.wasApplying() {
		t.Errorf("%v, noted %v", err, r.wasApplying())
	}
	delete(k.fails, "AddService")
	r.Reload(testConfig())
	if err := r.adopt(t.Context()); err != nil || len(k.services) != 1 || k.update.Policy == nil || r.wasApplying() {
		t.Errorf("%v, services %v", err, k.services)
	}
	k.services = nil
	if err := r.adopt(t.Context()); err != nil || len(k.services) != 0 {
		t.Errorf("%v, services %v", err, k.services)
	}
	two := testConfig()
	two.Services = append(two.Services, dprnl.Service{Port: 443, Address: netip.IPv4Unspecified()})
	r, k, _, _ = interrupted(t) // after the first of two services
	r.Reload(two)
	if err := r.adopt(t.Context()); err != nil || !slices.Equal(k.services, two.Services) || r.wasApplying() {
		t.Errorf("%v, services %v, noted %v", err, k.services, r.wasApplying())
	}
	r, k, _, _ = interrupted(t)
	r.Reload(two)
	k.services[0].Port = 8080
	if err := r.adopt(t.Context()); err != nil || len(k.services) != 1 || r.wasApplying() {
		t.Errorf("%v, services %v, noted %v", err, k.services, r.wasApplying())
	}
	// There is nothing to be missed, or all is there.
	for _, services := range [][]dprnl.Service{nil, testConfig().Services} {
		r, k, _, _ = interrupted(t)
		if k.services = services; len(services) == 0 {
			c := testConfig()
			c.Services = nil
			r.Reload(c)
		}
		if err := r.adopt(t.Context()); err != nil || k.update != (dprnl.ConfigUpdate{}) || r.wasApplying() {
			t.Errorf("%v, %+v", err, k.update)
		}
	}
}

// interrupted is a process whose forerunner ended while it applied a file.
func interrupted(t *testing.T) (*Receiver, *faulty, *spring, *testlog.Buffer) {
	t.Helper()
	r, k, s, log := faults(t)
	r.o.Applying = filepath.Join(t.TempDir(), "applying")
	r.noteApplying()
	return r, k, s, log
}

// The note is there while a file is applied and until the kernel has all of it, none of it, or
// what somebody else has configured.
func TestApplyingIsNoted(t *testing.T) {
	unconfigured := dprnl.Config{Address: netip.IPv4Unspecified()}
	r, k, _, _ := interrupted(t)
	k.kernel.config, k.services = unconfigured, nil
	k.fails["AddService"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil || !r.wasApplying() {
		t.Errorf("%v, in part, and noted %v", err, r.wasApplying())
	}
	k.kernel.config.Policy = dprnl.PolicyTwo
	if err := r.adopt(t.Context()); err != nil || r.wasApplying() {
		t.Errorf("%v, somebody goes on, and noted %v", err, r.wasApplying())
	}

	k.kernel.config = unconfigured
	delete(k.fails, "AddService")
	k.fails["SetConfig"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil || r.wasApplying() {
		t.Errorf("%v, nothing of it, and noted %v", err, r.wasApplying())
	}
	delete(k.fails, "SetConfig")
	if err := r.adopt(t.Context()); err != nil || r.wasApplying() {
		t.Errorf("%v, all of it, and noted %v", err, r.wasApplying())
	}

	// A directory that is missing is said, and the file is applied all the same.
	r, k, _, log := interrupted(t)
	r.o.Applying = filepath.Join(t.TempDir(), "none", "applying")
	k.kernel.config, k.services = unconfigured, nil
	if err := r.adopt(t.Context()); err != nil || len(k.services) != 1 || !strings.Contains(log.String(), "cannot note that the file is being applied") {
		t.Errorf("%v, services %v, log %s", err, k.services, log)
	}
	// One that cannot be removed, too.
	r, _, _, log = interrupted(t)
	r.o.Applying = t.TempDir()
	if err := os.WriteFile(filepath.Join(r.o.Applying, "full"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.forgetLeftover(); !strings.Contains(log.String(), "cannot remove a note") {
		t.Errorf("log %s", log)
	}
}

// A change of the report keys by a reload reaches the kernel's keys of handovers, once, and
// nothing else does. A module that hands nothing over has none.
func TestAdoptKeys(t *testing.T) {
	other := report.NewKey([report.KeyLen]byte{2})
	ids := func(keys ...*report.Key) (list [dprnl.MaxHandoverKeys]uint32) {
		for i, k := range keys {
			list[i] = k.ID()
		}
		return list
	}
	r, k, _, log := faults(t)
	adopt := func(want [dprnl.MaxHandoverKeys]uint32, changed bool) {
		t.Helper()
		k.update = dprnl.ConfigUpdate{}
		if err := r.adopt(t.Context()); err != nil || r.host != own || k.kernel.config.HandoverKeyIDs != want {
			t.Errorf("%v, host %v, keys %x, want %x", err, r.host, k.kernel.config.HandoverKeyIDs, want)
		}
		if (k.update.HandoverKeys != nil) != changed {
			t.Errorf("changed %v, want %v: %+v", !changed, changed, k.update)
		}
		k.update.HandoverKeys = nil
		if k.update != (dprnl.ConfigUpdate{}) {
			t.Errorf("more changed than the keys: %+v", k.update)
		}
	}
	k.kernel.config.HandoverKeyIDs = ids(key)
	for _, keys := range [][]*report.Key{{key}, {key, other}, {other, key}, {other}, nil} {
		c := testConfig()
		c.Report.Keys = keys
		r.Reload(c)
		adopt(ids(keys...), !slices.Equal(keys, []*report.Key{key}))
		adopt(ids(keys...), false)
	}
	r.Reload(testConfig())
	k.fails["SetConfig"] = errors.New("broken")
	if err := r.adopt(t.Context()); err == nil {
		t.Error("no error if the kernel does not take the keys")
	}
	delete(k.fails, "SetConfig")
	k.protocol = protocolOfHandovers - 1
	adopt(ids(), false)
	k.protocol = protocolOfHandovers
	adopt(ids(key), true)
	if n := strings.Count(log.String(), "the kernel has the keys of handovers"); n != 5 {
		t.Errorf("%d lines, want 5: %s", n, log)
	}
}

// A host whose address is gone for some seconds gets its new one, unless the file
// names it or there is none.
func TestRenumber(t *testing.T) {
	lo, gone := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.77")
	r, k, _, log := faults(t)
	now := start
	r.o.Now = func() time.Time { return now }
	c := testConfig()
	c.Address, c.Report.Networks = netip.Addr{}, []config.Network{{Interface: "lo"}}
	r.config.Store(c)
	k.kernel.config.Address = gone
	adopt := func(after time.Duration, want netip.Addr) {
		t.Helper()
		now = start.Add(after)
		if err := r.adopt(t.Context()); err != nil || r.host != want || k.kernel.config.Address != want {
			t.Errorf("after %v: %v, host %v, kernel %v; want %v", after, err, r.host, k.kernel.config.Address, want)
		}
	}
	adopt(0, gone)
	adopt(2*time.Second, gone)
	k.kernel.config.Address = lo // it is there again
	adopt(3*time.Second, lo)
	k.kernel.config.Address = gone
	adopt(4*time.Second, gone)
	adopt(6*time.Second, gone)
	k.fails["SetConfig"] = errors.New("broken")
	now = start.Add(7 * time.Second)
	if err := r.adopt(t.Context()); err == nil {
		t.Error("no error if the kernel refuses the address")
	}
	delete(k.fails, "SetConfig")
	adopt(7*time.Second, lo)
	if want := "this host has another address"; !strings.Contains(log.String(), want) {
		t.Errorf("no %q in %s", want, log)
	}
	c.Report.Networks[0].Interface = "none0"
	k.kernel.config.Address = gone
	adopt(8*time.Second, gone)
	adopt(20*time.Second, gone)
	if want := "this host's address is gone, and no other is found"; !strings.Contains(log.String(), want) {
		t.Errorf("no %q in %s", want, log)
	}
}

// The counts are logged once a minute, if they changed.
func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, _, log := faults(t)
		lines := func(want int) {
			t.Helper()
			if n := strings.Count(log.String(), "msg=reports"); n != want {
				t.Errorf("%d lines, want %d: %s", n, want, log)
			}
		}
		r.counts.add(Accepted)
		r.summarize()
		lines(0) // the first says nothing
		if until := time.Until(r.summary); until != time.Minute {
			t.Errorf("the next in %v", until)
		}
		r.summarize()
		lines(0) // too early
		r.summary = time.Now()
		r.summarize()
		lines(1)
		if !strings.Contains(log.String(), "accepted=1") || strings.Contains(log.String(), "replayed") {
			t.Errorf("log %s", log)
		}
		r.summary = time.Now()
		r.summarize()
		lines(1) // nothing changed
		r.counts.add("nonsense")
		r.summary = time.Now()
		r.summarize()
		lines(2)
		if r.counts.Get(reasonOther) != 1 || r.counts.Get("nonsense") != 0 || r.counts.total() != 2 {
			t.Errorf("counts %v", r.counts.attrs())
		}
	})
}

// Run says what it works without, and ends with everything closed.
func TestRunSays(t *testing.T) {
	r, k, s, log := faults(t)
	c := testConfig()
	c.Report.Keys = nil
	r.config.Store(c)
	r.o.Socket = filepath.Join(t.TempDir(), "none", "x.sock")
	ctx, cancel := context.WithCancel(t.Context())
	beats := 0
	s.reads = []any{os.ErrDeadlineExceeded}
	if err := r.Run(ctx, func() {}, func() {
		if beats++; beats == 3 {
			cancel()
		}
	}); err != nil {
		t.Error(err)
	}
	// Twice when it was reopened for the same port, and at the end.
	if beats != 3 || s.closed != 3 || k.closed != 1 {
		t.Errorf("%d heartbeats; closed %d and %d", beats, s.closed, k.closed)
	}
	for _, want := range []string{"reports are not authenticated", "cannot serve the report counts: they are only in the log", "msg=reports"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	r, _, _, log = faults(t)
	ctx, cancel = context.WithCancel(t.Context())
	if err := r.Run(ctx, cancel, func() {}); err != nil || strings.Contains(log.String(), "WARN") {
		t.Errorf("%v, log %s", err, log)
	}
	// The lack of the right ends it, at the start and later.
	for _, operation := range []string{"Config", "SetPeers"} {
		r, k, s, _ = faults(t)
		k.fails[operation] = &dprnl.Error{Op: "x", Errno: syscall.EPERM}
		s.reads = []any{[]Datagram{{sent(t, peer, 2, 1, 0, key), peer}}, os.ErrDeadlineExceeded}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := r.Run(ctx, func() {}, func() {}); !errors.Is(err, dprnl.ErrNoRight) || s.closed == 0 {
			t.Errorf("%s: %v, closed %d", operation, err, s.closed)
		}
		cancel()
	}
	if _, err := New(Options{Config: func() *config.Config { c := config.Defaults(); return &c }(), Now: time.Now, Log: slog.Default()}); err == nil || !strings.Contains(err.Error(), "report.network") {
		t.Errorf("error %v", err)
	}
}

// As many hosts as there can be have left; then they are taken out once more.
func TestLeftIsBounded(t *testing.T) {
	r, _, _, _ := faults(t)
	for i := range dprnl.MaxPeers {
		r.left[netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})] = true
	}
	if err := r.one(t, sent(t, peer, 2, 1, dprnl.StateLeaving, key), peer); err != nil || len(r.left) != 1 || !r.left[peer] {
		t.Errorf("%v, %d left", err, len(r.left))
	}
}

// This host's own reports are ignored, and are no other host's.
func TestOwnReports(t *testing.T) {
	r, _, _, log := faults(t)
	if err := r.one(t, sent(t, own, 1, 1, 0, key), own); err != nil || r.counts.Get("own") != 1 || r.counts.Get("own_address") != 0 || strings.Contains(log.String(), "another host") {
		t.Errorf("%v, counts %v, log %s", err, r.counts.attrs(), log)
	}
}

// A second without datagrams is no trouble.
func TestSilenceIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, _, log := faults(t)
		begin := time.Now()
		if err := r.step(t.Context()); err != nil || log.String() != "" || time.Since(begin) != 0 {
			t.Errorf("%v after %v, log %s", err, time.Since(begin), log)
		}
	})
}

// Several hosts may leave; maintenance logs the counts; the lack of the right at the
// start ends Run before it is ready.
func TestSmallThings(t *testing.T) {
	r, _, _, log := faults(t)
	for n := range byte(3) {
		host := netip.AddrFrom4([4]byte{192, 0, 2, 10 + n})
		if err := r.one(t, sent(t, host, n+1, 1, dprnl.StateLeaving, key), host); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.left) != 3 {
		t.Errorf("left %v", r.left)
	}
	r.summary = time.Now()
	if err := r.maintain(t.Context()); err != nil || !strings.Contains(log.String(), "msg=reports") {
		t.Errorf("%v, log %s", err, log)
	}
	r, k, s, _ := faults(t)
	k.fails["Config"] = &dprnl.Error{Op: "x", Errno: syscall.EPERM}
	if err := r.Run(t.Context(), func() { t.Error("ready") }, func() {}); !errors.Is(err, dprnl.ErrNoRight) || s.calls != 0 {
		t.Errorf("%v, %d reads", err, s.calls)
	}
}
