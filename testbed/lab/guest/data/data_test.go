// SPDX-License-Identifier: MIT

package data

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
)

func TestReader(t *testing.T) {
	b, err := io.ReadAll(Reader(100_001))
	if err != nil || len(b) != 100_001 {
		t.Fatalf("%d bytes, %v; want 100001", len(b), err)
	}
	sum := sha256.Sum256(b)
	if got, err := Sum(100_001); got != hex.EncodeToString(sum[:]) || err != nil {
		t.Errorf("Sum = %s, %v; want %x", got, err, sum)
	}
	if again, _ := io.ReadAll(Reader(100_001)); string(again) != string(b) {
		t.Error("the data differ the second time")
	}
	seen := map[string]bool{}
	for i := 0; i+16 <= len(b); i += 16 {
		seen[string(b[i:i+16])] = true
	}
	if len(seen) != len(b)/16 {
		t.Errorf("%d different blocks of %d", len(seen), len(b)/16)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "17": 17, "15k": 15_000, "100m": 100_000_000} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "k", "-1", "1g", "1.5m", "99999999999"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		}
	}
}
