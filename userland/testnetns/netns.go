// SPDX-License-Identifier: MIT

// Package testnetns gives unit tests network namespaces of their own. It needs root.
package testnetns

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace that a process of ours keeps alive; the kernel
// ends the process with the test, however that ends.
type Namespace struct {
	t   testing.TB
	pid int
}

// New makes a namespace whose loopback interface is up. It is gone after the test.
func New(t testing.TB) Namespace {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("a network namespace (are we root?): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	n := Namespace{t, cmd.Process.Pid}
	n.Run("ip link set lo up")
	return n
}

// PID is a process in the namespace, as "ip link … netns" wants it.
func (n Namespace) PID() int { return n.pid }

// Command returns a command that is to run in the namespace.
func (n Namespace) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", strconv.Itoa(n.pid), "-n", name}, args...)...)
}

// Run runs a command in the namespace; line is split at spaces. If it fails the test
// ends.
func (n Namespace) Run(line string) {
	n.t.Helper()
	words := strings.Fields(line)
	if out, err := n.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// Do runs fn in the namespace; sockets that it opens stay there. The caller has locked
// its goroutine to its thread.
func (n Namespace) Do(fn func()) {
	n.t.Helper()
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	defer old.Close()
	enter, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
	if err != nil {
		n.t.Fatal(err)
	}
	defer enter.Close()
	if err := unix.Setns(int(enter.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(old.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread must not run other tests
		}
	}()
	fn()
}
