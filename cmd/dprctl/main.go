// SPDX-License-Identifier: MIT

// Command dprctl inspects and controls Distributed Packet Rewriting on this host.
package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/ctl"
	"dpr/userland/doctor"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
	"dpr/userland/sockets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := ctl.Run(ctx, os.Args, ctl.Environment{
		Out:    os.Stdout,
		Err:    os.Stderr,
		Dial:   func() (ctl.Kernel, error) { return dprnl.New() },
		Events: func() (ctl.EventSource, error) { return dprnl.NewEvents() },
		Now:    time.Now,
		Module: dprnl.ModuleVersion,

		Connections: sockets.Count,
		Reports:     receive.ReadStatus,
		FastPath:    fastpath.ReadStatus,
		Host:        ctl.LookAtHost,
		Gather:      doctor.Gather,
		Sockets:     sockets.Of,
		Run:         run,
		Terminal:    isTerminal(os.Stdout),
		Poll:        time.Second,
	})
	stop()
	os.Exit(status)
}

// run runs a command. What it complains of is its error.
func run(ctx context.Context, words []string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return nil, errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
