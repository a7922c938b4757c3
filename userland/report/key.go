// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
)

// KeyLen is the length of a key in bytes; a key file has twice as many digits.
const KeyLen = 32

// A Key authenticates reports.
type Key struct {
	secret [KeyLen]byte
	id     uint32
}

// NewKey returns a key of KeyLen bytes.
func NewKey(secret [KeyLen]byte) *Key {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte("dpr report key id"))
	id := binary.BigEndian.Uint32(h.Sum(nil))
	if id == 0 {
		id = 1 // 0 means that a report has no key
	}
	return &Key{secret: secret, id: id}
}

// ID identifies the key in reports without revealing it. It is the first four
// bytes of the HMAC-SHA-256 of "dpr report key id" under the key, or 1 if they are
// zero.
func (k *Key) ID() uint32 { return k.id }

// Derive returns a key for another purpose, from which nobody can compute this one: the
// first 16 bytes of the expansion of HKDF-SHA-256 (RFC 5869, section 2.3) with the purpose
// as info.
func (k *Key) Derive(purpose string) (derived [16]byte) {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte(purpose))
	h.Write([]byte{1})
	copy(derived[:], h.Sum(nil))
	return derived
}

// FormatID returns an id as people see it: eight hexadecimal digits.
func FormatID(id uint32) string { return fmt.Sprintf("%08x", id) }

// WriteKey makes a random key and writes it to a new file that only its owner may
// access. It is an error if there is a file already.
func WriteKey(path string) (*Key, error) {
	var secret [KeyLen]byte
	_, _ = rand.Read(secret[:]) // it never fails
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%x\n", secret)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("making a key: %w", err), os.Remove(path))
	}
	return NewKey(secret), nil
}

// ReadKey reads a key file: 64 hexadecimal digits, possibly surrounded by white
// space. It refuses a file that anyone but the owner may access.
func ReadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key file %s has mode %04o; only its owner may have access (chmod 0600)", path, mode)
	}
	// Larger than any valid file, so that excess length is noticed.
	buf := make([]byte, 2*KeyLen+64)
	n, err := f.Read(buf)
	if err != nil && n == 0 {
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	digits := bytes.TrimSpace(buf[:n])
	var secret [KeyLen]byte
	if len(digits) != 2*KeyLen {
		return nil, fmt.Errorf("key file %s: %d characters, want %d hexadecimal digits", path, len(digits), 2*KeyLen)
	}
	if _, err := hex.Decode(secret[:], digits); err != nil {
		// The error of hex contains the invalid character, which may be secret.
		return nil, fmt.Errorf("key file %s: not hexadecimal digits", path)
	}
	return NewKey(secret), nil
}

func (k *Key) appendMAC(b, body []byte) []byte {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write(body)
	return h.Sum(b)
}

func (k *Key) check(body, mac []byte) bool {
	return hmac.Equal(mac, k.appendMAC(nil, body))
}
