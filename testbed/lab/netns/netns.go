// SPDX-License-Identifier: MIT

// Package netns makes, enters and removes named network namespaces, those of ip-netns(8).
package netns

import (
	"bytes"
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
	Dir    = "/run/netns"
	EtcDir = "/etc/netns"
)

// Add makes a named network namespace without IPv6 and without netfilter on its
// bridges.
func Add(ctx context.Context, name string) error {
	if out, err := exec.CommandContext(ctx, "ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("adding namespace %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return Do(name, func() error {
		for _, path := range []string{
			"net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6",
			"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables", "net/bridge/bridge-nf-call-arptables",
		} {
			value := "0"
			if strings.HasSuffix(path, "/disable_ipv6") {
				value = "1"
			}
			// What this kernel does not have needs no switching off.
			if err := set(name, path, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// EnableIPv6 gives IPv6 to a namespace of Add's, for the interfaces that come after it
// and for those that are there. Addresses can be used at once, and routers are ignored.
func EnableIPv6(name string) error {
	return Do(name, func() error {
		for _, which := range []string{"default", "all"} {
			for _, c := range []struct{ key, value string }{
				{"accept_dad", "0"}, {"accept_ra", "0"}, {"router_solicitations", "0"}, {"disable_ipv6", "0"},
			} {
				err := set(name, "net/ipv6/conf/"+which+"/"+c.key, c.value)
				if errors.Is(err, fs.ErrNotExist) {
					err = fmt.Errorf("this machine's kernel has no IPv6: %w", err)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// set sets a sysctl of the namespace that this thread is in; name is in the error.
func set(name, path, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
		return fmt.Errorf("setting %s in namespace %s: %w", path, name, err)
	}
	return nil
}

// List returns the names in dir, Dir or EtcDir, that are own or begin
// with own and a hyphen.
func List(dir, own string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() == own || strings.HasPrefix(e.Name(), own+"-") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Do runs f on a thread that is in the named network namespace.
func Do(name string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			done <- onThread(name, f)
			return
		}
		// The process as a whole counts as where its first thread is: use
		// another, while this one is held.
		done <- Do(name, f)
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
	ns, err := os.Open(filepath.Join(Dir, name))
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

// Kill ends all processes whose network namespace is the named one.
func Kill(name string) error {
	ns, err := os.Stat(filepath.Join(Dir, name))
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

// Remove removes a named network namespace, whole or half made.
func Remove(name string) error {
	path := filepath.Join(Dir, name)
	// EINVAL: it was never mounted.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	return nil
}
