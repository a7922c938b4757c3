// SPDX-License-Identifier: MIT

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"old", "new", "middle"} {
		path := filepath.Join(dir, name)
		when := time.Now().Add(time.Duration([]int{-3, -1, -2}[i]) * time.Hour)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{"middle", "new", "old"}, {"middle", "new"}, {"new"}} {
		if err := Prune(dir, len(want)); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(dir + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		if !slices.Equal(files, want) {
			t.Errorf("left are %q, want %q", files, want)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * tooOld)
	for name, age := range map[string]time.Time{"build-1": old, "build-2": time.Now(), "unpack-1": old, "dpr-1.ko": old} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chtimes(path, age, age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"build-1": false, "build-2": true, "unpack-1": false, "dpr-1.ko": true} {
		if got := Exists(filepath.Join(dir, name)); got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
}
