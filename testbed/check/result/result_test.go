// SPDX-License-Identifier: MIT

package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWriteKeepsOtherParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "reliability.json")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := Write(path, fmt.Sprint("p", i%10), Part{Seed: uint64(i), Results: map[string]int{"n": i}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := Write(path, "p3", Part{Seed: 77, Failures: []string{"no"}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Parts map[string]written }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Parts) != 10 || got.Parts["p3"].Seed != 77 || got.Parts["p3"].Passed || !got.Parts["p4"].Passed {
		t.Errorf("%s", b)
	}
}

func TestWriteLeavesWhatIsNoReport(t *testing.T) {
	for _, text := range []string{"{", "{}", `{"parts":null}`} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, "fuzz", Part{}); err == nil {
			t.Errorf("%s passed for a report", text)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("%q became %q, %v", text, b, err)
		}
	}
}

// resultOf is a result with some failures.
type resultOf []string

func (r resultOf) Part() Part { return Part{Seed: 3, Failures: r, Results: len(r)} }

func (r resultOf) Print(w io.Writer) error {
	_, err := fmt.Fprintln(w, "a table")
	return err
}

// parts reads the file's parts.
func parts(t *testing.T, path string) map[string]written {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Parts map[string]written }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	return got.Parts
}

// What an earlier run found is gone as soon as another begins, and a run that fails
// says so.
func TestDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	begin := time.Now().Add(-time.Second)
	if err := Do(io.Discard, path, "chaos", 5, func() (Result, error) { return resultOf{}, nil }); err != nil {
		t.Fatal(err)
	}
	if p := parts(t, path)["chaos"]; !p.Passed {
		t.Fatalf("%+v", p)
	}
	err := Do(io.Discard, path, "chaos", 6, func() (Result, error) {
		p := parts(t, path)["chaos"]
		if p.Passed || p.Seed != 6 || p.Began.Before(begin) || len(p.Failures) != 1 || p.Failures[0] != Unfinished {
			t.Errorf("while it runs: %+v", p)
		}
		return nil, errors.New("the lab burned down")
	})
	if err == nil || !strings.Contains(err.Error(), "chaos: the lab burned down") {
		t.Errorf("error %v", err)
	}
	p := parts(t, path)["chaos"]
	if p.Passed || p.Seed != 6 || p.Began.Before(begin) || p.Seconds < 0 || p.Seconds > 60 || len(p.Failures) != 1 || !strings.Contains(p.Failures[0], "burned down") {
		t.Errorf("after it: %+v", p)
	}
	if err := Do(io.Discard, path, "chaos", 7, func() (Result, error) { return resultOf{"no"}, nil }); err == nil {
		t.Error("a result with failures is no error")
	}
}

// Where the result cannot be kept, nothing runs.
func TestDoNeedsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte("no report"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := Do(io.Discard, path, "chaos", 5, func() (Result, error) {
		t.Error("it ran")
		return resultOf{}, nil
	})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// brokenWriter takes some writes.
type brokenWriter int

func (w *brokenWriter) Write(p []byte) (int, error) {
	if *w--; *w < 0 {
		return 0, errors.New("nobody reads")
	}
	return len(p), nil
}

func TestPublishSaysWhatItCannotPrint(t *testing.T) {
	for n, want := range []string{"printing the result of soak: nobody reads", "printing the verdict of soak: nobody reads"} {
		w := brokenWriter(n)
		if err := Publish(&w, filepath.Join(t.TempDir(), "x.json"), "soak", resultOf{}); err == nil || err.Error() != want {
			t.Errorf("after %d writes: %v", n, err)
		}
	}
	if err := Publish(io.Discard, "/proc/none/x.json", "soak", resultOf{}); err == nil {
		t.Error("a file that cannot be written is no error")
	}
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "busy.json.new"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "dir.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ path, want string }{
		"its directory is a file":   {filepath.Join(file, "x.json"), "mkdir " + file},
		"it is a directory":         {filepath.Join(dir, "dir.json"), "read " + filepath.Join(dir, "dir.json")},
		"the new one cannot be one": {filepath.Join(dir, "busy.json"), "open " + filepath.Join(dir, "busy.json.new")},
	} {
		if err := Write(tt.path, "soak", Part{}); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "part soak of "+tt.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := read(bad); err == nil || !strings.Contains(err.Error(), "JSON") {
		t.Errorf("no JSON: %v", err)
	}
	if _, err := read(filepath.Join(dir, "dir.json")); err == nil {
		t.Error("a directory was read")
	}
	if err := Write(filepath.Join(dir, "x.json"), "soak", Part{Results: func() {}}); err == nil {
		t.Error("results that are no JSON are no error")
	}
}

func TestPublish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	var out strings.Builder
	if err := Publish(&out, path, "soak", resultOf{}); err != nil || out.String() != "a table\n\npassed\n\nThe same in "+path+".\n" {
		t.Errorf("%q, %v", &out, err)
	}
	out.Reset()
	err := Publish(&out, path, "chaos", resultOf{"one went", "two went"})
	if err == nil || !strings.Contains(err.Error(), "2 failures; the first: one went") || !strings.Contains(out.String(), "FAILED:\none went\ntwo went\n") {
		t.Errorf("%q, %v", &out, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"passed": true`) || !strings.Contains(string(b), `"passed": false`) {
		t.Errorf("%s, %v", b, err)
	}
}

// A verdict has the reasons of all that is not so, and no others.
func TestVerdict(t *testing.T) {
	v := Verdict{Why: []string{"before"}}
	v.Want(true, "not %d", 1)
	v.Want(false, "no %d of %s", 2, "two")
	v.Want(false, "no third")
	if got := strings.Join(v.Why, "; "); got != "before; no 2 of two; no third" {
		t.Errorf("it is %q", got)
	}
}
