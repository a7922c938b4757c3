// SPDX-License-Identifier: MIT

//go:build lab

package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
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
	interface %s
	virtual_router_id 71
	state BACKUP
	nopreempt
	priority %d
	advert_int 1
	virtual_ipaddress { ` + virtual + `/24 }
}
`

// The address of a host that is powered off moves to another, by keepalived.
// Connections that the host had redirected go on: those that the substitute
// serves, and those that it asks the third host for.
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
	// s1 hands on all that comes to it, and so does not serve what dies with it.
	dprctl(t, "s1", "drain")
	startKeepalived(t, l, map[string]int{"s1": 200, "s2": 100})
	until(t, time.Minute, "s1 has the address", func() bool { return hasVirtual(t, "s1") })

	const n = 100
	conns := keepAsking(t, l, n)
	time.Sleep(3 * time.Second)
	if died := conns.died(); len(died) > 0 {
		t.Fatalf("%d connections ended before anything happened: %q", len(died), died)
	}
	before := stats(t, "s2")
	off := time.Now()
	if err := l.Poweroff(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bootAgain(t, l, "s1") })
	until(t, 30*time.Second, "s2 takes the address over", func() bool { return hasVirtual(t, "s2") })
	took := time.Since(off)
	// Each has its answers again once its client tries again: TCP doubles its
	// patience each time.
	until(t, time.Minute, "the connections go on or end", func() bool { return conns.settled(off.Add(took)) >= n })
	died := conns.died()
	after := stats(t, "s2")
	t.Logf("s2 has the address after %.1f s; %d of %d connections go on; s2 asked for owners %d times and found %d",
		took.Seconds(), n-len(died), n, after["owner_asked"]-before["owner_asked"], after["owner_found"]-before["owner_found"])
	if len(died) > n/100 {
		t.Errorf("%d of %d connections ended: %q", len(died), n, died)
	}
	if after["owner_found"] == before["owner_found"] {
		t.Error("no owner was found: s3 served nothing that s1 redirected")
	}
}

// startKeepalived runs keepalived on servers, with their priorities, until the
// test ends.
func startKeepalived(t *testing.T, l *lab.Lab, priorities map[string]int) {
	t.Helper()
	files := unpack(t, "/usr/sbin/keepalived", keepalivedDir, keepalivedPackages...)
	for server, priority := range priorities {
		config := filepath.Join(t.TempDir(), server)
		link := "eth0"
		if err := os.WriteFile(config, fmt.Appendf(nil, keepalivedConfig, link, priority), 0o644); err != nil {
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
}

// hasVirtual says whether a server has the address that moves.
func hasVirtual(t *testing.T, server string) bool {
	t.Helper()
	return try(t, server, "sh", "-c", "ip -4 addr show | grep -q 'inet "+virtual+"/'").status == 0
}

// asking is a number of connections that ask for a page again and again.
type asking struct {
	mu   sync.Mutex
	last []time.Time // when each began a request that was answered
	err  []error     // why each ended
}

// keepAsking opens connections from c1 to the address that moves and lets each
// ask once in half a second until the test ends.
func keepAsking(t *testing.T, l *lab.Lab, n int) *asking {
	t.Helper()
	a := &asking{last: make([]time.Time, n), err: make([]error, n)}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	to := netip.AddrPortFrom(netip.MustParseAddr(virtual), 80).String()
	for i := range n {
		var c net.Conn
		err := l.InNamespace("c1", func() (err error) {
			c, err = net.DialTimeout("tcp4", to, 30*time.Second)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
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

// settled is how many have ended, or had an answer to a request begun after
// the given time.
func (a *asking) settled(since time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for i := range a.last {
		if a.err[i] != nil || a.last[i].After(since) {
			n++
		}
	}
	return n
}

// died is why connections ended.
func (a *asking) died() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []error
	for _, err := range a.err {
		if err != nil && !errors.Is(err, context.Canceled) {
			all = append(all, err)
		}
	}
	return all
}
