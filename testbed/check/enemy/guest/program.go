// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"dpr/testbed/check/datapath/vnet"
)

// said is a line of the program: what it has come to, and what it got there.
type said struct {
	Step   string // "listening", "accepted", "tried"
	Detail string // what the kernel answered
	Gained bool   // a right that it did not have
}

// program is a child in a namespace.
type program struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan said
}

// start starts the program for an attempt. It drops its rights by itself: some get
// theirs first.
func start(ctx context.Context, h *vnet.Host, attempt string) (*program, error) {
	p := &program{lines: make(chan said, 8)}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, "/init", attempt)
	p.cmd.Stdout, p.cmd.Stderr = w, os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting a program: %w", errors.Join(err, out.Close(), w.Close()))
	}
	w.Close()
	go func() {
		defer out.Close()
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var line said
			if json.Unmarshal(s.Bytes(), &line) == nil {
				p.lines <- line
			}
		}
	}()
	return p, nil
}

// say waits for the program to come to a step.
func (p *program) say(step string) (said, error) {
	select {
	case s, ok := <-p.lines:
		if !ok || s.Step != step {
			return s, fmt.Errorf("the program is at %q, not %q: %s", s.Step, step, s.Detail)
		}
		return s, nil
	case <-time.After(3 * patience):
		return said{}, fmt.Errorf("the program does not come to %q", step)
	}
}

// ask has it go on.
func (p *program) ask(word, step string) (said, error) {
	if _, err := fmt.Fprintln(p.in, word); err != nil {
		return said{}, err
	}
	return p.say(step)
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}

// first waits for one of the programs to accept, and returns its name.
func first(ctx context.Context, all map[string]*program) (string, error) {
	until := time.After(3 * patience)
	for {
		for name, p := range all {
			select {
			case s, ok := <-p.lines:
				if ok && s.Step == "accepted" {
					return name, nil
				}
				return "", fmt.Errorf("%s is at %q: %s", name, s.Step, s.Detail)
			default:
			}
		}
		select {
		case <-until:
			return "", errors.New("nobody accepts the connection")
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
