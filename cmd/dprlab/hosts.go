// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/testbed/lab"
)

// hostCommands are the commands about one host.
func hostCommands() []*cli.Command {
	onHost := func(f func(*lab.Lab, context.Context, string) error) cli.ActionFunc {
		return func(c *cli.Context) error {
			l, err := openLab(c)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(c)
			defer stop()
			return f(l, ctx, c.Args().First())
		}
	}
	run := command("exec", "run a command on a host", "HOST -- COMMAND [ARGUMENT…]", 2, -1, execOn)
	run.Description = "Input, output and exit status are the command's own: 127 if the host has no such program,\n" +
		"128 plus the number of the signal that ended it."
	debug := command("gdb", "stop a server's kernel and look into it by gdb", "HOST [-- ARGUMENT…]", 1, -1, debugger)
	debug.Description = "gdb knows the module's functions and lines; arguments are gdb's own. The server goes on when gdb ends."
	return []*cli.Command{
		run,
		command("push", "copy a file to a host", "HOST FILE PATH", 3, 3, copyFile((*lab.Lab).Push)),
		command("pull", "copy a file from a host", "HOST PATH FILE", 3, 3, copyFile((*lab.Lab).Pull)),
		command("logs", "show a server's console and its services' log", "HOST", 1, 1, logs,
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what comes, until Ctrl-C"}),
		command("capture", "write a host's packets to a file, until Ctrl-C", "HOST FILE", 2, 2, capture,
			&cli.StringFlag{Name: "filter", Usage: "only packets of this `EXPRESSION`, see pcap-filter(7)"},
			&cli.Float64Flag{Name: "seconds", Usage: "end after `N` seconds"}),
		debug,
		command("poweroff", "end a server at once", "HOST", 1, 1, onHost((*lab.Lab).Poweroff)),
		command("boot", "start a server that is off or dead", "HOST", 1, 1, onHost((*lab.Lab).Boot)),
	}
}

func execOn(c *cli.Context) error {
	host, args := c.Args().First(), c.Args().Tail()
	if args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("exec: missing arguments: want HOST -- COMMAND [ARGUMENT…]")
	}
	l, err := openLab(c)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	exit, err := l.Exec(c.Context, host, lab.Cmd{Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals})
	if err == nil && exit != 0 {
		err = exitStatus(exit)
	}
	return err
}

// debugger becomes gdb.
func debugger(c *cli.Context) error {
	l, err := openLab(c)
	if err != nil {
		return err
	}
	args, err := l.Debugger(c.Context, c.Args().First())
	if err != nil {
		return err
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("gdb: %w", err)
	}
	more := c.Args().Tail()
	if len(more) > 0 && more[0] == "--" {
		more = more[1:]
	}
	return syscall.Exec(program, append(args, more...), os.Environ())
}

func copyFile(copy func(l *lab.Lab, ctx context.Context, host, src, dst string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		l, err := openLab(c)
		if err != nil {
			return err
		}
		ctx, stop := interruptible(c)
		defer stop()
		return copy(l, ctx, c.Args().Get(0), c.Args().Get(1), c.Args().Get(2))
	}
}

func logs(c *cli.Context) error {
	l, err := openLab(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c)
	defer stop()
	return l.Logs(ctx, c.Args().First(), os.Stdout, c.Bool("follow"))
}

func capture(c *cli.Context) error {
	d := time.Duration(c.Float64("seconds") * float64(time.Second))
	if c.IsSet("seconds") && d <= 0 {
		return fmt.Errorf("capture: --seconds %v: want a time above 0", c.Float64("seconds"))
	}
	l, err := openLab(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c)
	defer stop()
	cp, err := l.Capture(c.Context, c.Args().Get(0), lab.CaptureOptions{File: c.Args().Get(1), Filter: c.String("filter")})
	if err != nil {
		return err
	}
	var over <-chan time.Time
	if d > 0 {
		over = time.After(d)
	}
	select {
	case <-ctx.Done():
	case <-over:
	}
	st, err := cp.Stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d packets in %s, %d missed\n", st.Captured, c.Args().Get(1), st.Dropped)
	return l.Check()
}
