// SPDX-License-Identifier: MIT

//go:build lab

package enemy

import (
	"os"
	"testing"

	"dpr/testbed/lab/labtest"
)

// TestShort is a short form of what "make enemy" does, on Debian's own kernel.
func TestShort(t *testing.T) {
	seed := labtest.Seed(t, "DPR_ENEMY_SEED")
	ctx, stop := labtest.Interruptible(t.Context())
	defer stop()
	err := Run(ctx, Options{
		Kernel: "6.1", CPUs: 2, Seed: seed, Parts: Parts, Packets: 400, Seconds: 20,
		Dir: t.TempDir(), Stdout: t.Output(), Progress: os.Stderr,
	})
	if err != nil {
		t.Error(err)
	}
}
