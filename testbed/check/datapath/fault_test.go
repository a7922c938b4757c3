// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A fault is memory whose second page is not there, and does not come until the test says so:
// a system call that reads it sleeps in the kernel, with all its locks (userfaultfd(2)).
type fault struct {
	fd     int
	memory []byte
	done   chan struct{} // closed when the system call has returned
}

// Of include/uapi/linux/userfaultfd.h.
const (
	uffdAPI             = 0xaa
	uffdioAPI           = 0xc018aa3f
	uffdioRegister      = 0xc020aa00
	uffdRegisterMissing = 1
)

// newFault makes such memory. Its second page comes after the test, at the latest.
func newFault(t *testing.T) *fault {
	t.Helper()
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno == unix.ENOSYS {
		t.Skip("this kernel has no userfaultfd")
	}
	if errno != 0 {
		t.Fatal(errno)
	}
	f := &fault{fd: int(fd), done: make(chan struct{})}
	t.Cleanup(f.end)
	memory, err := unix.Mmap(-1, 0, 2*unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check(t, err)
	f.memory = memory
	f.memory[0] = 0
	api := [3]uint64{uffdAPI}
	check(t, f.ioctl(uffdioAPI, unsafe.Pointer(&api)))
	register := [4]uint64{uint64(f.missing()), uint64(unix.Getpagesize()), uffdRegisterMissing}
	check(t, f.ioctl(uffdioRegister, unsafe.Pointer(&register)))
	return f
}

func (f *fault) ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(f.fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// missing is the address of the page that is not there.
func (f *fault) missing() uintptr {
	return uintptr(unsafe.Pointer(&f.memory[0])) + uintptr(unix.Getpagesize())
}

// during starts a system call on a socket, and returns once it sleeps.
func (f *fault) during(t *testing.T, of syscall.Conn, call func(fd uintptr)) {
	t.Helper()
	raw, err := of.SyscallConn()
	check(t, err)
	go func() {
		defer close(f.done)
		_ = raw.Control(call)
	}()
	wait := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	for begin := time.Now(); ; {
		n, err := unix.Poll(wait, int(step.Milliseconds()))
		if n == 1 {
			return
		}
		if !errors.Is(err, unix.EINTR) || time.Since(begin) > step {
			t.Fatalf("the call does not sleep: %v", err)
		}
	}
}

// end lets the page come, empty, and the system call return.
func (f *fault) end() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
}
