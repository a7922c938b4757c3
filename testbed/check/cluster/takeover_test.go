// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// keepalivedPackages are keepalived and what it needs besides what every Debian
// has.
var keepalivedPackages = []string{"keepalived", "libglib2.0-0", "libmnl0", "libnftnl11", "libnl-3-200", "libnl-genl-3-200",
	"libpcre2-8-0", "libsnmp40", "libsensors5", "libssl3", "libsystemd0", "libpci3", "libwrap0", "libperl5.36", "libffi8"}

const (
	// Where it is on a server.
	keepalivedDir = "/opt/keepalived"
	// virtual is the address that moves: DNS would publish it for s1.
	virtual = "10.77.0.111"
)

const keepalivedConfig = `global_defs {
	vrrp_garp_master_repeat 3
}
vrrp_instance www1 {
	interface eth0
	virtual_router_id 71
	state BACKUP
	nopreempt
	priority %d
	advert_int 1
	virtual_ipaddress { ` + virtual + `/24 }
}
`

// The address of a host that is powered off moves to another, by keepalived. Of
// the connections that the host had redirected at least 99 in 100 go on: those that
// the substitute serves, and those that it asks the third host for. What the host
// served itself dies with it; its routing table tells the two apart, connection
// by connection.
func TestAddressTakeover(t *testing.T) {
	l := start(t)
	policyEverywhere(t, l, "lowest")
	for _, server := range []string{"s1", "s2", "s3"} {
		dprctl(t, server, "config", "set", "--orphans", "ask")
	}
	t.Cleanup(func() {
		for _, server := range []string{"s1", "s2", "s3"} {
			dprctl(t, server, "config", "set", "--orphans", "reset")
		}
	})
	// One after the other: the first is the master.
	files := unpack(t, "/usr/sbin/keepalived", keepalivedDir, keepalivedPackages...)
	startKeepalived(t, l, files, "s1", 200)
	until(t, time.Minute, "s1 has the address", func() bool { return hasVirtual(t, "s1") })
	startKeepalived(t, l, files, "s2", 100)
	// s1 hands on all that comes to it while there is whom to hand it to: copying
	// keepalived may have kept the guests from reporting.
	dprctl(t, "s1", "drain")
	awaitPeers(t, "s1")

	const n = 100
	decided := stats(t, "s1")
	conns := keepAsking(t, l, n, virtual)
	time.Sleep(3 * time.Second)
	if died := conns.died(); len(died) > 0 {
		t.Fatalf("%d connections ended before anything happened: %q", len(died), died)
	}
	if !hasVirtual(t, "s1") || hasVirtual(t, "s2") {
		t.Fatal("the address moved too early")
	}
	redirected := conns.redirected(t, "s1")
	to := make(map[string]int)
	for _, peer := range redirected {
		to[peer]++
	}
	logChanges(t, map[string]map[string]uint64{"s1": decided}, map[string]map[string]uint64{"s1": stats(t, "s1")})
	if to[address(t, "s2")] == 0 || to[address(t, "s3")] == 0 || len(redirected) < n*9/10 {
		t.Fatalf("s1 redirected %v of %d connections, too few to tell anything", to, n)
	}

	before := allStats(t)
	off := time.Now()
	if err := l.Poweroff(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bootAgain(t, l, "s1") })
	until(t, 30*time.Second, "s2 takes the address over", func() bool { return hasVirtual(t, "s2") })
	took := time.Since(off)
	// Each has its answers again once its client tries again: TCP doubles its
	// patience each time.
	until(t, time.Minute, "the redirected connections go on or end", func() bool {
		return conns.settled(off.Add(took), redirected) == len(redirected)
	})
	after := map[string]map[string]uint64{"s1": before["s1"], "s2": stats(t, "s2"), "s3": stats(t, "s3")}
	lost := 0
	for port, err := range conns.died() {
		if peer, ok := redirected[port]; ok {
			lost++
			t.Logf("port %d, redirected to %s: %v", port, peer, err)
		}
	}
	t.Logf("s2 has the address after %.1f s; s1 had redirected %d of %d connections, %v; of these %d ended; all were answered again %.1f s after the end of s1; s2 asked for owners %d times and found %d",
		took.Seconds(), len(redirected), n, to, lost, time.Since(off).Seconds(),
		after["s2"]["owner_asked"]-before["s2"]["owner_asked"], after["s2"]["owner_found"]-before["s2"]["owner_found"])
	if lost*100 > len(redirected) {
		t.Errorf("%d of %d redirected connections ended", lost, len(redirected))
		logChanges(t, before, after)
	}
	if after["s2"]["owner_found"] == before["s2"]["owner_found"] {
		t.Error("no owner was found: s3 served nothing that s1 redirected")
	}
}

