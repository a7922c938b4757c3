// SPDX-License-Identifier: MIT

// Package qemu says how QEMU is called for a guest, and under which accelerator.
package qemu

import (
	"fmt"
	"strconv"

	"dpr/testbed/lab/tsc"
)

const program = "qemu-system-x86_64"

// The accelerators of QEMU that a guest can run under.
const (
	TCG = "tcg" // translated
	KVM = "kvm" // the guest's code runs natively

	// Count is TCG on a clock of its own, on which each instruction takes 1 ns
	// and idle time passes at once. Times measured in such a guest are numbers of
	// instructions, the same on every machine.
	Count = "icount"
)

// Machine is a guest without its devices: what all guests of a lab have in common.
type Machine struct {
	Kernel, Initrd string // files
	Memory         int    // MiB
	CPUs           int    // 0: 1
	Params         string // what the kernel's command line says besides
	accel          string
	tsc            int // kHz that the guest's time stamp counter counts at; 0: let the kernel measure
}

// Accelerated is m under an accelerator. Without KVM the guest is told how fast its
// time stamp counter is: on a busy machine its kernel would be many times off, and
// find, when its clock has jumped, that it stalled.
func (m Machine) Accelerated(accel string) Machine {
	m.accel, m.tsc = accel, 0
	if accel == TCG {
		// Where the counter does not count evenly the kernel will do without.
		m.tsc, _ = tsc.KHz()
	}
	return m
}

// Args returns QEMU and its arguments up to the guest's devices. The machine is
// the least that Debian's kernel boots on; a reboot ends it.
func (m Machine) Args(name, param string) []string {
	accel, cpu := "tcg,thread=multi", "qemu64"
	var clock []string
	switch m.accel {
	case KVM:
		accel, cpu = "kvm", "host"
	case Count:
		accel, clock = "tcg", []string{"-icount", "shift=0,sleep=off"}
	}
	// Any splat is a panic, and a panic ends QEMU at once. The mitigations
	// only cost time here: nobody attacks these guests.
	cmdline := "console=ttyS0 loglevel=7 panic=-1 oops=panic panic_on_warn=1 mitigations=off " + param
	if m.Params != "" {
		cmdline += " " + m.Params
	}
	if m.tsc != 0 {
		cmdline += fmt.Sprintf(" tsc_early_khz=%d", m.tsc)
	}
	return append([]string{
		program, "-name", name, "-M", "q35", "-accel", accel, "-cpu", cpu, "-smp", strconv.Itoa(max(m.CPUs, 1)), "-m", strconv.Itoa(m.Memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.Kernel, "-initrd", m.Initrd, "-append", cmdline,
	}, clock...)
}
