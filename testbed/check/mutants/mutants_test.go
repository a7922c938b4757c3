// SPDX-License-Identifier: MIT

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is a module of one package, whose tests find some mistakes.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo 1.25\n",
		"p/p.go": `package p

import "errors"

func Clamp(n int) (int, error) {
	if n < 0 || n > 9 {
		return 0, errors.New("out of range")
	}
	count++
	return n * 2, nil
}

var count int

func Never() bool {
	switch {
	case count > 100:
		return true
	}
	for count < 3 {
		if count == 2 {
			break
		}
		count += 1
	}
	return false
}
`,
		"p/p_test.go": `package p

import "testing"

func TestClamp(t *testing.T) {
	for n, want := range map[int]int{1: 2, 9: 18, 0: 0} {
		if got, err := Clamp(n); got != want || err != nil {
			t.Error(got, err)
		}
	}
	if _, err := Clamp(10); err == nil {
		t.Error("10")
	}
}
`,
		"testbed/check/mutants/packages":  "# a comment\np p.go skip=TestSlow\n",
		"testbed/check/mutants/survivors": "# known\np/p.go Clamp left out: count++ -- equivalent: nobody looks\np/p.go Clamp if never: n < 0 * -- left: it is found\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What the tests find, what they do not, and what they do not reach is told apart.
func TestMistakes(t *testing.T) {
	t.Chdir(module(t))
	var out strings.Builder
	if err := run(t.Context(), []string{"-v", "-least", "10"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"p/p.go:6: found: if never: n < 0 || n > 9",
		"p/p.go:6: found: if always: n < 0 || n > 9",
		"p/p.go:6: SURVIVED: Clamp: in \"n < 0 || n > 9\" without n < 0",
		"p/p.go:6: found: in \"n < 0 || n > 9\" without n > 9",
		"p/p.go:6: found: n < 0: <=",
		"p/p.go:6: found: n > 9: >=",
		"p/p.go:7: found: return no error: errors.New(\"out of range\")",
		"p/p.go:9: SURVIVED: Clamp: left out: count++",
		"p/p.go:10: found: n * 2: /",
		"p/p.go:10: found: return n * 2, nil: 2+1",
		"p/p.go:17: NOT REACHED: Never: case never: count > 100",
		"p/p.go:22: NOT REACHED: Never: left out: break",
		"survivors:3: all found, so it can be deleted: p/p.go Clamp if never: n < 0 *",
		", and 1 equivalent; ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "0: 0+1") {
		t.Errorf("the value beside an error is changed:\n%s", &out)
	}
	err := run(t.Context(), []string{"-least", "99"}, &out)
	if err == nil || !strings.Contains(err.Error(), "below 99 %: p ") {
		t.Errorf("error %v", err)
	}
	// A sample is the same each time.
	var first, second strings.Builder
	for _, w := range []*strings.Builder{&first, &second} {
		if err := run(t.Context(), []string{"-sample", "4", "-v", "-least", "0"}, w); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() || !strings.Contains(first.String(), "; 4 of ") {
		t.Errorf("%s\n%s", &first, &second)
	}
	// Tests that fail by themselves say nothing.
	if err := os.WriteFile("p/bad_test.go", []byte("package p\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Error(1) }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), nil, &out); err == nil || !strings.Contains(err.Error(), "fail without a mistake") {
		t.Errorf("error %v", err)
	}
	if err := run(t.Context(), []string{"q"}, &out); err == nil || !strings.Contains(err.Error(), "q is not in testbed/check/mutants/packages") {
		t.Errorf("error %v", err)
	}
}

func TestEdits(t *testing.T) {
	e := newEdits()
	e.around(0, 5, "(", ")")
	e.around(0, 1, "[", "]")
	e.around(4, 5, "<", ">")
	if got := string(e.apply([]byte("a + b"))); got != "([a] + <b>)" {
		t.Errorf("%q", got)
	}
}

func TestKnown(t *testing.T) {
	all, err := readKnown(strings.NewReader("# x\n\na.go F left out: f(*) -- equivalent: it says so\na.go G x -- left: y -- z\n"))
	if err != nil || len(all) != 2 || !all[0].equivalent() || all[1].equivalent() || all[1].reason != "left: y -- z" || all[1].line != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	for what, want := range map[string]*known{"left out: f(1, 2)": all[0], "left out: g(1)": nil, "x left out: f(1)": nil} {
		if got := lookUp(all, Mutant{File: "a.go", Func: "F", What: what}); got != want {
			t.Errorf("%s: %+v", what, got)
		}
	}
	for _, bad := range []string{"a.go F x\n", "a.go F x -- \n"} {
		if _, err := readKnown(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1 has no reason") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Files that changed choose their packages; a test that did chooses all of its.
func TestChanged(t *testing.T) {
	root := module(t)
	all := []target{{dir: "p"}, {dir: "q", files: []string{"a.go"}}}
	for paths, want := range map[string][]string{
		"p/p.go": {"p"}, "p/p_test.go": {"p"}, "p/gone.go": nil, "q/b.go": nil, "q/a_test.go": {"q"}, "x/y.go": nil, "": nil,
	} {
		var got []string
		for _, c := range changed(root, all, strings.Fields(paths)) {
			got = append(got, c.dir)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", paths, got, want)
		}
	}
}

// Where nothing was tried nothing is known, unless what changed has no place for a
// mistake.
func TestNothingTried(t *testing.T) {
	for _, c := range []struct {
		since           string
		packages, empty int
		tried           int
		fails           bool
	}{
		{"HEAD~1", 0, 0, 0, false},
		{"HEAD~1", 1, 1, 0, false},
		{"HEAD~1", 2, 1, 0, true},
		{"HEAD~1", 2, 1, 3, false},
		{"", 1, 1, 0, true},
		{"", 1, 0, 0, true},
	} {
		j := &judge{o: options{since: c.since}, out: io.Discard, tried: c.tried, empty: c.empty}
		if err := j.end(c.packages); (err != nil) != c.fails {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A line about a mistake that cannot be made any more is an error, if all were tried.
func TestStaleSurvivors(t *testing.T) {
	for _, c := range []struct {
		o     options
		known known
		fails bool
	}{
		{options{}, known{pattern: "a.go F x"}, true},
		{options{}, known{pattern: "a.go F x", matched: true}, false},
		{options{}, known{pattern: "a.go F x", found: []string{"a.go F x"}}, false},
		{options{since: "HEAD"}, known{pattern: "a.go F x"}, false},
		{options{sample: 3}, known{pattern: "a.go F x"}, false},
		{options{time: 1}, known{pattern: "a.go F x"}, false},
		{options{only: []string{"p"}}, known{pattern: "a.go F x"}, false},
	} {
		j := &judge{o: c.o, known: []*known{&c.known}, out: io.Discard, tried: 1}
		if err := j.end(1); (err != nil) != c.fails {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
