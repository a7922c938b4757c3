// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// choices are the policies that may redirect, each with what makes A redirect to B
// rather than to D, or to either.
var choices = map[string]dprnl.ConfigUpdate{
	"stateless": {Policy: ptr(dprnl.PolicyStateless)},
	"lowest":    {Policy: ptr(dprnl.PolicyLowest)},
	"inverse":   {Policy: ptr(dprnl.PolicyInverse)},
	"two":       {Policy: ptr(dprnl.PolicyTwo)},
	"offer":     {Policy: ptr(dprnl.PolicyOffer), MaxLoad: ptr(uint64(1))},
}

// three is a cluster of three servers, of which A redirects by a policy.
//
//	C, R ── switch ── A
//	           ├───── B (is the first choice)
//	           └───── D
type three struct {
	*cluster
	d *server
}

func newThree(t *testing.T, w way, u dprnl.ConfigUpdate) *three {
	t.Helper()
	c := newCluster(t, w)
	d := c.server(t, "D", addrD)
	c.know(t, c.a, d)
	d.web = serve(t, d.Host, "D", port)
	x := &three{c, d}
	x.report(t)
	c.a.set(t, u)
	return x
}

// report has the peers report to A: what they have refused before is forgotten.
func (x *three) report(t *testing.T) {
	t.Helper()
	x.a.report(t, x.b, 0)
	x.a.report(t, x.d, 1)
}

// everyChoice runs a test under each policy that redirects, with all ways.
func everyChoice(t *testing.T, f func(t *testing.T, x *three)) {
	for name, u := range choices {
		t.Run(name, func(t *testing.T) {
			allWays(t, func(t *testing.T, w way) { f(t, newThree(t, w, u)) })
		})
	}
}

// connection returns one of the client's that a host serves.
func (x *three) connection(t *testing.T, host string) *conn {
	t.Helper()
	var k *conn
	eventually(t, func() error {
		k = connect(t, x.c, x.a.service())
		if who, err := k.ask("who"); who != host {
			return errors.Join(fmt.Errorf("served by %q", who), err)
		}
		return nil
	})
	return k
}

// elsewhere makes connections, none of which that host may serve.
func (x *three) elsewhere(t *testing.T, times int, host string) {
	t.Helper()
	for range times {
		if who, err := connect(t, x.c, x.a.service()).ask("who"); err != nil || who == host {
			t.Errorf("served by %q (%v)", who, err)
		}
	}
}

// listen opens a listener for a server's clients from which nobody accepts.
func listen(t *testing.T, s *server) net.Listener {
	t.Helper()
	var ln net.Listener
	check(t, s.Do(func() (err error) {
		ln, err = net.Listen(s.way.tcp(), netip.AddrPortFrom(s.way.any(), port).String())
		return err
	}))
	t.Cleanup(func() { ln.Close() })
	return ln
}

// lookAgain is longer than a host remembers the state of its service when SYNs come: until
// the next jiffy, of 10 ms at most.
const lookAgain = 20 * time.Millisecond

// fill replaces the server of a host by a listener whose accept queue is full, and
// returns it. The place that the kernel leaves in the shortest queue is the client's.
func (x *three) fill(t *testing.T, s *server) net.Listener {
	t.Helper()
	s.web.stop()
	check(t, s.Sysctl("net/core/somaxconn", "0"))
	ln := listen(t, s)
	connect(t, x.c, s.service())
	awaitFull(t, s)
	time.Sleep(lookAgain)
	return ln
}

// awaitFull waits until the accept queue of a host's service is full: the client takes
// its connection for established before its last packet is in there.
func awaitFull(t *testing.T, s *server) {
	t.Helper()
	eventually(t, func() error {
		if state := s.serviceState(t); state != dprnl.ServiceFull {
			return fmt.Errorf("a full accept queue: %v", state)
		}
		return nil
	})
}

// serviceState is the state of a host's only service.
func (s *server) serviceState(t *testing.T) dprnl.ServiceState {
	t.Helper()
	all, err := s.dpr.ServiceStates(t.Context())
	check(t, err)
	if len(all) != 1 || all[0].Port != port {
		t.Fatalf("services %v", all)
	}
	return all[0].State
}
