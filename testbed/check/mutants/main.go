// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	since   string        // only files that changed since this commit
	sample  int           // as many mistakes of a package at most; 0: all
	time    time.Duration // begin no mistake after it; 0: no limit
	least   float64       // the score that a package needs
	jobs    int
	verbose bool
	only    []string // packages, of those in the list
}

// whole says whether every mistake is tried.
func (o options) whole() bool {
	return o.since == "" && o.sample == 0 && o.time == 0 && len(o.only) == 0
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("mutants", flag.ContinueOnError)
	f.StringVar(&o.since, "since", "", "only in files that differ from `COMMIT`")
	f.IntVar(&o.sample, "sample", 0, "at most `N` mistakes of a package")
	f.DurationVar(&o.time, "time", 0, "begin no mistake after `TIME`")
	f.Float64Var(&o.least, "least", 90, "fail if a package's score is below `PERCENT`")
	f.IntVar(&o.jobs, "j", 2, "`N` test runs at a time")
	f.BoolVar(&o.verbose, "v", false, "also list what is found")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: mutants [FLAG...] [PACKAGE...], of those in testbed/check/mutants/packages")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	o.only = f.Args()
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	packages, err := readPackages(filepath.Join(root, "testbed/check/mutants/packages"))
	if err != nil {
		return err
	}
	list, err := os.Open(filepath.Join(root, "testbed/check/mutants/survivors"))
	if err != nil {
		return err
	}
	defer list.Close()
	survivors, err := readKnown(list)
	if err != nil {
		return err
	}
	if packages, err = choose(root, packages, o); err != nil {
		return err
	}
	j := &judge{root: root, o: o, known: survivors, out: out, begin: time.Now()}
	for _, p := range packages {
		if j.late() {
			fmt.Fprintf(out, "%s: no time left\n", p.dir)
			continue
		}
		if err := j.judge(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.dir, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return j.end(len(packages))
}

// target is a package whose tests are measured.
type target struct {
	dir   string
	files []string // in which mistakes are made; none: all
	skip  string   // the tests of these names are not run
}

// readPackages reads lines of a directory, the names of files, and skip=REGEX.
func readPackages(path string) ([]target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []target
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		t := target{dir: f[0]}
		for _, word := range f[1:] {
			if skip, ok := strings.CutPrefix(word, "skip="); ok {
				t.skip = skip
			} else {
				t.files = append(t.files, word)
			}
		}
		all = append(all, t)
	}
	return all, nil
}
