// SPDX-License-Identifier: MIT

package reliability

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWriteKeepsOtherParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "reliability.json")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := Write(path, fmt.Sprint("p", i%10), Part{Seed: uint64(i), Passed: true, Results: map[string]int{"n": i}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := Write(path, "p3", Part{Seed: 77}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Parts map[string]Part }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Parts) != 10 || got.Parts["p3"].Seed != 77 || !got.Parts["p4"].Passed {
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
