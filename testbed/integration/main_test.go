// SPDX-License-Identifier: MIT

//go:build lab

package integration

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/load"
)

// labName is the tests' own lab, next to any other.
const labName = "itest"

// bootTimeout bounds building the guests and booting them.
const bootTimeout = 5 * time.Minute

// helpers are what this program does when a test calls it again, in a client's
// namespace or in a guest, told by its first argument.
var helpers = map[string]func(context.Context) error{
	"load-client": func(ctx context.Context) error { return load.Serve(ctx, os.Stdin, os.Stdout) },
	"bad-netlink": func(ctx context.Context) error { return badNetlink(ctx, os.Stdout) },
	"intruder":    func(ctx context.Context) error { return intruder(ctx, os.Stdout) },
}

// shared is the lab of all tests; TestMain sets it before the first.
var shared *lab.Lab

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && helpers[os.Args[1]] != nil {
		if err := helpers[os.Args[1]](ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(runInLab(ctx, m))
}

// runInLab boots the lab, runs the tests and takes the lab down, whatever
// happens. A signal takes it down under the tests, which then fail.
func runInLab(ctx context.Context, m *testing.M) (status int) {
	if err := lab.Down(ctx, labName); err != nil {
		fmt.Fprintln(os.Stderr, "remove the lab of an earlier run:", err)
		return 1
	}
	down := func() {
		if err := lab.Down(context.Background(), labName); err != nil {
			fmt.Fprintln(os.Stderr, "take the lab down:", err)
			status = 1
		}
	}
	defer down()
	boot, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	l, err := lab.Up(boot, lab.Config{Name: labName, Servers: 3, Clients: 3, Progress: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bring the lab up:", err)
		return 1
	}
	shared = l
	go func() {
		<-boot.Done()
		if ctx.Err() != nil {
			down()
			os.Exit(1)
		}
	}()
	return m.Run()
}
