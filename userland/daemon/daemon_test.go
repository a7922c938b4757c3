// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

// A service runs until it is stopped, and remembers its configurations.
type service struct {
	err     error
	running chan bool
	weights chan uint32
}

func (s *service) Run(ctx context.Context, ready, _ func()) error {
	ready()
	if s.err != nil {
		return s.err
	}
	s.running <- true
	<-ctx.Done()
	return nil
}

func (s *service) Reload(c *config.Config) { s.weights <- c.Weight }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func program(s Service) Program {
	return Program{Name: "dpr-test", About: "is a test", New: func(c *config.Config, _ *slog.Logger) (Service, error) {
		if c.Weight == 99 {
			return nil, errors.New("99 will not do")
		}
		return s, nil
	}}
}

func TestArguments(t *testing.T) {
	dir := t.TempDir()
	bad, refused := filepath.Join(dir, "bad.toml"), filepath.Join(dir, "refused.toml")
	write(t, bad, "\nwieght = 1\n")
	write(t, refused, "weight = 99\n")
	for name, tt := range map[string]struct {
		args   []string
		status int
		out    string // part of stdout
		err    string // part of stderr
	}{
		"help":        {[]string{"--help"}, ExitOK, "", "Usage: dpr-test"},
		"version":     {[]string{"--version"}, ExitOK, "dpr-test ", ""},
		"flag":        {[]string{"--frob"}, ExitUsage, "", "frob"},
		"argument":    {[]string{"x"}, ExitUsage, "", `unexpected argument "x"`},
		"level":       {[]string{"--log-level", "loud"}, ExitUsage, "", "loud"},
		"no file":     {[]string{"--config", filepath.Join(dir, "none")}, ExitConfig, "", "none: cannot read the file"},
		"mistake":     {[]string{"--config", bad}, ExitConfig, "", "bad.toml: line 2: wieght: unknown key"},
		"not for it":  {[]string{"--config", refused}, ExitConfig, "", "refused.toml: 99 will not do"},
		"help is one": {[]string{"-h"}, ExitOK, "", "-config"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			s := &service{err: errors.New("it must not run")}
			if status := Main(program(s), tt.args, &out, &errs); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.err) {
				t.Errorf("stdout %q\nstderr %q", out.String(), errs.String())
			}
			if strings.Contains(errs.String(), "must not run") {
				t.Error("it ran")
			}
		})
	}
}

func TestStatusOfTheService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	write(t, path, "")
	for _, tt := range []struct {
		err    error
		status int
	}{
		{errors.New("port taken"), ExitFailure},
		{&dprnl.Error{Op: "x", Errno: syscall.EPERM}, ExitNoRight},
	} {
		var errs bytes.Buffer
		if status := Main(program(&service{err: tt.err}), []string{"--config", path}, nil, &errs); status != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, status, tt.status)
		}
		if !strings.Contains(errs.String(), tt.err.Error()) {
			t.Errorf("not in the log: %s", errs.String())
		}
	}
}

// manager is a service manager's socket.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// expect reads notifications until one starts with want.
func expect(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	buf := make([]byte, 1024)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if strings.HasPrefix(string(buf[:n]), want) {
			return
		}
	}
}

func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

func TestSignals(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	path := filepath.Join(t.TempDir(), "dpr.toml")
	write(t, path, "weight = 1\n")
	s := &service{running: make(chan bool), weights: make(chan uint32, 1)}
	var log testlog.Buffer
	status := make(chan int)
	go func() { status <- Main(program(s), []string{"--config", path}, nil, &log) }()
	<-s.running
	expect(t, conn, "READY=1")
	expect(t, conn, "WATCHDOG=1")

	write(t, path, "weight = 2\n")
	raise(t, syscall.SIGHUP)
	expect(t, conn, "RELOADING=1\nMONOTONIC_USEC=")
	expect(t, conn, "READY=1")
	if w := <-s.weights; w != 2 {
		t.Errorf("weight %d", w)
	}

	write(t, path, "\nweight = 0\n")
	raise(t, syscall.SIGHUP)
	expect(t, conn, "RELOADING=1")
	expect(t, conn, "READY=1")
	if len(s.weights) != 0 || !strings.Contains(log.String(), "line=2 key=weight") {
		t.Errorf("a file with a mistake: %s", log.String())
	}

	raise(t, syscall.SIGTERM)
	if got := <-status; got != ExitOK {
		t.Errorf("status %d", got)
	}
	expect(t, conn, "STOPPING=1")
}

