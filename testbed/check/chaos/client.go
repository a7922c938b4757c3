// SPDX-License-Identifier: MIT

package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// Kind is what a connection is for.
type Kind string

// The kinds of connections.
const (
	Download  Kind = "download"       // 15 kB, one request
	Large     Kind = "large download" // 1 MB, one request
	Upload    Kind = "upload"         // 60 kB, read back and removed
	KeepAlive Kind = "keep-alive"     // requests within a second of each other
	Idle      Kind = "idle"           // two requests, silence between
	LongPoll  Kind = "long poll"      // a request, and one that is answered after 5 s
)

// Kinds are all kinds of connections.
var Kinds = []Kind{Download, Large, Upload, KeepAlive, Idle, LongPoll}

const (
	// patience is how long a client waits for a connection, and for an answer:
	// longer than all events but those that are allowed to end connections.
	patience = time.Minute
	// unanswered is after what time without an answer it is looked up who
	// serves a connection, as the flow may go.
	unanswered = 2 * time.Second

	smallSize  = 15_000
	largeSize  = 1_000_000
	uploadSize = 60_000
)

// files are the documents that clients know.
type files struct{ small, large, upload httpload.Document }

func newFiles() (files, error) {
	var f files
	for _, d := range []struct {
		doc  *httpload.Document
		path string
		size int64
	}{{&f.small, "/15k", smallSize}, {&f.large, "/1m", largeSize}, {&f.upload, "", uploadSize}} {
		sum, err := data.Sum(d.size)
		if err != nil {
			return f, err
		}
		*d.doc = httpload.Document{Path: d.path, Size: d.size, SHA256: sum}
	}
	return f, nil
}

// world is what clients live in.
type world interface {
	// dial opens a connection; port is called with the client's port before the first
	// SYN.
	dial(ctx context.Context, c *Conn, port func(int)) (net.Conn, error)
	// serves says who serves a connection that has had no answer.
	serves(ctx context.Context, c *Conn) (string, Proof)
	// answers says how many hosts answered the SYN of a connection that has failed.
	answers(c *Conn) (int, error)
}

// user opens one connection after the other.
type user struct {
	world  world
	name   string // for its uploads
	client string
	family family.Family
	hosts  []string
	files  files
	random *rand.Rand
	pause  time.Duration // mean, between connections
	record func(Conn)
}

// run works until stop is closed, and lets the last connection end. If ctx ends
// it is cut short, and not recorded.
func (u *user) run(ctx context.Context, stop <-chan struct{}) {
	for {
		rested := rest(ctx, time.Duration(min(u.random.ExpFloat64(), 5)*float64(u.pause)))
		select {
		case <-stop:
			return
		default:
		}
		if !rested {
			return
		}
		c := u.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		u.record(c)
	}
}

// kindOf draws what the next connection is for.
func (u *user) kindOf() Kind {
	switch n := u.random.IntN(100); {
	case n < 50:
		return Download
	case n < 54:
		return Large
	case n < 70:
		return Upload
	case n < 84:
		return KeepAlive
	case n < 90:
		return Idle
	default:
		return LongPoll
	}
}

// session is a connection while it lives.
type session struct {
	u    *user
	conn net.Conn
	r    *bufio.Reader

	mu sync.Mutex // of c, while who serves is looked up
	c  Conn
}

// connection makes one connection and uses it.
func (u *user) connection(ctx context.Context) Conn {
	s := &session{u: u, c: Conn{Kind: u.kindOf(), Client: u.client, Family: u.family, Asked: u.hosts[u.random.IntN(len(u.hosts))], Begin: time.Now()}}
	early := time.AfterFunc(unanswered, func() { s.lookUp(ctx, false) })
	err := s.live(ctx)
	s.mu.Lock()
	s.c.End = time.Now()
	s.mu.Unlock()
	early.Stop()
	if err != nil {
		s.lookUp(ctx, true)
	}
	if s.conn != nil {
		s.conn.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.c.Class, s.c.Err = httpload.Classify(err), err.Error()
		if s.c.Requests == 0 && s.c.Port != 0 {
			if s.c.Answers, err = u.world.answers(&s.c); err != nil {
				s.c.Err += "; " + err.Error()
			}
		}
	}
	return s.c
}

// lookUp finds out who serves if no answer said so.
func (s *session) lookUp(ctx context.Context, last bool) {
	s.mu.Lock()
	c := s.c
	s.mu.Unlock()
	if c.Proof == ByAnswer || c.Proof == ByFlow || c.Port == 0 {
		return
	}
	served, proof := s.u.world.serves(ctx, &c)
	s.mu.Lock()
	defer s.mu.Unlock()
	// That there is no flow yet means nothing: the SYN may be lost.
	if s.c.Proof != ByAnswer && (proof == ByFlow || last) {
		s.c.Served, s.c.Proof = served, proof
	}
}

