// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

func TestReady(t *testing.T) {
	none := func(k *kernel, ports ...uint16) {
		k.states = map[uint16]dprnl.ServiceState{}
		for _, port := range ports {
			k.states[port] = dprnl.ServiceNoListener
		}
	}
	for _, c := range []struct {
		what   string
		change func(*kernel)
		want   string // the reason; empty: ready
	}{
		{"as it is", func(*kernel) {}, ""},
		{"no peer", func(k *kernel) { k.peers = nil }, ""},
		{"an accept queue is full", func(k *kernel) {
			k.states = map[uint16]dprnl.ServiceState{80: dprnl.ServiceFull, 443: dprnl.ServiceFull}
		}, ""},
		{"one server is down", func(k *kernel) { none(k, 80) }, ""},
		{"no address", func(k *kernel) { k.config.Address = netip.IPv4Unspecified() }, "no address configured"},
		{"draining", func(k *kernel) { k.config.State = dprnl.StateDraining }, "draining"},
		{"leaving, and no peer", func(k *kernel) { k.config.State, k.peers = dprnl.StateLeaving, nil }, "leaving"},
		{"no service", func(k *kernel) { k.services = nil }, "no service"},
		{"all servers are down", func(k *kernel) { none(k, 80, 443) }, "nothing listens on port 192.0.2.1:443"},
		{"one server is down, no peer", func(k *kernel) { none(k, 80); k.peers = nil }, "and no peer is usable"},
	} {
		k := healthy()
		c.change(k)
		r := dprctl(t, k, "ready")
		if c.want == "" && (r.status != ExitOK || r.out != "ready\n") || c.want != "" && (r.status != ExitUnhealthy || !strings.HasPrefix(r.out, "not ready: ") || !strings.Contains(r.out, c.want)) || r.err != "" {
			t.Errorf("%s: %+v", c.what, r)
		}
	}
	object(t, dprctl(t, healthy(), "ready --json").out, `{"ready":true}`)
	k := healthy()
	k.dialErr = dprnl.ErrNotLoaded
	if r := dprctl(t, k, "ready"); r.status != ExitNoModule {
		t.Errorf("no module: %+v", r)
	}
	for _, line := range []string{"ready now", "ready --up true", "ready --down true", "ready --every 1s", "ready --again 1s", "ready --alone 1s", "ready --up true --down true --every 2m"} {
		if r := dprctl(t, healthy(), line); r.status != ExitUsage || r.dialled {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

// announcing is a ready that runs.
type announcing struct {
	out, errs testlog.Buffer
	ran       string // a file: a letter for each command
	stop      context.CancelFunc
	done      chan int
}

// announce runs ready against the kernel that now returns; nil: there is none.
func announce(t *testing.T, up, down string, now func() *kernel, flags ...string) *announcing {
	t.Helper()
	a := &announcing{ran: filepath.Join(t.TempDir(), "ran"), done: make(chan int, 1)}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(t.Context())
	args := append([]string{"dprctl", "ready", "--every", "2ms", "--up", strings.ReplaceAll(up, "RAN", a.ran), "--down", strings.ReplaceAll(down, "RAN", a.ran)}, flags...)
	go func() {
		a.done <- Run(ctx, args, Environment{
			Out: &a.out, Err: &a.errs, Now: time.Now,
			Dial: func() (Kernel, error) {
				if k := now(); k != nil {
					return k, nil
				}
				return nil, dprnl.ErrNotLoaded
			},
		})
	}()
	return a
}

func (a *announcing) log() string {
	data, _ := os.ReadFile(a.ran)
	return string(data)
}

func (a *announcing) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s: ran %q\n%s\n%s", what, a.log(), a.out.String(), a.errs.String())
		}
	}
}

