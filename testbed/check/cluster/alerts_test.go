// SPDX-License-Identifier: MIT

//go:build lab && alerts

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// Where Prometheus and Alertmanager listen, on c1.
const (
	prometheusAt   = "127.0.0.1:9090"
	alertmanagerAt = "127.0.0.1:9093"
)

// A trouble is one cause, and the one alert that it is to raise.
type trouble struct {
	name      string
	host      string
	harm, fix string        // shell commands for the host
	clock     time.Duration // how far its clock is set forward, and back again
	asks      string        // the server that c1 keeps asking for pages meanwhile; it redirects all
	alert     string
	labels    map[string]string // some of the alert's
}

// reportsOnly begins a firewall that drops reports.
const reportsOnly = "nft 'table ip broken { chain in { type filter hook prerouting priority -500; udp dport 7743 "

var troubles = []trouble{
	{name: "host powered off", host: "s3", alert: "DprHostDown", labels: map[string]string{"instance": "s3"}},
	{name: "host cut off from the others", host: "s3",
		harm: reportsOnly + "drop; }; chain out { type filter hook output priority 0; udp dport 7743 drop; }; }'",
		fix:  "nft delete table ip broken", alert: "DprNoUsablePeer", labels: map[string]string{"instance": "s3"}},
	{name: "one-way hearing", host: "s3", harm: reportsOnly + "ip saddr 10.77.0.11 drop; }; }'",
		fix: "nft delete table ip broken", alert: "DprPeerBarred", labels: map[string]string{"peer": "s3", "reason": "unheard"}},
	{name: "server ended", host: "s2", harm: "svc stop nginx", fix: "svc start nginx",
		alert: "DprServiceDown", labels: map[string]string{"instance": "s2", "state": "no-listener"}},
	{name: "clock off", host: "s3", clock: time.Minute,
		alert: "DprClocksDiffer", labels: map[string]string{"instance": "s3"}},
	{name: "clock drifts", host: "s3", clock: 4 * time.Second,
		alert: "DprClockDrifts", labels: map[string]string{"peer": "s3"}},
	{name: "another key", host: "s3",
		harm:  "cp /etc/dpr/key /tmp/key && " + otherKey + " >/etc/dpr/key && kill -HUP $(svc pid dpr-broadcast) $(svc pid dpr-receive)",
		fix:   "cp /tmp/key /etc/dpr/key && kill -HUP $(svc pid dpr-broadcast) $(svc pid dpr-receive)",
		alert: "DprReportsRefused", labels: map[string]string{"reason": "unknown_key"}},
	{name: "another key to sign with", host: "s3",
		harm:  "cp /etc/dpr/key /tmp/key && " + otherKey + " >/etc/dpr/key && kill -HUP $(svc pid dpr-broadcast)",
		fix:   "cp /tmp/key /etc/dpr/key && kill -HUP $(svc pid dpr-broadcast)",
		alert: "DprReportsRefused", labels: map[string]string{"reason": "unknown_key"}},
	{name: "routing table full", host: "s1", harm: "dprctl config set --max-flows 1", fix: "dprctl config set --max-flows 100000",
		asks: "s1", alert: "DprRoutingTableFull", labels: map[string]string{"instance": "s1"}},
	{name: "tunnel broken", host: "s3", harm: "nft '" + dropsFirst + " ip protocol 4 drop; }; }'", fix: "nft delete table ip notunnel",
		asks: "s1", alert: "DprPeerBarred", labels: map[string]string{"peer": "s3", "reason": "lost"}},
	{name: "dpr-receive ended", host: "s3", harm: "svc stop dpr-receive", fix: "svc start dpr-receive",
		alert: "DprReceiveDown", labels: map[string]string{"instance": "s3"}},
}

