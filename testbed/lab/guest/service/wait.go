// SPDX-License-Identifier: MIT

package service

import (
	"golang.org/x/sys/unix"
)

// waitExit waits for a child to end and leaves it to be waited for, so that its
// number stays its own.
func waitExit(pid int) (*unix.Siginfo, error) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return &info, err
		}
	}
}
