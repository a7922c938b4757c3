// SPDX-License-Identifier: MIT

// Package labtest has what tests with guests have in common: TestMain of those that
// share a lab, seeds, signals.
package labtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// BootTimeout bounds building guests of a packaged kernel and booting them.
const BootTimeout = 5 * time.Minute

// Help does what a test called this program again for, in a client's namespace or
// in a guest: the helper that the first argument names. It does not return then.
func Help(helpers map[string]func(context.Context) error) {
	if len(os.Args) < 2 || helpers[os.Args[1]] == nil {
		return
	}
	ctx, stop := Interruptible(context.Background())
	defer stop()
	if err := helpers[os.Args[1]](ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Run boots a lab within a time, runs the tests and takes the lab down, whatever
// happens; the status is the program's. First comes prepare, which gives the lab's
// configuration; the tests find the lab where shared points. A signal takes the
// lab down under the tests.
func Run(m *testing.M, limit time.Duration, shared **lab.Lab, prepare func(context.Context) (lab.Config, error)) (status int) {
	ctx, stop := Interruptible(context.Background())
	defer stop()
	boot, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := prepare(boot)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare the lab:", err)
		return 1
	}
	if err := lab.Down(ctx, c.Name); err != nil {
		fmt.Fprintln(os.Stderr, "remove the lab of an earlier run:", err)
		return 1
	}
	down := func() {
		if err := lab.Down(context.Background(), c.Name); err != nil {
			fmt.Fprintln(os.Stderr, "take the lab down:", err)
			status = 1
		}
	}
	defer down()
	if *shared, err = lab.Up(boot, c); err != nil {
		fmt.Fprintln(os.Stderr, "bring the lab up:", err)
		return 1
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ended:
		case <-ctx.Done():
			down()
			os.Exit(1)
		}
	}()
	return m.Run()
}

// Interruptible returns a context that a signal which ends programs ends.
func Interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}

// Seed returns the seed of a test's random choices, and logs it: a new one, or that of
// an environment variable, with which a run is made again.
func Seed(t *testing.T, variable string) uint64 {
	seed := rand.Uint64() >> 1
	if text := os.Getenv(variable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 63); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
	t.Logf("%s=%d makes the same again", variable, seed)
	return seed
}
