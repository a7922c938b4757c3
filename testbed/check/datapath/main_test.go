// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// TestMain runs the tests in a guest whose kernel has dpr.ko: they make their
// clusters of network namespaces in it, and reload the module.
func TestMain(m *testing.M) {
	if os.Getenv(guestEnv) == "" {
		fmt.Fprintf(os.Stderr, "these tests run in a guest; go test -tags lab dpr/testbed/check/datapath/host boots one (it sets %s)\n", guestEnv)
		os.Exit(1)
	}
	if name := os.Getenv(webEnv); name != "" {
		if err := webProcess(name, os.Getenv(webAddressEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if most, err := strconv.Atoi(os.Getenv(guestOfUser)); err == nil {
		if err := userProcess(most); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	client, err := dprnl.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client.Close()
	// One test brings it back. The others need no time of two to be told apart.
	if err := setOnline(1, false); err != nil {
		fmt.Fprintln(os.Stderr, "the guest needs two processors:", err)
		os.Exit(1)
	}
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

// guestEnv is set to the file of the module in a guest that may be used.
const guestEnv = "DPR_PATH_MODULE"

// What the kernel's taint says of trouble: a died task, a bad page, a warning, a
// soft lockup (Documentation/admin-guide/tainted-kernels.rst).
const taintTrouble = 1<<7 | 1<<5 | 1<<9 | 1<<14

// watchKernel fails the test if the kernel complains before it ends.
func watchKernel(t *testing.T) {
	t.Helper()
	before := taint(t)
	t.Cleanup(func() {
		if now := taint(t) & taintTrouble &^ before; now != 0 {
			t.Errorf("the kernel complained (taint %#x):\n%s", now, kernelLog())
		}
	})
}

func taint(t *testing.T) uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/kernel/tainted")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// kernelLog returns the last lines of the kernel's log.
func kernelLog() string {
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var lines []string
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines[max(0, len(lines)-80):], "")
}
