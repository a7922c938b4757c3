// SPDX-License-Identifier: MIT

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab/guest/wire"
)

// call starts one request and returns the caller's end.
func call(t *testing.T, o Options, r wire.Request) (*wire.Conn, net.Conn) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { Serve(t.Context(), there, o); close(done) }()
	t.Cleanup(func() {
		here.Close()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error("the agent still serves a caller that is gone")
		}
	})
	c := wire.NewConn(here)
	if err := c.SendRequest(r); err != nil {
		t.Fatal(err)
	}
	return c, here
}

// result reads frames up to Exit or Error.
func result(t *testing.T, c *wire.Conn) (stdout, stderr string, status int, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	for {
		typ, p, rerr := c.Recv()
		if rerr != nil {
			t.Fatalf("connection ended before the exit status: %v", rerr)
		}
		switch typ {
		case wire.Stdout:
			out.Write(p)
		case wire.Stderr:
			errs.Write(p)
		case wire.Exit:
			status, err := wire.ExitStatus(p)
			return out.String(), errs.String(), status, err
		case wire.Error:
			return out.String(), errs.String(), 0, errors.New(string(p))
		}
	}
}

func TestExec(t *testing.T) {
	tests := []struct {
		name           string
		args, env      []string
		stdout, stderr string
		status         int
	}{
		{name: "output and status", args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, stdout: "out\n", stderr: "err\n", status: 7},
		{name: "environment", args: []string{"sh", "-c", "echo $K"}, env: []string{"K=v w"}, stdout: "v w\n"},
		{name: "signal", args: []string{"sh", "-c", "kill -TERM $$"}, status: 128 + 15},
		{name: "unknown", args: []string{"no-such-command"}, env: []string{"PATH=/bin"}, stderr: "no-such-command: no such command in /bin\n", status: 127},
		{name: "unknown path", args: []string{"/no/such"}, stderr: "/no/such: no such file or directory\n", status: 127},
		{name: "left in the background", args: []string{"sh", "-c", "sleep 20 & echo done"}, stdout: "done\n"},
		{name: "large output", args: []string{"sh", "-c", "yes | head -c 3000000"}, stdout: strings.Repeat("y\n", 1500000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			c, _ := call(t, Options{}, wire.Request{Op: wire.OpExec, Args: tt.args, Env: tt.env})
			stdout, stderr, status, err := result(t, c)
			if err != nil {
				t.Fatal(err)
			}
			if stdout != tt.stdout || stderr != tt.stderr || status != tt.status {
				t.Errorf("got %d bytes %.40q, %q, %d; want %d bytes %.40q, %q, %d", len(stdout), stdout, stderr, status, len(tt.stdout), tt.stdout, tt.stderr, tt.status)
			}
			// What was left in the background is not waited for.
			if d := time.Since(begin); d > 15*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestExecPrefix(t *testing.T) {
	c, _ := call(t, Options{Prefix: []string{"env", "X=1"}}, wire.Request{Op: wire.OpExec, Args: []string{"sh", "-c", "echo $X"}})
	if stdout, _, _, err := result(t, c); stdout != "1\n" || err != nil {
		t.Errorf("got %q, %v", stdout, err)
	}
}

func TestExecStdin(t *testing.T) {
	c, _ := call(t, Options{}, wire.Request{Op: wire.OpExec, Args: []string{"wc", "-c"}})
	const frames = 20
	unacked := 0
	for range frames {
		if unacked == wire.StdinWindow {
			if typ, _, err := c.Recv(); typ != wire.StdinAck || err != nil {
				t.Fatalf("frame %d, %v; want an acknowledgement", typ, err)
			}
			unacked--
		}
		if err := c.Send(wire.Stdin, make([]byte, wire.MaxPayload)); err != nil {
			t.Fatal(err)
		}
		unacked++
	}
	go c.Send(wire.StdinClose, nil)
	stdout, _, _, err := result(t, c)
	if got, _ := strconv.Atoi(strings.TrimSpace(stdout)); got != frames*wire.MaxPayload || err != nil {
		t.Errorf("the command read %d bytes of %d, %v", got, frames*wire.MaxPayload, err)
	}
}

func TestExecSignal(t *testing.T) {
	c, _ := call(t, Options{}, wire.Request{Op: wire.OpExec, Args: []string{"sh", "-c", "trap 'exit 3' INT; echo up; while :; do sleep 0.05; done"}})
	if typ, _, err := c.Recv(); typ != wire.Stdout || err != nil {
		t.Fatalf("frame %d, %v", typ, err)
	}
	if err := c.Send(wire.Signal, []byte{byte(syscall.SIGINT)}); err != nil {
		t.Fatal(err)
	}
	if _, _, status, err := result(t, c); status != 3 || err != nil {
		t.Errorf("status %d, %v; want 3", status, err)
	}
}

func TestCallerGone(t *testing.T) {
	// The command ignores its input and all it can, and has a child.
	c, conn := call(t, Options{}, wire.Request{Op: wire.OpExec, Args: []string{"sh", "-c", "trap '' INT TERM HUP; sleep 1000 & echo $!; while :; do sleep 1000; done"}})
	_, p, err := c.Recv()
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(p)))
	if err != nil {
		t.Fatal(err)
	}
	for range wire.StdinWindow {
		if err := c.Send(wire.Stdin, make([]byte, wire.MaxPayload)); err != nil {
			t.Fatal(err)
		}
	}
	go io.Copy(io.Discard, conn) // acknowledgements
	conn.Close()
	for range 100 {
		if syscall.Kill(child, 0) == syscall.ESRCH || zombie(child) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d lives on after its caller is gone", child)
	_ = syscall.Kill(child, syscall.SIGKILL)
}

func TestReady(t *testing.T) {
	c, _ := call(t, Options{Ready: func(context.Context) error { return errors.New("eth0 is missing") }}, wire.Request{Op: wire.OpReady})
	if _, _, _, err := result(t, c); err == nil || err.Error() != "eth0 is missing" {
		t.Errorf("error %v", err)
	}
	c, _ = call(t, Options{}, wire.Request{Op: wire.OpReady})
	if _, _, status, err := result(t, c); status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	c, _ = call(t, Options{}, wire.Request{Op: "dance"})
	if _, _, _, err := result(t, c); err == nil || !strings.Contains(err.Error(), "dance") {
		t.Errorf("error %v does not name the operation", err)
	}
}
