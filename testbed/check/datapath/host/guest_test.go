// SPDX-License-Identifier: MIT

//go:build lab

package host

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab"
)

const (
	// labName is the tests' own lab, next to any other.
	labName = "path"
	// kernelVariable names the kernel to test.
	kernelVariable = "DPR_KERNEL"
	// makeTimeout bounds making a kernel and booting it: the debug kernel takes
	// half an hour of a core the first time.
	makeTimeout = 2 * time.Hour
	// memory of the guest in MiB: 64 network namespaces and transfers of 10 MB.
	memory = 640
	// cpus of the guest: the tests run on one, the other comes and goes.
	cpus = 2
	// program and module are the tests and dpr.ko in the guest.
	program = "/tmp/path.test"
	module  = "/lib/modules/dpr.ko"
)

// skipped are the tests that a kernel cannot run, by its name in kernelVariable;
// those of "" are of all kernels that have no entry: Debian's.
var skipped = map[string]map[string]bool{
	"":      {"TestAllocationFailure": true}, // needs fault injection
	"debug": {},
}

// guestEnv is what the tests are told, beside the module: how much to do where
// the kernel is slow.
var guestEnv = map[string][]string{
	"debug": {"DPR_PATH_RELOADS=40"},
}

// patience is how long the tests in the guest may say nothing, by kernel; that of ""
// is of all that have no entry.
var patience = map[string]time.Duration{
	"":      4 * time.Minute,
	"debug": 15 * time.Minute,
}

// TestPacketPath runs all tests in a guest, each as a subtest. What a failed one
// said is in its log.
func TestPacketPath(t *testing.T) {
	kernel := os.Getenv(kernelVariable)
	if kernel == "" {
		kernel = "6.1"
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	binary := build(ctx, t)
	l := boot(ctx, t, kernel)
	if err := l.Push(ctx, "s1", binary, program); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"nginx", "dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		if _, err := l.Output(ctx, "s1", "svc", "stop", s); err != nil {
			t.Fatal(err)
		}
	}
	expect := skipped[""]
	if own, ok := skipped[kernel]; ok {
		expect = own
	}
	silence := watchSilence(ctx, t, l, cmp.Or(patience[kernel], patience[""]))
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		env := append([]string{"DPR_PATH_MODULE=" + module}, guestEnv[kernel]...)
		said := io.MultiWriter(silence, in)
		exit, err := l.Exec(silence.ctx, "s1", lab.Cmd{Args: []string{program, "-test.v", "-test.timeout=150m"}, Env: env, Stdout: said, Stderr: said, Signals: silence.signals})
		if err == nil && exit != 0 {
			err = fmt.Errorf("the tests in the guest ended with status %d", exit)
		}
		in.CloseWithError(io.EOF)
		done <- err
	}()
	g := &guest{lines: bufio.NewScanner(out), expect: expect}
	g.lines.Buffer(nil, 1<<20)
	g.run(t)
	err := <-done
	silence.stop()
	if err != nil {
		t.Error(err)
	}
	for name := range expect {
		if !g.seen[name] {
			t.Errorf("%s, which this kernel cannot run, does not exist", name)
		}
	}
	if len(g.seen) == 0 {
		t.Error("no test ran in the guest")
	}
	leaks(ctx, t, l, kernel)
	if err := l.Check(); err != nil {
		t.Error(err)
	}
}

// build compiles the tests and returns the file.
func build(ctx context.Context, t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "path.test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "lab", "-trimpath", "-ldflags=-s -w", "-o", file, "dpr/testbed/check/datapath")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return file
}

// boot brings a lab of one guest up, and takes it down after the test.
func boot(ctx context.Context, t *testing.T, kernel string) *lab.Lab {
	t.Helper()
	down := func() {
		if err := lab.Down(context.Background(), labName); err != nil {
			t.Error("take the lab down:", err)
		}
	}
	down()
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	l, err := lab.Up(ctx, lab.Config{Name: labName, Servers: 1, Clients: -1, Kernel: kernel, Memory: memory, CPUs: cpus, Progress: os.Stderr})
	if err != nil {
		t.Fatal("bring the lab up:", err)
	}
	t.Cleanup(down)
	return l
}

// leaks fails the test if the module lost memory, on a kernel that can tell.
func leaks(ctx context.Context, t *testing.T, l *lab.Lab, kernel string) {
	t.Helper()
	if kernel != "debug" {
		return
	}
	text, err := l.Leaks(ctx, "s1", "dpr")
	if err != nil {
		t.Error(err)
	}
	if text != "" {
		t.Errorf("the module lost memory:\n%s", text)
	}
}

// A guest is the output of the tests there, as "go test -v" words it.
type guest struct {
	lines  *bufio.Scanner
	expect map[string]bool // tests that must be skipped
	seen   map[string]bool // tests that were begun
}

// run reads to the end and makes a subtest of each test.
func (g *guest) run(t *testing.T) {
	g.seen = map[string]bool{}
	for g.lines.Scan() {
		name, ok := strings.CutPrefix(g.lines.Text(), "=== RUN   ")
		switch {
		case ok && !strings.Contains(name, "/"):
			g.seen[name] = true
			t.Run(name, func(t *testing.T) { g.one(t, name) })
		case !strings.HasPrefix(strings.TrimSpace(g.lines.Text()), "--- PASS") && g.lines.Text() != "PASS" && g.lines.Text() != "FAIL":
			t.Log("| " + g.lines.Text())
		}
	}
	if err := g.lines.Err(); err != nil {
		t.Error("reading what the tests in the guest say:", err)
	}
}

// one reads what one test says, to its verdict. Lines are shown with a mark, so
// that nobody takes them for verdicts on tests here.
func (g *guest) one(t *testing.T, name string) {
	for g.lines.Scan() {
		line := g.lines.Text()
		if strings.HasPrefix(line, "=== ") {
			continue
		}
		verdict, of, _ := strings.Cut(strings.TrimPrefix(line, "--- "), ": ")
		if !strings.HasPrefix(line, "--- ") || !strings.HasPrefix(of, name+" ") {
			t.Log("| " + line)
			continue
		}
		switch skip := verdict == "SKIP"; {
		case verdict == "FAIL":
			t.Error("| " + line)
		case skip != g.expect[name]:
			t.Errorf("%s: want that it is skipped on this kernel: %v", line, g.expect[name])
		}
		return
	}
	t.Error("the guest fell silent during the test")
}
