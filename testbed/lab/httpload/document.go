// SPDX-License-Identifier: MIT

package httpload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxDocument is the largest document size, in bytes.
const MaxDocument = 1 << 30

// Document is a file that a server offers and a client checks.
type Document struct {
	// Path is the request's path, with the leading slash.
	Path string `json:"path"`
	// Size is the body's length in bytes, 0 to MaxDocument.
	Size int64 `json:"size"`
	// SHA256 is the body's checksum in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
}

func (d Document) validate() error {
	if !strings.HasPrefix(d.Path, "/") {
		return fmt.Errorf("document %q: the path must start with a slash", d.Path)
	}
	if d.Size < 0 || d.Size > MaxDocument {
		return fmt.Errorf("document %s: size %d: want 0 to %d", d.Path, d.Size, MaxDocument)
	}
	if sum, err := hex.DecodeString(d.SHA256); err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("document %s: SHA-256 %q: want %d hexadecimal digits", d.Path, d.SHA256, 2*sha256.Size)
	}
	return nil
}
