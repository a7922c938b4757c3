// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	echoTimeout = time.Second
	echoTries   = 2
	small       = 64 // bytes of a packet that passes everywhere
	// atOnce is how many peers are asked at the same time.
	atOnce = 32
)

// A version is ICMP of one.
type version struct {
	network         string
	protocol        int
	headers         int // bytes of a packet before its data
	level, discover int // of the option for fragments
	echo, reply     icmp.Type
}

var (
	icmp4 = version{"ip4:icmp", 1, 20 + 8, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	icmp6 = version{"ip6:ipv6-icmp", 58, 40 + 8, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// echoes asks each peer, in parallel.
func echoes(ctx context.Context, routes map[netip.Addr]Route) map[netip.Addr]Echo {
	all := map[netip.Addr]Echo{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for p, r := range routes {
		if r.Err != "" || r.MTU < small {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			e := Echo{Size: r.MTU}
			e.Small = echo(ctx, p, small)
			e.Large = e.Small && echo(ctx, p, r.MTU)
			mu.Lock()
			defer mu.Unlock()
			all[p] = e
		})
	}
	wg.Wait()
	return all
}

// echo tells whether a packet of a size in bytes reaches a host, and comes back. It may
// not be fragmented on the way; what routers say of the MTU is not believed.
func echo(ctx context.Context, to netip.Addr, size int) bool {
	v := icmp4
	if to.Is6() {
		v = icmp6
	}
	conn, err := net.ListenPacket(v.network, "")
	if err != nil {
		return false
	}
	defer conn.Close()
	raw, err := conn.(*net.IPConn).SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), v.level, v.discover, unix.IP_PMTUDISC_PROBE) // the same in IPv6
	})
	id := os.Getpid() & 0xffff
	data := make([]byte, size-v.headers)
	binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
	m := icmp.Message{Type: v.echo, Body: &icmp.Echo{ID: id, Seq: size, Data: data}} // of IPv6, the kernel computes the checksum
	packet, err := m.Marshal(nil)
	if err != nil {
		return false
	}
	for range echoTries {
		if ctx.Err() != nil {
			return false
		}
		if _, err := conn.WriteTo(packet, &net.IPAddr{IP: to.AsSlice()}); err != nil {
			return false
		}
		if answered(conn, v, to, id, size, data) {
			return true
		}
	}
	return false
}

// answered waits for the answer to a request.
func answered(conn net.PacketConn, v version, from netip.Addr, id, size int, data []byte) bool {
	_ = conn.SetReadDeadline(time.Now().Add(echoTimeout))
	b := make([]byte, size+1)
	for {
		n, addr, err := conn.ReadFrom(b)
		if err != nil {
			return false
		}
		a, ok := addr.(*net.IPAddr)
		m, err := icmp.ParseMessage(v.protocol, b[:n])
		if !ok || err != nil || m.Type != v.reply {
			continue
		}
		e, ok := m.Body.(*icmp.Echo)
		if ok && e.ID == id && e.Seq == size && len(e.Data) == len(data) && a.IP.Equal(from.AsSlice()) {
			return true
		}
	}
}
