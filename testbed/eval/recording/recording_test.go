// SPDX-License-Identifier: MIT

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	lines := []line{{time.Second, "a"}, {time.Minute, "b"}, {time.Minute, "c"}, {time.Minute + time.Millisecond, "d"}}
	got := pace(lines)
	for i, want := range []time.Duration{time.Second, time.Second + pause, time.Second + pause, time.Second + pause + time.Millisecond} {
		if got[i].at != want || got[i].text != lines[i].text {
			t.Errorf("line %d is %v, want %v at %v", i, got[i], lines[i].text, want)
		}
	}
	var long []line
	for i := range 100 {
		long = append(long, line{time.Duration(i) * time.Minute, fmt.Sprint(i)})
	}
	got = pace(long)
	if end := got[len(got)-1].at; (end-longest).Abs() > time.Millisecond || got[50].at <= got[49].at {
		t.Errorf("it ends at %v, want %v; line 50 is at %v", end, longest, got[50].at)
	}
}

// The picture is well-formed, shows all lines, and scrolls by those that do not fit.
func TestDraw(t *testing.T) {
	lines := []line{{0, "<1> & \"2\""}, {time.Second, "\xff\ttab"}, {2 * time.Second, strings.Repeat("x", 50)}, {3 * time.Second, "end"}}
	b := draw("$ make demo", lines, 3, 20)
	var texts []string
	d := xml.NewDecoder(strings.NewReader(string(b)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			var text string
			if err := d.DecodeElement(&text, &e); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, text)
		}
	}
	want := []string{"$ make demo", "<1> & \"2\"", "?        tab", strings.Repeat("x", 19) + "…", "end"}
	if strings.Join(texts, "|") != strings.Join(want, "|") {
		t.Errorf("it shows %q, want %q", texts, want)
	}
	// Five lines in three rows: two steps. It lasts 4 s and the end.
	if got := regexp.MustCompile(`translateY\(-\d+px\)`).FindAllString(string(b), -1); strings.Join(got, " ") != "translateY(-32px) translateY(-16px) translateY(-32px)" {
		t.Errorf("it scrolls by %q", got)
	}
	if !strings.Contains(string(b), "@keyframes l4 { 0% { opacity: 0 } 40.00% { opacity: 1 } }") {
		t.Errorf("the last line does not appear after 4 of 10 s:\n%s", b)
	}
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.svg")
	for _, args := range [][]string{nil, {"-out", out}, {"-out", out, "-rows", "0", "true"}, {"true"}, {"-x"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	// What fails is no recording.
	if err := run(t.Context(), []string{"-out", out, "--", "sh", "-c", "echo no; exit 3"}); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a command that fails: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a failure is drawn")
	}
	if err := run(t.Context(), []string{"-out", out, "--", "sh", "-c", "echo one; echo two >&2"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(b), ">one<") || !strings.Contains(string(b), ">two<") {
		t.Errorf("%v, %s", err, b)
	}
}
