// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/netns"
)

const (
	// slowPath is what is downloaded.
	slowPath = "/slow"
	// lasts is how long a download takes at its rate: longer than all changes.
	lasts = 110 * time.Second
	// silence ends a connection: no data for so long. TCP doubles its patience each
	// time a segment is lost.
	silence = 2 * time.Minute
	// dialers open connections at the same time.
	dialers = 4
)

func slowSize(rate int) int64 { return int64(rate) * int64(lasts/time.Second) }

// conn is a connection of a client with the shared address: a download, or requests
// one after the other. Its fields may be read once it has ended.
type conn struct {
	asks   bool
	wide   bool   // by IPv6
	from   string // the client's address and port
	tcp    net.Conn
	served string
	begun  time.Time
	ended  time.Time
	phase  int32 // in which it ended
	err    error
	stall  []time.Duration // the longest time without an answer, by phase
}

// clients are many connections.
type clients struct {
	t       *testing.T
	to      map[bool]string // the address, of IPv6 or not
	content []byte
	phase   atomic.Int32
	phases  int
	conns   []*conn
	mu      sync.Mutex // of what follows, and of conn.served and conn.tcp
	dead    string     // a host whose connections are closed
	all     sync.WaitGroup
	open    atomic.Int32 // how many downloads go on
	cancel  context.CancelFunc
}

// connect opens n connections with an address that download and n/10 that ask, every
// fourth by IPv6. They go on until they have ended, or for those that ask, until stop.
func connect(t *testing.T, n, phases int, to4, to6 string) *clients {
	t.Helper()
	content, err := io.ReadAll(data.Reader(slowSize(rate())))
	if err != nil {
		t.Fatal(err)
	}
	c := &clients{t: t, content: content, phases: phases, to: map[bool]string{false: to4, true: to6}}
	ctx, cancel := context.WithCancel(t.Context())
	c.cancel = cancel
	t.Cleanup(c.stop)
	for i := range n + n/10 {
		c.conns = append(c.conns, &conn{asks: i%11 == 10, wide: i%4 == 3, stall: make([]time.Duration, phases)})
	}
	var dialing sync.WaitGroup
	errs := make([]error, dialers)
	for d := range dialers {
		dialing.Go(func() {
			// One thread that is in the namespace opens many.
			errs[d] = netns.Do(web, func() error {
				for i := d; i < len(c.conns); i += dialers {
					if err := c.dial(ctx, c.conns[i]); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	dialing.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return c
}

// dial opens a connection and leaves it to a goroutine.
func (c *clients) dial(ctx context.Context, one *conn) error {
	tcp, err := net.DialTimeout("tcp", net.JoinHostPort(c.to[one.wide], "80"), 30*time.Second)
	if err != nil {
		return err
	}
	one.tcp, one.from, one.begun = tcp, tcp.LocalAddr().String(), time.Now()
	if !one.asks {
		c.open.Add(1)
	}
	c.all.Go(func() {
		defer tcp.Close()
		defer context.AfterFunc(ctx, func() { tcp.Close() })()
		if one.asks {
			one.err = c.ask(ctx, one, tcp)
		} else {
			one.err = c.download(one, tcp)
			c.open.Add(-1)
		}
		one.ended, one.phase = time.Now(), c.phase.Load()
		if ctx.Err() != nil {
			one.err = nil
		}
	})
	return nil
}

// stop ends the connections that still ask.
func (c *clients) stop() {
	c.cancel()
	c.all.Wait()
}

// serves notes the host that serves a connection.
func (c *clients) serves(one *conn, host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one.served = host
	if host == c.dead {
		one.tcp.Close()
	}
}

// drop closes the connections that a host served which is dead: they are lost, and
// some clients would not notice for minutes.
func (c *clients) drop(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = host
	for _, one := range c.conns {
		if one.served == host {
			one.tcp.Close()
		}
	}
}

// noted counts a time without an answer to the phase in which it ended.
func (c *clients) noted(one *conn, gap time.Duration) {
	p := c.phase.Load()
	one.stall[p] = max(one.stall[p], gap)
}

// download gets the slow file and compares each byte.
func (c *clients) download(one *conn, tcp net.Conn) error {
	if _, err := io.WriteString(tcp, "GET "+slowPath+" HTTP/1.1\r\nHost: www\r\n\r\n"); err != nil {
		return err
	}
	timed := &timedConn{Conn: tcp, c: c, one: one, last: time.Now()}
	r := bufio.NewReader(timed)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	c.serves(one, response.Header.Get("X-Served-By"))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	got, buf := 0, make([]byte, 4096)
	for {
		n, err := response.Body.Read(buf)
		if got+n > len(c.content) || !bytes.Equal(buf[:n], c.content[got:got+n]) {
			return fmt.Errorf("wrong content at %d", got)
		}
		got += n
		if err == io.EOF && got == len(c.content) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
	}
}

// timedConn notes how long its reads wait.
type timedConn struct {
	net.Conn
	c    *clients
	one  *conn
	last time.Time
}

func (t *timedConn) Read(b []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	n, err := t.Conn.Read(b)
	now := time.Now()
	if n > 0 {
		t.c.noted(t.one, now.Sub(t.last))
	}
	t.last = now
	return n, err
}

// ask asks for a host's name again and again; always the same has to answer.
func (c *clients) ask(ctx context.Context, one *conn, tcp net.Conn) error {
	r := bufio.NewReader(tcp)
	for {
		begun := time.Now()
		if err := tcp.SetDeadline(begun.Add(silence)); err != nil {
			return err
		}
		if _, err := io.WriteString(tcp, "GET / HTTP/1.1\r\nHost: www\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		name := strings.TrimSpace(string(body))
		if one.served == "" {
			c.serves(one, name)
		}
		if name != one.served {
			return fmt.Errorf("%s answers in the place of %s", name, one.served)
		}
		c.noted(one, time.Since(begun))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause()):
		}
	}
}

// why sorts errors.
func why(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	}
	return err.Error()
}
