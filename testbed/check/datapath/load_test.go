// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
)

// load is clients that connect again and again until they are stopped.
type load struct {
	stopped chan struct{}
	stop    func()
	done    sync.WaitGroup
	served  atomic.Int64 // connections that went well from end to end
	failed  atomic.Int64
}

// startLoad starts n clients on a host, each on its own connection: it asks who
// serves it, uploads and downloads a little, and begins anew.
func startLoad(t *testing.T, h *vnet.Host, to netip.AddrPort, n int) *load {
	t.Helper()
	l := &load{stopped: make(chan struct{})}
	l.stop = sync.OnceFunc(func() { close(l.stopped); l.done.Wait() })
	t.Cleanup(l.stop)
	for range n {
		l.done.Go(func() {
			for {
				select {
				case <-l.stopped:
					return
				default:
					l.once(h, to)
				}
			}
		})
	}
	return l
}

// patience is how long a client of a load waits: what it talks to may be gone.
const patience = time.Second

func (l *load) once(h *vnet.Host, to netip.AddrPort) {
	k, err := dialFor(h, to, patience)
	if err != nil {
		l.failed.Add(1)
		time.Sleep(patience / 100)
		return
	}
	defer k.Close()
	// No TIME_WAIT: tens of thousands of connections may follow.
	_ = k.SetLinger(0)
	if _, err := k.askFor(patience, "who"); err != nil {
		l.failed.Add(1)
		return
	}
	if k.uploadFor(patience, 3000) != nil {
		l.failed.Add(1)
		return
	}
	l.served.Add(1)
}

// more waits until n more connections have been served.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.served.Load() + n
	for end := time.Now().Add(step); l.served.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are missing after %v (%d served, %d failed)", want-l.served.Load(), step, l.served.Load(), l.failed.Load())
		}
	}
}
