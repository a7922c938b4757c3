// SPDX-License-Identifier: MIT

// Package scripts holds checks of the tree itself.
package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".."

var (
	named    = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	written  = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	link     = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	inTree   = regexp.MustCompile("`((?:cmd|contrib|debian|docs|include|kmod|man|scripts|systemd|testbed|userland)/[^` ]*)`")
	function = regexp.MustCompile("`(dpr_[a-z0-9_]+)\\(\\)`")
)

// pages are the pages of the documentation, relative to the root.
func pages(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		all = append(all, files...)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every test that a page of the documentation names is there.
func TestDocumentedTestsExist(t *testing.T) {
	exists := make(map[string]bool)
	for _, dir := range []string{"testbed", "userland", "cmd", "scripts"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range written.FindAllStringSubmatch(string(b), -1) {
				exists[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, page := range pages(t, "*.md", "docs/*.md", "docs/design/*.md") {
		for _, m := range named.FindAllStringSubmatch(read(t, page), -1) {
			n++
			if !exists[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d tests are named", n)
	}
}

// Links between pages lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	n := 0
	for _, page := range pages(t, "*.md", "docs/*.md", "docs/design/*.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were seen", n)
	}
}

// The files and the module's functions that the guide for contributors and the
// design records name are there.
func TestDocumentedCodeExists(t *testing.T) {
	var module strings.Builder
	err := filepath.WalkDir(filepath.Join(root, "kmod"), func(path string, d os.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".c") || strings.HasSuffix(path, ".h")) {
			module.WriteString(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, functions := 0, 0
	for _, page := range pages(t, "CONTRIBUTING.md", "docs/design/*.md") {
		text := read(t, page)
		for _, m := range inTree.FindAllStringSubmatch(text, -1) {
			files++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
		for _, m := range function.FindAllStringSubmatch(text, -1) {
			functions++
			if !strings.Contains(module.String(), m[1]+"(") {
				t.Errorf("%s names %s(), which kmod/ does not have", page, m[1])
			}
		}
	}
	if files < 20 || functions < 3 {
		t.Errorf("only %d files and %d functions were seen", files, functions)
	}
}

// Each design record has its number, is in the index and has all sections.
func TestDesignRecords(t *testing.T) {
	index := read(t, filepath.Join(root, "docs", "design", "README.md"))
	records := pages(t, "docs/design/[0-9]*.md")
	for i, page := range records {
		name := filepath.Base(page)
		if !strings.HasPrefix(name, fmt.Sprintf("%04d-", i+1)) {
			t.Errorf("%s is record %d", name, i+1)
		}
		if !strings.Contains(index, "]("+name+")") {
			t.Errorf("%s is not in the index", name)
		}
		at := 0
		for _, section := range []string{"# " + name[:4] + ": ", "## Context", "## Decision", "## Consequences", "## Alternatives", "## What holds it"} {
			n := strings.Index(read(t, page)[at:], section)
			if n < 0 {
				t.Errorf("%s has no %q in its place", name, section)
				break
			}
			at += n
		}
	}
}
