// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
)

// servicesDuration names how long TestServicesOfTheirOwn lasts; default servicesShort.
const (
	servicesDuration = "DPR_SERVICES_DURATION"
	servicesShort    = 12 * time.Second
)

// subsets are the hosts that serve each port, those of s4 if there is one: everybody
// routes for all.
var subsets = map[string][]string{"80": {"s1", "s3"}, "443": {"s1", "s2", "s4"}, "8080": {"s2", "s3", "s4"}}

const (
	servicesDir  = "/tmp/services"
	servicesLog  = servicesDir + "/access.log"
	servicesConf = servicesDir + "/nginx.conf"
)

// servicesConfig is the configuration of a web server that serves a host's ports.
func servicesConfig(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `pid %[1]s/pid; error_log %[1]s/error.log; user root;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	log_format port '$server_port $status';
	access_log %[1]s/access.log port;
	ssl_certificate %[1]s/cert.pem;
	ssl_certificate_key %[1]s/cert.pem;
	server {
		root /srv/www;
`, servicesDir)
	for _, port := range []string{"80", "443", "8080"} {
		if slices.Contains(subsets[port], host) {
			for _, at := range []string{port, "[::]:" + port} {
				fmt.Fprintf(&b, "\t\tlisten %s backlog=4096%s;\n", at, map[bool]string{true: " ssl"}[port == "443"])
			}
		}
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// certificate makes a certificate with its key.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), NotBefore: time.Now().Add(-24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

// serveSubsets has each host serve its ports only, until the test ends.
func serveSubsets(t *testing.T, l *lab.Lab) {
	t.Helper()
	cert := certificate(t)
	for _, s := range l.Servers() {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"cert.pem": cert, "nginx.conf": []byte(servicesConfig(s.Name))} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, s.Name, "mkdir", "-p", servicesDir)
			if err := l.Push(t.Context(), s.Name, filepath.Join(dir, name), servicesDir+"/"+name); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s.Name, "svc", "stop", "nginx")
		t.Cleanup(func() { run(t, s.Name, "svc", "start", "nginx") })
		run(t, s.Name, "/usr/sbin/nginx", "-c", servicesConf)
		t.Cleanup(func() { run(t, s.Name, "/usr/sbin/nginx", "-c", servicesConf, "-s", "stop") })
	}
}

// portsServed counts what a host's web server has served, by port.
func portsServed(t *testing.T, host string) map[string]int {
	t.Helper()
	served := map[string]int{}
	for line := range strings.Lines(run(t, host, "cat", servicesLog)) {
		port, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		if status == "200" {
			served[port]++
		}
	}
	return served
}

// Three services on different hosts, each with a policy of its own, for clients of IPv4
// and IPv6, while rules and policies change: every request is served, and only by hosts of its service.
func TestServicesOfTheirOwn(t *testing.T) {
	l := start(t)
	duration := servicesShort
	if text := os.Getenv(servicesDuration); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", servicesDuration, err)
		}
	}
	policyEverywhere(t, l, "lowest")
	serveSubsets(t, l)
	rules := map[string][]string{"443": {"--policy", "offer", "--max-load", "auto"}, "8080": {"--policy", "stateless"}}
	for _, s := range l.Servers() {
		for port, own := range rules {
			dprctl(t, s.Name, append([]string{"service", "add", port}, own...)...)
			t.Cleanup(func() { dprctl(t, s.Name, "service", "del", port) })
		}
		t.Cleanup(func() { dprctl(t, s.Name, "service", "set", "80", "--policy", "default", "--load", "default") })
	}
	// Reports say by now who serves what.
	time.Sleep(3 * period)
	before := map[string]map[string]int{}
	for _, s := range l.Servers() {
		before[s.Name] = portsServed(t, s.Name)
	}

	var clients []drive.Client
	begin := time.Now().Add(time.Second)
	demands := everywhere
	if len(l.Servers()) > 3 {
		demands = append(slices.Clone(everywhere), demand{"c1", "s4", 8})
	}
	for i, d := range demands {
		for port := range subsets {
			plan := loadPlan(t, d, begin, duration, uint64(i))
			scheme := map[bool]string{true: "https", false: "http"}[port == "443"]
			for _, f := range family.All {
				plan.Target = scheme + "://" + endpoint(t, d.server, f, port)
				clients = append(clients, drive.Client{Host: d.client, Plan: plan})
			}
		}
	}
	ctx, cancel := context.WithDeadline(t.Context(), begin.Add(duration))
	defer cancel()
	changed := make(chan int)
	go func() { changed <- changeRules(ctx, t, l, begin) }()
	saw, err := driven(t.Context(), l, clients)
	changes := <-changed
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests, %d failed, mean delay %v; %d changes of rules", saw.Requests, saw.Failed, saw.DelayMean().Round(time.Millisecond), changes)
	if saw.Failed != 0 || saw.Requests < uint64(duration.Seconds())*20 || changes == 0 {
		t.Errorf("%d of %d requests failed, after %d changes of rules: %v %q", saw.Failed, saw.Requests, changes, saw.Failures, saw.Examples)
	}
	for _, s := range l.Servers() {
		served := portsServed(t, s.Name)
		for port, hosts := range subsets {
			n := served[port] - before[s.Name][port]
			if member := slices.Contains(hosts, s.Name); member != (n > 0) {
				t.Errorf("%s served %d requests to port %s; it is one of its hosts: %v", s.Name, n, port, member)
			}
		}
		t.Logf("%s served %v", s.Name, served)
	}
}

// endpoint is a server's address of a family, with a port.
func endpoint(t *testing.T, server string, f family.Family, port string) string {
	t.Helper()
	h, err := shared.Host(server)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(h.In(f), port)
}

// changeRules changes a rule or the policy of a host every second, and returns how often.
func changeRules(ctx context.Context, t *testing.T, l *lab.Lab, begin time.Time) int {
	steps := [][]string{
		{"service", "set", "80", "--policy", "two"},
		{"service", "set", "443", "--max-load", "1"},
		{"policy", "set", "inverse"},
		{"service", "set", "443", "--load", "service"},
		{"service", "set", "80", "--load", "service"},
		{"service", "set", "80", "--policy", "default"},
		{"service", "set", "8080", "--policy", "lowest"},
		{"service", "set", "443", "--load", "host"},
		{"service", "set", "443", "--policy", "lowest", "--max-load", "default"},
		{"service", "set", "80", "--load", "host"},
		{"policy", "set", "lowest"},
		{"service", "set", "8080", "--policy", "stateless"},
		{"service", "set", "443", "--policy", "offer", "--max-load", "auto"},
	}
	time.Sleep(time.Until(begin))
	n := 0
	for pause(ctx, time.Second) {
		server := l.Servers()[n%len(l.Servers())].Name
		step := steps[n/len(l.Servers())%len(steps)]
		if _, err := l.Output(ctx, server, append([]string{"dprctl"}, step...)...); err != nil {
			if ctx.Err() == nil {
				t.Errorf("%s: %s: %v", server, strings.Join(step, " "), err)
			}
			return n
		}
		n++
	}
	return n
}
