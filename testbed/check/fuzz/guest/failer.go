// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// failer has an allocation of the calling thread fail.
type failer struct{ fd int }

// newFailer finds out whether the kernel can, and lets all kinds of allocations
// fail. The thread must stay the same.
func newFailer() (*failer, error) {
	for file, value := range map[string]string{
		"failslab/ignore-gfp-wait": "N", "failslab/cache-filter": "N", "failslab/verbose": "0", "failslab/times": "-1",
		"fail_page_alloc/ignore-gfp-wait": "N", "fail_page_alloc/ignore-gfp-highmem": "N", "fail_page_alloc/min-order": "0",
		"fail_page_alloc/verbose": "0", "fail_page_alloc/times": "-1",
	} {
		if err := os.WriteFile("/sys/kernel/debug/"+file, []byte(value), 0); err != nil {
			return nil, fmt.Errorf("this kernel has no fault injection: %w", err)
		}
	}
	fd, err := unix.Open("/proc/thread-self/fail-nth", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("this kernel has no fail-nth: %w", err)
	}
	return &failer{fd}, nil
}

func (f *failer) close() error { return unix.Close(f.fd) }

var zero = []byte("0")

// nth has the n-th allocation in do fail, and tells whether there were as many.
func (f *failer) nth(n int, do func() error) (failed bool, err, trouble error) {
	arm := []byte(strconv.Itoa(n))
	left := make([]byte, 16)
	if _, err := unix.Write(f.fd, arm); err != nil {
		return false, nil, fmt.Errorf("arming fail-nth: %w", err)
	}
	err = do()
	k, rerr := unix.Pread(f.fd, left, 0)
	_, werr := unix.Write(f.fd, zero)
	if e := errors.Join(rerr, werr); e != nil {
		return false, err, fmt.Errorf("reading fail-nth: %w", e)
	}
	return strings.TrimSpace(string(left[:k])) == "0", err, nil
}

// noMemory are the errors by which a lack of memory may show.
func noMemory(err error) bool {
	for _, e := range []error{unix.ENOMEM, unix.ENOBUFS, unix.EAGAIN, unix.EMSGSIZE, unix.EBADMSG, unix.EINTR, unix.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
