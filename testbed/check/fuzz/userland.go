// SPDX-License-Identifier: MIT

package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"dpr/testbed/check/result"
)

// Userland is the part that needs no guest: what parses and decides is compiled
// in user space, or is there anyway.
const Userland = "userland"

// target is a function that is fuzzed. What it once failed on is kept beside it.
type target struct {
	name string
	args []string // of the command that runs it
	ran  *regexp.Regexp
}

var (
	libFuzzerRan = regexp.MustCompile(`stat::number_of_executed_units: +(\d+)`)
	goFuzzerRan  = regexp.MustCompile(`(?m)^fuzz: elapsed: .* execs: (\d+) `)
)

// UserlandResults are of part Userland: how often each target was called.
type UserlandResults struct {
	SecondsEach int            `json:"seconds_each"`
	Calls       map[string]int `json:"calls"`
}

// modules are the targets of kmod/tests.
var modules = []string{"policy", "parse", "rule", "choose"}

// targets are all of them: by libFuzzer the module's, by Go's fuzzer the rest.
func (o Options) targets(out string) []target {
	seconds := strconv.Itoa(o.Seconds)
	var all []target
	for _, name := range modules {
		program := filepath.Join(out, name+"_fuzz")
		all = append(all, target{name, []string{
			program, "-max_total_time=" + seconds, "-print_final_stats=1", "-seed=" + strconv.Itoa(int(o.Seed%(1<<31-1))+1),
			"-artifact_prefix=" + out + "/" + name + "-", corpus(out, name),
		}, libFuzzerRan})
	}
	for name, pkg := range map[string]string{"FuzzVerify": "./userland/report", "FuzzParse": "./userland/config", "FuzzSameAsTheModule": "./userland/layer7"} {
		all = append(all, target{name, []string{
			"go", "test", "-run", "^$", "-fuzz", "^" + name + "$", "-fuzztime", seconds + "s", pkg,
		}, goFuzzerRan})
	}
	return all
}

// corpus is where libFuzzer keeps the inputs that reach new code.
func corpus(out, name string) string { return filepath.Join(out, name) }

// userland runs all targets, one after the other.
func (o Options) userland(ctx context.Context) (p result.Part, err error) {
	p = result.Part{Seed: o.Seed, Began: time.Now().UTC().Truncate(time.Second)}
	r := UserlandResults{SecondsEach: o.Seconds, Calls: map[string]int{}}
	out, err := filepath.Abs(filepath.Join(o.Dir, "out", "fuzz"))
	if err != nil {
		return p, err
	}
	for _, name := range modules {
		if err := os.MkdirAll(corpus(out, name), 0o755); err != nil {
			return p, err
		}
	}
	build := exec.CommandContext(ctx, "make", "-s", "-C", "kmod/tests", "OUT="+out)
	for _, name := range modules {
		build.Args = append(build.Args, filepath.Join(out, name+"_fuzz"))
	}
	build.Dir = o.Source
	if text, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("building the targets: %w\n%s", err, text)
	}
	for _, t := range o.targets(out) {
		fmt.Fprintf(o.Progress, "          %s: %s, %d s\n", Userland, t.name, o.Seconds)
		calls, why := t.run(ctx, o.Source)
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if r.Calls[t.name] = calls; why != "" {
			p.Failures = append(p.Failures, why)
		}
	}
	p.Seconds, p.Results = time.Since(p.Began).Seconds(), r
	return p, nil
}

// run returns how often the target was called, and what it failed on, "" if on
// nothing.
func (t target) run(ctx context.Context, dir string) (calls int, why string) {
	var text bytes.Buffer
	cmd := exec.CommandContext(ctx, t.args[0], t.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &text, &text
	if err := cmd.Run(); err != nil {
		return 0, fmt.Sprintf("%s: %v\n%s", t.name, err, last(text.Bytes(), 4000))
	}
	all := t.ran.FindAllSubmatch(text.Bytes(), -1)
	if len(all) == 0 {
		return 0, fmt.Sprintf("%s does not say how often it was called:\n%s", t.name, last(text.Bytes(), 4000))
	}
	calls, err := strconv.Atoi(string(all[len(all)-1][1]))
	if err != nil || calls == 0 {
		return 0, t.name + " was never called"
	}
	return calls, ""
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
