// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
	"dpr/userland/testlog"
)

func TestZone(t *testing.T) {
	r := dprctl(t, healthy(), "zone www.example.org --ttl 7s")
	for _, want := range []string{"$ORIGIN www.example.org.\n", "$TTL 7\n", "SOA ns.www.example.org. hostmaster.www.example.org.",
		"ns.www.example.org. IN A 192.0.2.1\n", "www.example.org. IN A 192.0.2.1\nwww.example.org. IN A 192.0.2.2\n", "1767323045 ; serial"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	if r.status != ExitOK || strings.Contains(r.out, "192.0.2.3") {
		t.Errorf("%+v", r)
	}
	r = dprctl(t, healthy(), "zone --json www.example.org")
	object(t, r.out, `{"zone":"www.example.org.","serial":1767323045,"addresses":["192.0.2.1","192.0.2.2"]}`)
	r = dprctl(t, healthy(), "zone example.org --host www --host @ --ns a.example.net. --ns ns1=192.0.2.8 --hostmaster me.example.com.")
	for _, want := range []string{"www.example.org. IN A 192.0.2.1", "\nexample.org. IN A 192.0.2.1", "@ IN NS a.example.net.\n",
		"SOA a.example.net. me.example.com. ", "ns1.example.org. IN A 192.0.2.8"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	k := healthy()
	k.config.Address = netip.IPv4Unspecified()
	if r := dprctl(t, k, "zone example.org"); r.status != ExitFailure || !strings.Contains(r.err, "no address configured") {
		t.Errorf("%+v", r)
	}
}

func TestZoneFile(t *testing.T) {
	dir := t.TempDir()
	path, ran := filepath.Join(dir, "zone"), filepath.Join(dir, "ran")
	args := []string{"dprctl", "zone", "example.org", "--json", "--output", path, "--reload-command", "echo x >> " + ran}
	k := healthy()
	run := func(more ...string) (int, string, string) {
		var out, errs bytes.Buffer
		status := Run(t.Context(), slices.Concat(args, more), Environment{Out: &out, Err: &errs, Now: time.Now, Dial: func() (Kernel, error) { return k, nil }})
		return status, out.String(), errs.String()
	}
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			k.peers[0].Usable = false
		}
		status, out, errs := run()
		log, err := os.ReadFile(ran)
		if status != ExitOK || errs != "" || err != nil || strings.Count(string(log), "x") != want || (out == "") != (i == 1) {
			t.Errorf("run %d: status %d, %q, %q, ran %q, %v", i, status, out, errs, log, err)
		}
		if i != 1 && !json.Valid([]byte(out)) {
			t.Errorf("run %d: %q is not JSON", i, out)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "192.0.2.2") {
		t.Errorf("%s, %v", text, err)
	}
	if status, _, errs := run("--output", filepath.Join(dir, "none", "zone")); status != ExitFailure || !strings.Contains(errs, filepath.Join(dir, "none")) {
		t.Errorf("a directory that does not exist: status %d, %q", status, errs)
	}
	if status, out, errs := run("--json=false", "--output", filepath.Join(dir, "other")); status != ExitOK || !strings.HasPrefix(out, "example.org.  serial ") {
		t.Errorf("in words: status %d, %q, %q", status, out, errs)
	}
	args[len(args)-1] = "exit 3"
	k.peers[0].Usable = true
	if status, _, errs := run(); status != ExitFailure || !strings.Contains(errs, `running "exit 3": exit status 3`) {
		t.Errorf("status %d, %q", status, errs)
	}
}

// A file that changed is read though nobody can be told of it.
func TestZoneCannotWrite(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	var errs bytes.Buffer
	status := Run(t.Context(), []string{"dprctl", "zone", "example.org", "--output", filepath.Join(dir, "zone"), "--reload-command", "echo x >" + ran},
		Environment{Out: new(brokenWriter), Err: &errs, Now: time.Now, Dial: func() (Kernel, error) { return healthy(), nil }})
	if _, err := os.Stat(ran); err != nil || status != ExitFailure || !strings.Contains(errs.String(), "writing: ") {
		t.Errorf("%v, status %d, %q", err, status, errs.String())
	}
}

// A command that hangs ends, so that the zone is written again and the command run again.
func TestZoneCommandHangs(t *testing.T) {
	var errs testlog.Buffer
	w := &zoneWriter{program: &program{Environment: Environment{Err: &errs}}, command: "sleep 60", limit: 50 * time.Millisecond, pending: true}
	begin := time.Now()
	if err := w.reload(t.Context()); err == nil || !strings.Contains(err.Error(), `running "sleep 60"`) || !w.pending {
		t.Errorf("%v, pending %v", err, w.pending)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	w.command, w.limit = "echo done >&2", 0
	if err := w.reload(t.Context()); err != nil || w.pending || errs.String() != "done\n" {
		t.Errorf("%v, pending %v, %q", err, w.pending, errs.String())
	}
}

// Again and again, the file follows the load table; while the kernel does not
// answer it stays; a command that fails is run again.
func TestZoneEvery(t *testing.T) {
	dir := t.TempDir()
	path, ran, may := filepath.Join(dir, "zone"), filepath.Join(dir, "ran"), filepath.Join(dir, "may")
	var gone atomic.Bool
	var usable atomic.Bool
	usable.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	var out, errs testlog.Buffer
	go func() {
		done <- Run(ctx, []string{"dprctl", "zone", "example.org", "--output", path, "--every", "5ms",
			"--reload-command", "test -e " + may + " && echo x >> " + ran}, Environment{
			Out: &out, Err: &errs, Now: time.Now,
			Dial: func() (Kernel, error) {
				if gone.Load() {
					return nil, dprnl.ErrNotLoaded
				}
				k := healthy()
				k.peers[0].Usable = usable.Load()
				return k, nil
			},
		})
	}()
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s\n%s\n%s", what, out.String(), errs.String())
			}
		}
	}
	has := func(file, text string) bool {
		data, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(data), text)
	}
	wait("a zone with the peer", func() bool { return has(path, "192.0.2.2") })
	wait("a complaint of the command", func() bool { return strings.Contains(errs.String(), "exit status 1") })
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wait("the command, at last", func() bool { return has(ran, "x\n") })
	gone.Store(true)
	wait("a complaint of the module", func() bool { return strings.Contains(errs.String(), "not loaded") })
	if !has(path, "192.0.2.2") {
		t.Error("the zone did not stay")
	}
	usable.Store(false)
	gone.Store(false)
	wait("a zone without the peer", func() bool { return has(path, "192.0.2.1") && !has(path, "192.0.2.2") })
	wait("the command once more", func() bool { return has(ran, "x\nx\n") })
	cancel()
	if status := <-done; status != ExitOK {
		t.Errorf("status %d", status)
	}
	if n := strings.Count(errs.String(), "not loaded"); n != 1 {
		t.Errorf("it complained %d times", n)
	}
}

