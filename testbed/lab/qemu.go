// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"path/filepath"
	"strconv"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/tsc"
)

const qemu = "qemu-system-x86_64"

// The accelerators of QEMU that a lab can use.
const (
	accelTCG = "tcg"
	accelKVM = "kvm"
)

// machine is what all guests of a lab have in common.
type machine struct {
	kernel, initrd string
	accel          string
	memory         int    // MiB
	cpus           int    // 0: 1
	params         string // kernel parameters of this kernel
	tsc            int    // kHz that the guest's time stamp counter counts at; 0: let the kernel measure
}

// accelerated is m under an accelerator. Without KVM the guest is told how fast its
// time stamp counter is: on a busy machine its kernel would be many times off, and
// find, when its clock has jumped, that it stalled.
func (m machine) accelerated(accel string) machine {
	m.accel, m.tsc = accel, 0
	if accel == accelTCG {
		// Where the counter does not count evenly the kernel will do without.
		m.tsc, _ = tsc.KHz()
	}
	return m
}

// args returns QEMU and its arguments up to the guest's devices. The machine is
// the least that Debian's kernel boots on; a reboot ends it.
func (m machine) args(name, param string) []string {
	accel, cpu := "tcg,thread=multi", "qemu64"
	var clock []string
	switch m.accel {
	case accelKVM:
		accel, cpu = "kvm", "host"
	case AccelCount:
		accel, clock = "tcg", []string{"-icount", "shift=0,sleep=off"}
	}
	// Any splat is a panic, and a panic ends QEMU at once. The mitigations
	// only cost time here: nobody attacks these guests.
	cmdline := "console=ttyS0 loglevel=7 panic=-1 oops=panic panic_on_warn=1 mitigations=off " + param
	if m.params != "" {
		cmdline += " " + m.params
	}
	if m.tsc != 0 {
		cmdline += fmt.Sprintf(" tsc_early_khz=%d", m.tsc)
	}
	return append([]string{
		qemu, "-name", name, "-M", "q35", "-accel", accel, "-cpu", cpu, "-smp", strconv.Itoa(max(m.cpus, 1)), "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", cmdline,
	}, clock...)
}

// serverArgs returns the QEMU of a server: its console and its services' log go to
// files, its agent's port is an inherited socket, its network a tap device. A
// debugger can come at any time.
func (m machine) serverArgs(lab string, h Host, dir string) []string {
	console, log := consolePath(dir, h.Name), servicePath(dir, h.Name)
	return append(m.args("dprlab-"+lab+"-"+h.Name, guest.HostParam+h.Name),
		"-chardev", "file,id=console,path="+console, "-serial", "chardev:console",
		"-device", "virtio-serial-pci",
		"-chardev", fmt.Sprintf("socket,id=agent,fd=%d", broker.AgentFD),
		"-device", "virtserialport,chardev=agent,name="+guest.AgentPort,
		"-chardev", "file,id=log,append=on,path="+log,
		"-device", "virtserialport,chardev=log,name="+guest.LogPort,
		"-device", "virtio-rng-pci",
		"-gdb", "unix:"+debugPath(dir, h.Name)+",server=on,wait=off",
		"-netdev", "tap,id=net,script=no,downscript=no,ifname="+h.Name,
		"-device", "virtio-net-pci,netdev=net,romfile=,mac="+h.MAC)
}

// The files of a server in a lab's state directory.
func consolePath(dir, host string) string { return filepath.Join(dir, host+".console") }
func servicePath(dir, host string) string { return filepath.Join(dir, host+".log") }
func qemuPath(dir, host string) string    { return filepath.Join(dir, host+".qemu") }
func debugPath(dir, host string) string   { return filepath.Join(dir, host+".gdb") }