// The commands follow the host: at each change once, and at the end the host is
// withdrawn. The module's end is a change.
func TestReadyRuns(t *testing.T) {
	var host atomic.Pointer[kernel]
	draining := healthy()
	draining.config.State = dprnl.StateDraining
	host.Store(healthy())
	a := announce(t, "printf u >>RAN", "printf d >>RAN", host.Load, "--again", "1h", "--json")
	for _, step := range []struct {
		host *kernel
		want string
	}{{host.Load(), "u"}, {draining, "ud"}, {healthy(), "udu"}, {nil, "udud"}, {draining, "udud"}, {healthy(), "ududu"}} {
		host.Store(step.host)
		a.wait(t, step.want, func() bool { return a.log() == step.want })
		time.Sleep(20 * time.Millisecond)
		if got := a.log(); got != step.want {
			t.Errorf("ran %q, want %q", got, step.want)
		}
	}
	a.stop()
	if status := <-a.done; status != ExitOK || a.log() != "ududud" {
		t.Errorf("status %d, ran %q", status, a.log())
	}
	out := a.out.String()
	for _, want := range []string{`{"ready":true}`, `{"ready":false,"reason":"this host is draining"}`, "not loaded"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if a.errs.String() != "" {
		t.Errorf("it complains: %s", a.errs.String())
	}
}

// A command that fails is run again at once and reported once; one that succeeded,
// after a while, as the routing daemon may have been started anew. Its output is ours.
func TestReadyRepeats(t *testing.T) {
	may := filepath.Join(t.TempDir(), "may")
	k := healthy()
	a := announce(t, "echo route; test -e "+may+" && printf u >>RAN", "true", func() *kernel { return k }, "--again", "10ms")
	a.wait(t, "the third try", func() bool { return strings.Count(a.out.String(), "route\n") >= 3 })
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a.wait(t, "repeated", func() bool { return len(a.log()) >= 3 })
	a.stop()
	<-a.done
	if n := strings.Count(a.errs.String(), "exit status 1"); n != 1 {
		t.Errorf("it complained %d times: %s", n, a.errs.String())
	}
	if n := strings.Count(a.out.String(), "ready\n"); n != 1 {
		t.Errorf("it said %d times that it is ready: %s", n, a.out.String())
	}
}

// A host that knows no peer yet waits before it is announced; one that is announced
// stays when its peers go.
func TestReadyAlone(t *testing.T) {
	var host atomic.Pointer[kernel]
	alone := healthy()
	alone.peers = nil
	host.Store(alone)
	a := announce(t, "printf u >>RAN", "printf d >>RAN", host.Load, "--again", "1h", "--alone", "1h")
	a.wait(t, "withdrawn", func() bool { return a.log() == "d" && strings.Contains(a.out.String(), "no peer is usable yet") })
	host.Store(healthy())
	a.wait(t, "announced", func() bool { return a.log() == "du" })
	host.Store(alone)
	time.Sleep(50 * time.Millisecond)
	if got := a.log(); got != "du" {
		t.Errorf("ran %q", got)
	}
	a.stop()
	<-a.done

	begun := time.Now()
	a = announce(t, "printf u >>RAN", "printf d >>RAN", func() *kernel { return alone }, "--again", "1h", "--alone", "100ms")
	a.wait(t, "announced alone", func() bool { return a.log() == "du" })
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("after %v", took)
	}
	a.stop()
	<-a.done
}

// A full disk keeps no host announced, and none out: the commands run though nobody can be told.
func TestReadyCannotWrite(t *testing.T) {
	var host atomic.Pointer[kernel]
	draining := healthy()
	draining.config.State = dprnl.StateDraining
	host.Store(healthy())
	a := &announcing{ran: filepath.Join(t.TempDir(), "ran"), done: make(chan int, 1)}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(t.Context())
	defer a.stop()
	go func() {
		a.done <- Run(ctx, []string{"dprctl", "ready", "--up", "printf u >>" + a.ran, "--down", "printf d >>" + a.ran, "--every", "1ms", "--again", "1h"}, Environment{
			Out: new(brokenWriter), Err: &a.errs, Now: time.Now, Dial: func() (Kernel, error) { return host.Load(), nil },
		})
	}()
	a.wait(t, "announced", func() bool { return a.log() == "u" })
	host.Store(draining)
	a.wait(t, "withdrawn", func() bool { return a.log() == "ud" })
	a.wait(t, "a complaint", func() bool { return strings.Contains(a.errs.String(), "writing: ") })
	a.stop()
	<-a.done
}