// A process that ended between the file and the command is made up for: the next one finds the
// file as it should be, and runs the command once.
func TestZoneEveryStart(t *testing.T) {
	dir := t.TempDir()
	path, ran := filepath.Join(dir, "zone"), filepath.Join(dir, "ran")
	args := []string{"dprctl", "zone", "example.org", "--output", path}
	var errs testlog.Buffer
	var asked atomic.Int32
	environment := Environment{Out: &errs, Err: &errs, Now: time.Now, Dial: func() (Kernel, error) {
		asked.Add(1)
		return healthy(), nil
	}}
	if status := Run(t.Context(), args, environment); status != ExitOK {
		t.Fatalf("status %d, %s", status, &errs)
	}
	before := asked.Load()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- Run(ctx, append(args, "--every", "5ms", "--reload-command", "echo x >> "+ran), environment)
	}()
	for end := time.Now().Add(10 * time.Second); asked.Load() < before+5 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	status := <-done
	if log, err := os.ReadFile(ran); err != nil || string(log) != "x\n" || status != ExitOK {
		t.Errorf("status %d, ran %q, %v, %s", status, log, err, &errs)
	}
}

func TestReports(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	if err := os.WriteFile(path, []byte("runtime_directory = \"/somewhere\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := healthy()
	k.reports = receive.Status{Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Counts: map[string]uint64{"accepted": 5, "bad_hmac": 6, "replayed": 0}}
	r := dprctl(t, k, "reports --config "+path)
	if r.status != ExitOK || k.path != "/somewhere/receive.sock" || !strings.Contains(r.out, "accepted  5\nbad_hmac  6  ") && !strings.Contains(r.out, "wrong HMAC") {
		t.Errorf("%+v, path %s", r, k.path)
	}
	var got struct {
		Started time.Time
		Counts  map[string]uint64
	}
	r = dprctl(t, k, "reports --json --config "+path)
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Counts["bad_hmac"] != 6 || !got.Started.Equal(k.reports.Started) {
		t.Errorf("%+v, %v", r, err)
	}
	k.reportsErr = syscall.ECONNREFUSED
	if r := dprctl(t, k, "reports --config "+path); r.status != ExitFailure || !strings.Contains(r.err, "dpr-receive is not running") {
		t.Errorf("%+v", r)
	}
}
