// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/lab/family"
	"dpr/userland/dprnl"
)

const (
	// movedWay is how long a client's packets are on their way to a host; those to a client
	// take no time. TCP sends what is lost again after this and 200 ms.
	movedWay = 100 * time.Millisecond
	// movedHop is how long packets are on their way from one host to another.
	movedHop = 50 * time.Microsecond
	// movedQueue is how many packets a link holds.
	movedQueue = 1 << 17
)

// movedGroupAddress is the multicast group of the hosts, on their link.
var movedGroupAddress = netip.MustParseAddr("239.77.0.1")

// movedPlaces are the addresses of a cluster whose connections move.
type movedPlaces struct {
	client, service netip.Addr // of all clients and of the service, which all hosts have
	links           [3]netip.Prefix
}

// movedEnds is how many addresses of a link its two hosts have.
const movedEnds = 2

// The links of a cluster whose connections move.
const (
	clientAsker = iota
	clientOwner
	askerOwner
)

var movedFamilies = map[family.Family]movedPlaces{
	family.V4: {
		netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("10.0.0.99"), [3]netip.Prefix{
			netip.MustParsePrefix("10.3.1.0/24"), netip.MustParsePrefix("10.3.2.0/24"), netip.MustParsePrefix("10.3.3.0/24"),
		},
	},
	family.V6: {
		netip.MustParseAddr("fd10:2::1"), netip.MustParseAddr("fd10::99"), [3]netip.Prefix{
			netip.MustParsePrefix("fd10:3:1::/64"), netip.MustParsePrefix("fd10:3:2::/64"), netip.MustParsePrefix("fd10:3:3::/64"),
		},
	},
}

// ends returns the addresses of both ends of a link.
func (p movedPlaces) ends(link int) (first, second netip.Addr) {
	first = p.links[link].Addr().Next()
	return first, first.Next()
}

// movedHost is a host that runs dpr.
type movedHost struct {
	*space
	dpr     *dprnl.Client
	address netip.Addr
	gateway netip.Addr // its address on the link to the clients
}

func (h *movedHost) stats(ctx context.Context) (s dprnl.Stats, err error) {
	err = h.do(func() error {
		s, err = h.dpr.Stats(ctx)
		return err
	})
	return s, err
}

// movedCluster is clients behind a router, the host that their packets come to and the one
// that has their sockets. All hosts have the service's address. What the others get to see
// goes nowhere: they would not answer. If peers are asked by the group, the others are on the
// link of the owner.
//
//	clients ── 100 ms ── asker ── out0: the other hosts
//	   │                   │ 50 µs
//	   └────── 100 ms ── owner
type movedCluster struct {
	places       movedPlaces
	group        bool
	clients      *space
	asker, owner *movedHost
	closers      []func() error
}

func newMovedCluster(ctx context.Context, n *network, hosts int, group bool) (_ *movedCluster, err error) {
	c := &movedCluster{places: movedFamilies[n.family], group: group}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.clients, err = c.host("clients", n.family); err != nil {
		return nil, err
	}
	for name, h := range map[string]**movedHost{"asker": &c.asker, "owner": &c.owner} {
		host, err := c.host(name, n.family)
		if err != nil {
			return nil, err
		}
		*h = &movedHost{space: host}
	}
	if err := c.build(); err != nil {
		return nil, err
	}
	others := make([]netip.Addr, hosts-2)
	for i := range others {
		others[i] = n.peer(i)
		if group {
			others[i] = within(c.places.links[askerOwner], 1+movedEnds+i)
		}
	}
	if err := c.others(n, others); err != nil {
		return nil, err
	}
	if err := c.configure(ctx, others); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *movedCluster) host(name string, f family.Family) (*space, error) {
	h, err := newSpace(name, f)
	if err == nil {
		c.closers = append(c.closers, h.close)
	}
	return h, err
}

func (c *movedCluster) close() error {
	var err error
	for i := len(c.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, c.closers[i]())
	}
	return err
}

// build connects the hosts, and has the clients' packets go to the owner.
func (c *movedCluster) build() error {
	for i, l := range []struct {
		a, b   *space
		da, db string
		wa, wb time.Duration // how long packets take that leave there
	}{
		clientAsker: {c.clients, c.asker.space, "asker", "clients", movedWay, 0},
		clientOwner: {c.clients, c.owner.space, "owner", "clients", movedWay, 0},
		askerOwner:  {c.asker.space, c.owner.space, "owner", "asker", movedHop, movedHop},
	} {
		if err := connect(l.a, l.da, l.b, l.db); err != nil {
			return err
		}
		macA, errA := l.a.hardwareAddress(l.da)
		macB, errB := l.b.hardwareAddress(l.db)
		first, second := c.places.ends(i)
		bits := c.places.links[i].Bits()
		if err := errors.Join(errA, errB,
			l.a.do(func() error { return attach(l.da, netip.PrefixFrom(first, bits), second, macB, l.wa) }),
			l.b.do(func() error { return attach(l.db, netip.PrefixFrom(second, bits), first, macA, l.wb) }),
		); err != nil {
			return err
		}
	}
	return c.place()
}

