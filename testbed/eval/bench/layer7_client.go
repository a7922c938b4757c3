// SPDX-License-Identifier: MIT

package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// An l7Ask is what a user asks for.
type l7Ask struct {
	path  string
	bytes int64
	keep  bool // the connection
}

// An l7User asks one host for one thing, from a client of the lab. Its connections come
// from this process, which is in no guest: nothing is started for them.
type l7User struct {
	dial   func() (net.Conn, error)
	target string
	ask    l7Ask
	conn   net.Conn
	in     *bufio.Reader
}

func (b *l7Bench) user(client, target string, ask l7Ask) *l7User {
	u := &l7User{target: target, ask: ask}
	u.dial = func() (conn net.Conn, err error) {
		err = b.InNamespace(client, func() error {
			conn, err = net.DialTimeout("tcp", target, httpTimeout)
			return err
		})
		return conn, err
	}
	return u
}

func (u *l7User) close() {
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
}

// request makes a request and returns when the first byte of its answer came: since the
// connection was asked for, or if there was one, since the request was sent.
func (u *l7User) request(ctx context.Context) (first time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	begun := time.Now()
	if u.conn == nil {
		if u.conn, err = u.dial(); err != nil {
			return 0, err
		}
		u.in = bufio.NewReaderSize(u.conn, 64<<10)
	}
	if err := u.conn.SetDeadline(begun.Add(httpTimeout)); err != nil {
		return 0, err
	}
	how := "close"
	if u.ask.keep {
		how = "keep-alive"
	}
	if _, err := fmt.Fprintf(u.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", u.ask.path, u.target, how); err != nil {
		return 0, err
	}
	if _, err := u.in.Peek(1); err != nil {
		return 0, err
	}
	first = time.Since(begun)
	r, err := http.ReadResponse(u.in, nil)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r.Body)
	r.Body.Close()
	if err != nil {
		return 0, err
	}
	if n != u.ask.bytes || r.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d, %d bytes, want %d", r.StatusCode, n, u.ask.bytes)
	}
	if !u.ask.keep || r.Close {
		u.close()
	}
	return first, nil
}

// count counts the requests of several users that never idle, in l7Duration.
func (b *l7Bench) count(ctx context.Context, targets []string, ask l7Ask) (int, error) {
	var n atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := time.Now().Add(l7Duration)
	for i, c := range b.Clients() {
		for k := range l7Users {
			u := b.user(c.Name, targets[(i*l7Users+k)%len(targets)], ask)
			wg.Go(func() {
				defer u.close()
				for time.Now().Before(end) {
					if _, err := u.request(ctx); err != nil {
						once.Do(func() { failed = err })
						cancel()
						return
					}
					n.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return int(n.Load()), failed
}
