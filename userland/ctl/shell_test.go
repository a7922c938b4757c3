// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running says whether a process runs; one that nobody has waited for yet does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A command without a limit is of the same process group: an operator at the terminal can answer
// what it asks, as ssh does for a password. One with a limit leads its own, which ends with it.
func TestCommandsGroup(t *testing.T) {
	group := func(ctx context.Context) (shellPid, group int) {
		var out bytes.Buffer
		if err := shell(ctx, "echo $$ $(cut -d' ' -f5 /proc/$$/stat)", &out, &out); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(out.String(), &shellPid, &group); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		return shellPid, group
	}
	if _, got := group(t.Context()); got != syscall.Getpgrp() {
		t.Errorf("by hand its group is %d, want %d", got, syscall.Getpgrp())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if pid, got := group(ctx); got != pid {
		t.Errorf("with a limit its group is %d, want %d", got, pid)
	}
}

// A command that is cut off leaves nothing that it waited for.
func TestCommandsEndWhole(t *testing.T) {
	var out, errs bytes.Buffer
	p := &program{Environment: Environment{Out: &out, Err: &errs}}
	for name, run := range map[string]func(context.Context, string) error{
		"zone": func(ctx context.Context, command string) error {
			w := &zoneWriter{program: p, command: command, pending: true, limit: time.Minute}
			return w.reload(ctx)
		},
		"ready": func(ctx context.Context, command string) error { return (&announcer{program: p}).run(ctx, command) },
	} {
		file := filepath.Join(t.TempDir(), "pid")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run(ctx, "sleep 300 & echo $! >"+file+"; wait; true") }()
		pid := 0
		for end := time.Now().Add(20 * time.Second); pid == 0; time.Sleep(time.Millisecond) {
			text, _ := os.ReadFile(file)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			if time.Now().After(end) {
				t.Fatalf("%s: the command does not start", name)
			}
		}
		if !running(pid) {
			t.Errorf("%s: the command ended by itself", name)
		}
		cancel()
		if err := <-done; err == nil {
			t.Errorf("%s: no error", name)
		}
		for end := time.Now().Add(10 * time.Second); running(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: process %d runs on", name, pid)
			}
		}
	}
}
