// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

// patience is what a connection may take to be made, and an answer to come: a
// client sends a SYN again after 1, 3 and 7 s.
const patience = 15 * time.Second

// dial connects the client to A.
func (c *cluster) dial(ctx context.Context) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	d.SetMultipathTCP(false)
	err = c.c.Do(func() error {
		conn, err = d.DialContext(ctx, "tcp4", netip.AddrPortFrom(addressA, ports[0]).String())
		return err
	})
	return conn, err
}

// ask has a connection say a word back.
func ask(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(c, 64).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("it says %q", line)
	}
	return err
}

// connections are some that live.
type connections struct {
	all     []net.Conn
	clients []netip.AddrPort
	lost    atomic.Int64
}

// keep makes connections, all of which A redirects.
func (c *cluster) keep(ctx context.Context, n int) (*connections, error) {
	k := &connections{}
	for range n {
		conn, err := c.dial(ctx)
		if err != nil {
			return k, err
		}
		k.all = append(k.all, conn)
		k.clients = append(k.clients, conn.LocalAddr().(*net.TCPAddr).AddrPort())
		if err := ask(conn); err != nil {
			return k, err
		}
	}
	s, err := c.a.dpr.Stats(ctx)
	if err != nil {
		return k, err
	}
	if got := s.Get(dprnl.StatFlows); got != uint64(n) {
		return k, fmt.Errorf("%d connections have %d flows", n, got)
	}
	return k, nil
}

// ask asks each of them; one that does not answer is lost.
func (k *connections) ask() {
	var wg sync.WaitGroup
	for i, conn := range k.all {
		if conn == nil {
			continue
		}
		wg.Go(func() {
			if err := ask(conn); err != nil {
				k.lost.Add(1)
				conn.Close()
				k.all[i] = nil
			}
		})
	}
	wg.Wait()
}

func (k *connections) close() {
	for _, c := range k.all {
		if c != nil {
			c.Close()
		}
	}
}

// honest are clients that connect, ask and go, one after the other.
type honest struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	mu     sync.Mutex
	took   []time.Duration
	failed int
	why    map[string]int
}

func (c *cluster) honest(ctx context.Context) *honest {
	h := &honest{stop: make(chan struct{}), why: map[string]int{}}
	for range 4 {
		h.wg.Go(func() {
			for {
				select {
				case <-h.stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				start := time.Now()
				conn, err := c.dial(ctx)
				if err == nil {
					err = ask(conn)
					_ = conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
				h.mu.Lock()
				h.took = append(h.took, time.Since(start))
				if err != nil {
					h.failed++
					h.why[reason(err)]++
				}
				h.mu.Unlock()
			}
		})
	}
	return h
}

// reason is what an error has in common with others of its kind.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded.Error()
	default:
		return err.Error()
	}
}

// end says how many connections were tried, how many of them failed, and why, and
// the median and the 99th percentile of what they took, in ms.
func (h *honest) end(r *wire.Flood) {
	close(h.stop)
	h.wg.Wait()
	r.Honest, r.Failed, r.Why = len(h.took), h.failed, h.why
	r.Connect = []float64{percentile(h.took, 50), percentile(h.took, 99)}
}
