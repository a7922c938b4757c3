// SPDX-License-Identifier: MIT

package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"dpr/testbed/lab/guest/agent"
	"dpr/testbed/lab/guest/boot"
	"dpr/testbed/lab/guest/wire"
)

// fakeGuest, in the environment, makes this test's program a guest's QEMU: it
// serves the agent's socket, and dies when its console's file says so.
const fakeGuest = "BROKER_TEST_CONSOLE"

func TestMain(m *testing.M) {
	if console := os.Getenv(fakeGuest); console != "" {
		fmt.Fprintln(os.Stderr, playGuest(console))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func playGuest(console string) error {
	if err := os.WriteFile(console, []byte("booting\n"), 0o644); err != nil {
		return err
	}
	conn, err := net.FileConn(os.NewFile(AgentFD, "agent"))
	if err != nil {
		return err
	}
	s, err := yamux.Server(conn, boot.SessionConfig(io.Discard))
	if err != nil {
		return err
	}
	for {
		stream, err := s.Accept()
		if err != nil {
			return err
		}
		go agent.Serve(context.Background(), stream, agent.Options{Log: slog.New(slog.DiscardHandler)})
	}
}

// lab is a broker with a guest g1 and a client c1.
type lab struct {
	dir    string
	cancel context.CancelFunc
	done   chan error
}

func startLab(t *testing.T) *lab {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	console := filepath.Join(dir, "g1.console")
	conf := Config{
		Guests: []Guest{{Name: "g1", Args: []string{"/usr/bin/env", fakeGuest + "=" + console, self},
			Console: console, Output: filepath.Join(dir, "g1.qemu")}},
		Clients: []Client{{Name: "c1", Prefix: []string{"env", "WHO=c1"}}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &lab{dir: dir, cancel: cancel, done: make(chan error, 1)}
	b := New(conf, slog.New(slog.DiscardHandler))
	go func() { l.done <- b.Run(ctx, dir) }()
	t.Cleanup(cancel)
	for !connectable(dir) {
		time.Sleep(5 * time.Millisecond)
	}
	return l
}

func connectable(dir string) bool {
	c, err := net.Dial("unix", filepath.Join(dir, SocketName))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// call sends one line and returns the connection and the answer.
func (l *lab) call(t *testing.T, line string) (net.Conn, Response) {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(l.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintln(conn, line); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	for b := make([]byte, 1); b[0] != '\n'; answer = append(answer, b[0]) {
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Fatal(err)
		}
	}
	var r Response
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatal(err)
	}
	return conn, r
}

func (l *lab) do(t *testing.T, op, host string) Response {
	t.Helper()
	_, r := l.call(t, fmt.Sprintf(`{"op":%q,"host":%q}`, op, host))
	return r
}

// run runs a command on a host and returns its output.
func (l *lab) run(t *testing.T, host string, args ...string) (string, error) {
	t.Helper()
	conn, r := l.call(t, fmt.Sprintf(`{"op":"open","host":%q}`, host))
	if r.Error != "" {
		return "", errors.New(r.Error)
	}
	c := wire.NewConn(conn)
	if err := c.SendRequest(wire.Request{Op: wire.OpExec, Args: args}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for {
		typ, p, err := c.Recv()
		switch {
		case err != nil:
			return out.String(), err
		case typ == wire.Exit:
			return out.String(), nil
		}
		out.Write(p)
	}
}

func (l *lab) state(t *testing.T) GuestStatus {
	t.Helper()
	r := l.do(t, OpStatus, "")
	if len(r.Guests) != 1 || r.Error != "" {
		t.Fatalf("status %+v", r)
	}
	return r.Guests[0]
}

func TestBroker(t *testing.T) {
	l := startLab(t)
	if out, err := l.run(t, "g1", "echo", "from the guest"); out != "from the guest\n" || err != nil {
		t.Errorf("g1 says %q, %v", out, err)
	}
	if out, err := l.run(t, "c1", "sh", "-c", "echo $WHO"); out != "c1\n" || err != nil {
		t.Errorf("c1 says %q, %v", out, err)
	}
	first := l.state(t)
	if first.State != Running || first.PID == 0 {
		t.Fatalf("state %+v, want running", first)
	}

	// A guest that dies takes its streams with it, at once, and is told dead.
	go func() {
		time.Sleep(100 * time.Millisecond)
		_ = syscall.Kill(first.PID, syscall.SIGKILL)
	}()
	begin := time.Now()
	if out, err := l.run(t, "g1", "sleep", "1000"); err == nil || time.Since(begin) > time.Minute {
		t.Errorf("the dead guest's command ended with %q, %v after %v", out, err, time.Since(begin))
	}
	for end := time.Now().Add(time.Minute); l.state(t).State != Dead && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if st := l.state(t); st.State != Dead || !strings.Contains(st.Why, "killed") {
		t.Errorf("state %+v, want dead by a signal", st)
	}
	if _, err := l.run(t, "g1", "true"); err == nil || !strings.Contains(err.Error(), "g1 died") {
		t.Errorf("a command on the dead guest: %v", err)
	}

	if r := l.do(t, OpBoot, "g1"); r.Error != "" {
		t.Fatal(r.Error)
	}
	if r := l.do(t, OpBoot, "g1"); !strings.Contains(r.Error, "g1 is running") {
		t.Errorf("a second boot: %q", r.Error)
	}
	if out, err := l.run(t, "g1", "echo", "again"); out != "again\n" || err != nil {
		t.Errorf("g1 says %q, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "g1.console.old")); err != nil {
		t.Errorf("the dead guest's console: %v", err)
	}
	if r := l.do(t, OpPoweroff, "g1"); r.Error != "" {
		t.Error(r.Error)
	}
	if st := l.state(t); st.State != Off || st.Why != "" {
		t.Errorf("state %+v, want off", st)
	}
}

func TestBrokerRefuses(t *testing.T) {
	l := startLab(t)
	for line, names := range map[string]string{
		`{"op":"open","host":"zz"}`:   "zz",
		`{"op":"boot","host":"c1"}`:   "c1",
		`{"op":"dance","host":"g1"}`:  "dance",
		`{"op":"poweroff","host":""}`: `""`,
		`nonsense`:                    "bad request",
	} {
		if _, r := l.call(t, line); !strings.Contains(r.Error, names) {
			t.Errorf("%s: error %q does not name %s", line, r.Error, names)
		}
	}
}

func TestBrokerEnds(t *testing.T) {
	l := startLab(t)
	st := l.state(t)
	l.cancel()
	select {
	case err := <-l.done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run returns %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the broker does not end")
	}
	if err := syscall.Kill(st.PID, 0); err == nil {
		t.Errorf("QEMU %d lives on after its broker", st.PID)
	}
}
