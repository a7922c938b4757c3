// SPDX-License-Identifier: MIT

package metrics

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
	"dpr/userland/report"
)

type kernel struct {
	flows int
	err   error
	dials int
}

func (k *kernel) Config(context.Context) (dprnl.Config, error) {
	return dprnl.Config{Address: netip.MustParseAddr("192.0.2.1"), Policy: dprnl.PolicyLowest, State: dprnl.StateDraining,
		MaxLoad: 11, Weight: 2, MaxFlows: 1000, ReportMaxAge: 3 * time.Second}, k.err
}

func (k *kernel) ServiceStates(context.Context) ([]dprnl.ServiceStatus, error) {
	return []dprnl.ServiceStatus{
		{Service: dprnl.Service{Port: 80, Address: netip.IPv4Unspecified(), Rules: dprnl.Rules{Load: dprnl.Own(dprnl.LoadOfService)}}, Connections: 4},
		{Service: dprnl.Service{Port: 443, Address: netip.MustParseAddr("192.0.2.1")}, State: dprnl.ServiceNoListener},
		{Service: dprnl.Service{Port: 8080, Address: netip.IPv4Unspecified(), Rules: dprnl.Rules{Load: dprnl.Own(dprnl.LoadOfService)}}, State: dprnl.ServiceFull},
	}, k.err
}

func (k *kernel) Load(context.Context) (dprnl.Load, error) {
	return dprnl.Load{Metrics: dprnl.Metrics{Connections: 5, CPU: 250, Redirected: 6, Sockets: 7}, Load: 8}, k.err
}

func (k *kernel) Peers(context.Context) ([]dprnl.Peer, error) {
	return []dprnl.Peer{
		{Address: netip.MustParseAddr("192.0.2.2"), Metrics: dprnl.Metrics{Connections: 1, CPU: 500, Redirected: 2, Sockets: 3},
			Weight: 4, Load: 5, Estimate: 6, Reported: true, Age: 1500 * time.Millisecond, Usable: true, Listed: true,
			Flows: 7, Live: 8, Redirects: 9, Barred: dprnl.BarredUnheard, Down: []uint16{80, 443},
			Loads: []dprnl.PortLoad{{Port: 80, Known: true, Estimate: 12, Live: 3}, {Port: 8080}}, Forwarding: dprnl.ForwardingDirect},
		{Address: netip.MustParseAddr("192.0.2.3"), State: dprnl.StateLeaving, Weight: 1, Loads: []dprnl.PortLoad{{Port: 80, Live: 2}}},
		{Address: netip.MustParseAddr("192.0.2.4"), Weight: 1, Listed: true},
	}, k.err
}

// Stats gives every counter the value 100 more than its number.
func (k *kernel) Stats(context.Context) (dprnl.Stats, error) {
	values := make(map[dprnl.Stat]uint64)
	var none dprnl.Stats
	for s := range none.All() {
		values[s] = 100 + uint64(s)
	}
	values[dprnl.StatFlows], values[dprnl.StatFlowsLive] = uint64(k.flows), 1
	return dprnl.NewStats(values), k.err
}

func (k *kernel) Flows(context.Context, dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error] {
	return func(yield func(dprnl.Flow, error) bool) {
		for i := range k.flows {
			if !yield(dprnl.Flow{State: dprnl.FlowState(i % 2)}, nil) {
				return
			}
		}
	}
}

func (k *kernel) Close() error { return nil }

func status() receive.Status {
	s := receive.Status{Started: time.Unix(1000, 5e8), Counts: map[string]uint64{"accepted": 50, "own": 3, "superseded": 4}}
	for i, name := range append(report.Reasons(), "own_address", "kernel", "other") {
		s.Counts[name] = uint64(i)
	}
	s.Hosts = []receive.HostStatus{
		{Address: netip.MustParseAddr("192.0.2.2"), Received: time.Now(), Version: "0.3.0", Key: "0a1b2c3d", Clock: -1.25, Period: 1},
		{Address: netip.MustParseAddr("192.0.2.3"), Received: time.Now().Add(-lately - time.Second), Version: "0.3.0", Key: "0a1b2c3d", Period: 1},
		{Address: netip.MustParseAddr("192.0.2.4"), Received: time.Now().Add(-lately - time.Second), Version: "0.3.0", Key: "0a1b2c3d", Period: 60},
		{Address: netip.MustParseAddr("192.0.2.9"), Refused: "unknown_key"}, // nothing is known of it
	}
	return s
}

