// SPDX-License-Identifier: MIT

package xdp

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// A Link holds the fast path on a device.
type Link struct {
	fd int
}

// Attach attaches the fast path to a device of this thread's network namespace, in its
// driver; where that is not possible it does not fall back to the generic place, which is
// slower than none. If force, packets pass by what else would have seen them; see Obstacles.
func Attach(device string, force bool) (*Link, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("there is no such device: %w", err)
	}
	var flags int32
	if force {
		flags = forced
	}
	prog, err := load(flags)
	if err != nil {
		return nil, err
	}
	defer unix.Close(prog)
	fd, err := bpf(unix.BPF_LINK_CREATE, &attrLink{
		program: uint32(prog), device: uint32(ifi.Index), attachType: unix.BPF_XDP, flags: unix.XDP_FLAGS_DRV_MODE,
	})
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return nil, ErrBusy
	case errors.Is(err, unix.EOPNOTSUPP):
		return nil, ErrDriver
	case err != nil:
		return nil, refused(err, "attaching the program of XDP")
	}
	return &Link{fd}, nil
}

// Close detaches it, unless that is done. The kernel lets go of the module a moment later, when
// the packets that are on their way are done.
func (l *Link) Close() error {
	fd := l.fd
	if l.fd = -1; fd < 0 {
		return nil
	}
	return unix.Close(fd)
}
