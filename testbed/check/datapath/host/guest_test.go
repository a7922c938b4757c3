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
	"slices"
	"strings"
	"sync"
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
	// guests share the tests: much of one is waiting.
	guests = 2
	// memory of a guest in MiB: 64 network namespaces and transfers of 10 MB.
	memory = 640
	// cpus of a guest: the tests run on one, the other comes and goes.
	cpus = 2
	// program is the tests in a guest, moduleEnv where they find dpr.ko.
	program   = "/tmp/path.test"
	moduleEnv = "DPR_PATH_MODULE=/lib/modules/dpr.ko"
	// waysEnv is passed on to them.
	waysEnv = "DPR_PATH_WAYS"
)

// skipped are the tests that a kernel cannot run, by its name in kernelVariable;
// those of "" are of all kernels that have no entry: Debian's.
var skipped = map[string]map[string]bool{
	"":      {faults: true},
	"6.1":   with(noFastPath, faults),
	"debug": noFastPath,
}

// faults needs fault injection.
const faults = "TestAllocationFailure"

// noFastPath are the tests of the fast path, for kernels before 6.11, or without type
// information for BPF. That it is refused there TestFastPathRefused sees.
var noFastPath = with(nil, "TestFastPath", "TestFastPathPadding", "TestFastPathPasses", "TestFastPathForeignFrame", "TestFastPathNoFlow",
	"TestFastPathKeepsFlow", "TestFastPathNeighbour", "TestFastPathHooks", "TestFastPathTransfer", "TestFastPathOffload", "TestFastPathCable",
	"TestFastPathOtherLink", "TestFastPathAgain", "TestFastPathUnload")

// with returns a set and what is added to it.
func with(set map[string]bool, more ...string) map[string]bool {
	all := map[string]bool{}
	for name := range set {
		all[name] = true
	}
	for _, name := range more {
		all[name] = true
	}
	return all
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

// TestPacketPath runs all tests in guests, each as a subtest. What a failed one said is
// in its log.
func TestPacketPath(t *testing.T) {
	kernel := os.Getenv(kernelVariable)
	if kernel == "" {
		kernel = "6.1"
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	binary := build(ctx, t)
	l := boot(ctx, t, kernel)
	var all []*guest
	for _, s := range l.Servers() {
		all = append(all, newGuest(ctx, t, l, s.Name, kernel, binary))
	}
	tests := all[0].list(ctx, t, l)
	var wg sync.WaitGroup
	for i, g := range all {
		for n := i; n < len(tests); n += len(all) {
			g.tests = append(g.tests, tests[n])
		}
		wg.Go(func() { g.run(ctx, t, l) })
	}
	wg.Wait()
	for _, g := range all {
		g.leaks(ctx, t, l)
		for _, name := range g.tests {
			if !g.seen[name] {
				t.Errorf("%s: %s was not run", g.name, name)
			}
		}
	}
	for name := range all[0].expect {
		if !slices.Contains(tests, name) {
			t.Errorf("%s, which this kernel cannot run, does not exist", name)
		}
	}
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

// boot brings the guests up, and takes it down after the test.
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
	l, err := lab.Up(ctx, lab.Config{Name: labName, Servers: guests, Clients: -1, Kernel: kernel, Memory: memory, CPUs: cpus, Progress: os.Stderr})
	if err != nil {
		t.Fatal("bring the lab up:", err)
	}
	t.Cleanup(down)
	return l
}

// A guest runs some of the tests.
type guest struct {
	name, kernel string
	tests        []string
	expect       map[string]bool // tests that must be skipped
	seen         map[string]bool // tests that were begun
	lines        *bufio.Scanner  // what the tests say, as "go test -v" words it
}

// newGuest makes a guest ready for the tests.
func newGuest(ctx context.Context, t *testing.T, l *lab.Lab, name, kernel, binary string) *guest {
	t.Helper()
	if err := l.Push(ctx, name, binary, program); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"nginx", "dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		if _, err := l.Output(ctx, name, "svc", "stop", s); err != nil {
			t.Fatal(err)
		}
	}
	g := &guest{name: name, kernel: kernel, expect: skipped[""], seen: map[string]bool{}}
	if own, ok := skipped[kernel]; ok {
		g.expect = own
	}
	return g
}

// list returns the names of all tests that there are.
func (g *guest) list(ctx context.Context, t *testing.T, l *lab.Lab) []string {
	t.Helper()
	out, err := l.Output(ctx, g.name, "env", moduleEnv, program, "-test.list", ".")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)
}

// run runs the guest's tests, to the end.
func (g *guest) run(ctx context.Context, t *testing.T, l *lab.Lab) {
	silence := watchSilence(ctx, t, l, g.name, cmp.Or(patience[g.kernel], patience[""]))
	defer silence.stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		said := io.MultiWriter(silence, in)
		exit, err := l.Exec(silence.ctx, g.name, lab.Cmd{
			Args: []string{program, "-test.v", "-test.timeout=150m", "-test.run=^(" + strings.Join(g.tests, "|") + ")$"},
			Env:  append([]string{moduleEnv, waysEnv + "=" + os.Getenv(waysEnv)}, guestEnv[g.kernel]...), Stdout: said, Stderr: said, Signals: silence.signals,
		})
		if err == nil && exit != 0 {
			err = fmt.Errorf("the tests in %s ended with status %d", g.name, exit)
		}
		in.CloseWithError(io.EOF)
		done <- err
	}()
	g.lines = bufio.NewScanner(out)
	g.lines.Buffer(nil, 1<<20)
	g.read(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// leaks fails the test if the module lost memory, on a kernel that can tell.
func (g *guest) leaks(ctx context.Context, t *testing.T, l *lab.Lab) {
	t.Helper()
	if g.kernel != "debug" {
		return
	}
	text, err := l.Leaks(ctx, g.name, "dpr")
	if err != nil {
		t.Error(err)
	}
	if text != "" {
		t.Errorf("%s: the module lost memory:\n%s", g.name, text)
	}
}

// read makes a subtest of each test, to the end of what they say.
func (g *guest) read(t *testing.T) {
	for g.lines.Scan() {
		name, ok := strings.CutPrefix(g.lines.Text(), "=== RUN   ")
		switch {
		case ok && !strings.Contains(name, "/"):
			g.seen[name] = true
			t.Run(name, func(t *testing.T) { g.one(t, name) })
		case !strings.HasPrefix(strings.TrimSpace(g.lines.Text()), "--- PASS") && g.lines.Text() != "PASS" && g.lines.Text() != "FAIL":
			t.Log(g.name + "| " + g.lines.Text())
		}
	}
	if err := g.lines.Err(); err != nil {
		t.Errorf("reading what the tests in %s say: %v", g.name, err)
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
			t.Log(g.name + "| " + line)
			continue
		}
		switch skip := verdict == "SKIP"; {
		case verdict == "FAIL":
			t.Error(g.name + "| " + line)
		case skip != g.expect[name]:
			t.Errorf("%s: want that it is skipped on this kernel: %v", line, g.expect[name])
		}
		return
	}
	t.Error(g.name + " fell silent during the test")
}
