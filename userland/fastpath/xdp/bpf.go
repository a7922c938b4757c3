// SPDX-License-Identifier: MIT

package xdp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errors that say why a host has no fast path.
var (
	// ErrModule: dpr is not loaded.
	ErrModule = errors.New("the module dpr is not loaded")
	// ErrKernel: the kernel does not know that the module has a function for BPF.
	ErrKernel = errors.New("it needs Linux 6.11 or later with CONFIG_DEBUG_INFO_BTF_MODULES, and a module that was built for that")
	// ErrRight: this process may not.
	ErrRight = errors.New("it needs the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN, and the system call bpf")
	// ErrBusy: the device has a program of XDP of somebody else.
	ErrBusy = errors.New("another program of XDP is attached")
	// ErrDriver: the device's driver cannot run programs of XDP.
	ErrDriver = errors.New("its driver cannot run programs of XDP")
)

// Where the kernel shows type information.
const (
	kernelBTF = "/sys/kernel/btf/vmlinux"
	moduleDir = "/sys/module/dpr"
	module    = "dpr"
)

// maxBTF bounds the type information of the module.
const maxBTF = 16 << 20

// bpf calls bpf(2). What attr points to is pinned by the caller.
func bpf[T any](command int, attr *T) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// address is a pointer as attributes have it. What it points to is pinned: on a stack it could
// move before the kernel reads it.
func address[T any](pins *runtime.Pinner, p *T) uint64 {
	pins.Pin(p)
	return uint64(uintptr(unsafe.Pointer(p)))
}

// The attributes of bpf(2), union bpf_attr of linux/bpf.h.
type (
	attrID struct {
		id, next, flags uint32
	}
	attrInfo struct {
		fd, size uint32
		info     uint64
	}
	btfInfo struct {
		data     uint64
		dataSize uint32
		id       uint32
		name     uint64
		nameSize uint32
		kernel   uint32
	}
	attrProgram struct {
		kind, count     uint32
		instructions    uint64
		license         uint64
		logLevel        uint32
		logSize         uint32
		log             uint64
		kernelVersion   uint32
		flags           uint32
		name            [16]byte
		device          uint32
		attachType      uint32
		btf, funcSize   uint32
		funcs           uint64
		funcCount       uint32
		lineSize        uint32
		lines           uint64
		lineCount       uint32
		attachID        uint32
		attachTo        uint32
		relocationCount uint32
		fds             uint64
	}
	attrQuery struct {
		device, place, flags, attached uint32
		programs                       uint64
		count                          uint32
		_                              uint32
	}
	attrLink struct {
		program, device, attachType, flags uint32
	}
)

// ofModule returns the module's type information, open and its contents.
func ofModule() (fd int, data []byte, err error) {
	for id := uint32(0); ; {
		next := attrID{id: id}
		if _, err := bpf(unix.BPF_BTF_GET_NEXT_ID, &next); err != nil {
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOSYS) {
				return -1, nil, fmt.Errorf("not on Linux %s: %w", release(), ErrKernel)
			}
			return -1, nil, refused(err, "looking for type information")
		}
		id = next.next
		fd, err := bpf(unix.BPF_BTF_GET_FD_BY_ID, &attrID{id: id})
		if errors.Is(err, unix.ENOENT) {
			continue // its module has just gone
		}
		if err != nil {
			return -1, nil, refused(err, "opening type information")
		}
		data, err := contents(fd)
		if data != nil {
			return fd, data, nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, nil, err
		}
	}
}

// release is the kernel's version.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of unknown version"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// contents reads type information if it is the module's; else it returns nil.
func contents(fd int) ([]byte, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	name := make([]byte, 64)
	info := btfInfo{name: address(&pins, &name[0]), nameSize: uint32(len(name))}
	if err := ask(fd, &info); err != nil {
		return nil, err
	}
	text, _, _ := bytes.Cut(name, []byte{0})
	if info.kernel == 0 || string(text) != module {
		return nil, nil
	}
	if info.dataSize == 0 || info.dataSize > maxBTF {
		return nil, fmt.Errorf("%w: %d bytes", errBTF, info.dataSize)
	}
	data := make([]byte, info.dataSize)
	info = btfInfo{data: address(&pins, &data[0]), dataSize: uint32(len(data))}
	if err := ask(fd, &info); err != nil {
		return nil, err
	}
	if info.dataSize != uint32(len(data)) {
		return nil, fmt.Errorf("%w: first %d bytes, then %d", errBTF, len(data), info.dataSize)
	}
	return data, nil
}

func ask(fd int, info *btfInfo) error {
	var pins runtime.Pinner
	defer pins.Unpin()
	attr := attrInfo{fd: uint32(fd), size: uint32(unsafe.Sizeof(*info)), info: address(&pins, info)}
	if _, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, &attr); err != nil {
		return refused(err, "reading type information")
	}
	return nil
}

// refused says what was refused, and what is needed if that was a right.
func refused(err error, what string) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w: %w", what, err, ErrRight)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// load makes the program. The caller closes it.
func load(flags int32) (int, error) {
	if _, err := os.Stat(moduleDir); errors.Is(err, os.ErrNotExist) {
		return -1, ErrModule
	}
	fd, data, err := ofModule()
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	kernel, err := os.ReadFile(kernelBTF)
	if err != nil {
		return -1, fmt.Errorf("reading the kernel's type information: %w", err)
	}
	id, err := function(kernel, data, kfunc)
	if err != nil {
		return -1, err
	}
	return loadProgram(assemble(program(id, 1, flags)), []int32{0, int32(fd)})
}

// logSize is what the kernel may say of a program that it refuses.
const logSize = 64 << 10

func loadProgram(text []byte, fds []int32) (int, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	license := []byte("GPL\x00")
	attr := attrProgram{
		kind: unix.BPF_PROG_TYPE_XDP, count: uint32(len(text) / sizeOfInstr), instructions: address(&pins, &text[0]),
		license: address(&pins, &license[0]), attachType: unix.BPF_XDP, fds: address(&pins, &fds[0]),
	}
	copy(attr.name[:], kfunc)
	fd, err := bpf(unix.BPF_PROG_LOAD, &attr)
	if err != nil && !errors.Is(err, unix.EPERM) {
		// Again, to hear why.
		log := make([]byte, logSize)
		attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), address(&pins, &log[0])
		if again, e := bpf(unix.BPF_PROG_LOAD, &attr); e == nil {
			fd, err = again, nil
		} else {
			said, _, _ := bytes.Cut(log, []byte{0})
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
		}
	}
	if err != nil {
		return -1, refused(err, "loading the program of XDP")
	}
	return fd, nil
}
