// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// setOnline has a processor of the guest come or go.
func setOnline(cpu int, online bool) error {
	value := "0"
	if online {
		value = "1"
	}
	return os.WriteFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu), []byte(value), 0)
}

// A host that is busy on all its processors says so while one comes or goes: what
// a processor was idle for before is not taken for idleness since the last sample.
func TestProcessorsComeAndGo(t *testing.T) {
	watchKernel(t)
	s := bareCluster(t, fragbit4).a
	t.Cleanup(func() { check(t, setOnline(1, false)) })
	spin(t, 3) // one more than processors, so that none is idle
	busy := func() uint32 {
		t.Helper()
		l, err := s.dpr.Load(t.Context())
		check(t, err)
		return l.CPU
	}
	const most = 800 // thousandths; of the processors' time some goes to move threads
	for range 3 {
		for _, online := range []bool{true, false} {
			eventually(t, func() error {
				if got := busy(); got < most {
					return fmt.Errorf("busy for %d thousandths, want at least %d", got, most)
				}
				return nil
			})
			check(t, setOnline(1, online))
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if got := busy(); got < most/2 {
					t.Fatalf("busy for %d thousandths after processor 1 was set online %v", got, online)
				}
			}
		}
	}
}

// spin keeps threads busy until the test ends. They are nice, so that the test
// goes on.
func spin(t *testing.T, threads int) {
	var stop atomic.Bool
	most := runtime.GOMAXPROCS(threads + 1)
	t.Cleanup(func() { stop.Store(true); runtime.GOMAXPROCS(most) })
	for range threads {
		go func() {
			runtime.LockOSThread() // which ends with this function: nobody else is nice
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 10)
			for !stop.Load() {
			}
		}()
	}
}
