// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"path/filepath"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/qemu"
)

// serverArgs returns the QEMU of a server: its console and its services' log go to
// files, its agent's port is an inherited socket, its network a tap device. A
// debugger can come at any time.
func serverArgs(m qemu.Machine, lab string, h Host, dir string) []string {
	console, log := consolePath(dir, h.Name), servicePath(dir, h.Name)
	return append(m.Args("dprlab-"+lab+"-"+h.Name, guest.HostParam+h.Name),
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
