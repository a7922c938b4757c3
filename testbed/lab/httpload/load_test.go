// SPDX-License-Identifier: MIT

package httpload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dpr/testbed/lab/guest/data"
)

// testPlan is a short run of a few users against a server.
func testPlan(t *testing.T, target string) Plan {
	t.Helper()
	sum, err := data.Sum(15000)
	if err != nil {
		t.Fatal(err)
	}
	return Plan{
		Target: target, Documents: []Document{{Path: "/15k", Size: 15000, SHA256: sum}}, Users: 4, OffMean: 5 * time.Millisecond,
		Duration: 200 * time.Millisecond, Timeout: time.Minute, Seed: 1,
	}
}

// serveDocument answers with the right document.
func serveDocument(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.Copy(w, data.Reader(15000))
}

// abort answers with half a document and a connection that ends by a FIN, or
// by a RST if linger is 0.
func abort(t *testing.T, w http.ResponseWriter, linger int) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\n"+strings.Repeat("x", 7000))
	if err := conn.(*net.TCPConn).SetLinger(linger); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
}

func TestRunCountsEveryFailureUnderItsClass(t *testing.T) {
	stalled := make(chan struct{})
	defer close(stalled)
	tests := []struct {
		name   string
		handle func(t *testing.T, w http.ResponseWriter, r *http.Request)
		class  Class // "" if requests succeed
	}{
		{"right", func(_ *testing.T, w http.ResponseWriter, r *http.Request) { serveDocument(w, r) }, ""},
		{"error status", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}, ClassStatus},
		{"redirect", func(_ *testing.T, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/15k", http.StatusFound)
		}, ClassStatus},
		{"closed before the body's end", func(t *testing.T, w http.ResponseWriter, _ *http.Request) { abort(t, w, -1) }, ClassTruncated},
		{"reset", func(t *testing.T, w http.ResponseWriter, _ *http.Request) { abort(t, w, 0) }, ClassReset},
		{"short", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "short") }, ClassLength},
		{"long", func(_ *testing.T, w http.ResponseWriter, r *http.Request) {
			serveDocument(w, r)
			_, _ = io.WriteString(w, "more")
		}, ClassLength},
		{"other bytes", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, bytes.NewReader(make([]byte, 15000)))
		}, ClassChecksum},
		{"stalls before the header", func(_ *testing.T, _ http.ResponseWriter, _ *http.Request) { <-stalled }, ClassTimeout},
		{"stalls in the body", func(_ *testing.T, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "15000")
			_, _ = io.Copy(w, data.Reader(100))
			_ = http.NewResponseController(w).Flush()
			<-stalled
		}, ClassTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { test.handle(t, w, r) }))
			// Not closed at once: Close waits for stalled handlers.
			defer func() { server.CloseClientConnections() }()
			plan := testPlan(t, server.URL)
			if test.class == ClassTimeout {
				plan.Timeout = 50 * time.Millisecond
			}
			wantClass(t, plan, test.class)
		})
	}
}

func TestRunCountsRefusedConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plan := testPlan(t, "http://"+listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	wantClass(t, plan, ClassRefused)
}

func TestRunCountsAnswersThatAreNotHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// The request is read first: closing with it unread would reset.
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n\r\n")
			_ = conn.Close()
		}
	}()
	wantClass(t, testPlan(t, "http://"+listener.Addr().String()), ClassOther)
}

// wantClass runs the plan and wants every request to fail with class, or to
// succeed if class is empty.
func wantClass(t *testing.T, plan Plan, class Class) {
	t.Helper()
	result, err := Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if result.Requests == 0 {
		t.Fatal("no request was made")
	}
	if class == "" {
		if result.Failed != 0 || result.DelayMean() <= 0 {
			t.Fatalf("want only successes: %+v", result)
		}
		return
	}
	if result.Failed != result.Requests || result.Failures[class] != result.Requests || len(result.Failures) != 1 {
		t.Fatalf("%d requests, %d failed: %v %q, want all %s", result.Requests, result.Failed, result.Failures, result.Examples, class)
	}
	if result.InTime != 0 || result.DelayMean() != 0 {
		t.Errorf("failures counted as answers: %+v", result)
	}
}

func TestRunAsksServersOfIPv6(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(serveDocument))
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	wantClass(t, testPlan(t, "http://"+listener.Addr().String()), "")
}

