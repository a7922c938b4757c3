// SPDX-License-Identifier: MIT

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"dpr/testbed/lab/guest/wire"
)

// Cmd is a command for a host.
type Cmd struct {
	Args   []string  // the program, found in the host's PATH, and its arguments
	Stdin  io.Reader // nil = empty
	Stdout io.Writer // nil = thrown away
	Stderr io.Writer // nil = thrown away
	Env    []string  // KEY=VALUE, added to the environment
	Dir    string    // default: /root on a server, the working directory for a client

	// Signals are passed on to the command's process group; nil = none.
	Signals <-chan os.Signal
}

// Exec runs a command on a host and returns its exit status: 127 if there is no
// such program, 128 plus the signal's number if one ended it. Processes that it
// leaves in the background live on. If ctx ends the command's process group is
// killed. Commands for a client run with this process's environment.
//
// The error is nil for any exit status. It is a *splat.Error or a *DeadError if
// any of the lab's kernels is in trouble, whatever the command did.
//
// A read of Stdin that is under way when the command exits is not waited for.
func (l *Lab) Exec(ctx context.Context, host string, c Cmd) (exit int, err error) {
	h, err := l.Host(host)
	if err != nil {
		return 0, err
	}
	if len(c.Args) == 0 {
		return 0, fmt.Errorf("running a command on %s: none given", host)
	}
	r := wire.Request{Op: wire.OpExec, Args: c.Args, Env: c.Env, Dir: c.Dir}
	if h.Kind == Client {
		r.Env = append(os.Environ(), c.Env...)
		if r.Dir == "" {
			if r.Dir, err = os.Getwd(); err != nil {
				return 0, err
			}
		}
	}
	exit, err = l.exec(ctx, h.Name, r, c)
	if err != nil {
		return 0, l.blame(ctx, fmt.Errorf("running %s on %s: %w", c.Args[0], host, err))
	}
	return exit, l.Check()
}

// Output runs a command on a host and returns what it prints. An exit status
// other than 0 is an *ExitError.
func (l *Lab) Output(ctx context.Context, host string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	exit, err := l.Exec(ctx, host, Cmd{Args: args, Stdout: &stdout, Stderr: &stderr})
	if err == nil && exit != 0 {
		err = &ExitError{Host: host, Args: args, Exit: exit, Stderr: strings.TrimSpace(stderr.String())}
	}
	return stdout.String(), err
}

// ExitError tells of a command that failed.
type ExitError struct {
	Host   string
	Args   []string
	Exit   int
	Stderr string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: %s: exit status %d: %s", e.Host, strings.Join(e.Args, " "), e.Exit, e.Stderr)
}

// exec sends a request and moves its input and output.
func (l *Lab) exec(ctx context.Context, host string, r wire.Request, c Cmd) (int, error) {
	conn, w, err := l.open(ctx, host)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // ends the goroutines below
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := w.SendRequest(r); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	acks := make(chan struct{}, wire.StdinWindow)
	for range wire.StdinWindow {
		acks <- struct{}{}
	}
	go sendInput(w, c.Stdin, acks, ended)
	go sendSignals(w, c.Signals, ended)
	exit, err := receive(w, c, acks)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return exit, err
}

// sendInput sends the input, as far as the window allows, until the command ends.
func sendInput(w *wire.Conn, in io.Reader, acks <-chan struct{}, ended <-chan struct{}) {
	if in == nil {
		in = bytes.NewReader(nil)
	}
	buf := make([]byte, wire.MaxPayload)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			select {
			case <-acks:
			case <-ended:
				return
			}
			if w.Send(wire.Stdin, buf[:n]) != nil {
				return // receive has the reason
			}
		}
		if err != nil {
			_ = w.Send(wire.StdinClose, nil)
			return
		}
	}
}

func sendSignals(w *wire.Conn, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case s := <-signals:
			if n, ok := s.(syscall.Signal); ok {
				_ = w.Send(wire.Signal, []byte{byte(n)})
			}
		}
	}
}

// receive hands the output on until the exit status comes.
func receive(w *wire.Conn, c Cmd, acks chan<- struct{}) (int, error) {
	for {
		t, payload, err := w.Recv()
		if err != nil {
			return 0, err
		}
		switch t {
		case wire.Stdout:
			err = write(c.Stdout, payload)
		case wire.Stderr:
			err = write(c.Stderr, payload)
		case wire.StdinAck:
			acks <- struct{}{}
		case wire.Exit:
			return wire.ExitStatus(payload)
		case wire.Error:
			return 0, errors.New(string(payload))
		}
		if err != nil {
			return 0, err
		}
	}
}

func write(w io.Writer, b []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}
