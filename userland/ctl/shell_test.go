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
	"testing"
	"time"
)

// running says whether a process runs; one that nobody has waited for yet does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
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