// startKeepalived runs keepalived on a server, with a priority, until the test
// ends.
func startKeepalived(t *testing.T, l *lab.Lab, files map[string]string, server string, priority int) {
	t.Helper()
	config := filepath.Join(t.TempDir(), server)
	if err := os.WriteFile(config, fmt.Appendf(nil, keepalivedConfig, priority), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Push(t.Context(), server, config, keepalivedDir+"/conf"); err != nil {
		t.Fatal(err)
	}
	for from, to := range files {
		if err := l.Push(t.Context(), server, from, to); err != nil {
			t.Fatal(err)
		}
	}
	run(t, server, keepalivedDir+"/ld.so", "--library-path", keepalivedDir, keepalivedDir+"/keepalived",
		"-P", "-l", "-f", keepalivedDir+"/conf", "-p", keepalivedDir+"/pid", "-r", keepalivedDir+"/vrrp.pid")
	t.Cleanup(func() {
		// Not on one that was powered off and booted since.
		try(t, server, "sh", "-c", "kill $(cat "+keepalivedDir+"/pid) && sleep 1; rm -rf "+keepalivedDir)
	})
}

// hasVirtual says whether a server has the address that moves.
func hasVirtual(t *testing.T, server string) bool {
	t.Helper()
	return try(t, server, "sh", "-c", "ip -4 addr show | grep -q 'inet "+virtual+"/'").status == 0
}

// asking is a number of connections that ask for a page again and again.
type asking struct {
	to   string   // the address
	port []uint16 // of the clients; does not change
	mu   sync.Mutex
	last []time.Time // when each began a request that was answered
	err  []error     // why each ended
}

// keepAsking opens connections from c1 to an address and lets each ask once in half a
// second until the test ends.
func keepAsking(t *testing.T, l *lab.Lab, n int, address string) *asking {
	t.Helper()
	a := &asking{to: address, port: make([]uint16, n), last: make([]time.Time, n), err: make([]error, n)}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	to := netip.AddrPortFrom(netip.MustParseAddr(address), 80).String()
	for i := range n {
		var c net.Conn
		err := l.InNamespace("c1", func() (err error) {
			c, err = net.DialTimeout("tcp4", to, 30*time.Second)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		a.port[i] = netip.MustParseAddrPort(c.LocalAddr().String()).Port()
		all.Go(func() {
			defer c.Close()
			err := a.run(ctx, i, c)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.err[i] = err
		})
	}
	return a
}

func (a *asking) run(ctx context.Context, i int, c net.Conn) error {
	r := bufio.NewReader(c)
	for pause(ctx, 500*time.Millisecond) {
		begun := time.Now()
		if err := ask(c, r); err != nil {
			return err
		}
		a.mu.Lock()
		a.last[i] = begun
		a.mu.Unlock()
	}
	return nil
}

// ask makes one request and checks the answer's length.
func ask(c net.Conn, r *bufio.Reader) error {
	const size = 15_000
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /15k HTTP/1.1\r\nHost: www\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || got != size) {
		err = fmt.Errorf("status %d, %d bytes", response.StatusCode, got)
	}
	return err
}

// redirected are those of the connections that a server has a flow for: the
// peer's address by the client's port.
func (a *asking) redirected(t *testing.T, server string) map[uint16]string {
	t.Helper()
	all := make(map[uint16]string)
	for line := range strings.Lines(dprctl(t, server, "flows", "--json")) {
		var f struct {
			ClientPort uint16 `json:"client_port"`
			Address    string `json:"address"`
			Peer       string `json:"peer"`
		}
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: dprctl flows --json: %v in %q", server, err, line)
		}
		if f.Address == a.to && slices.Contains(a.port, f.ClientPort) {
			all[f.ClientPort] = f.Peer
		}
	}
	return all
}

// settled is how many of these have ended, or had an answer to a request begun
// after the given time.
func (a *asking) settled(since time.Time, these map[uint16]string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for i, port := range a.port {
		if _, ok := these[port]; ok && (a.err[i] != nil || a.last[i].After(since)) {
			n++
		}
	}
	return n
}

// died is why connections ended, by the client's port.
func (a *asking) died() map[uint16]error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[uint16]error)
	for i, err := range a.err {
		if err != nil && !errors.Is(err, context.Canceled) {
			all[a.port[i]] = err
		}
	}
	return all
}
