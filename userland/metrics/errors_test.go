// SPDX-License-Identifier: MIT

package metrics

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
	"dpr/userland/testlog"
)

// faulty fails at operations by their names, and counts how often it was closed.
type faulty struct {
	*kernel
	fails  map[string]error
	closed int
}

func (f *faulty) Config(ctx context.Context) (dprnl.Config, error) {
	c, _ := f.kernel.Config(ctx)
	return c, f.fails["Config"]
}

func (f *faulty) ServiceStates(ctx context.Context) ([]dprnl.ServiceStatus, error) {
	s, _ := f.kernel.ServiceStates(ctx)
	return s, f.fails["ServiceStates"]
}

func (f *faulty) Load(ctx context.Context) (dprnl.Load, error) {
	l, _ := f.kernel.Load(ctx)
	return l, f.fails["Load"]
}

func (f *faulty) Peers(ctx context.Context) ([]dprnl.Peer, error) {
	p, _ := f.kernel.Peers(ctx)
	return p, f.fails["Peers"]
}

func (f *faulty) Stats(ctx context.Context) (dprnl.Stats, error) {
	s, _ := f.kernel.Stats(ctx)
	return s, f.fails["Stats"]
}

func (f *faulty) Flows(ctx context.Context, filter dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error] {
	return func(yield func(dprnl.Flow, error) bool) {
		for flow := range f.kernel.Flows(ctx, filter) {
			if !yield(flow, nil) {
				return
			}
		}
		if err := f.fails["Flows"]; err != nil {
			yield(dprnl.Flow{}, err)
		}
	}
}

func (f *faulty) Close() error { f.closed++; return nil }

// faults are options with a kernel that may fail, and a log.
func faults() (Options, *faulty, *testlog.Buffer) {
	f, log := &faulty{kernel: &kernel{flows: 5}, fails: map[string]error{}}, &testlog.Buffer{}
	o := options(f.kernel)
	o.Dial = func() (Kernel, error) { return f, nil }
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	return o, f, log
}

