// SPDX-License-Identifier: MIT

package zone

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever fails is said, and leaves neither another zone nor a file that nobody
// needs.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "zone"), 0o755); err != nil {
		t.Fatal(err)
	}
	z := testZone()
	for name, tt := range map[string]struct{ path, want string }{
		"it is a directory":         {dir, "reading the zone: "},
		"its directory is a file":   {filepath.Join(file, "zone"), "reading the zone: "},
		"there is no directory":     {filepath.Join(dir, "none", "zone"), "writing the zone: "},
		"a directory has its place": {filepath.Join(full, "zone"), "reading the zone: "},
	} {
		serial, changed, err := z.Write(tt.path, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, time.Unix(1_700_000_000, 0))
		if serial != 0 || changed || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %d, %t, %v", name, serial, changed, err)
		}
	}
	// What cannot be put in its place is not left beside it.
	if err := replace(filepath.Join(full, "zone"), []byte("x")); err == nil {
		t.Error("a file took the place of a directory")
	}
	left, err := os.ReadDir(full)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A file is for all to read.
func TestWriteMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	if err := replace(path, []byte("text")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if b, err := os.ReadFile(path); string(b) != "text" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// A file that is no zone of ours is replaced, with the time as its serial.
func TestWriteOverAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(path, []byte("nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	serial, changed, err := testZone().Write(path, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, time.Unix(1000, 0))
	if serial != 1000 || !changed || err != nil {
		t.Errorf("%d, %t, %v", serial, changed, err)
	}
}

func TestSerialIsFound(t *testing.T) {
	for text, want := range map[string]uint32{
		"\t7 " + serialMark + "\n":                         7,
		"x\n\t8 " + serialMark:                             8,
		"\tx " + serialMark + "\n\t9 " + serialMark + "\n": 9,
		"\t4294967295 " + serialMark + "\n":                4294967295,
		"\t4294967296 " + serialMark + "\n":                0,
		"\t7\n":                                            0,
		"":                                                 0,
	} {
		if got, ok := Serial([]byte(text)); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %t", text, got, ok)
		}
	}
}

// The longest name is still one, with its final dot or without.
func TestLongestName(t *testing.T) {
	long := strings.Repeat("a.", 126) + "a"
	for name, want := range map[string]bool{long: true, long + ".": true, long + "b": false, long + "b.": false} {
		full, err := Qualify(name, "")
		if (err == nil) != want || want && len(full) != maxName {
			t.Errorf("%d characters: %v", len(name), err)
		}
	}
	if full, err := Qualify("@", ""); err == nil {
		t.Errorf("the origin of nothing is %q", full)
	}
	if full, err := Qualify("www", ""); full != "www." || err != nil {
		t.Errorf("%q, %v", full, err)
	}
}
