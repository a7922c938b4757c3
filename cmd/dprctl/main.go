// SPDX-License-Identifier: MIT

// Command dprctl inspects and controls Distributed Packet Rewriting on this host.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/ctl"
	"dpr/userland/doctor"
	"dpr/userland/dprnl"
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

		Connections: sockets.Count,
		Reports:     receive.ReadStatus,
		Gather:      doctor.Gather,
		Terminal:    isTerminal(os.Stdout),
		Poll:        time.Second,
	})
	stop()
	os.Exit(status)
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
