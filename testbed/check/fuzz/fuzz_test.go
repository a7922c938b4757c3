// SPDX-License-Identifier: MIT

//go:build lab

package fuzz

import (
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/lab/kernel"
)

// seedVariable holds the seed of a run that is to be made again.
const seedVariable = "DPR_FUZZ_SEED"

// TestShort is a short form of what "make fuzz" does, on Debian's own kernel: it
// needs no other kernel to be built, and half a minute for messages and for packets.
func TestShort(t *testing.T) {
	seed := rand.Uint64() >> 1
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 63); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d makes the same again", seedVariable, seed)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o := Defaults()
	o.Kernel, o.Seed, o.Parts = kernel.Default, seed, []string{wire.Netlink, wire.Packets}
	o.Messages, o.Packets, o.Limit = 200_000, 1_000_000, 30*time.Second
	o.Source, o.Dir, o.Stdout, o.Progress = root, t.TempDir(), t.Output(), os.Stderr
	if err := Run(ctx, o); err != nil {
		t.Error(err)
	}
}
