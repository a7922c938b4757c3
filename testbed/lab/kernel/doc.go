// SPDX-License-Identifier: MIT

// Package kernel finds and makes the kernels that guests run, and the modules for
// them. Choose takes a name:
//
//   - a series or a release, Debian's package of which is installed, was downloaded
//     before, or is downloaded now;
//   - "debug", built from Debian's linux-source package with the checkers that
//     Debian's own kernels leave out (KASAN, lockdep, kmemleak, fault injection;
//     debug.config says which), under half an hour on two cores, once;
//   - "uml", built from the same source, a program of this machine, for measurements
//     at native speed (uml.config), some minutes, once; "uml-debug", the same with
//     checkers (uml-debug.config), for fuzzing;
//   - "newest", in a chroot of the suite that packages the newest kernel, where
//     modules for that kernel can be built: its build tools need that suite's C
//     library.
//
// All of it is kept in the cache. Build builds a module of this project for a kernel,
// and Stage copies modules of the kernel's own to where a guest will have them.
package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Builder makes kernels and keeps them.
type Builder struct {
	Cache  string                           // an existing directory, for Builder alone
	Source string                           // the root of dpr's checkout
	Say    func(format string, args ...any) // tells what is being done, a line each
}

// Tree is a kernel below a directory, in the places that Debian's packages use:
// boot/vmlinuz-RELEASE, lib/modules/RELEASE, usr/src/linux-headers-RELEASE.
type Tree struct {
	Root    string
	Release string
	Arch    string // make's ARCH for its modules, "" for this machine's
	Chroot  bool   // modules can be built only by what is in Root, see Run
}

// install installs what is missing of a list of Debian packages in scripts/deps.
func (b Builder) install(ctx context.Context, list string) error {
	script := filepath.Join(b.Source, "scripts", "deps", "install.sh")
	cmd := exec.CommandContext(ctx, script, list)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing the packages of scripts/deps/%s: %w", list, err)
	}
	return nil
}

// lock makes sure that one process makes a kind of kernel at a time. The lock
// lasts until the file is closed, by this process and by the commands that were
// given it: what a killed process leaves running holds it to its end.
func (b Builder) lock(kind string) (*os.File, error) {
	path := filepath.Join(b.Cache, kind+".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		b.Say("waiting for another process that makes the %s kernel", kind)
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// run runs a command in dir and returns all that it printed; an error holds it too.
func run(ctx context.Context, dir string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command(ctx, dir, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := runLocked(cmd); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, tail(out.String(), 100))
	}
	return out.String(), nil
}

// runLocked runs a command of the function command, which does not outlive this process.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread() // Pdeathsig goes by the thread
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// command returns a command in dir that ends, with its children, when ctx does.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// tail returns the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
