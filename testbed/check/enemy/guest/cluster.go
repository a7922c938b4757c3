// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// cluster is a client, a host that redirects all it is asked, two that serve, one
// without dpr, and an attacker, who has no address of the network:
//
//	C, E ── switch ── A (redirects)
//	           ├───── B, D (serve)
//	           └───── P (plain TCP)
type cluster struct {
	port       uint16
	net        *vnet.Net
	a, b, d, p *node
	c, e       *vnet.Host
}

var (
	addressA = netip.MustParseAddr("10.77.0.11")
	addressB = netip.MustParseAddr("10.77.0.12")
	addressD = netip.MustParseAddr("10.77.0.13")
	addressP = netip.MustParseAddr("10.77.0.20")
	addressC = netip.MustParseAddr("10.77.0.101")
)

// newCluster makes a cluster whose service has the given port. Only hosts that
// listen serve.
func newCluster(port uint16) (c *cluster, err error) {
	c = &cluster{port: port}
	if c.net, err = vnet.NewNet(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for name, to := range map[string]struct {
		node **node
		addr netip.Addr
	}{"A": {&c.a, addressA}, "B": {&c.b, addressB}, "D": {&c.d, addressD}, "P": {&c.p, addressP}} {
		h, err := c.net.NewHost(name, to.addr)
		if err != nil {
			return c, err
		}
		*to.node = &node{Host: h, addr: to.addr, conns: map[uint16]*net.TCPConn{}}
	}
	if c.c, err = c.net.NewHost("C", addressC); err != nil {
		return c, err
	}
	c.e, err = c.net.NewHost("E", netip.Addr{})
	return c, err
}

// configure has A redirect new connections to B or D, whichever was aimed at. The
// module is there.
func (c *cluster) configure(ctx context.Context) error {
	for _, n := range []*node{c.a, c.b, c.d} {
		if err := n.configure(ctx, c.port); err != nil {
			return err
		}
	}
	policy, state, estimate, long := dprnl.PolicyLowest, dprnl.StateDraining, dprnl.EstimateReported, time.Hour
	one, none := uint32(1), uint32(0)
	err := c.a.dpr.SetConfig(ctx, dprnl.ConfigUpdate{
		Policy: &policy, State: &state, Estimate: &estimate, ReportMaxAge: &long, WeightSockets: &one, WeightConnections: &none,
	})
	if err != nil {
		return err
	}
	for _, n := range []*node{c.b, c.d} {
		if err := n.dpr.SetPeer(ctx, dprnl.PeerUpdate{Address: addressA}); err != nil {
			return err
		}
	}
	return c.aim(ctx, c.b)
}

// aim has A redirect new connections to a host, if it redirects.
func (c *cluster) aim(ctx context.Context, to *node) error {
	if c.a.dpr == nil {
		return nil
	}
	for _, n := range []*node{c.b, c.d} {
		m := &dprnl.Metrics{Sockets: 1000}
		if n == to {
			m.Sockets = 0
		}
		if err := c.a.dpr.SetPeer(ctx, dprnl.PeerUpdate{Address: n.addr, Metrics: m}); err != nil {
			return err
		}
	}
	return nil
}

// forget closes the connections to the module, so that it can be removed.
func (c *cluster) forget() error {
	var err error
	for _, n := range []*node{c.a, c.b, c.d} {
		if n.dpr != nil {
			err = errors.Join(err, n.dpr.Close())
			n.dpr = nil
		}
	}
	return err
}

// close ends it; what was made last ends first.
func (c *cluster) close() error {
	return errors.Join(c.forget(), c.net.Close())
}

// node is a host that may serve.
type node struct {
	*vnet.Host
	addr netip.Addr
	dpr  *dprnl.Client

	mu    sync.Mutex
	conns map[uint16]*net.TCPConn // accepted, by the client's port
}

func (n *node) configure(ctx context.Context, port uint16) error {
	if err := n.Do(func() (err error) { n.dpr, err = dprnl.New(); return err }); err != nil {
		return err
	}
	if err := n.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Address: &n.addr}); err != nil {
		return err
	}
	return n.dpr.AddService(ctx, dprnl.Service{Port: port})
}

// serve accepts connections until the returned function is called.
func (n *node) serve(ctx context.Context, port uint16) (stop func() error, err error) {
	var ln net.Listener
	err = n.Do(func() (err error) {
		lc := net.ListenConfig{KeepAlive: -1}
		lc.SetMultipathTCP(false)
		ln, err = lc.Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(time.Millisecond)
				continue
			}
			n.mu.Lock()
			n.conns[uint16(c.RemoteAddr().(*net.TCPAddr).Port)] = c.(*net.TCPConn)
			n.mu.Unlock()
		}
	}()
	return ln.Close, nil
}

// take waits for the connection of a client's port, and gives it away.
func (n *node) take(port uint16, patience time.Duration) (*net.TCPConn, error) {
	for until := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		n.mu.Lock()
		c := n.conns[port]
		delete(n.conns, port)
		n.mu.Unlock()
		if c != nil {
			return c, nil
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("%s does not serve it", n.Name)
		}
	}
}
