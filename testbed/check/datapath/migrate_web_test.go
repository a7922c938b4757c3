// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// webPort is of the service whose connections move.
const webPort = 8080

// A site is an HTTP server on a host, as Go has it. It answers
//
//	GET /…           NAME
//	GET /…?bytes=N   N bytes of pattern
//	POST /…          NAME and how many bytes of pattern it got
//
// and says in a field who it is. After an answer to "?hold" the connection is the test's.
type site struct {
	server http.Server

	mu   sync.Mutex
	open map[net.Conn]bool
	hold func(net.Conn) // gets the connection of a request with "hold", once it is answered
}

// serveSite starts a site on all addresses of a host.
func serveSite(t *testing.T, h *vnet.Host, name string) *site {
	t.Helper()
	s := &site{open: map[net.Conn]bool{}}
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", name)
		if r.URL.Query().Has("hold") {
			s.letGo(w, name)
			return
		}
		if n, err := strconv.Atoi(r.URL.Query().Get("bytes")); err == nil {
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_ = writePattern(w, n)
			return
		}
		got, err := io.ReadAll(r.Body)
		for at := 0; err == nil && at < len(got); at += len(pattern) {
			part := got[at:min(at+len(pattern), len(got))]
			if !bytes.Equal(part, pattern[:len(part)]) {
				err = errors.New("wrong bytes")
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s %d", name, len(got))
	})
	s.server.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state == http.StateClosed || state == http.StateHijacked {
			delete(s.open, c)
		} else {
			s.open[c] = true
		}
	}
	for network, address := range map[string]string{"tcp4": "0.0.0.0", "tcp6": "::"} {
		lc := net.ListenConfig{KeepAlive: -1}
		lc.SetMultipathTCP(false)
		check(t, h.Do(func() error {
			ln, err := lc.Listen(t.Context(), network, net.JoinHostPort(address, strconv.Itoa(webPort)))
			if err == nil {
				go func() { _ = s.server.Serve(ln) }()
			}
			return err
		}))
	}
	t.Cleanup(func() { s.server.Close() })
	return s
}

// letGo answers a request, and gives the connection to the test.
func (s *site) letGo(w http.ResponseWriter, name string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 3\r\n\r\n%s 0", name, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(c)
}

// connections is how many a site has.
func (s *site) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// moving is a cluster of three hosts, all of which serve a site, whose connections move
// between requests: /A is for A, /B for B, /D for D, all else for any.
//
//	C, R ── switch ── A (the clients' first host)
//	           ├───── B
//	           └───── D
type moving struct {
	*handing
	of    map[string]*server
	sites map[string]*site
}

// newMoving makes the cluster. What no rule is about goes to B, whose load is the lowest.
func newMoving(t *testing.T, w way) *moving {
	t.Helper()
	return newMovingOn(t, w, func(*server) netip.Addr { return netip.Addr{} })
}

// newMovingOn is newMoving with services that are each on one address.
func newMovingOn(t *testing.T, w way, address func(*server) netip.Addr) *moving {
	t.Helper()
	m := &moving{handing: newHanding(t, w), sites: map[string]*site{}}
	m.of = map[string]*server{"A": m.a, "B": m.b, "D": m.d}
	rules := dprnl.Ruleset{}
	for _, name := range []string{"A", "B", "D"} {
		rules.Groups = append(rules.Groups, dprnl.Group{Name: name, Hosts: []netip.Addr{m.of[name].addr}})
		rules.Matches = append(rules.Matches, dprnl.Match{Group: name, Path: "/" + name})
	}
	for name, s := range m.of {
		t.Cleanup(func() { s.tell(t) })
		m.sites[name] = serveSite(t, s.Host, name)
		s.set(t, dprnl.ConfigUpdate{
			Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported), ReportMaxAge: ptr(time.Hour),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
		})
		service := dprnl.Service{Port: webPort, Address: address(s), Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchRequest)}}
		check(t, s.dpr.AddService(t.Context(), service))
		check(t, s.dpr.SetRuleset(t.Context(), service, rules))
		for other, load := range map[string]uint32{"A": 1 << 20, "B": 0, "D": 1 << 10} {
			if other != name {
				s.knows(t, m.of[other], load, 6)
			}
		}
	}
	return m
}

// tell logs what a server has counted, if the test has failed.
func (s *server) tell(t *testing.T) {
	if !t.Failed() {
		return
	}
	all, err := s.dpr.Stats(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	got := counts{}
	for k, v := range all.All() {
		if v != 0 {
			got[k] = v
		}
	}
	t.Logf("%s has counted %v", s.Name, got)
}

// knows tells a server of a peer that knows a protocol, and its load.
func (s *server) knows(t *testing.T, peer *server, load uint32, protocol uint32) {
	t.Helper()
	u := s.way.reportOf(peer.addr, protocol)
	u.Metrics.Sockets, u.Others = load, peer.others
	check(t, s.dpr.SetPeer(t.Context(), u))
}

// visit connects the client to the site, by A.
func (m *moving) visit(t *testing.T) *conn {
	t.Helper()
	return connect(t, m.c, netip.AddrPortFrom(m.a.at, webPort))
}

// fetch sends a request and reads the answer; by is who answered.
func (c *conn) fetch(method, path string, body []byte) (by string, answer []byte, err error) {
	r, err := http.NewRequest(method, "http://site"+path, bytes.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		return "", nil, err
	}
	if err := c.SetDeadline(time.Now().Add(step / 2)); err != nil {
		return "", nil, err
	}
	if _, err := c.Write(text.Bytes()); err != nil {
		return "", nil, err
	}
	return c.read(method)
}

// read reads an answer to a request.
func (c *conn) read(method string) (by string, answer []byte, err error) {
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %q", res.Status, answer)
	}
	return res.Header.Get("Server"), answer, err
}

// wantFrom fails the test unless a host answers a request.
func (c *conn) wantFrom(t *testing.T, want, path string) {
	t.Helper()
	if by, answer, err := c.fetch("GET", path, nil); err != nil || by != want || string(answer) != want+" 0" {
		t.Errorf("%s was answered by %q: %q (%v), want %s", path, by, answer, err, want)
	}
}

// alone is an error unless the connections of the sites are these.
func (m *moving) have(want map[string]int) error {
	for name, s := range m.sites {
		if n := s.connections(); n != want[name] {
			return fmt.Errorf("%s has %d connections, want %d", name, n, want[name])
		}
	}
	return nil
}
