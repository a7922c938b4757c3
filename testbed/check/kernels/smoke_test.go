// SPDX-License-Identifier: MIT

//go:build lab

package kernels

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/labtest"
)

const (
	// labName is the tests' own lab, next to any other.
	labName = "ktest"
	// kernelVariable names the kernel to test.
	kernelVariable = "DPR_KERNEL"
	// makeTimeout bounds making a kernel and booting it: the debug kernel takes
	// half an hour of a core the first time.
	makeTimeout = 2 * time.Hour
	// stepTimeout bounds one command in a guest, on the slowest kernel.
	stepTimeout = 3 * time.Minute
	// leaksTimeout bounds a search for lost memory, which looks at all there is.
	leaksTimeout = 10 * time.Minute
	// reportPeriod is how often hosts report, as in the example configuration.
	reportPeriod = time.Second
	// reloads is how often the module comes and goes.
	reloads = 10
)

// shared is the lab of all tests; TestMain sets it before the first.
var shared *lab.Lab

func TestMain(m *testing.M) {
	os.Exit(labtest.Run(m, makeTimeout, &shared, func(ctx context.Context) (lab.Config, error) {
		name := os.Getenv(kernelVariable)
		if name == "" {
			return lab.Config{}, fmt.Errorf("which kernel? %s names one, as dprlab up --kernel does", kernelVariable)
		}
		// Before any guest runs, for the processors' sake.
		if _, err := kernel.CheckModule(ctx, name, "", os.Stderr); err != nil {
			return lab.Config{}, fmt.Errorf("the module on kernel %s: %w", name, err)
		}
		return lab.Config{Name: labName, Servers: 2, Clients: 1, Kernel: name, Progress: os.Stderr}, nil
	}))
}

// run runs a command on a host that must succeed, and returns its output.
func run(t *testing.T, host string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	out, err := shared.Output(ctx, host, args...)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return strings.TrimSpace(out)
}

// healthy fails the test if a kernel complained.
func healthy(t *testing.T) {
	t.Helper()
	if err := shared.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestGuestsRunThatKernel(t *testing.T) {
	if got, want := run(t, "s1", "uname", "-r"), shared.Kernel().Release; got != want {
		t.Errorf("uname -r says %s, want %s", got, want)
	}
	if out := run(t, "s1", "cat", "/proc/modules"); !strings.Contains("\n"+out, "\ndpr ") {
		t.Errorf("dpr is not among the modules:\n%s", out)
	}
	healthy(t)
}

// Connections to s1 are served by s1 and by s2, files arrive whole.
func TestRedirect(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	if err := drive.Of(shared).AwaitPeers(ctx); err != nil {
		t.Fatal(err)
	}
	s1, err := shared.Host("s1")
	if err != nil {
		t.Fatal(err)
	}
	for _, marker := range []string{"fragbit", "source"} {
		run(t, "s1", "dprctl", "policy", "set", "stateless", "--marker", marker)
		run(t, "s2", "dprctl", "policy", "set", "off", "--marker", marker)
		// Hosts bar each other while their reports speak of different markers; a report that
		// was sent between the two commands may still be on its way.
		time.Sleep(2 * reportPeriod)
		if err := drive.Of(shared).AwaitPeers(ctx); err != nil {
			t.Fatal(err)
		}
		by := map[string]int{}
		for range 20 {
			by[run(t, "c1", "curl", "-sS", "--fail", "--max-time", "30", "http://"+s1.Address+"/")]++
		}
		if by["s1"] == 0 || by["s2"] == 0 || len(by) != 2 {
			t.Errorf("marker %s: served by %v, want s1 and s2", marker, by)
		}
		for range 5 {
			size := run(t, "c1", "curl", "-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}", "http://"+s1.Address+"/1m")
			if size != "1000000" {
				t.Errorf("marker %s: /1m has %s bytes", marker, size)
			}
		}
	}
	healthy(t)
}

// The module comes and goes while the daemons run and are told nothing: they
// configure it anew. Nothing of it stays behind: the debug kernel looks for lost memory.
func TestReload(t *testing.T) {
	for range reloads {
		unload(t, "s1")
		run(t, "s1", "insmod", "/lib/modules/dpr.ko")
		awaitService(t, "s1")
		healthy(t)
	}
	// What the module lost when it went has no names by now, but counts.
	if os.Getenv(kernelVariable) == "debug" {
		noLeaks(t)
	}
	for _, s := range shared.Servers() {
		unload(t, s.Name)
	}
	healthy(t)
}

// unload takes the module out, also while a daemon reads a list from it: the kernel
// holds the module until such a reader is done, which on the debug kernel takes long.
func unload(t *testing.T, server string) {
	t.Helper()
	for end := time.Now().Add(stepTimeout); ; time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithDeadline(t.Context(), end)
		_, err := shared.Output(ctx, server, "rmmod", "dpr")
		cancel()
		if err == nil {
			return
		}
		// rmmod looks first whether it is used; the kernel may find that out after.
		used := strings.Contains(err.Error(), "is in use") || strings.Contains(err.Error(), "Resource temporarily unavailable")
		if !used || time.Now().After(end) {
			t.Fatalf("%s: %v", server, err)
		}
	}
}

// awaitService waits until the daemons have given a fresh module its service.
func awaitService(t *testing.T, server string) {
	t.Helper()
	for end := time.Now().Add(stepTimeout); ; time.Sleep(200 * time.Millisecond) {
		out := run(t, server, "dprctl", "service", "list")
		if strings.Contains(out, "80") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s has no service %v after its module came: %q", server, stepTimeout, out)
		}
	}
}

// noLeaks fails the test if the module lost memory.
func noLeaks(t *testing.T) {
	t.Helper()
	for _, s := range shared.Servers() {
		ctx, cancel := context.WithTimeout(t.Context(), leaksTimeout)
		leaks, err := shared.Leaks(ctx, s.Name, "dpr")
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if leaks != "" {
			t.Errorf("%s lost memory:\n%s", s.Name, leaks)
		}
	}
}
