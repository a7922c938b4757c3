// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// movedGroup is how many connections begin at once.
	movedGroup = 500
	// connectTime is how long a group may take.
	connectTime = 10 * time.Second
)

// movedConns are connections of clients with the owner: real ones, so that the clients'
// TCP sends again what is lost, and knows the round trip.
type movedConns struct {
	clients []int // sockets
	owners  []int // the other ends, in the same order
	sent    []time.Time
	found   []time.Time // when the owner's socket got data; zero: it has not
	epoll   int         // of the owner's sockets
}

// connect makes connections.
func (c *movedCluster) connect(n int) (_ *movedConns, err error) {
	k := &movedConns{sent: make([]time.Time, n), found: make([]time.Time, n), epoll: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	at := netip.AddrPortFrom(c.places.service, service)
	listener := -1
	if err := c.owner.do(func() (err error) { listener, err = listen(at); return err }); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unix.Close(listener)) }()
	ports := map[int]int{} // a client's port: number of its connection
	for len(k.clients) < n {
		group := min(movedGroup, n-len(k.clients))
		if err := c.clients.do(func() error { return k.dial(at, group, ports) }); err != nil {
			return nil, err
		}
		if err := k.accept(listener, group, ports); err != nil {
			return nil, err
		}
	}
	if err := k.watch(); err != nil {
		return nil, err
	}
	return k, nil
}

func listen(at netip.AddrPort) (fd int, err error) {
	family, own := domain(at)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	if err := errors.Join(unix.Bind(fd, own), unix.Listen(fd, 2*movedGroup)); err != nil {
		return -1, errors.Join(fmt.Errorf("listening at %s: %w", at, err), unix.Close(fd))
	}
	return fd, nil
}

// dial begins connections. It runs in the clients' namespace.
func (k *movedConns) dial(to netip.AddrPort, n int, ports map[int]int) error {
	family, other := domain(to)
	for range n {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("making a socket: %w", err)
		}
		k.clients = append(k.clients, fd)
		if err := unix.Connect(fd, other); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return fmt.Errorf("connecting to %s: %w", to, err)
		}
		own, err := unix.Getsockname(fd)
		if err != nil {
			return fmt.Errorf("asking for a client's port: %w", err)
		}
		ports[portOf(own)] = len(k.clients) - 1
	}
	return nil
}

func portOf(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

// accept takes the connections of a group, which then are established at both ends.
func (k *movedConns) accept(listener, n int, ports map[int]int) error {
	k.owners = append(k.owners, make([]int, n)...)
	for end := time.Now().Add(connectTime); n > 0; {
		fd, from, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		switch {
		case errors.Is(err, unix.EAGAIN) && time.Now().Before(end):
			time.Sleep(time.Millisecond)
		case err != nil:
			return fmt.Errorf("taking a client's connection, of which %d are missing: %w", n, err)
		default:
			i, ok := ports[portOf(from)]
			if !ok {
				return errors.Join(fmt.Errorf("a client is none of ours: port %d", portOf(from)), unix.Close(fd))
			}
			k.owners[i] = fd
			n--
		}
	}
	return nil
}

// watch has epoll tell when the owner's sockets get data.
func (k *movedConns) watch() (err error) {
	if k.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("watching sockets: %w", err)
	}
	for i, fd := range k.owners {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff, Fd: int32(i)}
		if err := unix.EpollCtl(k.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fmt.Errorf("watching a socket: %w", err)
		}
	}
	return nil
}

// send has each client send some data and returns how long that took.
func (k *movedConns) send() (time.Duration, error) {
	data := make([]byte, payload)
	begin := time.Now()
	for i, fd := range k.clients {
		k.sent[i] = time.Now()
		if _, err := unix.SendmsgN(fd, data, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
			return 0, fmt.Errorf("a client sends: %w", err)
		}
	}
	return time.Since(begin), nil
}

// rto returns the median of the times after which clients send again, in seconds.
func (k *movedConns) rto() (float64, error) {
	var all []float64
	for _, fd := range k.clients {
		info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, fmt.Errorf("asking a client when it sends again: %w", err)
		}
		all = append(all, float64(info.Rto)/1e6)
	}
	slices.Sort(all)
	return quantile(all, 0.5), nil
}

// await waits until all connections are found, or at most so long.
func (k *movedConns) await(most time.Duration) error {
	events := make([]unix.EpollEvent, 256)
	end := time.Now().Add(most)
	for missing := len(k.found); missing > 0; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		n, err := unix.EpollWait(k.epoll, events, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for sockets: %w", err)
		}
		for _, e := range events[:max(0, n)] {
			if !k.found[e.Fd].IsZero() {
				continue
			}
			// The data may have been there for long.
			info, err := unix.GetsockoptTCPInfo(k.owners[e.Fd], unix.SOL_TCP, unix.TCP_INFO)
			if err != nil {
				return fmt.Errorf("asking a socket when it got data: %w", err)
			}
			k.found[e.Fd] = time.Now().Add(-time.Duration(info.Last_data_recv) * time.Millisecond)
			missing--
		}
	}
	return nil
}

// close forgets the connections at both ends.
func (k *movedConns) close() error {
	var err error
	for _, fds := range [][]int{k.clients, k.owners} {
		for _, fd := range fds {
			if fd > 0 {
				err = errors.Join(err, forget(fd))
			}
		}
	}
	if k.epoll >= 0 {
		err = errors.Join(err, unix.Close(k.epoll))
	}
	return err
}
