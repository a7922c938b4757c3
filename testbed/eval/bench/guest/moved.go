// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
	"dpr/userland/dprnl"
)

const (
	// movedTime is how long connections that moved may take. A client gives up much later,
	// but what is not found by then is no success.
	movedTime = 60 * time.Second
	// movedFiles is how many sockets a guest may have: both ends of each connection.
	movedFiles = 1 << 17
	// movedBacklog is what the guest's processor may have received and not looked at yet.
	// All hosts share it, so it is as long as their rings of receive descriptors together.
	movedBacklog = 1 << 16
)

// moved measures clusters of all sizes of the plan.
func (m *meter) moved(ctx context.Context) error {
	files := unix.Rlimit{Cur: movedFiles, Max: movedFiles}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("allowing so many sockets: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/core/netdev_max_backlog", []byte(strconv.Itoa(movedBacklog)), 0); err != nil {
		return fmt.Errorf("making the queue of received packets longer: %w", err)
	}
	if err := insertFile(dprFile, ""); err != nil {
		return err
	}
	for _, hosts := range m.plan.Moved {
		for _, group := range wire.AskWays(m.net.family) {
			if err := m.say("%d connections move in a cluster of %d hosts; one question to all: %t", m.plan.Connections, hosts, group); err != nil {
				return err
			}
			r, err := m.moveOnce(ctx, hosts, group)
			if err != nil {
				return fmt.Errorf("%d hosts: %w", hosts, err)
			}
			if err := m.write(wire.Record{Moved: r}); err != nil {
				return err
			}
		}
	}
	return removeModule("dpr")
}

// moveOnce has the owner serve all connections, then changes the clients' route and has
// them send.
func (m *meter) moveOnce(ctx context.Context, hosts int, group bool) (_ *wire.Moved, err error) {
	c, err := newMovedCluster(ctx, m.net, hosts, group)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	k, err := c.connect(m.plan.Connections)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	rto, err := k.rto()
	if err != nil {
		return nil, err
	}
	lost, err := overflowed()
	if err != nil {
		return nil, err
	}
	if err := c.route(c.asker); err != nil {
		return nil, err
	}
	burst, err := k.send()
	if err != nil {
		return nil, err
	}
	if err := k.await(movedTime); err != nil {
		return nil, err
	}
	if now, err := overflowed(); err != nil || now != lost {
		return nil, errors.Join(err, fmt.Errorf("the guest's processor dropped %d packets before any host saw them", now-lost))
	}
	r := &wire.Moved{Hosts: hosts, Group: group, Connections: m.plan.Connections, Burst: burst.Seconds(), RTO: rto}
	k.judge(r)
	if err := c.count(ctx, r); err != nil {
		return nil, err
	}
	if r.Found == 0 {
		return nil, c.explain(ctx)
	}
	return r, nil
}

// explain says what the hosts counted, as nothing came to the owner's sockets.
func (c *movedCluster) explain(ctx context.Context) error {
	err := errors.New("the owner's sockets got nothing")
	for _, h := range []*movedHost{c.asker, c.owner} {
		s, e := h.stats(ctx)
		if e != nil {
			return errors.Join(err, e)
		}
		for stat, n := range s.All() {
			if n > 0 {
				err = fmt.Errorf("%w; %s: %s %d", err, h.name, stat, n)
			}
		}
	}
	return err
}

// judge says what became of the connections.
func (k *movedConns) judge(r *wire.Moved) {
	var times []float64
	for i, at := range k.found {
		if !at.IsZero() {
			// The time of arrival is known to a tick of the kernel's.
			times = append(times, max(0, at.Sub(k.sent[i])-movedWay).Seconds())
			continue
		}
		if e, err := unix.GetsockoptInt(k.clients[i], unix.SOL_SOCKET, unix.SO_ERROR); err == nil && e != 0 {
			r.Reset++
		}
	}
	r.Found = len(times)
	for _, fd := range k.clients {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO); err == nil {
			r.Again += uint64(info.Total_retrans)
		}
	}
	slices.Sort(times)
	r.P50, r.P90, r.P99, r.Last = quantile(times, 0.5), quantile(times, 0.9), quantile(times, 0.99), quantile(times, 1)
}

// quantile returns the value that a part q of sorted values does not exceed; 0 if there
// are none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, int(q*float64(len(sorted))+0.999999)-1))]
}

// count adds what the hosts counted.
func (c *movedCluster) count(ctx context.Context, r *wire.Moved) error {
	asker, err := c.asker.stats(ctx)
	if err != nil {
		return err
	}
	owner, err := c.owner.stats(ctx)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		into *uint64
		from dprnl.Stats
		stat dprnl.Stat
	}{
		{&r.Asked, asker, dprnl.StatOwnerAsked},
		{&r.Held, asker, dprnl.StatOwnerHeld},
		{&r.Waited, asker, dprnl.StatOwnerWaited},
		{&r.Limited, asker, dprnl.StatOwnerLimited},
		{&r.Unknown, asker, dprnl.StatOwnerUnknown},
		{&r.Questions, asker, dprnl.StatTxOwnerMessages},
		{&r.Claims, owner, dprnl.StatTxOwnerMessages},
		{&r.Refused, asker, dprnl.StatRxOwnerRefused},
	} {
		*v.into = v.from.Get(v.stat)
	}
	return nil
}

// overflowed is how many received packets the guest's processors have dropped, as they had
// too many to look at.
func overflowed() (uint64, error) {
	b, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0, fmt.Errorf("reading dropped packets: %w", err)
	}
	return parseOverflowed(string(b))
}

// parseOverflowed adds up the second number of each line, one a processor.
func parseOverflowed(text string) (uint64, error) {
	var sum uint64
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			return 0, fmt.Errorf("softnet_stat: unexpected line %q", line)
		}
		n, err := strconv.ParseUint(f[1], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("softnet_stat: unexpected line %q: %w", line, err)
		}
		sum += n
	}
	return sum, nil
}
