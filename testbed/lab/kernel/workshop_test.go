// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// source makes files with the given contents below a new directory.
func source(t *testing.T, content map[string]string) (root string, files []string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range content {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	return root, files
}

// makefile notes in the file "compiled" which objects are made.
const makefile = `all: $(patsubst %.c,%.o,$(wildcard *.c))
%.o: %.c
	cp $< $@
	echo $@ >>compiled
`

// A workshop compiles what has changed, and nothing else; what is gone from the sources is
// gone there; what a killed build left is not used.
func TestWorkshop(t *testing.T) {
	parent := t.TempDir()
	build := func(content map[string]string, kill bool) string {
		t.Helper()
		content["m/Makefile"] = makefile
		root, files := source(t, content)
		w, err := enter(parent, "a", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer w.leave()
		if err := w.supply(root, files); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(w.dir, "m/compiled"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if kill {
			cancel()
		}
		if out, err := w.build(ctx, Tree{}, "m", "make"); (err != nil) != kill {
			t.Fatalf("%v: %s", err, out)
		}
		compiled, err := os.ReadFile(filepath.Join(w.dir, "m/compiled"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(compiled)
	}
	for i, x := range []struct {
		content map[string]string
		kill    bool
		want    string
	}{
		{map[string]string{"m/a.c": "1", "m/b.c": "1"}, false, "a.o\nb.o\n"},
		{map[string]string{"m/a.c": "1", "m/b.c": "1"}, false, ""},
		{map[string]string{"m/a.c": "1", "m/b.c": "2"}, false, "b.o\n"},
		{map[string]string{"m/c.c": "1"}, false, "c.o\n"},
		{map[string]string{"m/a.c": "1", "m/c.c": "1"}, false, "a.o\n"}, // it was removed
		{map[string]string{"m/a.c": "2", "m/c.c": "1"}, true, ""},
		{map[string]string{"m/a.c": "2", "m/c.c": "1"}, false, "a.o\nc.o\n"},
	} {
		if got := build(x.content, x.kill); got != x.want {
			t.Errorf("build %d compiled %q, want %q", i, got, x.want)
		}
	}
}

// One process at a time works in a workshop; those for other purposes are others.
func TestWorkshopIsTaken(t *testing.T) {
	parent := t.TempDir()
	first, err := enter(parent, "a", []string{"b c"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := enter(parent, "a", []string{"b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.leave()
	in := make(chan *workshop)
	go func() {
		w, err := enter(parent, "a", []string{"b c"})
		if err != nil {
			t.Error(err)
		}
		in <- w
	}()
	select {
	case <-in:
		t.Fatal("two are in the same workshop")
	case <-time.After(200 * time.Millisecond):
	}
	if err := first.leave(); err != nil {
		t.Fatal(err)
	}
	if w := <-in; w != nil {
		w.leave()
	}
}
