// SPDX-License-Identifier: MIT

package xdp

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

var order = binary.NativeEndian

// blob writes type information: types as words, and strings.
func blob(words []uint32, strings string) []byte {
	b := order.AppendUint16(nil, btfMagic)
	b = append(b, btfVersion, 0)
	for _, n := range []int{btfHeaderSize, 0, 4 * len(words), 4 * len(words), len(strings)} {
		b = order.AppendUint32(b, uint32(n))
	}
	for _, w := range words {
		b = order.AppendUint32(b, w)
	}
	return append(b, strings...)
}

// info is the second word of a type.
func info(kind, members uint32) uint32 { return kind<<24 | members }

// kernelBlob has one type of each kind, with members where it can have some: 19 types.
func kernelBlob() ([]byte, string) {
	var words []uint32
	for kind := uint32(1); kind <= 19; kind++ {
		extra := btfExtra[kind]
		n := uint32(0)
		if extra.each > 0 {
			n = 2
		}
		words = append(words, 1, info(kind, n), 0)
		words = append(words, make([]uint32, (extra.fixed+2*extra.each)/4)...)
	}
	names := "\x00name\x00"
	return blob(words, names), names
}

// moduleBlob is what kmod/xdp_btf.c brings, as the kernel has numbered it: a pointer, a
// prototype of two arguments, the function.
func moduleBlob(before string) []byte {
	names := "\x00ctx\x00flags\x00dpr_xdp\x00"
	at := func(name string) uint32 { return uint32(len(before) + strings.Index(names, "\x00"+name+"\x00") + 1) }
	return blob([]uint32{
		0, info(2, 0), 4,
		0, info(13, 2), 1, at("ctx"), 20, at("flags"), 1,
		at("dpr_xdp"), info(kindFunc, 0), 21,
	}, names)
}

func TestFunction(t *testing.T) {
	kernel, names := kernelBlob()
	module := moduleBlob(names)
	if id, err := function(kernel, module, "dpr_xdp"); err != nil || id != 22 {
		t.Errorf("%d, %v; want 22", id, err)
	}
	for _, name := range []string{"dpr", "xdp", "ctx", "dpr_xdp2", ""} {
		if id, err := function(kernel, module, name); err == nil {
			t.Errorf("%q is function %d", name, id)
		}
	}
	// A kernel with other names: the module's are not where they should be.
	if id, err := function(blob([]uint32{1, info(1, 0), 4, 0}, names+"more\x00"), module, "dpr_xdp"); err == nil {
		t.Errorf("function %d", id)
	}
	// Two of that name.
	twice := slices.Clone(module)
	at := btfHeaderSize + 12
	order.PutUint32(twice[at:], order.Uint32(twice[len(twice)-len("\x00ctx\x00flags\x00dpr_xdp\x00")-12:]))
	order.PutUint32(twice[at+4:], info(kindFunc, 0))
	// What follows is now two functions and the rest of a prototype that is none.
	if id, err := function(kernel, twice, "dpr_xdp"); err == nil {
		t.Errorf("two functions: %d", id)
	}
}

// No damage is read beyond the end, or taken for something else.
func TestDamagedBTF(t *testing.T) {
	kernel, names := kernelBlob()
	module := moduleBlob(names)
	for n := range len(module) {
		if id, err := function(kernel, module[:n], "dpr_xdp"); !errors.Is(err, errBTF) {
			t.Errorf("%d bytes of the module's: %d, %v", n, id, err)
		}
	}
	for n := range len(kernel) {
		if id, err := function(kernel[:n], module, "dpr_xdp"); !errors.Is(err, errBTF) {
			t.Errorf("%d bytes of the kernel's: %d, %v", n, id, err)
		}
	}
	for what, damage := range map[string]func(b []byte){
		"magic":            func(b []byte) { b[0]++ },
		"version":          func(b []byte) { b[2]++ },
		"short header":     func(b []byte) { order.PutUint32(b[4:], btfHeaderSize-1) },
		"long header":      func(b []byte) { order.PutUint32(b[4:], 1<<31) },
		"types begin late": func(b []byte) { order.PutUint32(b[8:], 1<<32-1) },
		"many types":       func(b []byte) { order.PutUint32(b[12:], 1<<32-1) },
		"strings late":     func(b []byte) { order.PutUint32(b[16:], 1<<32-1) },
		"many strings":     func(b []byte) { order.PutUint32(b[20:], 1<<32-1) },
		"kind 0":           func(b []byte) { order.PutUint32(b[btfHeaderSize+4:], 0) },
		"kind 20":          func(b []byte) { order.PutUint32(b[btfHeaderSize+4:], info(20, 0)) },
		"many members":     func(b []byte) { order.PutUint32(b[btfHeaderSize+4:], info(4, 0xffff)) },
	} {
		for i, of := range []string{"kernel", "module"} {
			both := [][]byte{slices.Clone(kernel), slices.Clone(module)}
			damage(both[i])
			if id, err := function(both[0], both[1], "dpr_xdp"); !errors.Is(err, errBTF) || !strings.Contains(err.Error(), of) {
				t.Errorf("%s, %s: %d, %v", of, what, id, err)
			}
		}
	}
}

// A longer header, as a later version may have, is no damage.
func TestLongerHeader(t *testing.T) {
	kernel, names := kernelBlob()
	module := moduleBlob(names)
	longer := slices.Insert(slices.Clone(module), btfHeaderSize, make([]byte, 8)...)
	order.PutUint32(longer[4:], btfHeaderSize+8)
	if id, err := function(kernel, longer, "dpr_xdp"); err != nil || id != 22 {
		t.Errorf("%d, %v; want 22", id, err)
	}
}

func FuzzFunction(f *testing.F) {
	kernel, names := kernelBlob()
	f.Add(kernel, moduleBlob(names))
	f.Fuzz(func(t *testing.T, kernel, module []byte) {
		if id, err := function(kernel, module, "dpr_xdp"); (err == nil) != (id != 0) {
			t.Errorf("%d, %v", id, err)
		}
	})
}