// live opens the connection and makes its requests.
func (s *session) live(ctx context.Context) (err error) {
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := s.c
	s.conn, err = s.u.world.dial(dialing, &c, func(port int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.c.Port = port
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.mu.Lock()
	s.c.Connected, s.c.Handshake = true, time.Since(s.c.Begin)
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	s.r = bufio.NewReader(s.conn)
	f := s.u.files
	switch s.c.Kind {
	case Large:
		return s.get(f.large)
	case Upload:
		return s.upload()
	case KeepAlive:
		for i := range 4 + s.u.random.IntN(10) {
			if i > 0 && !rest(ctx, time.Duration(100+s.u.random.IntN(900))*time.Millisecond) {
				return ctx.Err()
			}
			if err := s.get(f.small); err != nil {
				return err
			}
		}
		return nil
	case Idle:
		if err := s.get(f.small); err != nil || !rest(ctx, time.Duration(3+s.u.random.IntN(6))*time.Second) {
			return err
		}
		return s.get(f.small)
	case LongPoll:
		// The first answer says who serves.
		if err := s.get(f.small); err != nil {
			return err
		}
		poll := f.small
		poll.Path = "/poll"
		return s.get(poll)
	default:
		return s.get(f.small)
	}
}

func (s *session) upload() error {
	doc := s.u.files.upload
	doc.Path = "/upload/" + s.u.name
	put := s.request(http.MethodPut, doc.Path)
	put.Body, put.ContentLength = io.NopCloser(data.Reader(doc.Size)), doc.Size
	if err := s.ask(put, http.StatusCreated, http.StatusNoContent); err != nil {
		return err
	}
	if err := s.get(doc); err != nil {
		return err
	}
	return s.ask(s.request(http.MethodDelete, doc.Path), http.StatusNoContent)
}

func (s *session) request(method, path string) *http.Request {
	return &http.Request{Method: method, Host: "www", ProtoMajor: 1, ProtoMinor: 1, URL: &url.URL{Path: path}, Header: http.Header{}}
}

// exchange makes a request and reads the answer's head.
func (s *session) exchange(r *http.Request) (*http.Response, error) {
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := r.Write(s.conn); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	a, err := http.ReadResponse(s.r, r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return a, s.servedBy(a)
}

// errTwoServers is a connection whose answers are of different hosts.
var errTwoServers = errors.New("answers of two servers")

func (s *session) servedBy(a *http.Response) error {
	name := a.Header.Get("X-Served-By")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c.Proof == ByAnswer && s.c.Served != name {
		return fmt.Errorf("%w: %s and %s", errTwoServers, s.c.Served, name)
	}
	if s.c.Proof == ByFlow && s.c.Served != name {
		return fmt.Errorf("%w: the routing table says %s, the answer %s", errTwoServers, s.c.Served, name)
	}
	s.c.Served, s.c.Proof = name, ByAnswer
	return nil
}

// get asks for a document and checks it.
func (s *session) get(doc httpload.Document) error {
	a, err := s.exchange(s.request(http.MethodGet, doc.Path))
	if err != nil {
		return err
	}
	n, err := httpload.Check(a, doc)
	if err == nil {
		err = a.Body.Close()
	}
	s.done(n, err)
	return err
}

// ask makes a request that is answered by a status alone.
func (s *session) ask(r *http.Request, want ...int) error {
	a, err := s.exchange(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.Body)
	ok := false
	for _, status := range want {
		ok = ok || a.StatusCode == status
	}
	if err == nil && !ok {
		err = fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, a.Status)
	}
	s.done(max(0, r.ContentLength), err)
	return err
}

func (s *session) done(bytes int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.Bytes += bytes
	if err == nil {
		s.c.Requests++
	}
}

// rest waits; false means that ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// withPort is a dialer's control that binds the socket to a free port and tells
// which before it connects.
func withPort(notify func(int)) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var err error
		controlErr := c.Control(func(fd uintptr) {
			var name syscall.Sockaddr = &syscall.SockaddrInet4{}
			if network == "tcp6" {
				name = &syscall.SockaddrInet6{}
			}
			if err = syscall.Bind(int(fd), name); err != nil {
				return
			}
			if name, err = syscall.Getsockname(int(fd)); err != nil {
				return
			}
			switch name := name.(type) {
			case *syscall.SockaddrInet4:
				notify(name.Port)
			case *syscall.SockaddrInet6:
				notify(name.Port)
			}
		})
		return errors.Join(controlErr, err)
	}
}

// lines are those of a text that are not empty.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}
