// SPDX-License-Identifier: MIT

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"dpr/testbed/lab/guest/wire"
)

// statusNotFound is what a shell returns for a command that it cannot find.
const statusNotFound = 127

// run runs the command of req and returns its exit status; 128 plus the signal's
// number if a signal ended it. The command leads a session of its own, which is
// killed when the caller goes away.
func run(ctx context.Context, c *wire.Conn, req wire.Request, prefix []string) (int, error) {
	if len(req.Args) == 0 {
		return 0, errors.New("no command given")
	}
	env := append(os.Environ(), req.Env...)
	path, err := lookPath(req.Args[0], req.Dir, env)
	if err != nil {
		_, err := fmt.Fprintf(c.Writer(wire.Stderr), "%s: %v\n", req.Args[0], err)
		return statusNotFound, err
	}
	args := append(append([]string{}, prefix...), req.Args...)
	if len(prefix) > 0 {
		args[len(prefix)] = path
		if path, err = exec.LookPath(prefix[0]); err != nil {
			return 0, err
		}
	}
	p, err := start(&exec.Cmd{Path: path, Args: args, Env: env, Dir: req.Dir,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	go p.control(c)

	var pumps sync.WaitGroup
	pumps.Go(func() { p.pump(p.stdout, c.Writer(wire.Stdout)) })
	pumps.Go(func() { p.pump(p.stderr, c.Writer(wire.Stderr)) })
	err = p.cmd.Wait()
	close(p.exited)
	// Wakes the pumps out of their reads; they look at exited then.
	deadline := time.Now()
	_ = p.stdout.SetReadDeadline(deadline)
	_ = p.stderr.SetReadDeadline(deadline)
	pumps.Wait()
	return exitStatus(p.cmd.ProcessState), waitError(err)
}

// process is a running command with its ends of the pipes.
type process struct {
	cmd            *exec.Cmd
	stdin          *os.File
	stdout, stderr *os.File
	exited         chan struct{} // closed once the command has been waited for
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p.stdin = stdin
	stdout, out, err := os.Pipe()
	if err != nil {
		p.close()
		return nil, err
	}
	defer out.Close()
	p.stdout = stdout
	stderr, errw, err := os.Pipe()
	if err != nil {
		p.close()
		return nil, err
	}
	defer errw.Close()
	p.stderr = stderr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errw
	if err := cmd.Start(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *process) close() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// kill ends the command's whole process group.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.exited: // the number may be another's by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// control obeys the caller's frames until the caller is gone, and kills the
// command then. It never waits for the command to read its input: that is the
// feeder's part, which has room for all that the caller may send ahead.
func (p *process) control(c *wire.Conn) {
	input := make(chan []byte, wire.StdinWindow)
	go p.feed(c, input)
	open := true
	defer func() {
		p.kill()
		if open {
			close(input)
		}
	}()
	for {
		t, payload, err := c.Recv()
		if err != nil {
			return
		}
		switch {
		case t == wire.Stdin && open:
			select {
			case input <- payload:
			default: // the caller broke the window's rule
				return
			}
		case t == wire.StdinClose && open:
			open = false
			close(input)
		case t == wire.Signal && len(payload) == 1:
			p.signal(syscall.Signal(payload[0]))
		}
	}
}

// feed writes input to the command and acknowledges it. Input for a command that
// reads no more is thrown away, as a shell's pipe would.
func (p *process) feed(c *wire.Conn, input <-chan []byte) {
	defer p.stdin.Close()
	broken := false
	for b := range input {
		if !broken {
			_, err := p.stdin.Write(b)
			broken = err != nil
		}
		if c.Send(wire.StdinAck, nil) != nil {
			broken = true
		}
	}
}

// pumpGrace is how long an exited command's pipe must have been empty before its
// output counts as complete although some background process keeps it open.
const pumpGrace = 50 * time.Millisecond

// pump copies a pipe of the command to w until its end. After the command's exit
// it waits no longer than for the pipe to be empty: a process left in the
// background must not keep the caller waiting.
func (p *process) pump(r *os.File, w io.Writer) {
	defer r.Close()
	buf := make([]byte, 32<<10)
	last := false
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				p.kill()
				return
			}
		}
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && (!late || last) {
			return
		}
		// An expired deadline says nothing of what is in the pipe: ask anew.
		if last = last || late; last && r.SetReadDeadline(time.Now().Add(pumpGrace)) != nil {
			return
		}
	}
}

// lookPath finds a command in the PATH of env.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		full := name
		if !filepath.IsAbs(full) {
			full = filepath.Join(dir, full)
		}
		return name, executable(full)
	}
	var path string
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, d := range filepath.SplitList(path) {
		if full := filepath.Join(d, name); executable(full) == nil {
			return full, nil
		}
	}
	return "", fmt.Errorf("no such command in %s", path)
}

func executable(path string) error {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case fi.IsDir():
		return errors.New("is a directory")
	case fi.Mode()&0o111 == 0:
		return os.ErrPermission
	}
	return nil
}

func exitStatus(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

// waitError returns what went wrong in waiting, nil for any exit status.
func waitError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
