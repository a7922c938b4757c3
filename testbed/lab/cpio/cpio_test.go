// SPDX-License-Identifier: MIT

package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadBack unpacks with the real cpio what the Writer wrote.
func TestReadBack(t *testing.T) {
	tool, err := exec.LookPath("cpio")
	if err != nil {
		t.Fatalf("the package cpio is not installed: %v", err)
	}
	var buf bytes.Buffer
	w := NewWriter(&buf)
	errs := []error{
		w.Dir("/tmp", 0o777|fs.ModeSticky),
		w.File("a/b/file", 0o750, 5, strings.NewReader("12345 more")),
		w.File("a/empty", 0o644, 0, strings.NewReader("")),
		w.Symlink("/a/link", "b/file"),
		w.Dir("a", 0o700), // there already
		w.CharDevice("dev/null", 0o666, 1, 3),
		w.Close(),
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if buf.Len()%4 != 0 {
		t.Errorf("the archive has %d bytes, not a multiple of 4", buf.Len())
	}
	dir := t.TempDir()
	cmd := exec.Command(tool, "--extract", "--quiet", "--no-absolute-filenames")
	list := exec.Command(tool, "--list", "--quiet", "--verbose", "--numeric-uid-gid")
	cmd.Dir, list.Dir = dir, dir
	cmd.Stdin, list.Stdin = bytes.NewReader(buf.Bytes()), bytes.NewReader(buf.Bytes())
	listing, err := list.CombinedOutput()
	if err != nil || strings.Count(string(listing), " a\n") != 1 || !strings.Contains(string(listing), "crw-rw-rw-   1 0        0          1,   3") {
		t.Errorf("listing, %v:\n%s", err, listing)
	}
	// Only root may make devices; the rest is unpacked all the same.
	if out, err := cmd.CombinedOutput(); err != nil && os.Getuid() == 0 {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a/link")); string(b) != "12345" || err != nil {
		t.Errorf("through the link: %q, %v", b, err)
	}
	for name, want := range map[string]fs.FileMode{"a/b/file": 0o750, "a/empty": 0o644, "a/b": fs.ModeDir | 0o755, "tmp": fs.ModeDir | fs.ModeSticky | 0o777} {
		if fi, err := os.Lstat(filepath.Join(dir, name)); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, fi, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	w := NewWriter(io.Discard)
	if err := w.File("short", 0o644, 10, strings.NewReader("123")); err == nil || !strings.Contains(err.Error(), "short") {
		t.Errorf("a short file: error %v", err)
	}
	if err := w.Close(); err == nil {
		t.Error("the error before is forgotten")
	}
	if err := NewWriter(io.Discard).File("big", 0o644, 1<<32, nil); err == nil {
		t.Error("a file of 4 GiB is taken")
	}
	broken := errors.New("disk full")
	if err := NewWriter(failing{broken}).Dir("x", 0o755); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", f.err) }
