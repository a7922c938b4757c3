// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"

	"dpr/userland/config"
	"dpr/userland/fastpath"
)

// A fakePath notes what is wanted, and says that it is so.
type fakePath struct {
	mu      sync.Mutex
	wants   []fastpath.Want
	running bool
}

func (f *fakePath) Set(w fastpath.Want) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wants = append(f.wants, w)
}

func (f *fakePath) last() fastpath.Want {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.wants) == 0 {
		return fastpath.Want{}
	}
	return f.wants[len(f.wants)-1]
}

func (f *fakePath) States() (list []fastpath.State) {
	for _, d := range f.last().Devices {
		list = append(list, fastpath.State{Device: d, Attached: d == "e0", Reason: map[bool]string{false: "why"}[d == "e0"]})
	}
	return list
}

func (f *fakePath) Run(ctx context.Context) {
	set := func(on bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running = on
	}
	set(true)
	<-ctx.Done()
	set(false)
}

func (f *fakePath) runs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// The fast path follows the configuration, its state is served, and it is off once the
// receiver has ended.
func TestFastPath(t *testing.T) {
	r, _, _ := setup(t)
	f := &fakePath{}
	r.o.FastPath, r.o.Socket = f, filepath.Join(t.TempDir(), "s")
	end := run(t, r)
	eventually(t, "it runs", f.runs)
	wants := func(what string, w fastpath.Want) {
		t.Helper()
		eventually(t, what, func() bool { return reflect.DeepEqual(f.last(), w) })
	}
	if n := len(f.wants); n != 1 || f.wants[0].Devices != nil {
		t.Errorf("off, but told %v", f.wants)
	}
	if s, err := ReadStatus(t.Context(), r.o.Socket); err != nil || s.FastPath != nil {
		t.Errorf("off, but %v (%v)", s.FastPath, err)
	}
	c := *testConfig()
	c.FastPath = config.FastPath{Mode: config.FastPathXDP, Devices: []string{"e0", "e1"}}
	r.Reload(&c)
	wants("on", fastpath.Want{Devices: []string{"e0", "e1"}})
	s, err := ReadStatus(t.Context(), r.o.Socket)
	if want := []fastpath.State{{Device: "e0", Attached: true}, {Device: "e1", Reason: "why"}}; err != nil || !slices.Equal(s.FastPath, want) {
		t.Errorf("%v (%v), want %v", s.FastPath, err, want)
	}
	c2 := c
	c2.FastPath.Mode, c2.FastPath.Devices = config.FastPathForced, []string{"e1"}
	r.Reload(&c2)
	wants("forced", fastpath.Want{Devices: []string{"e1"}, Force: true})
	c3 := c2
	c3.FastPath.Mode = config.FastPathOff
	r.Reload(&c3)
	wants("off again", fastpath.Want{})
	end()
	if f.runs() {
		t.Error("the receiver has ended, and the fast path is still on")
	}
}