// scrape asks a server as Prometheus does.
func scrape(t *testing.T, o Options) string {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := NewServer("127.0.0.1:0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	address := make(chan net.Addr, 1)
	s.started = func(a net.Addr) { address <- a }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ready := false
	go func() { done <- s.Run(ctx, func() { ready = true }, func() {}) }()
	url := "http://" + (<-address).String()
	body := get(t, url+"/metrics")
	if !strings.Contains(get(t, url), `href="/metrics"`) {
		t.Error("the front page does not lead to the metrics")
	}
	cancel()
	if err := <-done; err != nil || !ready {
		t.Errorf("Run: %v, ready %v", err, ready)
	}
	return body
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}

func options(k *kernel) Options {
	return Options{
		Dial: func() (Kernel, error) {
			k.dials++
			return k, nil
		},
		Reports: func(context.Context) (receive.Status, error) { return status(), nil },
		Config:  &config.Config{RuntimeDir: "/run/there"},
		FastPath: func(_ context.Context, c *config.Config) []fastpath.State {
			return fastpath.States(c, fastpath.Status{Devices: []fastpath.State{{Device: "eth0", Attached: true}, {Device: "eth1", Reason: "no driver"}}}, nil)
		},
		FlowsLimit: 10,
		Log:        slog.New(slog.DiscardHandler),
	}
}

func TestMetrics(t *testing.T) {
	body := scrape(t, options(&kernel{flows: 5}))
	for _, want := range []string{
		"dpr_up 1", "dpr_receive_up 1", `dpr_host_info{address="192.0.2.1"} 1`,
		`dpr_decisions_total{decision="served",reason="below_max_load"} 102`,
		`dpr_decisions_total{decision="redirected",reason="flow"} 109`, `dpr_decisions_total{decision="redirected",reason="hash"} 110`,
		"dpr_rx_stranger_total 132", "dpr_mss_lowered_total 143",
		"# HELP dpr_rx_stranger_total Marked packets received: dropped: marked, but not from a known peer.",
		`dpr_flows{state="live"} 1`, `dpr_flows{state="closing"} 4`, `dpr_flows_by_state{state="syn"} 3`,
		`dpr_flows_by_state{state="established"} 2`, `dpr_flows_by_state{state="rst"} 0`, "dpr_flows_max 1000",
		"dpr_load 8", "dpr_max_load 11", "dpr_weight 2", "dpr_connections 5", "dpr_cpu_utilization_ratio 0.25",
		"dpr_redirected_connections 6", "dpr_sockets 7", `dpr_state{state="draining"} 1`, `dpr_state{state="active"} 0`,
		`dpr_policy{policy="lowest"} 1`, `dpr_policy{policy="off"} 0`, "dpr_services 3",
		`dpr_service_connections{address="0.0.0.0",port="80"} 4`, `dpr_service_connections{address="192.0.2.1",port="443"} 0`,
		`dpr_service_redirected_connections{port="80"} 5`, `dpr_service_redirected_connections{port="8080"} 0`,
		`dpr_peer_service_load_estimate{peer="192.0.2.2",port="80"} 12`,
		`dpr_service_state{address="0.0.0.0",port="80",state="up"} 1`, `dpr_service_state{address="192.0.2.1",port="443",state="up"} 0`,
		`dpr_service_state{address="192.0.2.1",port="443",state="no-listener"} 1`, `dpr_service_state{address="0.0.0.0",port="8080",state="full"} 1`,
		`dpr_peer_barred{peer="192.0.2.2",reason="unheard"} 1`, `dpr_peer_barred{peer="192.0.2.2",reason="settings"} 0`,
		`dpr_peer_services_down{peer="192.0.2.2"} 2`, `dpr_reports_total{result="superseded"} 4`,
		`dpr_peer_direct{peer="192.0.2.2"} 1`, `dpr_peer_direct{peer="192.0.2.4"} 0`,
		`dpr_decisions_total{decision="served",reason="off_link"} 181`, "dpr_tx_direct_total 182", "dpr_rx_direct_total 183",
		`dpr_fast_path_attached{device="eth0"} 1`, `dpr_fast_path_attached{device="eth1"} 0`,
		`dpr_peer_clock_offset_seconds{peer="192.0.2.2"} -1.25`, `dpr_peer_info{key="0a1b2c3d",peer="192.0.2.2",version="0.3.0"} 1`,
		"dpr_report_max_age_seconds 3",
		`dpr_peers{kind="known"} 3`, `dpr_peers{kind="listed"} 2`, `dpr_peers{kind="usable"} 1`,
		`dpr_peer_usable{peer="192.0.2.2"} 1`, `dpr_peer_listed{peer="192.0.2.3"} 0`, `dpr_peer_state{peer="192.0.2.3",state="leaving"} 1`,
		`dpr_peer_weight{peer="192.0.2.2"} 4`, `dpr_peer_load{peer="192.0.2.2"} 5`, `dpr_peer_load_estimate{peer="192.0.2.2"} 6`,
		`dpr_peer_report_age_seconds{peer="192.0.2.2"} 1.5`, `dpr_peer_connections{peer="192.0.2.2"} 1`,
		`dpr_peer_cpu_utilization_ratio{peer="192.0.2.2"} 0.5`, `dpr_peer_redirected_connections{peer="192.0.2.2"} 2`,
		`dpr_peer_sockets{peer="192.0.2.2"} 3`, `dpr_peer_flows{peer="192.0.2.2"} 7`, `dpr_peer_flows_live{peer="192.0.2.2"} 8`,
		`dpr_peer_redirects_total{peer="192.0.2.2"} 9`, `dpr_reports_total{result="accepted"} 50`, `dpr_reports_total{result="own"} 3`,
		`dpr_reports_refused_total{reason="magic"} 1`, "dpr_receive_start_time_seconds 1000.5",
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("%q is not exported", want)
		}
	}
	// Of the process itself.
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "go_goroutines"} {
		if !strings.Contains(body, "\n"+name+" ") {
			t.Errorf("%s is not exported", name)
		}
	}
	if !strings.Contains(body, `dpr_build_info{goversion="go`) {
		t.Error("what it was built from is not exported")
	}
	if strings.Contains(body, `dpr_peer_load{peer="192.0.2.3"}`) {
		t.Error("a peer that never reported has a load")
	}
	if strings.Contains(body, `dpr_peer_direct{peer="192.0.2.3"}`) {
		t.Error("a peer that is not listed has a forwarding")
	}
	if strings.Count(body, "\ndpr_peer_service_load_estimate") != 1 || strings.Count(body, "\ndpr_service_redirected_connections") != 2 {
		t.Error("loads of services that are not known, or of services without")
	}
	// What a host said before it fell silent is not what it has now; 192.0.2.4 reports seldom.
	if strings.Count(body, "\ndpr_peer_info{") != 2 || strings.Count(body, "\ndpr_peer_clock_offset_seconds{") != 2 ||
		!strings.Contains(body, `dpr_peer_info{key="0a1b2c3d",peer="192.0.2.4"`) {
		t.Error("a host that is silent has a clock and a key, or one that reports seldom has none")
	}
	for _, reason := range append(report.Reasons(), "own_address", "kernel", "other") {
		if !strings.Contains(body, `dpr_reports_refused_total{reason="`+reason+`"}`) {
			t.Errorf("no counter of reports refused as %s", reason)
		}
	}
}