// pings returns how many of the watchdog's have come.
func pings(t *testing.T, conn *net.UnixConn) (n int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	err = raw.Read(func(fd uintptr) bool {
		for {
			got, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			if string(buf[:got]) == sd.SdNotifyWatchdog {
				n++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A main loop that hangs gets no more pings; one that beats gets two an interval.
func TestWatchdogNeedsHeartbeat(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "400000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Buffer
		n := newNotifier(slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := false
		go func() { n.watchdog(ctx); ended = true }()
		passes := func(d time.Duration) int {
			time.Sleep(d)
			synctest.Wait()
			return pings(t, conn)
		}

		for range 101 {
			time.Sleep(10 * time.Millisecond)
			n.alive()
		}
		if got := passes(0); got != 5 {
			t.Errorf("%d pings in two and a half intervals, want 5", got)
		}
		if got := passes(400 * time.Millisecond); got != 2 {
			t.Errorf("%d pings in the interval after the last beat, want 2", got)
		}
		if log.String() != "" {
			t.Errorf("it beats: %s", log.String())
		}
		if got := passes(800 * time.Millisecond); got != 0 {
			t.Errorf("%d pings of a loop that hangs", got)
		}
		if !strings.Contains(log.String(), "main loop is stuck") {
			t.Error("it is not noticed")
		}
		n.alive()
		if got := passes(200 * time.Millisecond); got != 1 {
			t.Errorf("%d pings in half an interval of a loop that goes on, want 1", got)
		}
		cancel()
		if synctest.Wait(); !ended {
			t.Error("it does not end")
		}
	})
}

// Without an interval there is nothing to do, and one that cannot be read is logged.
func TestWatchdogIsOptional(t *testing.T) {
	conn := manager(t)
	for usec, want := range map[string]string{"": "", "x": "cannot read the service manager's watchdog interval", "-5": "cannot read"} {
		t.Setenv("WATCHDOG_USEC", usec)
		t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
		var log testlog.Buffer
		n := newNotifier(slog.New(slog.NewTextHandler(&log, nil)))
		done := make(chan bool)
		go func() { n.watchdog(t.Context()); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("WATCHDOG_USEC=%q: it goes on", usec)
		}
		if !strings.Contains(log.String(), want) || want == "" && log.String() != "" {
			t.Errorf("WATCHDOG_USEC=%q: log %s", usec, log.String())
		}
	}
	// One that listens is not, and neither is its absence.
	var quiet testlog.Buffer
	newNotifier(slog.New(slog.NewTextHandler(&quiet, nil))).ready()
	if expect(t, conn, "READY=1"); quiet.String() != "" {
		t.Errorf("log %s", quiet.String())
	}
	// A service manager that is gone is logged.
	conn.Close()
	var log testlog.Buffer
	n := newNotifier(slog.New(slog.NewTextHandler(&log, nil)))
	if n.ready(); !strings.Contains(log.String(), "cannot notify the service manager") || !strings.Contains(log.String(), "state=READY=1") && !strings.Contains(log.String(), `state="READY=1"`) {
		t.Errorf("log %s", log.String())
	}
}

// Each of the signals that end a process does, and a file that is gone changes
// nothing.
func TestEndingSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		conn := manager(t)
		path := filepath.Join(t.TempDir(), "dpr.toml")
		write(t, path, "weight = 1\n")
		s := &service{running: make(chan bool), weights: make(chan uint32, 1)}
		var log testlog.Buffer
		status := make(chan int)
		go func() { status <- Main(program(s), []string{"--config", path}, nil, &log) }()
		<-s.running
		expect(t, conn, "READY=1")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		raise(t, syscall.SIGHUP)
		expect(t, conn, "RELOADING=1")
		expect(t, conn, "READY=1")
		if len(s.weights) != 0 || !strings.Contains(log.String(), "configuration refused; keeping the old one") {
			t.Errorf("log %s", log.String())
		}
		raise(t, sig)
		select {
		case got := <-status:
			if got != ExitOK {
				t.Errorf("%v: status %d", sig, got)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%v does not end it", sig)
		}
		expect(t, conn, "STOPPING=1")
		if !strings.Contains(log.String(), "time=") {
			t.Errorf("no time: %s", log.String())
		}
	}
}

// The flags of a program are its own, levels are those of the log.
func TestFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	write(t, path, "")
	p := program(&service{err: errors.New("ended")})
	var loud bool
	p.Flags = func(fs *flag.FlagSet) { fs.BoolVar(&loud, "loud", false, "") }
	var errs testlog.Buffer
	if status := Main(p, []string{"--loud", "--log-level", "error", "--config", path}, nil, &errs); status != ExitFailure || !loud {
		t.Errorf("status %d, loud %t: %s", status, loud, errs.String())
	}
	if !strings.Contains(errs.String(), "level=ERROR msg=exiting error=ended") {
		t.Errorf("%s", errs.String())
	}
	if o, _, _ := parse(p, nil, nil, &errs); o.config != config.Path || o.level != slog.LevelInfo {
		t.Errorf("%+v", o)
	}
	for line, want := range map[string]int{"--frob": ExitUsage, "x": ExitUsage, "--version": ExitOK, "--help": ExitOK} {
		var out testlog.Buffer
		if _, done, status := parse(p, []string{line}, &out, &errs); !done || status != want {
			t.Errorf("%s: done %t, status %d", line, done, status)
		}
	}
	old := version
	defer func() { version = old }()
	version = "1.2.3"
	if Version() != "1.2.3" {
		t.Errorf("version %s", Version())
	}
	if version = ""; Version() == "" {
		t.Error("no version")
	}
}

type conn struct{ closed bool }

func (c *conn) Close() error { c.closed = true; return nil }

func TestLink(t *testing.T) {
	dials := 0
	fail := dprnl.ErrNotLoaded
	var last *conn
	l := NewLink(func() (*conn, error) {
		dials++
		if fail != nil {
			return nil, fail
		}
		last = &conn{}
		return last, nil
	})
	for range 2 {
		if _, err := l.Get(); !errors.Is(err, dprnl.ErrNotLoaded) || dials != 1 {
			t.Errorf("%v after %d dials", err, dials)
		}
	}
	if l.Close(); dials != 1 {
		t.Error("closing what is not open")
	}
	l.failed = time.Now().Add(-redialAfter)
	fail = nil
	for range 2 {
		if c, err := l.Get(); err != nil || c != last || dials != 2 {
			t.Errorf("%v after %d dials", err, dials)
		}
	}
	if l.Note(&dprnl.Error{Op: "x", Errno: syscall.EEXIST}) == nil || last.closed {
		t.Error("a refusal closes the connection")
	}
	if l.Note(errors.New("mismatched sequence")) == nil || !last.closed {
		t.Error("a broken connection stays open")
	}
	if _, err := l.Get(); err != nil || dials != 3 {
		t.Errorf("%v after %d dials", err, dials)
	}
	if l.Note(nil) != nil || last.closed {
		t.Error("success closes the connection")
	}
	// The failure of another time does not count once a connection was had.
	l.Close()
	l.Close()
	fail = errors.New("again")
	if _, err := l.Get(); err == nil || dials != 4 || !last.closed {
		t.Errorf("%v after %d dials", err, dials)
	}
}

func TestLimited(t *testing.T) {
	var log testlog.Buffer
	l := NewLimited(slog.New(slog.NewTextHandler(&log, nil)), 10*time.Second)
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	for range 5 {
		l.Log(slog.LevelWarn, "a", "trouble")
	}
	l.Log(slog.LevelWarn, "b", "other")
	now = now.Add(10*time.Second - 1)
	l.Log(slog.LevelWarn, "a", "trouble") // still the same
	now = now.Add(1)
	l.Log(slog.LevelWarn, "a", "trouble")
	l.Log(slog.LevelWarn, "a", "trouble")
	now = now.Add(10 * time.Second)
	l.Log(slog.LevelError, "a", "trouble", "n", 7)
	text := log.String()
	if strings.Count(text, "msg=trouble") != 3 || strings.Count(text, "msg=other") != 1 || strings.Count(text, "suppressed=5") != 1 ||
		!strings.Contains(text, "level=ERROR msg=trouble n=7 suppressed=1") || strings.Contains(text, "suppressed=0") {
		t.Errorf("log:\n%s", text)
	}
}
