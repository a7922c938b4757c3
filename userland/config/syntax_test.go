// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"strings"
	"testing"
)

// wantMistake fails the test unless a text has one mistake, in that line, whose
// message has those words.
func wantMistake(t *testing.T, text string, line int, words string) {
	t.Helper()
	_, err := Parse("f.toml", []byte(text))
	var e *Error
	if !errors.As(err, &e) || len(e.Mistakes) != 1 || e.Mistakes[0].Line != line || !strings.Contains(err.Error(), words) {
		t.Errorf("%q: %v, want a mistake in line %d: %s", text, err, line, words)
	}
}

// A text that ends in an escape has its mistake in its last line.
func TestEscapeOfNothing(t *testing.T) {
	for text, line := range map[string]int{"\"\\": 1, "a = 1\nb = 2\n\"\\": 3, "a = 1\nb = \"\\": 2, "a = \"\\q\"\nb = \"\\": 1} {
		wantMistake(t, text, line, "")
	}
}

// A file from elsewhere may have lines that end otherwise.
func TestCarriageReturns(t *testing.T) {
	for text, line := range map[string]int{"\"\r\n": 1, "a = 1\r\nb = \"x\r\nc = 1\r\n": 2, "a = 1\r\nb = = 2\r\n": 2, "a = 1\nb = \"x\nc = 1\n": 2} {
		wantMistake(t, text, line, "")
	}
}

// An editor may put a byte order mark at the front.
func TestByteOrderMark(t *testing.T) {
	c, err := Load(files(t, map[string]string{"dpr.toml": "\ufeffweight = 3\n", "conf.d/a.toml": "\ufeffmax_load = 4\n"}))
	if err != nil || c.Weight != 3 || c.MaxLoad != 4 {
		t.Errorf("%+v, %v", c, err)
	}
}

// A file in another encoding is reported as such.
func TestNotUTF8(t *testing.T) {
	for text, line := range map[string]int{"\xff\xfe0=0": 1, "# \ufffd\na = \"\xe4\"\n": 2, "\xfe\xff\x00a": 1} {
		wantMistake(t, text, line, "not UTF-8")
	}
}

// A key may have no letters.
func TestKeyOfNoLetters(t *testing.T) {
	for text, line := range map[string]int{"\"\" = 0": 1, "\n# a comment\n\"\" = 0": 3, "[timeouts]\n\"\" = 0": 2, "\n\"\".\"\" = 0": 2, "[\"\"]\na = 1": 1} {
		wantMistake(t, text, line, "")
	}
}