// values returns what a collector exports, by name and labels.
func values(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

// Whatever the kernel does not answer, it is down, that is logged, and the connection
// is reopened.
func TestEveryOperationFails(t *testing.T) {
	for _, operation := range []string{"Config", "ServiceStates", "Load", "Peers", "Stats", "Flows", "dial"} {
		o, k, log := faults()
		k.fails[operation] = errors.New("broken")
		if operation == "dial" {
			o.Dial = func() (Kernel, error) { return nil, errors.New("broken") }
		}
		all := values(t, NewCollector(o))
		if all["dpr_up"] != 0 || all["dpr_receive_up"] != 1 || len(all) > 40 {
			t.Errorf("%s: up %v, receiver up %v, %d values", operation, all["dpr_up"], all["dpr_receive_up"], len(all))
		}
		if !strings.Contains(log.String(), "cannot read from the kernel") || !strings.Contains(log.String(), "broken") {
			t.Errorf("%s: log %s", operation, log)
		}
		if (k.closed > 0) != (operation != "dial") {
			t.Errorf("%s: closed %d times", operation, k.closed)
		}
	}
	o, _, log := faults()
	o.Reports = func(context.Context) (receive.Status, error) { return receive.Status{}, errors.New("dead") }
	all := values(t, NewCollector(o))
	if all["dpr_up"] != 1 || all["dpr_receive_up"] != 0 || !strings.Contains(log.String(), "cannot read from dpr-receive") || strings.Contains(log.String(), "from the kernel") {
		t.Errorf("up %v, receiver up %v, log %s", all["dpr_up"], all["dpr_receive_up"], log)
	}
	o, _, log = faults()
	if all := values(t, NewCollector(o)); all["dpr_up"] != 1 || log.String() != "" {
		t.Errorf("up %v, log %s", all["dpr_up"], log)
	}
}

// Refused reports are those that were neither accepted, nor this host's own, nor
// superseded by another version.
func TestRefusedReports(t *testing.T) {
	o, _, _ := faults()
	all := values(t, NewCollector(o))
	sum, n := 0.0, 0
	for name, v := range all {
		if strings.HasPrefix(name, "dpr_reports_refused_total ") {
			sum += v
			n++
			if strings.HasSuffix(name, " accepted") || strings.HasSuffix(name, " own") || strings.HasSuffix(name, " superseded") {
				t.Errorf("%s is refused", name)
			}
		}
	}
	if sum == 0 || n != len(status().Counts)-3 {
		t.Errorf("%d reasons, %v reports", n, sum)
	}
	for result, want := range map[string]float64{"accepted": 50, "own": 3, "refused": sum} {
		if got := all["dpr_reports_total "+result]; got != want {
			t.Errorf("%s: %v, want %v", result, got, want)
		}
	}
}

// Every state of flows is exported, even one without a flow; a table at the limit is
// still gone through.
func TestStatesOfFlows(t *testing.T) {
	o, k, _ := faults()
	k.kernel.flows = int(o.FlowsLimit)
	n, zero := 0, 0
	for name, v := range values(t, NewCollector(o)) {
		if strings.HasPrefix(name, "dpr_flows_by_state ") {
			n++
			if v == 0 {
				zero++
			}
		}
	}
	if n != 5 || zero != 3 {
		t.Errorf("%d states, %d without a flow", n, zero)
	}
	if !math.IsNaN(maxLoad(dprnl.MaxLoadAuto)) || maxLoad(7) != 7 {
		t.Error("MaxLoad")
	}
}

// Every exported metric is described.
func TestDescribed(t *testing.T) {
	o, _, _ := faults()
	c := NewCollector(o)
	descs := make(chan *prometheus.Desc, 1000)
	c.Describe(descs)
	close(descs)
	described := map[string]bool{}
	for d := range descs {
		described[d.String()] = true
	}
	metrics := make(chan prometheus.Metric, 1000)
	c.Collect(metrics)
	close(metrics)
	n := 0
	for m := range metrics {
		if n++; !described[m.Desc().String()] {
			t.Errorf("not described: %v", m.Desc())
		}
	}
	if n < len(described) || len(described) < 20 {
		t.Errorf("%d values, %d descriptions", n, len(described))
	}
	if got := testutil.CollectAndCount(c, "dpr_build_info"); got != 1 {
		t.Errorf("%d builds", got)
	}
}

// Run shows that it lives, lets answers come to their end, and closes its connection.
func TestRunEnds(t *testing.T) {
	o, k, _ := faults()
	s, err := NewServer("127.0.0.1:0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan net.Addr, 1)
	s.started = func(a net.Addr) { started <- a }
	ctx, cancel := context.WithCancel(t.Context())
	done, beats := make(chan error, 1), make(chan bool, 100)
	go func() { done <- s.Run(ctx, func() {}, func() { beats <- true }) }()
	url := "http://" + (<-started).String()
	resp, err := http.Get(url + "/")
	if err != nil || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	get(t, url+"/metrics")
	for range 2 {
		select {
		case <-beats:
		case <-time.After(time.Minute):
			t.Fatal("no heartbeat")
		}
	}
	cancel()
	if err := <-done; err != nil || k.closed != 1 {
		t.Errorf("%v, closed %d times", err, k.closed)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it still serves")
	}
}

// An answer that does not come to its end is cut off after a while.
func TestSlowAnswerIsCutOff(t *testing.T) {
	o, _, _ := faults()
	asked, release := make(chan bool), make(chan bool)
	o.Reports = func(context.Context) (receive.Status, error) {
		close(asked)
		<-release
		return receive.Status{}, nil
	}
	defer close(release)
	s, err := NewServer("127.0.0.1:0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.handler()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + l.Addr().String() + "/metrics")
		failed <- err
	}()
	<-asked
	begin := time.Now()
	err = s.end(srv)
	if took := time.Since(begin); err != nil || took < endTimeout || took > endTimeout+time.Minute {
		t.Errorf("%v after %v", err, took)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("the answer came")
		}
	case <-time.After(time.Minute):
		t.Error("the connection stays open")
	}
}

// No more than some ask at once; the others get an error.
func TestRequestsAreBounded(t *testing.T) {
	o, _, _ := faults()
	release := make(chan bool)
	o.Reports = func(context.Context) (receive.Status, error) {
		<-release
		return receive.Status{}, nil
	}
	s, err := NewServer("127.0.0.1:0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	defer close(release)
	const more = 2
	refused := make(chan bool, maxRequests+more)
	for range maxRequests + more {
		go func() {
			resp, err := http.Get(srv.URL + "/metrics")
			if err != nil {
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode == http.StatusServiceUnavailable {
				refused <- true
			}
		}()
	}
	for range more {
		select {
		case <-refused:
		case <-time.After(time.Minute):
			t.Fatal("all of them are served at once")
		}
	}
	time.Sleep(50 * time.Millisecond)
	if len(refused) > 0 {
		t.Errorf("%d more are refused", len(refused))
	}
}
