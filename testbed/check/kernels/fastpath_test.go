// SPDX-License-Identifier: MIT

//go:build lab

package kernels

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/drive"
)

// uploads are so many, of so many bytes each.
const (
	uploads    = 3
	uploadSize = 1 << 20
)

// fastPathConfig is a file that turns the fast path on.
const fastPathConfig = "/etc/dpr/conf.d/fast.toml"

// dpr-fastpath keeps the fast path on at the device by which clients' packets come and go: what
// they send on redirected connections takes it and arrives whole. Where the kernel has none, the
// process says so. As long as it runs the module stays; afterwards that can be removed, and
// packets go the usual way.
//
//	c1 ─┐
//	    bridge ── s1 (eth0, drains: redirects all) ══ s2 (serves)
func TestFastPathProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*stepTimeout)
	defer cancel()
	dir := t.TempDir()
	program := filepath.Join(dir, "dpr-fastpath")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", program, "dpr/cmd/dpr-fastpath")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := shared.Push(ctx, "s1", program, "/tmp/dpr-fastpath"); err != nil {
		t.Fatal(err)
	}
	if err := drive.Of(shared).AwaitPeers(ctx); err != nil {
		t.Fatal(err)
	}
	run(t, "s1", "sh", "-c", "mkdir -p /etc/dpr/conf.d && printf 'fast_path = \"xdp\"\\nfast_path_devices = [ \"eth0\" ]\\n' >"+fastPathConfig)
	run(t, "s1", "dprctl", "drain")
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		defer cancel()
		if _, err := shared.Output(ctx, "s1", "sh", "-c", "kill $(pidof dpr-fastpath) 2>/dev/null; rm -f "+fastPathConfig+" /tmp/dpr-fastpath; dprctl undrain"); err != nil {
			t.Error(err)
		}
	})
	stateIs(t, "eth0 off: dpr-fastpath does not run (systemctl enable --now dpr-fastpath)")

	run(t, "s1", "sh", "-c", "setsid /tmp/dpr-fastpath </dev/null >/tmp/fastpath.log 2>&1 &")
	if !hasFastPath(t) {
		stateIs(t, "eth0 off: not on Linux "+shared.Kernel().Release+": ")
		stop(t)
		return
	}
	stateIs(t, "eth0 on")
	upload(t, dir)
	if n := counter(t, "fast_tx"); n < uploads*uploadSize/1500 {
		t.Errorf("%d packets took the fast path, of %d bytes", n, uploads*uploadSize)
	}
	if out, err := shared.Output(ctx, "s1", "rmmod", "dpr"); err == nil {
		t.Errorf("the module goes under the fast path: %s", out)
	}
	healthy(t)

	stop(t)
	stateIs(t, "eth0 off: dpr-fastpath does not run")
	before := counter(t, "fast_tx")
	upload(t, dir)
	if n := counter(t, "fast_tx"); n != before {
		t.Errorf("it is off, and %d packets took it", n-before)
	}
	unload(t, "s1")
	run(t, "s1", "insmod", "/lib/modules/dpr.ko")
	awaitService(t, "s1")
	healthy(t)
}

// hasFastPath tells whether the kernel that runs is one that can have it: 6.11 or later.
func hasFastPath(t *testing.T) bool {
	t.Helper()
	var major, minor int
	if _, err := fmt.Sscanf(shared.Kernel().Release, "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 11
}

// stateIs waits until dprctl status says so of the fast path.
func stateIs(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(stepTimeout); ; time.Sleep(200 * time.Millisecond) {
		out := run(t, "s1", "dprctl", "status")
		if strings.Contains(strings.Join(strings.Fields(out), " "), "fast path "+want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %q in\n%s\n%s", want, out, run(t, "s1", "cat", "/tmp/fastpath.log"))
		}
	}
}

// stop ends the process, and waits for that.
func stop(t *testing.T) {
	t.Helper()
	run(t, "s1", "sh", "-c", "kill $(pidof dpr-fastpath) && while pidof dpr-fastpath; do sleep 0.1; done")
}

// upload sends files to s1, and compares them with what s2 has of them.
func upload(t *testing.T, dir string) {
	t.Helper()
	s1, err := shared.Host("s1")
	if err != nil {
		t.Fatal(err)
	}
	for n := range uploads {
		data := make([]byte, uploadSize)
		_, _ = rand.Read(data) // it never fails
		file := filepath.Join(dir, fmt.Sprintf("fast%d", n))
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		url := fmt.Sprintf("http://%s/upload/fast%d", s1.Address, n)
		run(t, "c1", "curl", "-sS", "--fail", "--max-time", "120", "-T", file, url)
		sum := sha256.Sum256(data)
		if got := run(t, "s2", "sha256sum", fmt.Sprintf("/srv/upload/fast%d", n)); !strings.HasPrefix(got, hex.EncodeToString(sum[:])+" ") {
			t.Errorf("upload %d did not arrive as it was: %s", n, got)
		}
		run(t, "s2", "rm", fmt.Sprintf("/srv/upload/fast%d", n))
	}
}

// counter is one of s1's.
func counter(t *testing.T, name string) uint64 {
	t.Helper()
	var all map[string]uint64
	if err := json.Unmarshal([]byte(run(t, "s1", "dprctl", "stats", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}
