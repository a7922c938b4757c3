// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// choose returns the packages that are measured, each with the files in which
// mistakes are made.
func choose(root string, all []target, o options) ([]target, error) {
	for _, name := range o.only {
		if !slices.ContainsFunc(all, func(t target) bool { return t.dir == name }) {
			return nil, fmt.Errorf("%s is not in testbed/check/mutants/packages", name)
		}
	}
	all = slices.DeleteFunc(all, func(t target) bool { return len(o.only) > 0 && !slices.Contains(o.only, t.dir) })
	if o.since == "" {
		return all, nil
	}
	cmd := exec.Command("git", "diff", "--name-only", "--relative", o.since, "--", "*.go")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git diff %s: %w", o.since, err)
	}
	return changed(root, all, strings.Fields(string(out))), nil
}

// changed keeps the files that are in a list of paths, and packages that have any. A
// test that changed stands for all files of its package.
func changed(root string, all []target, paths []string) []target {
	var some []target
	for _, t := range all {
		var files []string
		tests := false
		for _, p := range paths {
			name := filepath.Base(p)
			switch {
			case filepath.Dir(p) != t.dir:
			case strings.HasSuffix(name, "_test.go"):
				tests = true
			case len(t.files) == 0 || slices.Contains(t.files, name):
				if _, err := os.Stat(filepath.Join(root, p)); err == nil {
					files = append(files, name)
				}
			}
		}
		switch {
		case tests:
			some = append(some, t)
		case len(files) > 0:
			some = append(some, target{t.dir, files, t.skip})
		}
	}
	return some
}

// judge measures packages one after the other.
type judge struct {
	root  string
	o     options
	known []*known
	out   io.Writer
	begin time.Time
	low   []string
	tried int
	empty int // packages in whose files no mistake can be made
}

func (j *judge) late() bool { return j.o.time > 0 && time.Since(j.begin) > j.o.time }

// judged is a mutant and what became of it.
type judged struct {
	Mutant
	Outcome
}

// judge measures one package.
func (j *judge) judge(ctx context.Context, p target) error {
	work, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	s, err := load(j.root, p.dir, p.files)
	if err != nil {
		return err
	}
	mutants, files := find(s)
	if len(mutants) == 0 {
		fmt.Fprintf(j.out, "%-22s nothing to change\n", p.dir)
		j.empty++
		return nil
	}
	b, err := build(j.root, work, s, files)
	if err != nil {
		return err
	}
	b.skip = p.skip
	if err := b.try(ctx); err != nil {
		return err
	}
	j.print(p.dir, len(mutants), j.all(ctx, b, pick(mutants, j.o.sample)))
	return nil
}

// pick chooses as many mutants at most, the same ones each time.
func pick(all []Mutant, n int) []Mutant {
	if n <= 0 || n >= len(all) {
		return all
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Mutant) int { return cmp.Compare(hash(a.ID()), hash(b.ID())) })
	return all[:n]
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text)
	return h.Sum64()
}

// all tries mutants, some at a time, until time is up.
func (j *judge) all(ctx context.Context, b *binary, mutants []Mutant) []judged {
	var mu sync.Mutex
	var done []judged
	next := make(chan Mutant)
	var workers sync.WaitGroup
	for range j.o.jobs {
		workers.Go(func() {
			for m := range next {
				outcome := b.mistake(ctx, m.N)
				mu.Lock()
				done = append(done, judged{m, outcome})
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		if j.late() || ctx.Err() != nil {
			break
		}
		next <- m
	}
	close(next)
	workers.Wait()
	slices.SortFunc(done, func(a, b judged) int { return cmp.Compare(a.N, b.N) })
	return done
}

// print tells what became of a package's mutants.
func (j *judge) print(dir string, of int, all []judged) {
	found, limit, equivalent, listed := 0, 0, 0, 0
	for _, m := range all {
		k := lookUp(j.known, m.Mutant)
		switch {
		case m.Outcome == Found || m.Outcome == Limit:
			found++
			if m.Outcome == Limit {
				limit++
			}
			if k != nil {
				k.found = append(k.found, m.ID())
			}
			if j.o.verbose {
				fmt.Fprintf(j.out, "%s:%d: %s: %s\n", m.File, m.Line, m.Outcome, m.What)
			}
			continue
		case k != nil:
			k.matched = true
			listed++
			if k.equivalent() {
				equivalent++
			}
			if !j.o.verbose {
				continue
			}
		}
		fmt.Fprintf(j.out, "%s:%d: %s: %s: %s\n", m.File, m.Line, m.Outcome, m.Func, m.What)
	}
	j.tried += len(all)
	counted := len(all) - equivalent
	if counted == 0 {
		return
	}
	score := 100 * float64(found) / float64(counted)
	fmt.Fprintf(j.out, "%-22s %5.1f %% of %d found (%d by the time limit); %d survive, %d of them listed, and %d equivalent; %d of %d tried\n",
		dir, score, counted, limit, counted-found, listed-equivalent, equivalent, len(all), of)
	if score < j.o.least {
		j.low = append(j.low, fmt.Sprintf("%s %.1f %%", dir, score))
	}
}

// end says what of the list is out of date, and whether the scores are high enough.
func (j *judge) end(packages int) error {
	stale := 0
	for _, k := range j.known {
		for _, id := range k.found {
			if !strings.Contains(k.pattern, "*") {
				fmt.Fprintf(j.out, "survivors:%d: found, so it can be deleted: %s\n", k.line, id)
			}
		}
		if !k.matched && len(k.found) > 0 && strings.Contains(k.pattern, "*") {
			fmt.Fprintf(j.out, "survivors:%d: all found, so it can be deleted: %s\n", k.line, k.pattern)
		}
		if j.o.whole() && !k.matched && len(k.found) == 0 {
			stale++
			fmt.Fprintf(j.out, "survivors:%d: there is no such mistake any more: %s\n", k.line, k.pattern)
		}
	}
	// What changed may be comments and constants alone; all that is listed is not.
	if j.o.since != "" {
		packages -= j.empty
	}
	if packages > 0 && j.tried == 0 {
		return errors.New("no mistake was tried")
	}
	if len(j.low) > 0 {
		return fmt.Errorf("below %.0f %%: %s", j.o.least, strings.Join(j.low, ", "))
	}
	if stale > 0 {
		// It could hide another one later.
		return fmt.Errorf("%d lines of the list of survivors are about nothing", stale)
	}
	return nil
}
