// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSoloArgs(t *testing.T) {
	s := &Solo{dir: "/d", machine: machine{kernel: "/k", initrd: "/i", memory: 512}}
	counted := strings.Join(s.args(AccelCount), " ")
	for _, want := range []string{"-accel tcg ", "-icount shift=0,sleep=off", "-m 512", "slab_nomerge"} {
		if !strings.Contains(counted, want) {
			t.Errorf("%q has no %q", counted, want)
		}
	}
	if got := strings.Join(s.args(AccelKVM), " "); !strings.Contains(got, "-accel kvm ") || strings.Contains(got, "icount") {
		t.Errorf("got %q", got)
	}
	s.Kernel.Arch = "um"
	if got := s.args(""); got[0] != "/k" || !slices.Contains(got, "mem=512M") || !slices.Contains(got, "initrd=/i") {
		t.Errorf("got %q", got)
	}
}

// soloProgram is a Solo whose guest is a program of this machine.
func soloProgram(t *testing.T, script string) *Solo {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "guest")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Solo{dir: dir, Kernel: Kernel{Arch: "um"}, machine: machine{kernel: file}}
}

func TestSoloRun(t *testing.T) {
	var lines []string
	take := func(line string) error { lines = append(lines, line); return nil }
	s := soloProgram(t, "echo one; echo noise >&2; printf 'two\\r\\n'")
	if err := s.Run(context.Background(), "", take); err != nil || strings.Join(lines, " ") != "one two" {
		t.Errorf("got %q, %v", lines, err)
	}
	if end := s.ConsoleEnd(); end != "noise" {
		t.Errorf("the console ends with %q", end)
	}
	var splatted *SplatError
	err := soloProgram(t, "echo 'BUG: unable to handle page fault' >&2").Run(context.Background(), "", take)
	if !errors.As(err, &splatted) {
		t.Errorf("a guest in trouble: %v", err)
	}
	if err := soloProgram(t, "echo why >&2; exit 3").Run(context.Background(), "", take); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a guest that fails: %v", err)
	}
	enough := errors.New("enough")
	err = soloProgram(t, "echo one; exec sleep 1000").Run(context.Background(), "", func(string) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("lines that nobody wants: %v", err)
	}
}
