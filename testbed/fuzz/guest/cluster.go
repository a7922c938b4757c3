// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/path/vnet"
	"dpr/userland/dprnl"
)

// cluster is a client, a host that redirects all it is asked, one that serves,
// and an attacker that sends what it likes, on one switch:
//
//	C, R ── switch ── A
//	           └───── B
type cluster struct {
	maxFlows uint32
	sw       *vnet.Switch
	a, b     *member
	c, r     *vnet.Host
	closers  []func() error
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

const (
	link    = "e0"
	linkMTU = 1500
)

func newCluster(ctx context.Context, maxFlows uint32) (c *cluster, err error) {
	c = &cluster{maxFlows: maxFlows}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.sw, err = vnet.NewSwitch("switch"); err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.sw.Close)
	if c.a, err = c.member(ctx, "A", addressA); err != nil {
		return c, err
	}
	if c.b, err = c.member(ctx, "B", addressB); err != nil {
		return c, err
	}
	if c.c, err = c.host("C", addressC); err != nil {
		return c, err
	}
	if c.r, err = c.host("R", netip.Addr{}); err != nil {
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

func (c *cluster) host(name string, addr netip.Addr) (*vnet.Host, error) {
	h, err := vnet.NewHost(name)
	if err != nil {
		return nil, err
	}
	c.closers = append(c.closers, h.Close)
	if err := c.sw.Plug(h, link, linkMTU); err != nil || !addr.IsValid() {
		return h, err
	}
	return h, h.Address(link, netip.PrefixFrom(addr, 24))
}

// member makes a host that serves, and whose answers to clients that do not exist
// go nowhere.
func (c *cluster) member(ctx context.Context, name string, addr netip.Addr) (*member, error) {
	h, err := c.host(name, addr)
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
	c.closers = append(c.closers, m.dpr.Close, m.web.ln.Close)
	if err := m.dpr.SetConfig(ctx, dprnl.ConfigUpdate{Address: &addr}); err != nil {
		return nil, err
	}
	return m, m.dpr.AddService(ctx, dprnl.Service{Port: ports[0]})
}

// close ends it; what was made last ends first.
func (c *cluster) close() error {
	var err error
	for i := len(c.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, c.closers[i]())
	}
	return err
}

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

// patience is what a connection may take to be made, and an answer to come: a
// client sends a SYN again after 1, 3 and 7 s.
const patience = 15 * time.Second

// dial connects the client to A.
func (c *cluster) dial(ctx context.Context) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := net.Dialer{KeepAlive: -1}
	d.SetMultipathTCP(false)
	err = c.c.Do(func() error {
		conn, err = d.DialContext(ctx, "tcp4", netip.AddrPortFrom(addressA, ports[0]).String())
		return err
	})
	return conn, err
}

// ask has a connection say a word back.
func ask(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(c, 64).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("it says %q", line)
	}
	return err
}

// connections are some that live.
type connections struct {
	all     []net.Conn
	clients []netip.AddrPort
	lost    atomic.Int64
}

// keep makes connections, all of which A redirects.
func (c *cluster) keep(ctx context.Context, n int) (*connections, error) {
	k := &connections{}
	for range n {
		conn, err := c.dial(ctx)
		if err != nil {
			return k, err
		}
		k.all = append(k.all, conn)
		k.clients = append(k.clients, conn.LocalAddr().(*net.TCPAddr).AddrPort())
		if err := ask(conn); err != nil {
			return k, err
		}
	}
	s, err := c.a.dpr.Stats(ctx)
	if err != nil {
		return k, err
	}
	if got := s.Get(dprnl.StatFlows); got != uint64(n) {
		return k, fmt.Errorf("%d connections have %d flows", n, got)
	}
	return k, nil
}

// ask asks each of them; one that does not answer is lost.
func (k *connections) ask(context.Context) error {
	var wg sync.WaitGroup
	for i, conn := range k.all {
		if conn == nil {
			continue
		}
		wg.Go(func() {
			if err := ask(conn); err != nil {
				k.lost.Add(1)
				conn.Close()
				k.all[i] = nil
			}
		})
	}
	wg.Wait()
	return nil
}

func (k *connections) close() {
	for _, c := range k.all {
		if c != nil {
			c.Close()
		}
	}
}

// honest are clients that connect, ask and go, one after the other.
type honest struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	mu     sync.Mutex
	took   []time.Duration
	failed int
}

func (c *cluster) honest(ctx context.Context) *honest {
	h := &honest{stop: make(chan struct{})}
	for range 4 {
		h.wg.Go(func() {
			for {
				select {
				case <-h.stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				start := time.Now()
				conn, err := c.dial(ctx)
				if err == nil {
					err = ask(conn)
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
				h.mu.Lock()
				h.took = append(h.took, time.Since(start))
				if err != nil {
					h.failed++
				}
				h.mu.Unlock()
			}
		})
	}
	return h
}

// end returns how many connections were tried, how many of them failed, and the
// median and the 99th percentile of what they took, in ms.
func (h *honest) end() (tried, failed int, took []float64) {
	close(h.stop)
	h.wg.Wait()
	return len(h.took), h.failed, []float64{percentile(h.took, 50), percentile(h.took, 99)}
}

// attack sends so many packets to a host, as fast as the attacker can.
func (c *cluster) attack(to *member, f *flood, packet func(*flood, []byte) []byte, n int) (sent int, err error) {
	mac, err := to.MAC(link)
	if err != nil {
		return 0, err
	}
	err = c.r.Do(func() (err error) {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unix.Close(fd)) }()
		sent, err = sendMany(fd, l.Attrs().Index, mac, n, func(b []byte) []byte { return packet(f, b) })
		return err
	})
	return sent, err
}

// sendMany sends packets through a packet socket, many with one call.
func sendMany(fd, index int, mac net.HardwareAddr, n int, packet func([]byte) []byte) (sent int, err error) {
	const at = 64
	var to unix.RawSockaddrLinklayer
	to.Family, to.Protocol, to.Ifindex, to.Halen = unix.AF_PACKET, 8, int32(index), 6 // ETH_P_IP, as the wire has it
	copy(to.Addr[:], mac)
	var headers [at]mmsghdr
	var vectors [at]unix.Iovec
	buffers := make([]byte, at*64)
	for sent < n {
		for i := range headers {
			b := packet(buffers[i*64 : (i+1)*64])
			vectors[i] = unix.Iovec{Base: &b[0], Len: uint64(len(b))}
			headers[i].header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&to)), Namelen: unix.SizeofSockaddrLinklayer, Iov: &vectors[i], Iovlen: 1}
		}
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&headers[0])), at, 0, 0, 0)
		switch errno {
		case 0:
			sent += int(k)
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR: // the link is full
		default:
			return sent, fmt.Errorf("flooding: %w", errno)
		}
	}
	return sent, nil
}
