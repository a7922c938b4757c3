// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// A program of XDP that is attached to the card, and what is closed with it.
type program struct {
	closers []func() error
}

// attach loads a program, and attaches it to the card's driver.
func (p *program) attach(name string, instructions asm.Instructions) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: ebpf.XDP, License: "GPL", Instructions: instructions})
	if err != nil {
		return fmt.Errorf("loading the program %s: %w", name, err)
	}
	p.closers = append(p.closers, prog.Close)
	ifi, err := net.InterfaceByName(nicDev)
	if err != nil {
		return fmt.Errorf("finding device %s: %w", nicDev, err)
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifi.Index, Flags: link.XDPDriverMode})
	if err != nil {
		return fmt.Errorf("attaching the program %s: %w", name, err)
	}
	p.closers = append(p.closers, l.Close)
	return nil
}

// newMap makes a map that is closed with the program.
func (p *program) newMap(spec ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&spec)
	if err != nil {
		return nil, fmt.Errorf("making the map %s: %w", spec.Name, err)
	}
	p.closers = append(p.closers, m.Close)
	return m, nil
}

// close detaches the program and lets go of its maps.
func (p *program) close() error {
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// compilePrograms has the kernel run programs of BPF as machine code, as Debian's does.
func compilePrograms() error {
	if err := os.WriteFile("/proc/sys/net/core/bpf_jit_enable", []byte("1"), 0); err != nil {
		return fmt.Errorf("having programs compiled: %w", err)
	}
	return nil
}

// What programs of XDP return, of linux/bpf.h.
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTx   = 3
)

// network16 is a number as it is in a packet, when it is loaded from there or stored.
func network16(v uint16) int64 {
	return int64(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v)))
}

// network32 is the same of four bytes. Instructions have their numbers with a sign.
func network32(v uint32) int64 {
	return int64(int32(binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, v))))
}

// bounce sends each frame back to where it came from: no program that sends does less.
func bounce() asm.Instructions {
	const data, to, from = asm.R6, asm.R2, asm.R3
	return asm.Instructions{
		asm.LoadMem(data, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R4, asm.R1, 4, asm.Word),
		asm.Mov.Imm(asm.R0, xdpPass),
		asm.Mov.Reg(asm.R5, data),
		asm.Add.Imm(asm.R5, 14),
		asm.JGT.Reg(asm.R5, asm.R4, "end"),
		asm.LoadMem(to, data, 0, asm.Word),
		asm.LoadMem(from, data, 6, asm.Word),
		asm.StoreMem(data, 0, from, asm.Word),
		asm.StoreMem(data, 6, to, asm.Word),
		asm.LoadMem(to, data, 4, asm.Half),
		asm.LoadMem(from, data, 10, asm.Half),
		asm.StoreMem(data, 4, from, asm.Half),
		asm.StoreMem(data, 10, to, asm.Half),
		asm.Mov.Imm(asm.R0, xdpTx),
		asm.Return().WithSymbol("end"),
	}
}
