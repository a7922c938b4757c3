// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	dnsName = "www.example.org"
	dnsTTL  = time.Second
)

// A lookup is one request of a client that finds its host by name.
type lookup struct {
	At      time.Duration // since the client began
	Address string        // that it took
	Host    string        // that served it
	Error   string
}

// Clients find the hosts by a name that a DNS server of Debian publishes, from
// the zone that dprctl writes. A host that drains is no longer found, and comes back. No
// request fails. (TestPowerOff looks at the zone without a host that has lost its power.)
func TestHostsByName(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	startNSD(t, l, "s1")

	saw, marks := byName(t, 28*time.Second, func(ctx context.Context, mark func(string)) {
		if !pause(ctx, 6*time.Second) {
			return
		}
		dprctl(t, "s2", "drain")
		mark("drained")
		pause(ctx, 12*time.Second)
		dprctl(t, "s2", "undrain")
		mark("undrained")
	})
	// The next report, the next look at the load table, nsd, and the TTL.
	const settle = 2*period + dnsTTL + 3*time.Second
	addresses, hosts := make(map[string]int), make(map[string]int)
	late, back := 0, 0
	for _, r := range saw {
		if r.Error != "" {
			t.Errorf("at %v: %s", r.At, r.Error)
			continue
		}
		addresses[r.Address]++
		hosts[r.Host]++
		switch drained := r.Address == address(t, "s2"); {
		case drained && r.At > marks["drained"]+settle && r.At < marks["undrained"]:
			late++
		case drained && r.At > marks["undrained"]:
			back++
		}
	}
	t.Logf("%d requests; addresses found %v; served by %v", len(saw), addresses, hosts)
	if len(saw) < 50 || len(addresses) != 3 || len(hosts) != 3 {
		t.Errorf("%d requests, addresses %v, hosts %v", len(saw), addresses, hosts)
	}
	for a, n := range addresses {
		if 10*n < len(saw) {
			t.Errorf("%s was found %d times of %d: the addresses are not rotated", a, n, len(saw))
		}
	}
	if late != 0 || back == 0 {
		t.Errorf("s2 was found %d times after it was drained, and %d times after it was back", late, back)
	}
}

// byName runs a client that finds hosts by name, and disturb meanwhile, whose
// marks say when, since the client began, something was done.
func byName(t *testing.T, d time.Duration, disturb func(ctx context.Context, mark func(string))) ([]lookup, map[string]time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d+30*time.Second)
	defer cancel()
	begin := time.Now()
	cmd, err := shared.Command(ctx, "c1", self, "dns-client", address(t, "s1"), dnsName, d.String())
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	marks := make(map[string]time.Duration)
	disturb(ctx, func(name string) { marks[name] = time.Since(begin) })
	if err := cmd.Wait(); err != nil {
		t.Fatalf("client: %v: %s", err, said.String())
	}
	var list []lookup
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	return list, marks
}

func init() {
	helpers["dns-client"] = func(ctx context.Context) error {
		d, err := time.ParseDuration(os.Args[4])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(dnsClient(ctx, os.Args[2], os.Args[3], d))
	}
}

// dnsClient asks for a page by name, again and again, by several users.
func dnsClient(ctx context.Context, server, name string, d time.Duration) []lookup {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, ctx.Value(chosen{}).(string)+":80")
	}}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	begin := time.Now()
	var mu sync.Mutex
	var list []lookup
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				l := lookup{At: time.Since(begin)}
				if err := l.ask(ctx, r, client, name); err != nil {
					l.Error = err.Error()
				}
				mu.Lock()
				list = append(list, l)
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	users.Wait()
	return list
}

// chosen is the key of the address that a request goes to.
type chosen struct{}

// ask looks the name up and takes the first address, as clients do.
func (l *lookup) ask(ctx context.Context, r *net.Resolver, client *http.Client, name string) error {
	addresses, err := r.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		return err
	}
	l.Address = addresses[0].Unmap().String()
	req, err := http.NewRequestWithContext(context.WithValue(ctx, chosen{}, l.Address), http.MethodGet, "http://"+name+"/", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s from %s", resp.Status, l.Address)
	}
	l.Host = strings.TrimSpace(string(body))
	return nil
}

// The Prometheus exporter tells of the kernel and of dpr-receive.
func TestExporter(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	dprctl(t, "s1", "drain")
	t.Cleanup(func() { dprctl(t, "s1", "undrain") })
	served(t, "c1", "s1")
	program := filepath.Join(t.TempDir(), "dpr-exporter")
	build(t, "./cmd/dpr-exporter", program)
	if err := l.Push(t.Context(), "s1", program, "/tmp/dpr-exporter"); err != nil {
		t.Fatal(err)
	}
	awaitPeers(t, "s1")
	background(t, l, "s1", "/tmp/dpr-exporter")
	var text string
	until(t, 20*time.Second, "the exporter answers", func() bool {
		r := try(t, "s1", "curl", "-sS", "--fail", "http://127.0.0.1:9743/metrics")
		text = r.stdout
		return r.status == 0
	})
	for _, want := range []string{"dpr_up 1", "dpr_receive_up 1", `dpr_peers{kind="usable"} 2`, `dpr_state{state="draining"} 1`,
		`dpr_reports_refused_total{reason="bad_hmac"} `, `dpr_peer_usable{peer="` + address(t, "s2") + `"} 1`} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%q is not told", want)
		}
	}
	redirected := stats(t, "s1")["redirected"]
	if want := fmt.Sprintf("\ndpr_decisions_total{decision=\"redirected\",reason=\"flow\"} %d\n", redirected); redirected == 0 || !strings.Contains(text, want) {
		t.Errorf("%q is not told", want)
	}
	if t.Failed() {
		t.Log(text)
	}
}
