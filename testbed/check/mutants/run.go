// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// switches is the code that turns mistakes on.
//
//go:embed switches.go.txt
var switches string

// binary is a package's tests with all mistakes.
type binary struct {
	dir     string // the package's
	path    string
	work    string
	skip    string // tests that are not run
	reached map[int]bool
	took    time.Duration // without a mistake
}

// build compiles the tests of a package with its changed files.
func build(root, work string, s *source, changed map[string][]byte) (*binary, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	put := func(path string, text []byte) error {
		copied := filepath.Join(work, strconv.Itoa(len(overlay.Replace))+".go")
		overlay.Replace[path] = copied
		return os.WriteFile(copied, text, 0o644)
	}
	for path, text := range changed {
		if err := put(path, text); err != nil {
			return nil, err
		}
	}
	if err := put(filepath.Join(s.Dir, "mutant_switches.go"), []byte("package "+s.Name+"\n\n"+switches)); err != nil {
		return nil, err
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	b := &binary{dir: s.Dir, path: filepath.Join(work, "tests"), work: work}
	cmd := exec.Command("go", "test", "-c", "-overlay", file, "-o", b.path, s.Dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building with mistakes: %w\n%s", err, out)
	}
	return b, nil
}

// slowest bounds a run without a mistake.
const slowest = 5 * time.Minute

// try runs the tests without a mistake, and notes which they reach.
func (b *binary) try(ctx context.Context) error {
	report := filepath.Join(b.work, "reached")
	// A test may be another user for a while.
	if err := errors.Join(os.WriteFile(report, nil, 0o600), os.Chmod(report, 0o666), os.Chmod(b.work, 0o711)); err != nil {
		return err
	}
	begin := time.Now()
	passed, out := b.run(ctx, slowest, "DPR_MUTANTS_REACHED="+report)
	if !passed {
		return fmt.Errorf("the tests fail without a mistake:\n%s", out)
	}
	b.took = time.Since(begin)
	text, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	b.reached = make(map[int]bool)
	for _, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			return fmt.Errorf("mistakes that are reached: %w", err)
		}
		b.reached[n] = true
	}
	return nil
}

// Outcome is what became of a mistake.
type Outcome string

// The outcomes.
const (
	Found     Outcome = "found"
	Limit     Outcome = "found by the time limit"
	Survived  Outcome = "SURVIVED"
	Unreached Outcome = "NOT REACHED"
)

// mistake runs the tests with a mistake.
func (b *binary) mistake(ctx context.Context, n int) Outcome {
	if !b.reached[n] {
		return Unreached
	}
	limit := 3*b.took + 5*time.Second
	begin := time.Now()
	passed, _ := b.run(ctx, limit, "DPR_MUTANT="+strconv.Itoa(n))
	switch {
	case passed:
		return Survived
	case time.Since(begin) >= limit:
		return Limit
	}
	return Found
}

func (b *binary) run(ctx context.Context, limit time.Duration, env string) (passed bool, out []byte) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, "-test.failfast", "-test.timeout="+(limit+time.Second).String(), "-test.skip="+b.skip)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), env)
	// What the tests started goes with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	return err == nil, text.Bytes()
}
