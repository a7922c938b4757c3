// SPDX-License-Identifier: MIT

package surge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dpr/testbed/lab/guest/data"
)

// site is a server of the files that counts.
type site struct {
	*httptest.Server
	connections, requests, open, most atomic.Int64
	answer                            func(w http.ResponseWriter, size int64) // nil = the file
}

func newSite(t *testing.T) *site { return newSiteAt(t, "127.0.0.1:0") }

// newSiteAt returns a site that listens to an address and port.
func newSiteAt(t *testing.T, at string) *site {
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	return newSiteOn(t, listener)
}

func newSiteOn(t *testing.T, listener net.Listener) *site {
	s := &site{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if n := s.open.Add(1); n > s.most.Load() {
			s.most.Store(n)
		}
		defer s.open.Add(-1)
		size, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64)
		if err != nil || r.ProtoMajor != 1 || r.ProtoMinor != 0 {
			t.Errorf("bad request %s %s", r.Proto, r.URL)
		}
		w.Header().Set(HostHeader, "s1")
		if s.answer != nil {
			s.answer(w, size)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.Copy(w, data.Reader(size))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	_ = s.Listener.Close()
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *site) plan(users int, d time.Duration) Plan {
	return Plan{
		Target: s.Listener.Addr().String(), Files: FileSpec{Files: 100, MaxSize: 200_000, Seed: 1},
		Variant: VariantPaper, Users: users, Processes: 1, Duration: d, Seed: 1,
	}
}

// pipes is a listener without a network, whose connections dial makes.
type pipes struct {
	accept chan net.Conn
	ctx    context.Context
	close  context.CancelFunc
}

func newPipes(t *testing.T) *pipes {
	p := &pipes{accept: make(chan net.Conn)}
	p.ctx, p.close = context.WithCancel(t.Context())
	return p
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.accept <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

// runUntil runs a plan; once more if the users had no time until its end to
// bring about what is waited for.
func runUntil(t *testing.T, p Plan, happened func(*Result) bool) *Result {
	t.Helper()
	for {
		r, err := Run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if happened(r) {
			return r
		}
	}
}

// ended says that a request has ended before the run did.
func ended(r *Result) bool { return r.Failed+len(r.Records) > 0 }

// The users of a server with hardly a delay make a request every OffPerTransfer
// seconds each, from the first moment on, each on its own connection, and never
// have more open than they are.
func TestClosedSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, d, work = 300, 20 * time.Second, time.Millisecond
		l := newPipes(t)
		s := newSiteOn(t, l)
		s.answer = func(w http.ResponseWriter, size int64) {
			time.Sleep(work)
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			_, _ = io.Copy(w, data.Reader(size))
		}
		p := s.plan(users, d)
		files := generate(t, p.Files)
		f, err := newFetcher(p.Target, files.Sizes[len(files.Sizes)-1])
		if err != nil {
			t.Fatal(err)
		}
		f.dial = l.dial
		begin := time.Now()
		r, err := run(t.Context(), p, files, f)
		if took := time.Since(begin); err != nil || took != d {
			t.Fatalf("%v after %v", err, took)
		}
		n := len(r.Records)
		if requests := s.requests.Load(); r.Failed != 0 || int64(n+r.Unfinished) != requests || requests != s.connections.Load() {
			t.Errorf("%d records, %d unfinished, %d failed %q for %d requests on %d connections", n, r.Unfinished, r.Failed, r.Examples, requests, s.connections.Load())
		}
		// Pages of several files make the count vary more than a Poisson process.
		about := func(what string, n int, d time.Duration) {
			want := users * d.Seconds() / VariantPaper.OffPerTransfer()
			if math.Abs(float64(n)-want) > 6*math.Sqrt(want) {
				t.Errorf("%d requests %s, want about %.0f", n, what, want)
			}
		}
		about("in all", n, d)
		var each [d / time.Second]int
		for _, rec := range r.Records {
			if rec.Due < 0 || rec.Due > d-work || rec.Delay != work || rec.Lag != 0 {
				t.Fatalf("bad record %+v", rec)
			}
			each[rec.Due/time.Second]++
		}
		for i, n := range each {
			about(fmt.Sprintf("after %d s", i), n, time.Second)
		}
		if s.most.Load() > users {
			t.Errorf("%d requests at a time of %d users", s.most.Load(), users)
		}
	})
}

// The same seed asks for the same files in the same order.
func TestSeed(t *testing.T) {
	p := newSite(t).plan(1, time.Second)
	list := func(p Plan) []int32 {
		f := generate(t, p.Files)
		pr := process{plan: &p, files: f}
		pr.rng = newRand(&p)
		pr.next()
		return pr.list
	}
	p.Users = 1000
	a, b := list(p), list(p)
	p.Seed++
	if c := list(p); !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, c) {
		t.Error("a seed does not determine the requests")
	}
}

