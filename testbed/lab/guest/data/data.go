// SPDX-License-Identifier: MIT

// Package data makes the files that the lab serves and checks: pseudo-random, so
// that no packet equals another, and the same everywhere, so that a checksum can
// be known without the file.
package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// seed is fixed: a size alone names a file's content.
var seed = [32]byte([]byte("the content of the lab's files.."))

// Reader returns size bytes of data.
func Reader(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(seed), size)
}

// Sum returns the SHA-256 of size bytes of data, in hexadecimal.
func Sum(size int64) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, Reader(size)); err != nil {
		return "", fmt.Errorf("summing %d bytes of data: %w", size, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ParseSize reads a size in bytes, or in units of a thousand or a million bytes
// ("15k", "100m").
func ParseSize(s string) (int64, error) {
	digits, unit := s, int64(1)
	if d, ok := strings.CutSuffix(s, "k"); ok {
		digits, unit = d, 1000
	} else if d, ok := strings.CutSuffix(s, "m"); ok {
		digits, unit = d, 1000_000
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("bad size %q: want bytes, or a number with k or m", s)
	}
	return n * unit, nil
}
