// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// reloadsEnv sets how often TestReload reloads the module, with all ways together.
const reloadsEnv = "DPR_PATH_RELOADS"

// reloads is the number without that.
const reloads = 200

// The module goes and comes under load; each time the cluster is configured
// anew and redirects again.
//
//	C (load) ── switch ── A
//	               └───── B
func TestReload(t *testing.T) {
	n := reloads
	if s := os.Getenv(reloadsEnv); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < len(ways) {
			t.Fatalf("%s=%q: want a number from %d", reloadsEnv, s, len(ways))
		}
	}
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		l := startLoad(t, c.c, c.a.service(), 3)
		for i := range n / len(ways) {
			if i%10 == 0 {
				l.more(t, 5)
			}
			reload(t)
			c.again(t)
			l.more(t, 1)
		}
		l.stop()
		connect(t, c.c, c.a.service()).wantServed(t, "B")
	})
}

// An idle connection that was redirected by the stateless policy does not notice
// that the module is reloaded.
//
//	C ── switch ── A
//	        └───── B
func TestReloadKeepsStateless(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		by := map[*conn]string{}
		for range 12 {
			k := connect(t, c.c, c.a.service())
			got, err := k.ask("who")
			check(t, err)
			by[k] = got
		}
		time.Sleep(settle)
		reload(t)
		c.again(t)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		for k, want := range by {
			k.wantServed(t, want)
		}
	})
}

// A host whose module is new sends direct, its peer does not: what follows the hash goes in
// tunnels until a SYN has said that packets come direct.
//
//	C ── switch ── A
//	        └───── B (ipip)
func TestReloadStatelessUnannounced(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		// By a route that the socket has cached B's stack might take them all the same.
		check(t, c.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
		var k *conn
		eventually(t, func() error {
			k = connect(t, c.c, c.a.service())
			if got, err := k.ask("who"); err != nil || got != "B" {
				return fmt.Errorf("served by %q (%v)", got, err)
			}
			return nil
		})
		time.Sleep(settle)
		reload(t)
		c.again(t)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless), Forwarding: ptr(dprnl.ForwardingAuto)})
		a := c.a.meter(t)
		k.wantServed(t, "B")
		wantChange(t, a, dprnl.StatTxDirect, 0)
		eventually(t, func() error {
			next := connect(t, c.c, c.a.service())
			if got, err := next.ask("who"); err != nil || got != "B" {
				return fmt.Errorf("served by %q (%v)", got, err)
			}
			return nil
		})
		a = c.a.meter(t)
		k.wantServed(t, "B")
		if a.changes(t)[dprnl.StatTxDirect] == 0 {
			t.Error("nothing went direct after a SYN")
		}
	})
}

// again configures a cluster whose module is new.
func (c *cluster) again(t *testing.T) {
	t.Helper()
	for _, s := range []*server{c.a, c.b} {
		s.set(t, dprnl.ConfigUpdate{Address: &s.addr, Marker: &c.marker, Forwarding: ptr(c.forwarding())})
	}
	c.know(t, c.a, c.b)
	c.redirect(t, c.b)
	for _, s := range []*server{c.b, c.a} {
		check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: port}))
	}
}

// reload removes the module and inserts it again.
func reload(t *testing.T) {
	t.Helper()
	eventually(t, func() error {
		err := unix.DeleteModule("dpr", unix.O_NONBLOCK)
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EBUSY) {
			t.Fatalf("removing the module: %v", err)
		}
		return err
	})
	f, err := os.Open(os.Getenv(guestEnv))
	check(t, err)
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
		t.Fatalf("inserting %s: %v", f.Name(), err)
	}
}
