// SPDX-License-Identifier: MIT

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrBusy is returned while another process brings the lab up or down.
var ErrBusy = errors.New("another process is bringing it up or down")

// nameLock is the right to bring a lab up or down. The kernel gives it back when
// its holder dies.
type nameLock struct{ f *os.File }

// lockName takes the lock of a lab's name. It does not wait.
func lockName(name string) (*nameLock, error) {
	path := filepath.Join(runDir, name+".lock")
	for {
		if err := os.MkdirAll(runDir, 0o755); err != nil {
			return nil, fmt.Errorf("locking lab %s: %w", name, err)
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the directory was removed since
		}
		if err != nil {
			return nil, fmt.Errorf("locking lab %s: %w", name, err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("lab %s: %w (process %s)", name, ErrBusy, holder(path))
			}
			return nil, fmt.Errorf("locking lab %s: %w", name, err)
		}
		// The last holder removes the file: what was locked may be gone.
		mine, err1 := f.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return &nameLock{f}, f.Truncate(0)
		}
		f.Close()
	}
}

func holder(path string) string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// sign writes who holds the lock, for the error that others get.
func (n *nameLock) sign() error {
	_, err := n.f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// release gives the lock back and leaves no file.
func (n *nameLock) release() error {
	err := os.Remove(n.f.Name())
	// Other labs may be up; then the directory stays.
	_ = os.Remove(runDir)
	return errors.Join(err, n.f.Close())
}
