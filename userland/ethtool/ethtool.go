// SPDX-License-Identifier: MIT

// Package ethtool asks network devices how they are set, as the program of that name does.
package ethtool

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Flag is an offload that a device has on or off: ETH_FLAG_… of linux/ethtool.h.
type Flag uint32

const (
	RxVLAN Flag = 1 << 8  // it takes the tags of VLANs off what it receives
	LRO    Flag = 1 << 15 // large receive offload: it merges what it receives
)

// Has asks a device of the calling thread's network namespace whether an offload is on. It is
// not if the device cannot be asked. Any socket will do; one of AF_UNIX may be had by processes
// that may not talk to the network.
func Has(name string, flag Flag) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_GFLAGS}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if len(name) >= len(req.name) {
		return false
	}
	copy(req.name[:], name)
	req.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	return errno == 0 && value.data&uint32(flag) != 0
}
