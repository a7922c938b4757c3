// SPDX-License-Identifier: MIT

package reliability

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
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