const otherKey = "echo 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// A cluster is broken in one way after the other, while a real Prometheus asks the
// exporters of all hosts, with the files of contrib/prometheus. Each time one alert reaches
// the Alertmanager, the one that names the cause.
func TestAlerts(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	exporter := exporters(t, l)
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			watched(t, l)
			broken := time.Now()
			if tr.clock != 0 {
				t.Cleanup(func() { shiftClock(t, l, tr.host, -tr.clock) })
				shiftClock(t, l, tr.host, tr.clock)
			} else if tr.harm == "" {
				t.Cleanup(func() {
					bootAgain(t, l, tr.host)
					policyEverywhere(t, l, "lowest")
					export(t, l, tr.host, exporter)
				})
				if err := l.Poweroff(t.Context(), tr.host); err != nil {
					t.Fatal(err)
				}
			} else {
				t.Cleanup(func() { run(t, tr.host, "sh", "-c", tr.fix) })
				run(t, tr.host, "sh", "-c", tr.harm)
			}
			if tr.asks != "" {
				t.Cleanup(func() { dprctl(t, tr.asks, "undrain") })
				dprctl(t, tr.asks, "drain")
				background(t, l, "c1", "sh", "-c", "while :; do curl -s -m 8 --limit-rate 20k -o /dev/null http://"+address(t, tr.asks)+"/1m & sleep 0.2; done")
			}
			until(t, 90*time.Second, tr.alert+" fires", func() bool { return slices.ContainsFunc(active(t), tr.is(t)) })
			t.Logf("%s after %.0f s", tr.alert, time.Since(broken).Seconds())
			// What else there is to fire has done so by then.
			time.Sleep(25 * time.Second)
			for _, a := range active(t) {
				if !tr.is(t)(a) {
					t.Errorf("another alert: %v", a)
				}
			}
		})
	}
}

// Every query of the dashboard has an answer from a real Prometheus, of each host but for
// the queries that show only what is wrong.
func TestDashboardQueries(t *testing.T) {
	l := start(t)
	exporters(t, l)
	watched(t, l)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err := os.ReadFile("../../../contrib/grafana/dpr.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			asked++
			expr := strings.NewReplacer("$instance", ".*", "$__rate_interval", "20s").Replace(target.Expr)
			var v struct {
				Status string
				Data   struct{ Result []any }
			}
			if err := askAPI(t, prometheusAt+"/api/v1/query?query="+url.QueryEscape(expr), &v); err != nil || v.Status != "success" {
				t.Errorf("%s: %s: %v, %s", p.Title, expr, err, v.Status)
			} else if len(v.Data.Result) < len(l.Servers()) && !strings.HasSuffix(expr, "> 0") {
				t.Errorf("%s: %s: %d series", p.Title, expr, len(v.Data.Result))
			}
		}
	}
	if asked < 38 {
		t.Errorf("%d queries: where are the others?", asked)
	}
}

// shiftClock sets a server's clock forward or back, to the microsecond: the guest's date
// knows seconds only, and what it loses adds up.
func shiftClock(t *testing.T, l *lab.Lab, server string, by time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := stepContext(t)
	defer cancel()
	if err := l.Push(ctx, server, self, "/tmp/cluster.test"); err != nil {
		t.Fatal(err)
	}
	run(t, server, "/tmp/cluster.test", "shift-clock", by.String())
	run(t, server, "rm", "/tmp/cluster.test")
}

func init() {
	helpers["shift-clock"] = func(context.Context) error {
		by, err := time.ParseDuration(os.Args[2])
		if err != nil {
			return err
		}
		ts := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
		return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
	}
}

// is tells whether an alert is the one that a trouble is to raise.
func (tr *trouble) is(t *testing.T) func(map[string]string) bool {
	return func(a map[string]string) bool {
		if a["alertname"] != tr.alert {
			return false
		}
		for k, want := range tr.labels {
			switch k {
			case "instance":
				want = address(t, want) + ":9743"
			case "peer":
				want = address(t, want)
			}
			if a[k] != want {
				return false
			}
		}
		return true
	}
}

