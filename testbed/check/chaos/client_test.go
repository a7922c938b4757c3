// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// fakeWorld is one server of this machine.
type fakeWorld struct {
	address string
	flows   bool // whether it is known who serves a connection
	mu      sync.Mutex
	lookups int
}

func (w *fakeWorld) dial(ctx context.Context, c *Conn, port func(int)) (net.Conn, error) {
	return (&net.Dialer{Control: withPort(port)}).DialContext(ctx, fmt.Sprintf("tcp%d", c.Family), w.address)
}

func (w *fakeWorld) serves(_ context.Context, c *Conn) (string, Proof) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups++
	if !w.flows {
		return "", Unproved
	}
	return fmt.Sprint("port ", c.Port), ByFlow
}

func (w *fakeWorld) answers(*Conn) (int, error) { return 2, nil }

// web is a server as the guests' is; spoil changes an answer before it is sent.
func web(t *testing.T, spoil func(w http.ResponseWriter, r *http.Request, n int) bool) *fakeWorld {
	t.Helper()
	uploads := map[string]string{}
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		w.Header().Set("X-Served-By", "s2")
		if spoil != nil && spoil(w, r, n) {
			return
		}
		name, upload := strings.CutPrefix(r.URL.Path, "/upload/")
		switch {
		case r.Method == http.MethodPut:
			b, _ := io.ReadAll(r.Body)
			uploads[name] = string(b)
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodDelete:
			delete(uploads, name)
			w.WriteHeader(http.StatusNoContent)
		case upload:
			io.WriteString(w, uploads[name])
		default:
			size := map[string]int64{"/15k": smallSize, "/1m": largeSize, "/poll": smallSize}[r.URL.Path]
			io.Copy(w, data.Reader(size))
		}
	}))
	t.Cleanup(s.Close)
	return &fakeWorld{address: s.Listener.Addr().String()}
}

func newUser(t *testing.T, w world, seed uint64) *user {
	t.Helper()
	f, err := newFiles()
	if err != nil {
		t.Fatal(err)
	}
	return &user{world: w, name: "u", client: "c1", family: family.V4, hosts: []string{"s1"}, files: f, random: rand.New(rand.NewPCG(seed, 0))}
}

// connectionOf makes one connection of a kind.
func connectionOf(t *testing.T, w world, k Kind) Conn {
	t.Helper()
	for seed := range uint64(1000) {
		if newUser(t, w, seed).kindOf() == k {
			return newUser(t, w, seed).connection(t.Context())
		}
	}
	t.Fatal("no such kind: ", k)
	return Conn{}
}

func TestConnectionsAreWell(t *testing.T) {
	t.Parallel()
	w := web(t, nil)
	var all sync.WaitGroup
	for _, k := range Kinds {
		all.Go(func() {
			c := connectionOf(t, w, k)
			if c.Failed() || c.Requests == 0 || c.Served != "s2" || c.Proof != ByAnswer || c.Port == 0 || !c.Redirected() || c.End.Before(c.Begin) {
				t.Errorf("%+v", c)
			}
		})
	}
	all.Wait()
}

// What comes back wrong is a failure, and who served is known all the same.
func TestConnectionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind  Kind
		class httpload.Class
		spoil func(w http.ResponseWriter, r *http.Request, n int) bool
	}{
		"other bytes": {Download, httpload.ClassChecksum, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			io.WriteString(w, strings.Repeat("x", smallSize))
			return true
		}},
		"too short": {Download, httpload.ClassLength, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			io.WriteString(w, "x")
			return true
		}},
		"an error": {KeepAlive, httpload.ClassStatus, func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 2 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return n == 2
		}},
		"another server": {KeepAlive, httpload.ClassOther, func(w http.ResponseWriter, _ *http.Request, n int) bool {
			w.Header().Set("X-Served-By", fmt.Sprint("s", n))
			return false
		}},
		"upload changed": {Upload, httpload.ClassLength, func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.Method == http.MethodGet {
				io.WriteString(w, "x")
			}
			return r.Method == http.MethodGet
		}},
		"upload refused": {Upload, httpload.ClassOther, func(w http.ResponseWriter, r *http.Request, _ int) bool {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusForbidden)
			return true
		}},
		"cut short": {Large, httpload.ClassTruncated, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Content-Length", fmt.Sprint(largeSize))
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
	} {
		c := connectionOf(t, web(t, tt.spoil), tt.kind)
		if c.Class != tt.class || c.Err == "" {
			t.Errorf("%s: class %q, want %q: %s", name, c.Class, tt.class, c.Err)
		}
		if c.Proof != ByAnswer {
			t.Errorf("%s: proof %q", name, c.Proof)
		}
	}
}

// Of a connection without an answer it is asked who serves it.
func TestConnectionIsLookedUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	w := &fakeWorld{address: l.Addr().String(), flows: true}
	c := connectionOf(t, w, Download)
	if c.Class != httpload.ClassReset && c.Class != httpload.ClassTruncated || c.Proof != ByFlow || c.Served != fmt.Sprint("port ", c.Port) || w.lookups != 1 || c.Answers != 2 {
		t.Errorf("%+v, %d lookups", c, w.lookups)
	}
}

// A connection by IPv6 has its port noted, too.
func TestConnectionBySix(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Served-By", "s2")
		io.Copy(w, data.Reader(smallSize))
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	for seed := range uint64(100) {
		if newUser(t, nil, seed).kindOf() != Download {
			continue
		}
		u := newUser(t, &fakeWorld{address: l.Addr().String()}, seed)
		u.family = family.V6
		if c := u.connection(t.Context()); c.Failed() || c.Family != family.V6 || c.Port == 0 {
			t.Errorf("%+v", c)
		}
		return
	}
}

// A user that is stopped lets its last connection end; one that is cut short
// records nothing.
func TestUserStops(t *testing.T) {
	t.Parallel()
	u := newUser(t, web(t, nil), 1)
	n := 0
	stop := make(chan struct{})
	u.record = func(Conn) {
		if n++; n == 3 {
			close(stop)
		}
	}
	u.run(t.Context(), stop)
	if n != 3 {
		t.Errorf("%d connections", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	u.record = func(Conn) { t.Error("recorded") }
	u.run(ctx, nil)
}
