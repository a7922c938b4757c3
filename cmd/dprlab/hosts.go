// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/flags"
)

// withLab returns a task without a name that works with a lab that is up.
func withLab(run func(context.Context, *lab.Lab, env) error) *task {
	name := lab.Defaults().Name
	return &task{lab: &name, run: func(ctx context.Context, e env) error {
		l, err := lab.Open(name)
		if err != nil {
			return err
		}
		return run(ctx, l, e)
	}}
}

// onHost returns a task about one host, its only argument.
func onHost(name, usage string, f func(*lab.Lab, context.Context, string) error) *task {
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error { return f(l, ctx, e.args[0]) })
	t.name, t.usage, t.args, t.least, t.most = name, usage, "HOST", 1, 1
	return t
}

func poweroff() *task { return onHost("poweroff", "end a server at once", (*lab.Lab).Poweroff) }

func boot() *task { return onHost("boot", "start a server that is off or dead", (*lab.Lab).Boot) }

// copying returns a task that copies a file.
func copying(name, usage, args string, f func(l *lab.Lab, ctx context.Context, host, src, dst string) error) *task {
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error { return f(l, ctx, e.args[0], e.args[1], e.args[2]) })
	t.name, t.usage, t.args, t.least, t.most = name, usage, args, 3, 3
	return t
}

func push() *task {
	return copying("push", "copy a file to a host", "HOST FILE PATH", (*lab.Lab).Push)
}

func pull() *task {
	return copying("pull", "copy a file from a host", "HOST PATH FILE", (*lab.Lab).Pull)
}

// behindDashes returns the arguments behind a "--" that may be missing.
func behindDashes(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}

func execute() *task {
	const args = "HOST -- COMMAND [ARGUMENT…]"
	name := lab.Defaults().Name
	return &task{
		name: "exec", usage: "run a command on a host",
		description: "Input, output and exit status are the command's own: 127 if the host has no such program,\n" +
			"128 plus the number of the signal that ended it.",
		args: args, least: 2, most: -1, lab: &name, ownSignals: true,
		run: func(ctx context.Context, e env) error {
			command := behindDashes(e.args[1:])
			if len(command) == 0 {
				return errors.New("exec: missing arguments: want " + args)
			}
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
			defer signal.Stop(signals)
			exit, err := l.Exec(ctx, e.args[0], lab.Cmd{Args: command, Stdin: os.Stdin, Stdout: e.stdout, Stderr: e.stderr, Signals: signals})
			if err == nil && exit != 0 {
				err = exitError(exit)
			}
			return err
		},
	}
}

// debug becomes gdb.
func debug() *task {
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error {
		args, err := l.Debugger(ctx, e.args[0])
		if err != nil {
			return err
		}
		program, err := exec.LookPath(args[0])
		if err != nil {
			return fmt.Errorf("gdb: %w", err)
		}
		return syscall.Exec(program, append(args, behindDashes(e.args[1:])...), os.Environ())
	})
	t.name, t.usage = "gdb", "stop a server's kernel and look into it by gdb"
	t.description = "The lab came up with --debug-info; gdb knows the module's functions and lines. Arguments are gdb's own. The server goes on when gdb ends."
	t.args, t.least, t.most, t.ownSignals = "HOST [-- ARGUMENT…]", 1, -1, true
	return t
}

type logsOptions struct {
	Follow bool
}

func (o *logsOptions) Flags() flags.Set {
	return flags.Set{flags.Bool(&o.Follow, "follow", "go on with what comes, until Ctrl-C").Alias("f")}
}

func logs() *task {
	var o logsOptions
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error { return l.Logs(ctx, e.args[0], e.stdout, o.Follow) })
	t.name, t.usage, t.args, t.least, t.most = "logs", "show a server's console and its services' log", "HOST", 1, 1
	t.options = &o
	return t
}

type captureOptions struct {
	Filter string
	Time   time.Duration // after which the capture ends unless Ctrl-C does it
}

func (o *captureOptions) Flags() flags.Set {
	return flags.Set{
		flags.String(&o.Filter, "filter", "only packets of this `EXPRESSION`, see pcap-filter(7)"),
		flags.Seconds(&o.Time, "seconds", flags.Above(0.0), "end after `N` seconds").As("at Ctrl-C"),
	}
}

func capture() *task {
	o := captureOptions{Time: math.MaxInt64}
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error {
		// What Ctrl-C ends is the wait; Stop then waits for the last packets.
		c, err := l.Capture(context.WithoutCancel(ctx), e.args[0], lab.CaptureOptions{File: e.args[1], Filter: o.Filter})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(o.Time):
		}
		st, err := c.Stop()
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stderr, "%d packets in %s, %d missed\n", st.Captured, e.args[1], st.Dropped)
		return l.Check()
	})
	t.name, t.usage, t.args, t.least, t.most = "capture", "write a host's packets to a file, until Ctrl-C", "HOST FILE", 2, 2
	t.options = &o
	return t
}