// Every counter of include/dpr.h is exported once.
func TestEveryCounter(t *testing.T) {
	body := scrape(t, options(&kernel{}))
	var none dprnl.Stats
	for s := range none.All() {
		if s.Gauge() {
			continue
		}
		line := "dpr_" + s.String() + "_total "
		if verdict, reason, ok := decision(s); ok {
			line = `dpr_decisions_total{decision="` + verdict + `",reason="` + reason + `"} `
		}
		if strings.Count(body, "\n"+line) != 1 {
			t.Errorf("%s is exported %d times", line, strings.Count(body, "\n"+line))
		}
	}
}

// A source that does not answer is reported as down, and exports nothing else.
func TestWhatDoesNotAnswer(t *testing.T) {
	o := options(nil)
	o.Dial = func() (Kernel, error) { return nil, dprnl.ErrNotLoaded }
	o.Reports = func(context.Context) (receive.Status, error) { return receive.Status{}, errors.New("dead") }
	o.FastPath = func(context.Context, *config.Config) []fastpath.State { return nil }
	body := scrape(t, o)
	var names []string
	for line := range strings.Lines(body) {
		if name, _, _ := strings.Cut(line, " "); strings.HasPrefix(name, "dpr_") && !strings.HasPrefix(name, "dpr_build_info") {
			names = append(names, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(names, []string{"dpr_receive_up 0", "dpr_up 0"}) {
		t.Errorf("exported %q", names)
	}
	k := &kernel{}
	c := NewCollector(options(k))
	count := func() int { return testutil.CollectAndCount(c) }
	whole := count()
	k.err = errors.New("mismatched sequence")
	part := count()
	k.err = nil
	if again := count(); part >= whole || again != whole || k.dials != 2 {
		t.Errorf("%d metrics, %d in trouble, %d after it; %d dials", whole, part, again, k.dials)
	}
}

func TestLargeTableIsNotCounted(t *testing.T) {
	body := scrape(t, options(&kernel{flows: 11}))
	if strings.Contains(body, "dpr_flows_by_state") || !strings.Contains(body, `dpr_flows{state="closing"} 10`) {
		t.Error("a table above the limit was gone through")
	}
}

// The names follow Prometheus' rules, and no label names a connection: address and port are a service's.
func TestNames(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(NewCollector(options(&kernel{flows: 3})))
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"decision", "reason", "state", "policy", "kind", "peer", "result", "version", "goversion", "key", "address", "port", "device"}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has a label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}

// Which devices are to have the fast path is taken from a file that is loaded again, where to
// ask for it is not; all are without it if nobody answers.
func TestFastPath(t *testing.T) {
	o := options(&kernel{})
	o.FastPath = func(_ context.Context, c *config.Config) []fastpath.State {
		if c.RuntimeDir != "/run/there" {
			t.Errorf("asked at %s", c.RuntimeDir)
		}
		return fastpath.States(c, fastpath.Status{}, fs.ErrNotExist)
	}
	s, err := NewServer("127.0.0.1:0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	off := map[string]float64{}
	for _, mode := range []config.FastPathMode{config.FastPathOff, config.FastPathXDP, config.FastPathForced, config.FastPathOff} {
		s.Reload(&config.Config{RuntimeDir: "/run/elsewhere", FastPath: config.FastPath{Mode: mode, Devices: []string{"eth0", "eth1"}}})
		got := map[string]float64{}
		for name, v := range values(t, s.collector) {
			if strings.HasPrefix(name, "dpr_fast_path_attached") {
				got[name] = v
			}
		}
		want := off
		if mode != config.FastPathOff {
			want = map[string]float64{"dpr_fast_path_attached eth0": 0, "dpr_fast_path_attached eth1": 0}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v: %v, want %v", mode, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	if _, err := NewServer("9743", "", options(nil)); err == nil || !strings.Contains(err.Error(), "9743") {
		t.Errorf("error %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err := NewServer(taken.Addr().String(), "", options(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), func() { t.Error("ready") }, func() {}); err == nil {
		t.Error("no error")
	}
}