func TestRunOpensOneConnectionPerRequest(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(serveDocument))
	connections := make(chan struct{}, 100000)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	result, err := Run(t.Context(), testPlan(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if got := uint64(len(connections)); got != result.Requests {
		t.Errorf("%d connections for %d requests", got, result.Requests)
	}
}

// transport is a http.RoundTripper of one function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A client whose process came up late owes its users the delay, once; an answer
// after the end counts, but not as one in time.
func TestRunTimesFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work, late = 100 * time.Millisecond, 250 * time.Millisecond
		plan := testPlan(t, "http://192.0.2.1")
		var requests atomic.Int64
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			time.Sleep(work)
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(data.Reader(15000)), Request: r}, nil
		})}
		plan.Start, plan.OffMean, plan.Duration = time.Now().Add(-late), 0, 2*late
		begin := time.Now()
		result, err := run(t.Context(), plan, client)
		if err != nil {
			t.Fatal(err)
		}
		// Each of four users asks 0, 100 and 200 ms after the process began; 250 ms are left.
		if took, n := time.Since(begin), requests.Load(); took != 3*work || n != 12 || result.Requests != 12 || result.Failed != 0 || result.InTime != 8 || result.Throughput() != 16 {
			t.Errorf("%d requests in %v: %+v", n, took, result)
		}
		if got, want := result.DelayMean(), (late+3*work)/3; got != want {
			t.Errorf("mean delay %v, want %v", got, want)
		}
		if got := result.DelayQuantile(1).Round(time.Millisecond); got != late+work {
			t.Errorf("longest delay %v, want %v", got, late+work)
		}
		if got := result.DelayQuantile(0.01).Round(time.Millisecond); got != work {
			t.Errorf("shortest delay %v, want %v", got, work)
		}
	})
}

func TestRunEndsWithinDurationAndTimeout(t *testing.T) {
	stalled := make(chan struct{})
	defer close(stalled)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stalled }))
	defer server.CloseClientConnections()
	plan := testPlan(t, server.URL)
	plan.Timeout = 300 * time.Millisecond
	start := time.Now()
	if _, err := Run(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if took, limit := time.Since(start), plan.Duration+plan.Timeout+time.Minute; took > limit {
		t.Errorf("took %v, want at most %v", took, limit)
	}
}

func TestRunCancelled(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serveDocument))
	defer server.Close()
	plan := testPlan(t, server.URL)
	plan.Duration = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	result, err := Run(ctx, plan)
	if result != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v, want no result and the context's error", result, err)
	}
}

func TestOffTimesAreReproducibleAndBounded(t *testing.T) {
	draw := func(seed uint64) []time.Duration {
		u := newUser(&Plan{OffMean: time.Second, Seed: seed}, 3, nil, nil)
		times := make([]time.Duration, 10000)
		for i := range times {
			times[i] = u.off()
		}
		return times
	}
	a, b, c := draw(1), draw(1), draw(2)
	var sum time.Duration
	same := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("OFF time %d: %v, then %v with the same seed", i, a[i], b[i])
		}
		if a[i] == c[i] {
			same++
		}
		if a[i] < 0 || a[i] > offCut*time.Second {
			t.Errorf("OFF time %v out of range", a[i])
		}
		sum += a[i]
	}
	if mean := sum / time.Duration(len(a)); mean < 950*time.Millisecond || mean > 1050*time.Millisecond {
		t.Errorf("mean OFF time %v, want about 1s", mean)
	}
	if same > 10 {
		t.Errorf("%d of %d OFF times do not depend on the seed", same, len(a))
	}
}

func TestServe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serveDocument))
	defer server.Close()
	in, err := json.Marshal(testPlan(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Serve(t.Context(), bytes.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var result Result
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	if result.Requests == 0 || result.Failed != 0 || result.DelayMean() <= 0 || result.DelayQuantile(0.99) <= 0 {
		t.Errorf("result %+v", result)
	}
	for name, bad := range map[string]string{
		"empty":   "",
		"no JSON": "users=3",
		"unknown": `{"userz":3}`,
		"invalid": `{"target":"http://127.0.0.1:1"}`,
	} {
		out.Reset()
		if err := Serve(t.Context(), strings.NewReader(bad), &out); err == nil || out.Len() != 0 {
			t.Errorf("%s: error %v, output %q", name, err, out.String())
		}
	}
}
