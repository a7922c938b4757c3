// SPDX-License-Identifier: MIT

//go:build lab

package fuzz

import (
	"os"
	"testing"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/labtest"
)

// TestShort is a short form of what "make fuzz" does, on Debian's own kernel: it
// needs no other kernel to be built, and half a minute for messages and for packets.
func TestShort(t *testing.T) {
	seed := labtest.Seed(t, "DPR_FUZZ_SEED")
	ctx, stop := labtest.Interruptible(t.Context())
	defer stop()
	o := Defaults()
	o.Kernel, o.Seed, o.Parts = kernel.Default, seed, []string{wire.Netlink, wire.Packets}
	o.Messages, o.Packets, o.Limit = 200_000, 1_000_000, 30*time.Second
	o.Source, o.Dir, o.Stdout, o.Progress = "", t.TempDir(), t.Output(), os.Stderr // found from here
	if err := Run(ctx, o); err != nil {
		t.Error(err)
	}
}
