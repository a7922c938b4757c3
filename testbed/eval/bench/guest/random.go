// SPDX-License-Identifier: MIT

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seedBytes are as many as the kernel's generator of random numbers wants before it is ready.
const seedBytes = 32

// seedRandom makes the kernel's random numbers ready, as they are on a host soon after it has
// booted. Nothing else does in a guest without devices, and until then each number costs
// several thousand instructions. What the numbers are does not matter here.
func seedRandom() error {
	fd, err := unix.Open("/dev/random", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("seeding random numbers: %w", err)
	}
	// struct rand_pool_info: bits, bytes, and these.
	info := binary.NativeEndian.AppendUint32(nil, 8*seedBytes)
	info = binary.NativeEndian.AppendUint32(info, seedBytes)
	for i := range seedBytes {
		info = append(info, byte(i))
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info[0]))); errno != 0 {
		err = fmt.Errorf("seeding random numbers: %w", errno)
	}
	return errors.Join(err, unix.Close(fd))
}
