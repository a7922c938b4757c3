// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/testbed/lab/netns"
)

const (
	// between is the time from one new connection to the next, of a family.
	between = 250 * time.Millisecond
	// patient bounds a new connection: a SYN is repeated after 1, 3, 7 and 15 s.
	patient = 30 * time.Second
)

// anew opens connections one after the other, and asks each for one answer.
type anew struct {
	mu       sync.Mutex
	all      []attempt
	from, to time.Time // what fails that began in between is forgiven
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// attempt is one of them.
type attempt struct {
	begun time.Time
	took  time.Duration
	err   error
}

// askAnew opens connections with an address of each family, until stop.
func askAnew(t *testing.T, to4, to6 string) *anew {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &anew{cancel: cancel}
	t.Cleanup(b.stop)
	for _, to := range []string{to4, to6} {
		b.running.Go(func() {
			for tick := time.NewTicker(between); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
					b.running.Go(func() { b.ask(ctx, net.JoinHostPort(to, "80")) })
				}
			}
		})
	}
	return b
}

func (b *anew) ask(ctx context.Context, to string) {
	one := attempt{begun: time.Now()}
	_, one.err = once(web, to, patient)
	one.took = time.Since(one.begun)
	if ctx.Err() != nil && one.err != nil {
		return // the hosts may go
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, one)
}

// once gets one answer on a connection of its own from a namespace, and returns it: the name
// of the host that serves.
func once(ns, to string, patience time.Duration) (name string, err error) {
	err = netns.Do(ns, func() error {
		tcp, err := net.DialTimeout("tcp", to, patience)
		if err != nil {
			return err
		}
		defer tcp.Close()
		if err := tcp.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := io.WriteString(tcp, "GET / HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(bufio.NewReader(tcp), nil)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		body, err := io.ReadAll(response.Body)
		name = strings.TrimSpace(string(body))
		return err
	})
	return name, err
}

// stop ends it, when all connections have ended.
func (b *anew) stop() {
	b.cancel()
	b.running.Wait()
}

// missed is how long after its death a host may still be chosen: until its peers miss its
// reports.
const missed = 6 * time.Second

// forgive says when connections may fail: those that a host was chosen for which died.
func (b *anew) forgive(off, last time.Time) {
	b.from, b.to = off.Add(-time.Second), last.Add(missed)
}

// judge logs how long new connections took, and fails the test if one failed that should
// not. It comes after stop.
func (b *anew) judge(t *testing.T) {
	t.Helper()
	var took []time.Duration
	forgiven := 0
	for _, one := range b.all {
		switch {
		case one.err == nil:
			took = append(took, one.took)
		case one.begun.After(b.from) && one.begun.Before(b.to):
			forgiven++
		default:
			t.Errorf("a new connection failed at %s after %.1f s: %v", one.begun.Format("15:04:05.000"), one.took.Seconds(), one.err)
		}
	}
	slices.Sort(took)
	t.Logf("%d new connections: p50 %s, p99 %s, max %s; %d failed when the holder died", len(b.all), quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1), forgiven)
}
