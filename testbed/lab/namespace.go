// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab/process"
)

// Where iproute2 keeps named network namespaces, and files that it puts over
// those in /etc for a namespace.
const (
	netnsDir    = "/run/netns"
	netnsEtcDir = "/etc/netns"
)

// namespaceOf returns the name of a lab's own network namespace, or of that of
// one of its clients.
func namespaceOf(lab, client string) string {
	if client == "" {
		return "dprlab-" + lab
	}
	return "dprlab-" + lab + "-" + client
}

// namespaces returns the names in dir that belong to a lab.
func namespaces(dir, lab string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		own := namespaceOf(lab, "")
		if e.Name() == own || strings.HasPrefix(e.Name(), own+"-") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// inNamespace runs f on a thread that is in the named network namespace.
func inNamespace(name string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			done <- onThread(name, f)
			return
		}
		// The process as a whole counts as where its first thread is: use
		// another, while this one is held.
		done <- inNamespace(name, f)
		runtime.UnlockOSThread()
	}()
	return <-done
}

// onThread runs f in a namespace on this thread, which must be locked. The
// thread goes back, or ends with its goroutine.
func onThread(name string, f func() error) error {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("entering namespace %s: %w", name, err)
	}
	defer home.Close()
	ns, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		return fmt.Errorf("entering namespace %s: %w", name, err)
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering namespace %s: %w", name, err)
	}
	err = f()
	if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// InNamespace runs f on a thread that is in a client's network namespace. A
// socket that f opens there stays there; f must not leave it to another
// goroutine to open one.
func (l *Lab) InNamespace(client string, f func() error) error {
	h, err := l.hostOf(client, Client)
	if err != nil {
		return err
	}
	return inNamespace(namespaceOf(l.state.Name, h.Name), f)
}

// Command returns a command of this machine, not yet started, that will run in a
// client's network namespace, with the client's /etc/hosts and /sys. Its process
// is that of the command itself.
func (l *Lab) Command(ctx context.Context, client string, args ...string) (*exec.Cmd, error) {
	h, err := l.hostOf(client, Client)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("running a command on %s: none given", client)
	}
	prefix := clientPrefix(l.state.Name, h.Name)
	return exec.CommandContext(ctx, prefix[0], append(prefix[1:], args...)...), nil
}

// clientPrefix is what runs a command in a client's namespace.
func clientPrefix(lab, client string) []string {
	return []string{"ip", "netns", "exec", namespaceOf(lab, client)}
}

// killNamespace ends all processes whose network namespace is the named one.
func killNamespace(name string) error {
	ns, err := os.Stat(filepath.Join(netnsDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	inside := func(pid int) bool {
		fi, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
		return err == nil && os.SameFile(fi, ns)
	}
	// One of them may start another meanwhile.
	for range 100 {
		pids, err := process.All()
		if err != nil {
			return err
		}
		found := false
		for _, pid := range pids {
			if pid == os.Getpid() || !inside(pid) {
				continue
			}
			found = true
			if err := process.KillIf(pid, func() bool { return inside(pid) }); err != nil {
				return err
			}
		}
		if !found {
			return nil
		}
	}
	return fmt.Errorf("the processes in namespace %s do not end", name)
}

// removeNamespace removes a named network namespace, whole or half made.
func removeNamespace(name string) error {
	path := filepath.Join(netnsDir, name)
	// EINVAL: it was never mounted.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	return nil
}
