package load

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
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

// NewDocument describes the document whose body is [Body](path, size).
func NewDocument(path string, size int64) (Document, error) {
	if size < 0 || size > MaxDocument {
		return Document{}, fmt.Errorf("document %s: size %d: want 0 to %d", path, size, MaxDocument)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, Body(path, size)); err != nil {
		return Document{}, fmt.Errorf("document %s: %w", path, err)
	}
	d := Document{Path: path, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	return d, d.validate()
}

// Body reads a document's bytes. They look random, so that neither a repeated
// nor a misplaced piece goes unseen, and depend on path alone, so that whoever
// knows a document's name and size can make it.
func Body(path string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(path))), size)
}
