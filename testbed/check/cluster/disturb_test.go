// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/guest/data"
)

// Killing any of the three processes, on every host, again and again, breaks no
// connection.
func TestKilledProcesses(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	long := longDownload(t, l)
	for _, name := range []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		t.Run(name, func(t *testing.T) {
			kills := 0
			_, hosts := underLoad(t, 12*time.Second, uneven, func(ctx context.Context) {
				for pause(ctx, time.Second) {
					for _, s := range l.Servers() {
						if killed(ctx, t, l, s.Name, name) {
							kills++
						}
					}
				}
			})
			if kills < 6 {
				t.Errorf("only %d kills", kills)
			}
			if total(hosts).Redirected == 0 {
				t.Error("nothing was redirected")
			}
		})
	}
	long()
	// Each comes back, and with it what it is for.
	start(t)
}

// killed kills a service's process with SIGKILL; false means that it was not
// running just then.
func killed(ctx context.Context, t *testing.T, l *lab.Lab, host, name string) bool {
	out, err := l.Output(ctx, host, "svc", "pid", name)
	if err != nil {
		return false
	}
	if _, err := l.Output(ctx, host, "kill", "-9", strings.TrimSpace(out)); err != nil {
		if ctx.Err() == nil {
			t.Errorf("kill %s on %s: %v", name, host, err)
		}
		return false
	}
	return true
}

// change is a step of an operator who changes things while connections run.
type change struct {
	server string // "" for all, one after the other
	args   []string
	pause  time.Duration // until the next
}

// changes are an operator's steps. A host is drained before its service is
// removed: the others hand it connections until its next report tells them.
var changes = []change{
	{"", []string{"policy", "set", "stateless"}, 500 * time.Millisecond},
	{"", []string{"policy", "set", "lowest"}, 500 * time.Millisecond},
	{"", []string{"policy", "set", "inverse"}, 500 * time.Millisecond},
	{"", []string{"policy", "set", "stateless", "--hash", "port"}, 500 * time.Millisecond},
	{"", []string{"policy", "set", "lowest", "--estimate", "reported"}, 500 * time.Millisecond},
	{"s1", []string{"drain"}, 2500 * time.Millisecond},
	{"s1", []string{"service", "del", "80"}, time.Second},
	{"s1", []string{"service", "add", "80"}, 0},
	{"s1", []string{"undrain"}, 500 * time.Millisecond},
	{"", []string{"policy", "set", "off"}, 500 * time.Millisecond},
	{"", []string{"service", "del", "80"}, 500 * time.Millisecond},
	{"", []string{"service", "add", "80"}, 500 * time.Millisecond},
}

// Changing the policy and the service while connections run breaks none.
func TestChangesUnderLoad(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	long := longDownload(t, l)
	made := 0
	_, hosts := underLoad(t, 40*time.Second, uneven, func(ctx context.Context) {
		for i := 0; ; i++ {
			c := changes[i%len(changes)]
			if !c.make(ctx, t, l) || !pause(ctx, c.pause) {
				return
			}
			made++
		}
	})
	long()
	if made < len(changes) {
		t.Errorf("only %d of the %d changes were made", made, len(changes))
	}
	if total(hosts).Redirected == 0 {
		t.Error("nothing was redirected")
	}
}

// make makes the change; false means that it failed or that ctx ended.
func (c change) make(ctx context.Context, t *testing.T, l *lab.Lab) bool {
	for _, s := range l.Servers() {
		if c.server != "" && c.server != s.Name {
			continue
		}
		if _, err := l.Output(ctx, s.Name, append([]string{"dprctl"}, c.args...)...); err != nil {
			if ctx.Err() == nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			return false
		}
	}
	return true
}

// longDownload begins a download through a redirected connection that outlasts
// most of the disturbance: 1 MB at 25 kB/s. The returned function waits for its end and
// wants it intact.
func longDownload(t *testing.T, l *lab.Lab) func() {
	t.Helper()
	dprctl(t, "s1", "drain")
	before := stats(t, "s1")["redirected"]
	want, err := data.Sum(1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	get := fmt.Sprintf("curl -sS --fail --max-time 80 --limit-rate 25k http://%s/1m | sha256sum", address(t, "s1"))
	type end struct {
		out string
		err error
	}
	ended := make(chan end, 1)
	go func() {
		out, err := l.Output(t.Context(), "c3", "sh", "-c", get)
		ended <- end{out, err}
	}()
	deadline := time.Now().Add(10 * time.Second)
	for stats(t, "s1")["redirected"] == before {
		if time.Now().After(deadline) {
			t.Fatal("the long download is not redirected")
		}
		time.Sleep(100 * time.Millisecond)
	}
	dprctl(t, "s1", "undrain")
	return func() {
		t.Helper()
		e := <-ended
		if sum, _, _ := strings.Cut(e.out, " "); e.err != nil || sum != want {
			t.Errorf("long download: %v, SHA-256 %s, want %s", e.err, sum, want)
		}
	}
}

// policyEverywhere sets every server's policy.
func policyEverywhere(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	for _, s := range l.Servers() {
		dprctl(t, s.Name, append([]string{"policy", "set"}, args...)...)
	}
}
