// SPDX-License-Identifier: MIT

//go:build lab

package enemy

import (
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// seedVariable holds the seed of a run that is to be made again.
const seedVariable = "DPR_ENEMY_SEED"

// TestShort is a short form of what "make enemy" does, on Debian's own kernel.
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
	err = Run(ctx, Options{
		Kernel: "6.1", CPUs: 2, Seed: seed, Parts: Parts, Packets: 400, Seconds: 20,
		Source: root, Dir: t.TempDir(), Stdout: t.Output(), Progress: os.Stderr,
	})
	if err != nil {
		t.Error(err)
	}
}
