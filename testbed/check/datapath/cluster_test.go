// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Addresses of the cluster's network.
var (
	network = netip.MustParsePrefix("10.77.0.0/24")
	addrA   = netip.MustParseAddr("10.77.0.11")
	addrB   = netip.MustParseAddr("10.77.0.12")
	addrD   = netip.MustParseAddr("10.77.0.13")
	addrC   = netip.MustParseAddr("10.77.0.101")
	addrR   = netip.MustParseAddr("10.77.0.201")

	loopback = netip.MustParseAddr("127.0.0.1")
)

const (
	port = 80   // of the service
	eth  = "e0" // each host's link
	mtu  = 1500
)

// step bounds whatever should happen at once; a guest without hardware help is
// slow.
const step = 30 * time.Second

// A server is a host of the cluster.
type server struct {
	*vnet.Host
	addr netip.Addr
	dpr  *dprnl.Client
	web  *web // on port, all addresses; nil after stop
}

// A cluster is the least that a redirected connection needs:
//
//	client C ── switch ── A (redirects all it is asked)
//	               └───── B (serves)
type cluster struct {
	marker dprnl.Marker
	sw     *vnet.Switch
	a, b   *server
	c      *vnet.Host
}

// newCluster makes a cluster of A, B and the client, taken down after the test.
func newCluster(t *testing.T, marker dprnl.Marker) *cluster {
	t.Helper()
	c := bareCluster(t, marker)
	c.a.web, c.b.web = serve(t, c.a.Host, "A", port), serve(t, c.b.Host, "B", port)
	c.redirect(t, c.b)
	return c
}

// bareCluster makes a cluster that serves nothing yet.
func bareCluster(t *testing.T, marker dprnl.Marker) *cluster {
	t.Helper()
	sw, err := vnet.NewSwitch("switch")
	check(t, err)
	t.Cleanup(func() { sw.Close() })
	c := &cluster{marker: marker, sw: sw}
	c.a, c.b = c.server(t, "A", addrA), c.server(t, "B", addrB)
	c.c = c.host(t, "C", addrC)
	c.know(t, c.a, c.b)
	return c
}

// host adds a host without DPR to the switch.
func (c *cluster) host(t *testing.T, name string, addr netip.Addr) *vnet.Host {
	t.Helper()
	h, err := vnet.NewHost(name)
	check(t, err)
	t.Cleanup(func() { h.Close() })
	check(t, c.sw.Plug(h, eth, mtu))
	if addr.IsValid() {
		check(t, h.Address(eth, netip.PrefixFrom(addr, network.Bits())))
	}
	return h
}

// server adds a server with DPR, the service and policy off.
func (c *cluster) server(t *testing.T, name string, addr netip.Addr) *server {
	t.Helper()
	return configure(t, c.host(t, name, addr), addr, c.marker)
}

// configure makes a server of a host.
func configure(t *testing.T, h *vnet.Host, addr netip.Addr, marker dprnl.Marker) *server {
	t.Helper()
	s := &server{Host: h, addr: addr}
	s.connect(t)
	s.set(t, dprnl.ConfigUpdate{Address: &addr, Marker: &marker})
	check(t, s.dpr.AddService(t.Context(), dprnl.Service{Port: port}))
	return s
}

// connect opens the server's connection to the module.
func (s *server) connect(t *testing.T) {
	t.Helper()
	check(t, s.Do(func() (err error) { s.dpr, err = dprnl.New(); return err }))
	client := s.dpr
	t.Cleanup(func() { client.Close() })
}

// know makes two servers peers that have not reported.
func (c *cluster) know(t *testing.T, s, o *server) {
	t.Helper()
	check(t, s.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: o.addr}))
	check(t, o.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: s.addr}))
}

// redirect makes A redirect every new connection to one of the given peers: its
// load is its sockets, and the peers report none.
func (c *cluster) redirect(t *testing.T, to ...*server) {
	t.Helper()
	c.a.set(t, dprnl.ConfigUpdate{
		Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported), ReportMaxAge: ptr(time.Hour),
		WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
	})
	for _, s := range to {
		c.a.report(t, s, 0)
	}
}

// report tells A of a peer's load.
func (s *server) report(t *testing.T, peer *server, load uint32) {
	t.Helper()
	check(t, s.dpr.SetPeer(t.Context(), dprnl.PeerUpdate{Address: peer.addr, Metrics: &dprnl.Metrics{Sockets: load}}))
}

// keep makes the server keep new connections from now on.
func (s *server) keep(t *testing.T) {
	t.Helper()
	s.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyOff)})
}

func (s *server) set(t *testing.T, u dprnl.ConfigUpdate) {
	t.Helper()
	check(t, s.dpr.SetConfig(t.Context(), u))
}

// service is the address that clients of the server use.
func (s *server) service() netip.AddrPort { return netip.AddrPortFrom(s.addr, port) }

// flows returns the server's routing table.
func (s *server) flows(t *testing.T) []dprnl.Flow {
	t.Helper()
	var all []dprnl.Flow
	// A dump has a connection of its own, made by the thread that asks.
	check(t, s.Do(func() error {
		for f, err := range s.dpr.Flows(t.Context(), dprnl.FlowFilter{}) {
			if err != nil {
				return err
			}
			all = append(all, f)
		}
		return nil
	}))
	return all
}

// observe collects what passes a host's link until the test ends.
func observe(t *testing.T, h *vnet.Host) *wire.Endpoint {
	t.Helper()
	e, err := wire.Open(h, eth)
	check(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// check ends the test if there is an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until f returns nil.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	within(t, step, f)
}

// within is eventually for what may take another time than a step.
func within(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("still after %v: %w", limit, err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ptr[T any](v T) *T { return &v }

// behindAnotherLink gives a server a second link, to the network 192.0.2.0/24,
// and returns the host 192.0.2.7 at its other end.
func behindAnotherLink(t *testing.T, s *server) *vnet.Host {
	t.Helper()
	e, err := vnet.NewHost("E")
	check(t, err)
	t.Cleanup(func() { e.Close() })
	check(t, vnet.Connect(s.Host, "e1", e, eth, mtu))
	check(t, s.Address("e1", netip.MustParsePrefix("192.0.2.1/24")))
	check(t, e.Address(eth, netip.MustParsePrefix("192.0.2.7/24")))
	return e
}

func addrPort(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }
