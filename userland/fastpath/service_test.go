// SPDX-License-Identifier: MIT

package fastpath

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/testlog"
)

// A fakeKeeper notes what is wanted, and says that it is so.
type fakeKeeper struct {
	settled chan struct{}
	busy    atomic.Int64

	mu      sync.Mutex
	wants   []Want
	running bool
}

func (f *fakeKeeper) Set(w Want) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wants = append(f.wants, w)
}

func (f *fakeKeeper) States() (list []State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.wants[len(f.wants)-1].Devices {
		list = append(list, State{Device: d, Attached: d == "e0", Reason: map[bool]string{false: "why"}[d == "e0"]})
	}
	return list
}

func (f *fakeKeeper) Settled() <-chan struct{} { return f.settled }
func (f *fakeKeeper) Busy() time.Duration      { return time.Duration(f.busy.Load()) }

func (f *fakeKeeper) Run(ctx context.Context) {
	set := func(on bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running = on
	}
	set(true)
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond) // it takes its time
	set(false)
}

func (f *fakeKeeper) runs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// A bench is a service that runs, and what it says.
type bench struct {
	*Service
	keeper *fakeKeeper
	log    testlog.Buffer
	ready  atomic.Int32
	beats  atomic.Int32
	end    func()
}

// configured is a configuration with a mode and devices.
func configured(dir string, mode config.FastPathMode, devices ...string) *config.Config {
	return &config.Config{RuntimeDir: dir, FastPath: config.FastPath{Mode: mode, Devices: devices}}
}

func start(t *testing.T, c *config.Config, change func(*bench)) *bench {
	t.Helper()
	b := &bench{keeper: &fakeKeeper{settled: make(chan struct{})}}
	b.Service = New(Options{Config: c, Keeper: b.keeper, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	change(b)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx, func() { b.ready.Add(1) }, func() { b.beats.Add(1) }) }()
	b.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.end)
	return b
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// The keeper does what is configured, now and after a reload; the states are served to the
// owner of the socket only. When the process ends nothing is attached, and the socket is gone.
func TestService(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	b := start(t, configured(dir, config.FastPathOff, "e0"), func(*bench) {})
	socket := dir + "-fastpath/socket"
	eventually(t, "it runs", b.keeper.runs)
	close(b.keeper.settled)
	eventually(t, "it is ready", func() bool { return b.ready.Load() == 1 })
	wants := func(what string, w Want, states ...State) {
		t.Helper()
		b.keeper.mu.Lock()
		last := b.keeper.wants[len(b.keeper.wants)-1]
		b.keeper.mu.Unlock()
		if !reflect.DeepEqual(last, w) {
			t.Errorf("%s: wanted %v, want %v", what, last, w)
		}
		if s, err := ReadStatus(t.Context(), socket); err != nil || !slices.Equal(s.Devices, states) {
			t.Errorf("%s: %v (%v), want %v", what, s.Devices, err, states)
		}
	}
	wants("off", Want{})
	for path, mode := range map[string]fs.FileMode{socket: 0o600, filepath.Dir(socket): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	on0, off1 := State{Device: "e0", Attached: true}, State{Device: "e1", Reason: "why"}
	b.Reload(configured(dir, config.FastPathXDP, "e0", "e1"))
	wants("on", Want{Devices: []string{"e0", "e1"}}, on0, off1)
	b.Reload(configured("/elsewhere", config.FastPathForced, "e1"))
	wants("forced", Want{Devices: []string{"e1"}, Force: true}, off1)
	b.Reload(configured(dir, config.FastPathOff))
	b.Reload(configured(dir, config.FastPathOff))
	wants("off again", Want{})
	if strings.Contains(b.log.String(), "cannot serve") {
		t.Errorf("it serves the states, and says that it cannot: %s", b.log.String())
	}
	if n := strings.Count(b.log.String(), "nothing to do"); n != 2 {
		t.Errorf("off twice, and the log says so %d times: %s", n, b.log.String())
	}
	b.end()
	if b.keeper.runs() {
		t.Error("it has ended, and the fast path is still on")
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	if n := b.ready.Load(); n != 1 {
		t.Errorf("it was ready %d times", n)
	}
}

// The service manager is not kept waiting by a firewall that takes long to read, but hears
// nothing any more from a process that is stuck.
func TestHeartbeat(t *testing.T) {
	begin := time.Now()
	b := start(t, configured(t.TempDir(), config.FastPathOff), func(b *bench) { b.readyAfter = 100 * time.Millisecond })
	eventually(t, "it is ready", func() bool { return b.ready.Load() == 1 })
	if took := time.Since(begin); took < 80*time.Millisecond {
		t.Errorf("ready after %v, before anything was looked at", took)
	}
	b.keeper.busy.Store(int64(stuckAfter - time.Second))
	was := b.beats.Load()
	eventually(t, "it lives", func() bool { return b.beats.Load() > was+1 })
	b.keeper.busy.Store(int64(stuckAfter))
	time.Sleep(100 * time.Millisecond)
	was = b.beats.Load()
	time.Sleep(1200 * time.Millisecond)
	close(b.keeper.settled)
	time.Sleep(100 * time.Millisecond)
	if n := b.beats.Load(); n != was {
		t.Errorf("it is stuck, and said %d times that it is not", n-was)
	}
	if n := b.ready.Load(); n != 1 {
		t.Errorf("it was ready %d times", n)
	}
}

// Without its socket it works on.
func TestStatusCannotBeServed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(dir+"-fastpath", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, configured(dir, config.FastPathXDP, "e0"), func(*bench) {})
	close(b.keeper.settled)
	eventually(t, "it is ready", func() bool { return b.ready.Load() == 1 })
	if !strings.Contains(b.log.String(), "cannot serve the states of devices") {
		t.Errorf("log %s", b.log.String())
	}
}

// What is not known of a device that is to have the fast path has a reason.
func TestStates(t *testing.T) {
	on0, off7 := State{Device: "e0", Attached: true}, State{Device: "e7", Reason: "why"}
	without := func(why string, devices ...string) (list []State) {
		for _, d := range devices {
			list = append(list, State{Device: d, Forced: true, Reason: why})
		}
		return list
	}
	for name, tt := range map[string]struct {
		mode config.FastPathMode
		has  []State
		err  error
		want []State
	}{
		"off":            {config.FastPathOff, nil, nil, nil},
		"off, none runs": {config.FastPathOff, nil, fs.ErrNotExist, nil},
		"off since":      {config.FastPathOff, []State{on0}, nil, []State{on0}},
		"none runs":      {config.FastPathForced, nil, fs.ErrNotExist, without(NotRunning, "e0", "e1")},
		"it was killed":  {config.FastPathForced, nil, syscall.ECONNREFUSED, without(NotRunning, "e0", "e1")},
		"no right":       {config.FastPathForced, nil, syscall.EACCES, nil},
		"others":         {config.FastPathForced, []State{on0, off7}, nil, append([]State{on0, off7}, without(NotAsked, "e1")...)},
	} {
		if got := States(configured("/r", tt.mode, "e0", "e1"), Status{Devices: tt.has}, tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if _, err := ReadStatus(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "dpr-fastpath") {
		t.Errorf("nobody answers: %v", err)
	}
}
