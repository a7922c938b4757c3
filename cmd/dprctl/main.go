// Command dprctl shows and changes what Distributed Packet Rewriting does on
// this host.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"dpr/userland/ctl"
	"dpr/userland/dprnl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := ctl.Run(ctx, os.Args, ctl.Environment{
		Out:    os.Stdout,
		Err:    os.Stderr,
		Dial:   func() (ctl.Kernel, error) { return dprnl.New() },
		Events: func() (ctl.EventSource, error) { return dprnl.NewEvents() },
		Now:    time.Now,
	})
	stop()
	os.Exit(status)
}
