// SPDX-License-Identifier: MIT

// Package checkout finds the checkout of dpr that this process works for, and builds
// programs of it.
package checkout

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Root returns the root of the module dpr: dir if it is given, else the
// nearest directory from the working directory upwards.
func Root(dir string) (string, error) {
	given := dir != ""
	if !given {
		wd, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("finding the source: %w", err)
		}
		dir = wd
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the source: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "testbed", "lab", "guest", "init")); err == nil {
			return d, nil
		}
		if given || d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not in a checkout of dpr: it has no testbed/lab/guest/init", dir)
		}
	}
}

// Build builds packages' programs, static, into dir.
func Build(ctx context.Context, source, dir string, packages ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", dir + "/"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	return runBuild(cmd)
}

// runBuild runs a command of the build, which must not outlive this process, and
// returns its failure with what it printed.
func runBuild(cmd *exec.Cmd) error {
	runtime.LockOSThread() // Pdeathsig goes by the thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