// Whatever is not the file is a failure; what hangs at the end is none.
func TestAnswers(t *testing.T) {
	write := func(w http.ResponseWriter, length int64, body io.Reader) {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
		_, _ = io.Copy(w, body)
	}
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter, size int64)
		want   string
	}{
		"status": {func(w http.ResponseWriter, _ int64) { w.WriteHeader(http.StatusNotFound) }, "status 404"},
		"length": {func(w http.ResponseWriter, size int64) { write(w, size+1, data.Reader(size+1)) }, "content length"},
		"content": {func(w http.ResponseWriter, size int64) {
			write(w, size, strings.NewReader(strings.Repeat("x", int(size))))
		}, "wrong content"},
		"short": {func(w http.ResponseWriter, size int64) {
			write(w, size, data.Reader(size-1))
			panic(http.ErrAbortHandler)
		}, "EOF"},
		"nameless": {func(w http.ResponseWriter, size int64) {
			w.Header().Del(HostHeader)
			write(w, size, data.Reader(size))
		}, HostHeader},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.answer = test.answer
			r := runUntil(t, s.plan(20, time.Second), ended)
			if r.Failed == 0 || len(r.Records) != 0 || !strings.Contains(r.Examples[0], test.want) {
				t.Errorf("%d failed, %d records, examples %q; want some failed with %q", r.Failed, len(r.Records), r.Examples, test.want)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		s := newSite(t)
		release := make(chan struct{})
		s.answer = func(http.ResponseWriter, int64) { <-release }
		r := runUntil(t, s.plan(20, time.Second), func(r *Result) bool { return r.Unfinished > 0 || ended(r) })
		close(release)
		if ended(r) {
			t.Errorf("%d failed %q, %d unfinished, %d records", r.Failed, r.Examples, r.Unfinished, len(r.Records))
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := newSite(t)
		p := s.plan(5, time.Second)
		s.Close()
		if r := runUntil(t, p, ended); r.Failed == 0 || !strings.Contains(r.Examples[0], "refused") {
			t.Errorf("%d failed: %q", r.Failed, r.Examples)
		}
	})
}

// A plan and a result survive the wire.
func TestServe(t *testing.T) {
	s := newSite(t)
	in, err := json.Marshal(s.plan(50, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	for !ended(&r) {
		var out bytes.Buffer
		if err := Serve(t.Context(), bytes.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		r = Result{}
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Records) == 0 || r.Failed != 0 || len(r.Hosts) != 1 || r.Hosts[0] != "s1" {
		t.Errorf("%d records, %d failed, hosts %q", len(r.Records), r.Failed, r.Hosts)
	}
	for _, bad := range []string{`{`, `{}`, `{"what":1}`} {
		if err := Serve(t.Context(), strings.NewReader(bad), io.Discard); err == nil {
			t.Errorf("plan %s accepted", bad)
		}
	}
}

func TestServerOfIPv6(t *testing.T) {
	s := newSiteAt(t, "[::1]:0")
	if r := runUntil(t, s.plan(50, time.Second), ended); len(r.Records) == 0 || r.Failed != 0 {
		t.Errorf("%d records, %d failed: %q", len(r.Records), r.Failed, r.Examples)
	}
}

// Merging keeps each record's host.
func TestMerge(t *testing.T) {
	r := Result{Hosts: []string{"s1"}, Records: Records{{Size: 1}}, Failed: 1}
	o := Result{Hosts: []string{"s2", "s1"}, Records: Records{{Size: 2}, {Size: 3, Host: 1}}, Unfinished: 4, Failed: 1}
	if err := r.Merge(&o); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, rec := range r.Records {
		got += fmt.Sprintf("%s:%d ", r.Hosts[rec.Host], rec.Size)
	}
	if got != "s1:1 s2:2 s1:3 " || r.Failed != 2 || r.Unfinished != 4 {
		t.Errorf("got %s %+v", got, r)
	}
	if err := r.Merge(&Result{Records: Records{{Host: 1}}}); err == nil {
		t.Error("a record of no host accepted")
	}
}

func TestRecordsRefuse(t *testing.T) {
	for _, bad := range []string{`[[1,2,3,4]]`, `[[1,2,3,4,-1]]`, `[["x",2,3,4,5]]`} {
		var r Records
		if err := json.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestPlanBounds(t *testing.T) {
	good := Plan{Target: "10.0.0.1:80", Files: FileSpec{Files: 100, MaxSize: 200_000}, Variant: VariantPaper, Users: 1, Processes: 1, Duration: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	six := good
	if six.Target = "[fd77::11]:80"; six.Validate() != nil {
		t.Error(six.Validate())
	}
	for name, change := range map[string]func(*Plan){
		"target": func(p *Plan) { p.Target = "http://10.0.0.1" }, "files": func(p *Plan) { p.Files.Files = 1 },
		"brackets": func(p *Plan) { p.Target = "fd77::11:80" }, "port": func(p *Plan) { p.Target = "[fd77::11]" },
		"variant": func(p *Plan) { p.Variant = "x" }, "users": func(p *Plan) { p.Users = 0 },
		"process": func(p *Plan) { p.Process = 1 }, "duration": func(p *Plan) { p.Duration = 0 },
	} {
		p := good
		change(&p)
		if err := p.Validate(); err == nil {
			t.Errorf("bad %s accepted", name)
		}
	}
}
