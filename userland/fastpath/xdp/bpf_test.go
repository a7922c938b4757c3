// SPDX-License-Identifier: MIT

package xdp

import (
	"runtime"
	"testing"
	"unsafe"
)

// grow uses so much of the stack that it moves.
func grow(n int) byte {
	var frame [256]byte
	if n > 0 {
		frame[n%len(frame)] = grow(n - 1)
	}
	return frame[n%len(frame)] + 1
}

// What an attribute points to stays where it is.
func TestAddressStays(t *testing.T) {
	var pins runtime.Pinner
	defer pins.Unpin()
	var name [64]byte
	at := address(&pins, &name[0])
	grow(1 << 12)
	if now := uint64(uintptr(unsafe.Pointer(&name[0]))); now != at {
		t.Errorf("the kernel would write to %#x, want %#x", at, now)
	}
}
