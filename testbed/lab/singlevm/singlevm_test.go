// SPDX-License-Identifier: MIT

package singlevm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/splat"
)

func TestArgs(t *testing.T) {
	s := &VM{dir: "/d", machine: qemu.Machine{Kernel: "/k", Initrd: "/i", Memory: 512}}
	counted := strings.Join(s.args(qemu.Count), " ")
	for _, want := range []string{"-accel tcg ", "-icount shift=0,sleep=off", "-m 512", "slab_nomerge"} {
		if !strings.Contains(counted, want) {
			t.Errorf("%q has no %q", counted, want)
		}
	}
	if got := strings.Join(s.args(qemu.KVM), " "); !strings.Contains(got, "-accel kvm ") || strings.Contains(got, "icount") {
		t.Errorf("got %q", got)
	}
	s.Kernel.Arch = "um"
	if got := s.args(""); got[0] != "/k" || !slices.Contains(got, "mem=512M") || !slices.Contains(got, "initrd=/i") {
		t.Errorf("got %q", got)
	}
}

// program is a VM whose guest is a program of this machine.
func program(t *testing.T, script string) *VM {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "guest")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &VM{dir: dir, Kernel: kernel.Kernel{Arch: "um"}, machine: qemu.Machine{Kernel: file}}
}

func TestRun(t *testing.T) {
	const done = `echo '{"done":true}'; `
	ctx := context.Background()
	var records []string
	take := func(b []byte) error { records = append(records, string(b)); return nil }
	s := program(t, `echo '{"n":1}'; echo noise >&2; printf '{"n":2}\r\n'; `+done)
	if err := s.Run(ctx, "", take); err != nil || strings.Join(records, " ") != `{"n":1} {"n":2}` {
		t.Errorf("got %q, %v", records, err)
	}
	var splatted *splat.Error
	err := program(t, done+"echo 'BUG: unable to handle page fault' >&2").Run(ctx, "", take)
	if !errors.As(err, &splatted) {
		t.Errorf("a guest in trouble: %v", err)
	}
	for what, c := range map[string]struct{ script, want string }{
		"fails":      {"echo why >&2; exit 3", "why"},
		"fails late": {done + "exit 3", "exit status 3"},
		"gives up":   {`echo '{"error":"no memory"}'`, "no memory"},
		"ends early": {`echo '{"n":1}'`, "ended early"},
		"babbles":    {"echo hello; " + done, `says "hello"`},
		"is silent":  {"echo; " + done, `says ""`},
	} {
		if err := program(t, c.script).Run(ctx, "", take); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a guest that %s: %v", what, err)
		}
	}
	enough := errors.New("enough")
	err = program(t, `echo '{"n":1}'; exec sleep 1000`).Run(ctx, "", func([]byte) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("records that nobody wants: %v", err)
	}
}
