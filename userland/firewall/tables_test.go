// SPDX-License-Identifier: MIT

package firewall

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/userland/testnetns"
)

// The kernel counts its tables itself.
func TestCountTables(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	for want, command := range []string{"true", "nft add table inet first", "nft add table ip second"} {
		n.Run(command)
		n.Do(func() {
			if got, err := countTables(); got != want || err != nil {
				t.Errorf("after %q: %d tables, %v", command, got, err)
			}
		})
	}
}

// Without the right to ask, the number is not 0 but unknown.
func TestCountTablesRefused(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // this thread has lost its rights, and ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		err := unix.Capset(&header, &sets[0])
		if err == nil {
			_, err = countTables()
		}
		done <- err
	}()
	if err := <-done; !errors.Is(err, unix.EPERM) {
		t.Errorf("without CAP_NET_ADMIN: %v", err)
	}
}
