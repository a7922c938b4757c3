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
	dpr  *dprnl.Client
	web  *echo
}

var (
	addressA = netip.MustParseAddr("10.77.0.11")
	addressB = netip.MustParseAddr("10.77.0.12")
	addressC = netip.MustParseAddr("10.77.0.101")
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
	if c.a, err = c.member(ctx, "A", addressA); err != nil {
		return c, err
	}
	if c.b, err = c.member(ctx, "B", addressB); err != nil {
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
		if err := m.dpr.SetPeer(ctx, dprnl.PeerUpdate{Address: o.addr, Metrics: &dprnl.Metrics{}}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// member makes a host that serves, and whose answers to clients that do not exist
// go nowhere.
func (c *cluster) member(ctx context.Context, name string, addr netip.Addr) (*member, error) {
	h, err := c.net.NewHost(name, addr)
	if err != nil {
		return nil, err
	}
	m := &member{Host: h, addr: addr}
	err = h.Do(func() (err error) {
		if err := buildDevice("void0", nil); err != nil {
			return fmt.Errorf("device void0: %w", err)
		}
		l, err := netlink.LinkByName("void0")
		if err != nil {
			return err
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(clients), Scope: netlink.SCOPE_LINK}); err != nil {
			return err
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
	ln, err := lc.Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", ports[0]))
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
