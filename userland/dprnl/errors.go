// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/mdlayher/netlink"
)

var (
	// ErrNotLoaded means that the kernel has no netlink family "dpr".
	ErrNotLoaded = errors.New("the dpr kernel module is not loaded (modprobe dpr)")
	// ErrNoRight means that the caller lacks CAP_NET_ADMIN.
	ErrNoRight = errors.New("dpr needs CAP_NET_ADMIN in the user namespace of this network namespace")
	// ErrEventsLost means that events arrived faster than they were read, and
	// some were lost. The events that follow are complete again.
	ErrEventsLost = errors.New("events were lost: they arrived faster than they were read")
)

// An Error is the kernel's refusal of a command.
type Error struct {
	Op      string        // what was being done, such as "adding service 80"
	Errno   syscall.Errno // why it was refused
	Message string        // the kernel's own message; empty if it sent none
}

// Error says what was being done and how the kernel answered.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Op + ": " + e.Errno.Error()
	}
	return e.Op + ": " + e.Message + " (" + e.Errno.Error() + ")"
}

// Unwrap returns the errno, so that errors.Is works with fs.ErrExist,
// fs.ErrNotExist and errnos.
func (e *Error) Unwrap() error { return e.Errno }

// Is makes an *Error of EPERM an ErrNoRight.
func (e *Error) Is(target error) bool {
	return target == ErrNoRight && errors.Is(e.Errno, fs.ErrPermission)
}

// An opError is a failure that is not the kernel's refusal.
type opError struct {
	op  string
	err error
}

func (e *opError) Error() string { return e.op + ": " + e.err.Error() }
func (e *opError) Unwrap() error { return e.err }

// wrap converts an error of the netlink library to the types that this package
// documents.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return &opError{op, err}
	}
	var message string
	var oe *netlink.OpError
	if errors.As(err, &oe) {
		message = oe.Message
	}
	if message == "" && errors.Is(errno, fs.ErrPermission) {
		message = ErrNoRight.Error()
	}
	return &Error{Op: op, Errno: errno, Message: message}
}
