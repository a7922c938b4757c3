// SPDX-License-Identifier: MIT

package xdp

import (
	"encoding/binary"
	"unsafe"
)

// kfunc is the module's function that the program calls.
const kfunc = "dpr_xdp"

// forced is DPR_XDP_FORCED of kmod/xdp.h.
const forced = 1

// XDP_REDIRECT of linux/bpf.h: the function adds to it the number of the device.
const xdpRedirect = 4

// Registers.
const (
	r0 = iota
	r1
	r2
)

// Instructions and the helper bpf_redirect of linux/bpf.h.
const (
	opMov64Imm  = 0xb7
	opMov32     = 0xbc
	opSub32Imm  = 0x14
	opJle32Imm  = 0xb6
	opCall      = 0x85
	opExit      = 0x95
	callKfunc   = 2
	idRedirect  = 23
	sizeOfInstr = 8
)

// An instruction is struct bpf_insn of linux/bpf.h.
type instruction struct {
	op       uint8
	dst, src uint8
	off      int16
	imm      int32
}

// program returns the instructions: what the function says, done. The type information in
// which it has its number is the one at index in what is passed with the program.
func program(function uint32, index int16, flags int32) []instruction {
	return []instruction{
		{op: opMov64Imm, dst: r2, imm: flags},
		{op: opCall, src: callKfunc, off: index, imm: int32(function)},
		{op: opJle32Imm, dst: r0, off: 4, imm: xdpRedirect},
		{op: opMov32, dst: r1, src: r0},
		{op: opSub32Imm, dst: r1, imm: xdpRedirect},
		{op: opMov64Imm, dst: r2},
		{op: opCall, imm: idRedirect},
		{op: opExit},
	}
}

// assemble returns the instructions as the kernel takes them.
func assemble(list []instruction) []byte {
	order := binary.NativeEndian
	out := make([]byte, 0, len(list)*sizeOfInstr)
	for _, i := range list {
		registers := i.dst | i.src<<4
		if bigEndian {
			registers = i.dst<<4 | i.src
		}
		out = append(out, i.op, registers)
		out = order.AppendUint16(out, uint16(i.off))
		out = order.AppendUint32(out, uint32(i.imm))
	}
	return out
}

// bigEndian tells in which half of their byte bit-fields begin, too.
var bigEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}()
