// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dpr/testbed/lab/family"
)

// A space is a network namespace of the guest: a host of a cluster.
type space struct {
	name string
	ns   netns.NsHandle
}

// newSpace makes a namespace that uses one family.
func newSpace(name string, f family.Family) (*space, error) {
	s := &space{name, netns.None()}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		s.ns, err = netns.Get()
		return errors.Join(err, ownIPv6(f), linkUp("lo"))
	})
	if err != nil {
		return nil, fmt.Errorf("making the namespace of %s: %w", name, err)
	}
	return s, nil
}

// close lets go of the namespace. It ends when no socket is left in it.
func (s *space) close() error { return s.ns.Close() }

// onThread runs f on a thread that does not outlive it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// do runs f on a thread in the namespace: sockets opened in it stay there.
func (s *space) do(f func() error) error {
	err := onThread(func() error {
		if err := netns.Set(s.ns); err != nil {
			return fmt.Errorf("entering the namespace: %w", err)
		}
		return f()
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// connect joins two namespaces by a pair of devices, which are not up yet.
func connect(a *space, deviceA string, b *space, deviceB string) error {
	return a.do(func() error {
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: deviceA}, PeerName: deviceB, PeerNamespace: netlink.NsFd(int(b.ns)),
		})
		if err != nil {
			return fmt.Errorf("connecting %s to %s of %s: %w", deviceA, deviceB, b.name, err)
		}
		return nil
	})
}

// hardwareAddress returns that of a device.
func (s *space) hardwareAddress(device string) (mac net.HardwareAddr, err error) {
	err = s.do(func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("finding device %s: %w", device, err)
		}
		mac = l.Attrs().HardwareAddr
		return nil
	})
	return mac, err
}

// addNeighbour makes a neighbour known for good: nobody asks for hardware addresses while
// packets are counted, and few packets may wait for one.
func addNeighbour(device string, a netip.Addr, mac net.HardwareAddr) error {
	l, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding device %s: %w", device, err)
	}
	n := &netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: mac}
	if a.Is6() {
		n.Family = unix.AF_INET6
	}
	if err := netlink.NeighSet(n); err != nil {
		return fmt.Errorf("adding neighbour %s: %w", a, err)
	}
	return nil
}

// addGateway adds a route to an address.
func addGateway(to, gateway netip.Addr) error {
	r := &netlink.Route{Dst: ipNet(netip.PrefixFrom(to, to.BitLen())), Gw: gateway.AsSlice()}
	if err := netlink.RouteAdd(r); err != nil {
		return fmt.Errorf("adding a route to %s by %s: %w", to, gateway, err)
	}
	return nil
}
