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

// IPv4 addresses of the cluster's network; the IPv6 ones are their twins.
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
	way    way
	addr   netip.Addr   // its own: of its tunnels, and by which peers know it
	others []netip.Addr // those that it reports beside that
	at     netip.Addr   // that clients use
	dpr    *dprnl.Client
	web    *web // on port, all addresses; nil after stop
}

// A cluster is the least that a redirected connection needs:
//
//	client C ── switch ── A (redirects all it is asked)
//	               └───── B (serves)
type cluster struct {
	way
	sw   *vnet.Switch
	a, b *server
	c    *vnet.Host
	// fastCable: A's cable is one that programs of XDP can send by.
	fastCable bool
}

// newCluster makes a cluster of A, B and the client, taken down after the test.
func newCluster(t *testing.T, w way) *cluster {
	t.Helper()
	c := bareCluster(t, w)
	c.a.web, c.b.web = serve(t, c.a.Host, "A", port), serve(t, c.b.Host, "B", port)
	c.redirect(t, c.b)
	return c
}

// bareCluster makes a cluster that serves nothing yet.
func bareCluster(t *testing.T, w way) *cluster {
	t.Helper()
	sw, err := vnet.NewSwitch("switch")
	check(t, err)
	t.Cleanup(func() { sw.Close() })
	c := &cluster{way: w, sw: sw}
	c.a, c.b = c.server(t, "A", addrA), c.server(t, "B", addrB)
	c.c = c.host(t, "C", addrC)
	c.know(t, c.a, c.b)
	return c
}

// host adds a host without DPR to the switch, with its addresses of both families if it
// has any.
func (c *cluster) host(t *testing.T, name string, addr netip.Addr) *vnet.Host {
	t.Helper()
	h, err := vnet.NewHost(name)
	check(t, err)
	t.Cleanup(func() { h.Close() })
	check(t, c.sw.Plug(h, eth, mtu))
	if addr.IsValid() {
		addresses(t, h, eth, netip.PrefixFrom(addr, network.Bits()))
	}
	return h
}

// addresses adds an IPv4 address and its twin to a host's link.
func addresses(t *testing.T, h *vnet.Host, link string, p netip.Prefix) {
	t.Helper()
	check(t, h.Address(link, p))
	check(t, h.Address(link, vnet.TwinPrefix(p)))
}

// route adds a route of both families to a host.
func route(t *testing.T, h *vnet.Host, to, via string) {
	t.Helper()
	prefix, gateway := netip.MustParsePrefix(to), netip.MustParseAddr(via)
	check(t, h.Route(prefix, gateway))
	check(t, h.Route(vnet.TwinPrefix(prefix), vnet.Twin(gateway)))
}

// server adds a server with DPR, the service and policy off.
func (c *cluster) server(t *testing.T, name string, addr netip.Addr) *server {
	t.Helper()
	return configure(t, c.host(t, name, addr), addr, c.way)
}

// configure makes a server of a host that has the IPv4 address and its twin.
func configure(t *testing.T, h *vnet.Host, addr netip.Addr, w way) *server {
	t.Helper()
	s := &server{Host: h, way: w, addr: w.own(addr), at: w.addr(addr), others: w.report(addr, 0).Others}
	s.connect(t)
	s.set(t, dprnl.ConfigUpdate{Address: &s.addr, Marker: &w.marker, Forwarding: ptr(w.forwarding()), Answers: ptr(w.answers())})
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
		// The host that serves needs to know whose the client's destination is, and
		// what A can do.
		if c.client != c.tunnel || c.direct || c.through {
			s.report(t, c.a, 1<<20)
		}
	}
}

// report tells A of a peer's load.
func (s *server) report(t *testing.T, peer *server, load uint32) {
	t.Helper()
	u := s.way.report(peer.addr, load)
	if u.Protocol > 0 {
		u.Others = peer.others
	}
	check(t, s.dpr.SetPeer(t.Context(), u))
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
func (s *server) service() netip.AddrPort { return netip.AddrPortFrom(s.at, port) }

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

// forward makes a host a router, of both families.
func forward(t *testing.T, h *vnet.Host) {
	t.Helper()
	check(t, h.Sysctl("net/ipv4/ip_forward", "1"))
	check(t, h.Sysctl("net/ipv6/conf/all/forwarding", "1"))
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
// and returns the host 192.0.2.7 at its other end. Both have the twins, too.
func behindAnotherLink(t *testing.T, s *server) *vnet.Host {
	t.Helper()
	e, err := vnet.NewHost("E")
	check(t, err)
	t.Cleanup(func() { e.Close() })
	check(t, vnet.Connect(s.Host, "e1", e, eth, mtu))
	addresses(t, s.Host, "e1", netip.MustParsePrefix("192.0.2.1/24"))
	addresses(t, e, eth, netip.MustParsePrefix("192.0.2.7/24"))
	return e
}