// exporters builds an exporter and runs it on all servers until the test ends. It returns
// the program.
func exporters(t *testing.T, l *lab.Lab) string {
	t.Helper()
	exporter := filepath.Join(t.TempDir(), "dpr-exporter")
	build(t, "./cmd/dpr-exporter", exporter)
	for _, s := range l.Servers() {
		export(t, l, s.Name, exporter)
		t.Cleanup(func() { try(t, s.Name, "sh", "-c", "kill $(pidof dpr-exporter)") })
	}
	return exporter
}

// export starts an exporter on a server, which runs until somebody ends it.
func export(t *testing.T, l *lab.Lab, server, exporter string) {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	if err := l.Push(ctx, server, exporter, "/tmp/dpr-exporter"); err != nil {
		t.Fatal(err)
	}
	run(t, server, "sh", "-c", "setsid /tmp/dpr-exporter -listen :9743 </dev/null >/tmp/exporter.log 2>&1 &")
	until(t, 20*time.Second, "the exporter of "+server+" answers", func() bool {
		return try(t, "c1", "curl", "-sS", "--fail", "-o", "/dev/null", "http://"+address(t, server)+":9743/metrics").status == 0
	})
}

// watched runs a Prometheus and an Alertmanager on c1 until the test ends, new ones that
// remember nothing, and waits until they have seen a healthy cluster for a while.
func watched(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := drive.Of(l).AwaitPeers(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var targets []string
	for _, s := range l.Servers() {
		targets = append(targets, fmt.Sprintf("%q", s.Address+":9743"))
	}
	for file, replace := range map[string][2]string{
		"prometheus.yml":   {`"s1:9743", "s2:9743", "s3:9743"`, strings.Join(targets, ", ")},
		"dpr.rules.yml":    {},
		"alertmanager.yml": {},
	} {
		data, err := os.ReadFile(filepath.Join("../../../contrib/prometheus", file))
		if err != nil || !strings.Contains(string(data), replace[0]) {
			t.Fatalf("%s: %v, or no %q in it", file, err, replace[0])
		}
		text := string(data)
		if replace[0] != "" {
			text = strings.ReplaceAll(text, replace[0], replace[1])
		}
		text = strings.ReplaceAll(text, "localhost:9093", alertmanagerAt)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	background(t, l, "c1", "prometheus-alertmanager", "--config.file="+dir+"/alertmanager.yml", "--storage.path="+dir+"/alertmanager",
		"--web.listen-address="+alertmanagerAt, "--cluster.listen-address=")
	background(t, l, "c1", "prometheus", "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/prometheus",
		"--web.listen-address="+prometheusAt)
	until(t, time.Minute, "Prometheus and Alertmanager run, and all hosts have answered three times", func() bool {
		var v struct {
			Data struct{ Result []any }
		}
		return askAPI(t, prometheusAt+"/api/v1/query?query=count_over_time(dpr_peers%7Bkind%3D%22usable%22%7D%5B1m%5D)%3E2", &v) == nil &&
			len(v.Data.Result) == len(targets) && askAPI(t, alertmanagerAt+"/api/v2/status", &struct{}{}) == nil
	})
	if a := active(t); len(a) > 0 {
		t.Fatalf("alerts before anything happened: %v", a)
	}
}

// askAPI asks Prometheus or Alertmanager, from where they run.
func askAPI(t *testing.T, url string, v any) error {
	t.Helper()
	r := try(t, "c1", "curl", "-sS", "-g", "--fail", "http://"+url)
	if r.status != 0 {
		return fmt.Errorf("%s: %s", url, r.stderr)
	}
	return json.Unmarshal([]byte(r.stdout), v)
}

// active returns the labels of all alerts that the Alertmanager has and that fire.
func active(t *testing.T) []map[string]string {
	t.Helper()
	var list []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := askAPI(t, alertmanagerAt+"/api/v2/alerts?active=true", &list); err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, a := range list {
		all = append(all, a.Labels)
	}
	return all
}
