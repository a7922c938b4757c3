// SPDX-License-Identifier: MIT

// Command brokerd is a lab's broker; its argument is the lab's state directory.
// It is started by dprlab up and is not for people.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"dpr/testbed/lab/broker"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("brokerd: bad arguments %q: want the lab's state directory", os.Args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := broker.ReadConfig(os.Args[1])
	if err != nil {
		return err
	}
	return broker.New(c, slog.New(slog.NewTextHandler(os.Stderr, nil))).Run(ctx, os.Args[1])
}
