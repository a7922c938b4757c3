// SPDX-License-Identifier: MIT

package service

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/testlog"
)

// running waits for a service to run with another pid than old.
func running(t *testing.T, m *Manager, name string, old int) Status {
	t.Helper()
	for range 300 {
		if s, err := m.Get(name); err != nil {
			t.Fatal(err)
		} else if s.PID != 0 && s.PID != old {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not run: %+v", name, m.List())
	return Status{}
}

// alive returns the processes of a group that are not zombies.
func alive(t *testing.T, pgid int) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // gone since
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(pgid) && f[0] != "Z" {
			pids = append(pids, stat)
		}
	}
	return pids
}

func TestManager(t *testing.T) {
	var log testlog.Buffer
	m := NewManager(&log, Spec{"talk", []string{"/bin/sh", "-c", "echo hello; sleep 1000 & wait"}},
		Spec{"deaf", []string{"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"}})
	t.Cleanup(func() { m.Stop("talk"); m.Stop("deaf") })
	if err := m.Start("talk"); err != nil {
		t.Fatal(err)
	}
	first := running(t, m, "talk", 0)
	for !strings.Contains(log.String(), "talk: hello\n") {
		time.Sleep(10 * time.Millisecond)
	}
	begin := time.Now()
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := running(t, m, "talk", first.PID)
	if d := time.Since(begin); d < restartDelay || d > 20*restartDelay {
		t.Errorf("came back after %v, want about %v", d, restartDelay)
	}
	if second.Restarts != 1 {
		t.Errorf("%d restarts counted, want 1", second.Restarts)
	}
	if n := len(alive(t, first.PID)); n != 0 {
		t.Errorf("%d of the dead service's children live on", n)
	}
	if err := m.Stop("talk"); err != nil {
		t.Fatal(err)
	}
	if s, _ := m.Get("talk"); s.State != "stopped" || s.PID != 0 {
		t.Errorf("after Stop: %+v", s)
	}
	if !strings.Contains(log.String(), "talk: signal: killed; starting it again in 1s\n") {
		t.Errorf("the log does not tell of the death:\n%s", log.String())
	}
}

func TestStopWhileRestarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(&testlog.Buffer{}, Spec{"absent", []string{"/no/such/program"}})
		if err := m.Start("absent"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s, _ := m.Get("absent"); s.State != "restarting" {
			t.Errorf("state %+v, want restarting", s)
		}
		begin := time.Now()
		if err := m.Stop("absent"); err != nil || time.Since(begin) != 0 {
			t.Errorf("Stop took %v, %v", time.Since(begin), err)
		}
	})
}

func TestCommand(t *testing.T) {
	m := NewManager(&testlog.Buffer{}, Spec{"a", []string{"/bin/sleep", "1000"}}, Spec{"b", []string{"/bin/sleep", "1000"}})
	t.Cleanup(func() { m.Stop("a") })
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go m.Listen(ln)
	do := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Command(socket, args, &out)
		return out.String(), err
	}
	if _, err := do("start", "a"); err != nil {
		t.Fatal(err)
	}
	pid := running(t, m, "a", 0).PID
	if out, err := do("pid", "a"); out != fmt.Sprintln(pid) || err != nil {
		t.Errorf("pid a: %q, %v; want %d", out, err, pid)
	}
	if out, err := do("list"); !strings.Contains(out, "a  running") || !strings.Contains(out, "b  stopped") || err != nil {
		t.Errorf("list: %q, %v", out, err)
	}
	for _, args := range [][]string{{}, {"list", "a"}, {"start"}, {"start", "zz"}, {"dance", "a"}, {"pid", "b"}} {
		if out, err := do(args...); err == nil {
			t.Errorf("svc %q is accepted: %q", args, out)
		} else if len(args) > 1 && !strings.Contains(err.Error(), args[1]) && !strings.Contains(err.Error(), args[0]) {
			t.Errorf("svc %q: error %q names neither argument", args, err)
		}
	}
}

func TestPrefixWriter(t *testing.T) {
	var b bytes.Buffer
	w := &prefixWriter{prefix: "x: ", w: &b}
	for _, s := range []string{"on", "e\ntwo\nth", strings.Repeat("r", maxLine), "\n", "end"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	w.flush()
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	want := []string{"x: one", "x: two", "x: th" + strings.Repeat("r", maxLine-2), "x: rr", "x: end"}
	if !slices.Equal(lines, want) {
		t.Errorf("lines %.100q, want %.100q", lines, want)
	}
}
