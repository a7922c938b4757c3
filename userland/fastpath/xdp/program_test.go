// SPDX-License-Identifier: MIT

package xdp

import (
	"fmt"
	"testing"
)

// The program calls the function with its flags, and does what it says. It is run here by a
// machine that knows the few instructions that it has, and has garbage in what a call does
// not keep.
func TestProgram(t *testing.T) {
	const id, index = 0x12345678, 1
	for _, flags := range []int32{0, forced} {
		list := program(id, index, flags)
		if len(list) != 8 {
			t.Errorf("%d instructions", len(list))
		}
		for said, want := range map[uint32]string{
			0: "returns 0", 1: "returns 1", 2: "returns 2", 3: "returns 3", 4: "returns 4",
			5: "redirects to 1 with 0, returns 4", 4 + 77: "redirects to 77 with 0, returns 4",
		} {
			if got := runProgram(t, list, said, id, index, flags); got != want {
				t.Errorf("flags %d, the function says %d: %s, want %s", flags, said, got, want)
			}
		}
	}
}

func runProgram(t *testing.T, list []instruction, said, id uint32, index int16, flags int32) string {
	t.Helper()
	const garbage = 0xdead_beef_0000_0000
	regs := [11]uint64{r0: garbage, r1: 0xc0ffee}
	did := ""
	for pc := 0; pc < len(list); pc++ {
		i := list[pc]
		switch {
		case i.op == opMov64Imm:
			regs[i.dst] = uint64(int64(i.imm))
		case i.op == opMov32:
			regs[i.dst] = uint64(uint32(regs[i.src]))
		case i.op == opSub32Imm:
			regs[i.dst] = uint64(uint32(regs[i.dst]) - uint32(i.imm))
		case i.op == opJle32Imm:
			if uint32(regs[i.dst]) <= uint32(i.imm) {
				pc += int(i.off)
			}
		case i.op == opCall && i.src == callKfunc:
			if regs[r1] != 0xc0ffee || int32(regs[r2]) != flags || uint32(i.imm) != id || i.off != index {
				t.Errorf("calls %#x in %d with %#x and %d", i.imm, i.off, regs[r1], regs[r2])
			}
			for r := 1; r <= 5; r++ {
				regs[r] = garbage
			}
			// An int: what is in the upper half is nobody's.
			regs[r0] = garbage | uint64(said)
		case i.op == opCall && i.imm == idRedirect:
			did = fmt.Sprintf("redirects to %d with %d, ", regs[r1], regs[r2])
			regs[r0] = xdpRedirect
		case i.op == opExit:
			return did + fmt.Sprintf("returns %d", uint32(regs[r0]))
		default:
			t.Fatalf("instruction %d is %+v", pc, i)
		}
	}
	t.Fatal("the program has no end")
	return ""
}

func TestAssemble(t *testing.T) {
	got := assemble([]instruction{{op: 0x85, dst: 1, src: 2, off: -2, imm: 0x01020304}})
	want := []byte{0x85, 0x21, 0xfe, 0xff, 4, 3, 2, 1}
	if bigEndian {
		want = []byte{0x85, 0x12, 0xff, 0xfe, 1, 2, 3, 4}
	}
	if string(got) != string(want) {
		t.Errorf("% x, want % x", got, want)
	}
}