// place gives the hosts addresses that no link has, and routes to the clients.
func (c *movedCluster) place() error {
	c.asker.address, c.owner.address = c.places.ends(askerOwner)
	_, c.asker.gateway = c.places.ends(clientAsker)
	_, c.owner.gateway = c.places.ends(clientOwner)
	for h, own := range map[*space]netip.Addr{c.clients: c.places.client, c.asker.space: c.places.service, c.owner.space: c.places.service} {
		if err := h.do(func() error { return addAddress("lo", netip.PrefixFrom(own, own.BitLen())) }); err != nil {
			return err
		}
	}
	for link, h := range map[int]*movedHost{clientAsker: c.asker, clientOwner: c.owner} {
		router, _ := c.places.ends(link)
		if err := h.do(func() error { return addGateway(c.places.client, router) }); err != nil {
			return err
		}
	}
	return c.route(c.owner)
}

// attach gives a device its address and its only neighbour, and has packets that leave
// there take a while.
func attach(device string, own netip.Prefix, neighbour netip.Addr, mac net.HardwareAddr, way time.Duration) error {
	if err := errors.Join(linkUp(device), addAddress(device, own), addNeighbour(device, neighbour, mac)); err != nil || way == 0 {
		return err
	}
	l, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding device %s: %w", device, err)
	}
	q := netlink.NewNetem(netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		netlink.NetemQdiscAttrs{Latency: uint32(way.Microseconds()), Limit: movedQueue})
	if err := netlink.QdiscReplace(q); err != nil {
		return fmt.Errorf("delaying packets of %s: %w", device, err)
	}
	return nil
}

// route has the clients' packets go to a host, as a router does that has rehashed.
func (c *movedCluster) route(to *movedHost) error {
	return c.clients.do(func() error {
		r := &netlink.Route{
			Dst: ipNet(netip.PrefixFrom(c.places.service, c.places.service.BitLen())),
			Gw:  to.gateway.AsSlice(), Src: c.places.client.AsSlice(),
		}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("routing the clients to %s: %w", to.name, err)
		}
		return nil
	})
}

// others gives the asker neighbours that are no hosts: peers that have no connection say
// nothing.
func (c *movedCluster) others(n *network, peers []netip.Addr) error {
	if c.group {
		return errors.Join(c.joinGroup(), c.asker.do(func() error { return addNeighbours("owner", peers) }))
	}
	return c.asker.do(func() error {
		if err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: outDev}}); err != nil {
			return fmt.Errorf("making device %s: %w", outDev, err)
		}
		out, err := netlink.LinkByName(outDev)
		if err != nil {
			return fmt.Errorf("finding device %s: %w", outDev, err)
		}
		// As on Ethernet, a peer's packets need its hardware address.
		if err := netlink.LinkSetARPOn(out); err != nil {
			return fmt.Errorf("setting device %s up: %w", outDev, err)
		}
		if err := linkUp(outDev); err != nil {
			return err
		}
		if err := addAddress(outDev, n.outside); err != nil {
			return err
		}
		return addNeighbours(outDev, peers)
	})
}

// joinGroup has both hosts join the group on their link, as dpr-receive does.
func (c *movedCluster) joinGroup() error {
	for _, h := range []*movedHost{c.asker, c.owner} {
		err := h.do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("making a socket: %w", err)
			}
			c.closers = append(c.closers, func() error { return unix.Close(fd) })
			if err := unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
				&unix.IPMreq{Multiaddr: movedGroupAddress.As4(), Interface: h.address.As4()}); err != nil {
				return fmt.Errorf("joining group %s: %w", movedGroupAddress, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// configure has both hosts balance the service. New connections stay where they come.
func (c *movedCluster) configure(ctx context.Context, peers []netip.Addr) error {
	for h, other := range map[*movedHost]*movedHost{c.asker: c.owner, c.owner: c.asker} {
		if err := h.do(func() (err error) { h.dpr, err = dprnl.New(); return err }); err != nil {
			return err
		}
		c.closers = append(c.closers, h.dpr.Close)
		known := []netip.Addr{other.address}
		if h == c.asker {
			known = append(known, peers...)
		}
		var group *netip.Addr
		if c.group {
			group = &movedGroupAddress
		}
		if err := h.do(func() error { return h.configure(ctx, known, c.places.service, group) }); err != nil {
			return err
		}
	}
	return nil
}

// configure has a host know its peers and that they have the service's address, too: packets
// of IPv6 between them are no tunnel's of its own then.
func (h *movedHost) configure(ctx context.Context, peers []netip.Addr, shared netip.Addr, group *netip.Addr) error {
	policy, orphans, long := dprnl.PolicyOff, dprnl.OrphansAsk, longTime
	if err := h.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Address: &h.address, Policy: &policy, Orphans: &orphans, Group: group, ReportMaxAge: &long}); err != nil {
		return err
	}
	for _, a := range peers {
		if err := h.dpr.SetPeer(ctx, dprnl.PeerUpdate{Address: a, Metrics: &dprnl.Metrics{}, Protocol: newProtocol, Others: []netip.Addr{shared}}); err != nil {
			return err
		}
	}
	return h.dpr.AddService(ctx, dprnl.Service{Port: service})
}
