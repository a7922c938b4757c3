// SPDX-License-Identifier: MIT

package xdp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The format of type information: linux/btf.h. Numbers are of this machine's byte order.
const (
	btfMagic      = 0xeb9f
	btfVersion    = 1
	btfHeaderSize = 24
	btfTypeSize   = 12
	kindFunc      = 12
)

// btfExtra tells how many bytes follow a type, by its kind: so many, and so many for each
// of its members.
var btfExtra = map[uint32]struct{ fixed, each int }{
	1: {4, 0}, 2: {}, 3: {12, 0}, 4: {0, 12}, 5: {0, 12}, 6: {0, 8}, 7: {}, 8: {}, 9: {}, 10: {}, 11: {},
	kindFunc: {}, 13: {0, 8}, 14: {4, 0}, 15: {0, 12}, 16: {}, 17: {4, 0}, 18: {}, 19: {0, 12},
}

// A btf is a blob of type information.
type btf struct {
	types, strings []byte
}

var errBTF = errors.New("type information is damaged")

// parseBTF finds the parts of a blob.
func parseBTF(data []byte) (*btf, error) {
	if len(data) < btfHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", errBTF, len(data))
	}
	order := binary.NativeEndian
	if m := order.Uint16(data); m != btfMagic || data[2] != btfVersion {
		return nil, fmt.Errorf("%w: magic %#x, version %d", errBTF, m, data[2])
	}
	header := order.Uint32(data[4:])
	if header < btfHeaderSize || uint64(header) > uint64(len(data)) {
		return nil, fmt.Errorf("%w: a header of %d bytes", errBTF, header)
	}
	body := data[header:]
	part := func(at int) ([]byte, error) {
		off, n := uint64(order.Uint32(data[at:])), uint64(order.Uint32(data[at+4:]))
		if off+n > uint64(len(body)) {
			return nil, fmt.Errorf("%w: %d bytes at %d of %d", errBTF, n, off, len(body))
		}
		return body[off : off+n], nil
	}
	types, err := part(8)
	if err != nil {
		return nil, err
	}
	strings, err := part(16)
	if err != nil {
		return nil, err
	}
	return &btf{types, strings}, nil
}

// each calls f with each type's kind and the offset of its name, in their order.
func (b *btf) each(f func(kind, name uint32)) error {
	order := binary.NativeEndian
	for rest := b.types; len(rest) > 0; {
		if len(rest) < btfTypeSize {
			return fmt.Errorf("%w: the last type has %d bytes", errBTF, len(rest))
		}
		info := order.Uint32(rest[4:])
		kind, members := info>>24&0x1f, int(info&0xffff)
		extra, ok := btfExtra[kind]
		if !ok {
			return fmt.Errorf("%w: unknown kind of type %d", errBTF, kind)
		}
		size := btfTypeSize + extra.fixed + extra.each*members
		if len(rest) < size {
			return fmt.Errorf("%w: a type of %d bytes in %d", errBTF, size, len(rest))
		}
		f(kind, order.Uint32(rest))
		rest = rest[size:]
	}
	return nil
}

// count returns how many types there are.
func (b *btf) count() (n uint32, err error) {
	err = b.each(func(uint32, uint32) { n++ })
	return n, err
}

// function returns the number of a function in the type information of a module, whose
// types and names are numbered on from those of the kernel.
func function(kernel, module []byte, name string) (uint32, error) {
	base, err := parseBTF(kernel)
	if err != nil {
		return 0, fmt.Errorf("of the kernel: %w", err)
	}
	split, err := parseBTF(module)
	if err != nil {
		return 0, fmt.Errorf("of the module: %w", err)
	}
	// Type 0 is void, which has no entry.
	id, err := base.count()
	if err != nil {
		return 0, fmt.Errorf("of the kernel: %w", err)
	}
	var found []uint32
	want := append([]byte(name), 0)
	err = split.each(func(kind, at uint32) {
		id++
		if kind != kindFunc || uint64(at) < uint64(len(base.strings)) {
			return
		}
		if at := uint64(at) - uint64(len(base.strings)); at < uint64(len(split.strings)) && bytes.HasPrefix(split.strings[at:], want) {
			found = append(found, id)
		}
	})
	if err != nil {
		return 0, fmt.Errorf("of the module: %w", err)
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("the module has %d functions %s, want 1", len(found), name)
	}
	return found[0], nil
}
