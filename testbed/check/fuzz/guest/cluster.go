// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// cluster is a client, a host that redirects all it is asked, one that serves,
// and an attacker that sends what it likes, on one switch:
//
//	C, R ── switch ── A
//	           └───── B
type cluster struct {
	maxFlows uint32
	net      *vnet.Net
	a, b     *member
	c, r     *vnet.Host
}

// member is a host with dpr.
type member struct {
	*vnet.Host
	addr netip.Addr
	six  netip.Addr
	dpr  *dprnl.Client
	web  *echo
}

var (
	addressA = netip.MustParseAddr("10.77.0.11")
	addressB = netip.MustParseAddr("10.77.0.12")
	addressC = netip.MustParseAddr("10.77.0.101")

	addressA6 = netip.MustParseAddr("fd77::11")
	addressB6 = netip.MustParseAddr("fd77::12")
)

func newCluster(ctx context.Context, maxFlows uint32) (c *cluster, err error) {
	c = &cluster{maxFlows: maxFlows}
	if c.net, err = vnet.NewNet(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.net.Close())
		}
	}()
	if c.a, err = c.member(ctx, "A", addressA, addressA6); err != nil {
		return c, err
	}
	if c.b, err = c.member(ctx, "B", addressB, addressB6); err != nil {
		return c, err
	}
	if c.c, err = c.net.NewHost("C", addressC); err != nil {
		return c, err
	}
	if c.r, err = c.net.NewHost("R", netip.Addr{}); err != nil {
		return c, err
	}
	policy, state, long := dprnl.PolicyLowest, dprnl.StateDraining, time.Hour
	if err := c.a.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Policy: &policy, State: &state, ReportMaxAge: &long, MaxFlows: &maxFlows}); err != nil {
		return c, err
	}
	for m, o := range map[*member]*member{c.a: c.b, c.b: c.a} {
		u := dprnl.PeerUpdate{Address: o.addr, Metrics: &dprnl.Metrics{}, Protocol: 3, Others: []netip.Addr{o.six}}
		if err := m.dpr.SetPeer(ctx, u); err != nil {
			return c, err
		}
	}
	return c, nil
}

// member makes a host that serves, and whose answers to clients that do not exist
// go nowhere.
func (c *cluster) member(ctx context.Context, name string, addr, six netip.Addr) (*member, error) {
	h, err := c.net.NewHost(name, addr, six)
	if err != nil {
		return nil, err
	}
	m := &member{Host: h, addr: addr, six: six}
	err = h.Do(func() (err error) {
		if err := quietIPv6(); err != nil {
			return err
		}
		if err := buildDevice("void0", nil); err != nil {
			return fmt.Errorf("device void0: %w", err)
		}
		l, err := netlink.LinkByName("void0")
		if err != nil {
			return err
		}
		for _, p := range []netip.Prefix{clients, clients6} {
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(p), Scope: netlink.SCOPE_LINK}); err != nil {
				return err
			}
		}
		if m.web, err = newEcho(ctx); err != nil {
			return err
		}
		m.dpr, err = dprnl.New()
		return err
	})
	if err != nil {
		return nil, err
	}
	c.net.Defer(m.dpr.Close, m.web.ln.Close)
	if err := m.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Address: &addr}); err != nil {
		return nil, err
	}
	return m, m.dpr.AddService(ctx, dprnl.Service{Port: ports[0]})
}

// close ends it; what was made last ends first.

// echo is a server that says each line back.
type echo struct{ ln net.Listener }

func newEcho(ctx context.Context) (*echo, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp", fmt.Sprintf(":%d", ports[0]))
	if err != nil {
		return nil, err
	}
	e := &echo{ln}
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
			go func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					if _, err := fmt.Fprintln(c, s.Text()); err != nil {
						return
					}
				}
			}()
		}
	}()
	return e, nil
}
