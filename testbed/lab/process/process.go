// SPDX-License-Identifier: MIT

// Package process names processes of this machine for good, and ends them.
package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process names a process for good: its number may be another's later, its start
// cannot be.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the machine's boot
}

// Find returns the process that has a number now. One that has ended but
// was not waited for counts as gone.
func Find(pid int) (Process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	state, start, err := parseStat(string(b))
	if err == nil && (state == "Z" || state == "X") {
		err = errors.New("it has ended")
	}
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return Process{PID: pid, Start: start}, nil
}

// parseStat finds the state and the start time, fields 3 and 22, in
// /proc/PID/stat. Field 2 may hold anything.
func parseStat(stat string) (state string, start uint64, err error) {
	i := strings.LastIndex(stat, ") ")
	if i < 0 {
		return "", 0, fmt.Errorf("unexpected stat %q", stat)
	}
	f := strings.Fields(stat[i+2:])
	if len(f) < 20 {
		return "", 0, fmt.Errorf("unexpected stat %q", stat)
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return f[0], start, err
}

// Alive tells whether the process still runs.
func (p Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	now, err := Find(p.PID)
	return err == nil && now == p
}

// Kill ends the process and waits for its end. A process that is gone is none of
// its business, nor is one that got its number.
func (p Process) Kill() error {
	if !p.Alive() {
		return nil
	}
	return KillIf(p.PID, func() bool { return p.Alive() })
}

// KillIf ends process pid if it still is the one meant once it is held fast, and
// waits for its end.
func KillIf(pid int, meant func() bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if !meant() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
		if n == 1 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("ending process %d: %w", pid, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end, 10 s after SIGKILL", pid)
		}
	}
}

// All returns the numbers of all processes.
func All() ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(filepath.Base(n)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
