// SPDX-License-Identifier: MIT

// Package vnet makes networks of network namespaces in the running kernel: the
// hosts, bridges and routers that the tests of the packet path use. Namespaces
// have no name in the file system: they end with the process that made them,
// however it ends.
package vnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Host is a network namespace.
type Host struct {
	Name string
	ns   netns.NsHandle
	nl   *netlink.Handle
}

// NewHost makes a namespace with its loopback device up.
func NewHost(name string) (*Host, error) {
	h := &Host{Name: name, ns: netns.None()}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		ns, err := netns.Get()
		h.ns = ns
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the namespace of %s: %w", name, err)
	}
	h.nl, err = netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink of %s: %w", name, err), h.ns.Close())
	}
	// Neighbour discovery of hosts that have no IPv6 address would be in everybody's
	// captures. A kernel without IPv6 has no such setting.
	if err := h.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, h.Close())
	}
	if err := h.Up("lo"); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close lets go of the namespace. It ends when no socket is left in it.
func (h *Host) Close() error {
	h.nl.Close()
	return h.ns.Close()
}

// onThread runs f on a thread that does not outlive it. f must return.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// Do runs f on a thread in the namespace: sockets opened in it stay there. f
// must return, and what it starts is not in the namespace.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("enter the namespace of %s: %w", h.Name, err)
		}
		return f()
	})
}

// Run runs a program in the namespace and returns what it printed.
func (h *Host) Run(ctx context.Context, args ...string) (string, error) {
	return h.RunInput(ctx, "", args...)
}

// RunInput is Run with text for the program to read.
func (h *Host) RunInput(ctx context.Context, input string, args ...string) (string, error) {
	var out bytes.Buffer
	err := h.Do(func() error {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
		return cmd.Run()
	})
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w: %s", h.Name, strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

// Sysctl sets one of the namespace's settings, named as in /proc/sys.
func (h *Host) Sysctl(name, value string) error {
	return h.Do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("%s: set %s to %s: %w", h.Name, name, value, err)
		}
		return nil
	})
}

// Read returns the content of a file of the namespace, such as
// /proc/thread-self/net/netstat.
func (h *Host) Read(path string) (text string, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile(path)
		text = string(b)
		return err
	})
	return text, err
}

func (h *Host) link(name string) (netlink.Link, error) {
	l, err := h.nl.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: find link %s: %w", h.Name, name, err)
	}
	return l, nil
}

// Up brings a link up.
func (h *Host) Up(link string) error {
	return h.change(link, "bring up", h.nl.LinkSetUp)
}

// Down takes a link down.
func (h *Host) Down(link string) error {
	return h.change(link, "take down", h.nl.LinkSetDown)
}

// SetMTU sets a link's MTU.
func (h *Host) SetMTU(link string, mtu int) error {
	return h.change(link, fmt.Sprintf("set MTU %d on", mtu), func(l netlink.Link) error {
		return h.nl.LinkSetMTU(l, mtu)
	})
}

func (h *Host) change(name, what string, f func(netlink.Link) error) error {
	l, err := h.link(name)
	if err != nil {
		return err
	}
	if err := f(l); err != nil {
		return fmt.Errorf("%s: %s link %s: %w", h.Name, what, name, err)
	}
	return nil
}

// MAC returns a link's address.
func (h *Host) MAC(link string) (net.HardwareAddr, error) {
	l, err := h.link(link)
	if err != nil {
		return nil, err
	}
	return l.Attrs().HardwareAddr, nil
}

// Index returns a link's number.
func (h *Host) Index(link string) (int, error) {
	l, err := h.link(link)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Index, nil
}

// Address adds an address with its prefix to a link. It can be used at once.
func (h *Host) Address(link string, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		if err := h.enable6(link); err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
	}
	return h.change(link, fmt.Sprintf("add %v to", p), func(l netlink.Link) error {
		if err := h.nl.AddrAdd(l, addr); err != nil || !p.Addr().Is6() {
			return err
		}
		return h.joined(l, p.Addr())
	})
}

// RemoveAddress removes an address from a link.
func (h *Host) RemoveAddress(link string, p netip.Prefix) error {
	return h.change(link, fmt.Sprintf("remove %v from", p), func(l netlink.Link) error {
		return h.nl.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)})
	})
}

// Route adds a route by way of a router.
func (h *Host) Route(to netip.Prefix, via netip.Addr) error { return h.RouteIn(0, to, via) }

// RouteIn adds a route to a table, such as a VRF's.
func (h *Host) RouteIn(table int, to netip.Prefix, via netip.Addr) error {
	err := h.nl.RouteAdd(&netlink.Route{Table: table, Dst: ipNet(to), Gw: via.AsSlice()})
	if err != nil {
		return fmt.Errorf("%s: add route to %v via %v: %w", h.Name, to, via, err)
	}
	return nil
}

// Forget makes the host forget its neighbours on a link, of both families.
func (h *Host) Forget(link string) error {
	return h.change(link, "forget neighbours of", func(l netlink.Link) error {
		all, err := h.nl.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, n := range all {
			if n.State&netlink.NUD_NOARP != 0 {
				continue // groups
			}
			if err := h.nl.NeighDel(&n); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// Neighbours returns the addresses on a link that the host knows, or wants to know, the
// link-layer address of.
func (h *Host) Neighbours(link string) (addrs []netip.Addr, err error) {
	err = h.change(link, "list neighbours of", func(l netlink.Link) error {
		all, err := h.nl.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
		for _, n := range all {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				addrs = append(addrs, a.Unmap())
			}
		}
		return err
	})
	return addrs, err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
