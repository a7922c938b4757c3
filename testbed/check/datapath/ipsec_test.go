// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// IPsec between hosts, as docs/security.md recommends: redirected packets travel
// in ESP, in either mode, and no packet holds on to a route. What comes without
// is not taken, though it is marked and comes from a peer's address. A device that
// the way out uses can go.
//
//	C, R (as A) ── switch ── A
//	                  └───── B
func TestIPsec(t *testing.T) {
	for name, mode := range map[string]netlink.Mode{"transport": netlink.XFRM_MODE_TRANSPORT, "tunnel": netlink.XFRM_MODE_TUNNEL} {
		t.Run(name, func(t *testing.T) {
			someAnswers(t, func(t *testing.T, w way) {
				c := newCluster(t, w)
				c.protect(t, c.a, c.b, mode)
				c.protect(t, c.b, c.a, mode)
				seen := observe(t, c.a.Host) // what leaves; what B takes out of a tunnel shows there
				k := connect(t, c.c, c.a.service())
				k.wantServed(t, "B")
				check(t, k.upload(1<<20))
				check(t, k.download(1<<20))
				plain, protected := 0, 0
				for _, p := range seen.Take(func(p *wire.Packet) bool { return len(p.IP) > 0 && p.IP[0].Dst == c.b.addr && p.IP[0].Src == c.a.addr }) {
					switch p.IP[0].Protocol {
					case w.outer(addrA, addrB).Proto:
						plain++
					case layers.IPProtocolESP:
						protected++
					}
				}
				if plain > 0 || protected < 50 {
					t.Errorf("A sent %d plain packets and %d protected ones", plain, protected)
				}

				r := c.raw(t, addrR)
				b := c.b.meter(t)
				syn := wire.Segment{Src: w.addrPort(addrR, 4000), Dst: c.a.service(), Flags: "S", Seq: 1}
				outer := w.outer(addrA, addrB)
				r.send(t, c.b, outer.Wrap(syn.Bytes()))
				// The client may still acknowledge what it got; a SYN would count as one.
				want := counts{dprnl.StatRxPackets: maybe, dprnl.StatRxBytes: maybe}
				if w.marked() {
					want[dprnl.StatRxPolicy] = 1
				}
				silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == r.addr })
				b.want(t, want)

				deletable(t, c.a.Host, c.b.Host)
			})
		})
	}
}

// deletable fails the test if anything holds on to hosts' devices, which deletes them.
func deletable(t *testing.T, hosts ...*vnet.Host) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		var err error
		for _, h := range hosts {
			err = errors.Join(err, h.Delete(eth))
		}
		done <- err
	}()
	// Whoever holds one makes this wait for ever.
	eventually(t, func() error {
		select {
		case err := <-done:
			check(t, err)
			return nil
		default:
			return errors.New("the devices do not go")
		}
	})
}

// A device that asks for no policy (disable_policy) is not asked about: what comes
// by it plain is taken, though the policy wants such packets protected.
//
//	C, R (as A) ── switch ── A
//	                  └───── B
func TestIPsecDeviceWithoutPolicy(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.protect(t, c.b, c.a, netlink.XFRM_MODE_TRANSPORT)
		r := c.raw(t, addrR)
		outer := w.outer(addrA, addrB)
		b := c.b.meter(t)
		syn := func(port uint16) {
			t.Helper()
			s := wire.Segment{Src: w.addrPort(addrR, port), Dst: c.a.service(), Flags: "S", Seq: 1}
			r.send(t, c.b, outer.Wrap(s.Bytes()))
		}
		refused := counts{}
		if w.marked() {
			refused[dprnl.StatRxPolicy] = 1 // without mark it is left to the stack, which drops it
		}
		syn(4000)
		silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == r.addr })
		b.want(t, refused)

		stack := map[int]string{4: "net/ipv4/", 6: "net/ipv6/"}[w.tunnel]
		check(t, c.b.Sysctl(stack+"conf/"+eth+"/disable_policy", "1"))
		check(t, c.b.Sysctl(stack+"route/flush", "1"))
		b = c.b.meter(t)
		syn(4001)
		await(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.TCP.SYN && p.TCP.ACK && p.TCP.DstPort == 4001 })
		b.want(t, counts{dprnl.StatRxPackets: 1, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1, dprnl.StatMssLowered: maybe,
			dprnl.StatRxListenerDeferred: maybe})
	})
}

// IPsec to a backend: what this host passes on is protected, and what comes plain in the
// backend's name is dropped.
//
//	C, R (as X) ── switch ── A
//	                  └───── X
func TestSpliceIPsec(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		at := w.addr(addrX)
		check(t, c.a.Protect(c.a.at, at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		check(t, c.x.Protect(at, c.a.at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		seen := observe(t, c.x)
		j := c.raw(t, addrR).talk(c.a, 4000)
		j.open(t)
		in := netip.AddrPortFrom(c.a.at, j.peerPort(t))
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		check(t, k.upload(512<<10))
		check(t, k.download(512<<10))
		wantProtected(t, seen, c.a.at)
		a := c.a.meter(t)
		s := wire.Segment{Src: w.addrPort(addrX, backendPort), Dst: in, Flags: "PA", Seq: j.ack, Ack: j.seq, Payload: []byte("forged\n")}
		j.r.Take(j.mine)
		j.r.send(t, c.a, s.Bytes())
		becomes(t, a, dprnl.StatSpliceRefused, 1)
		silence(t, j.r.Endpoint, j.mine)
		// Of a device without policy it is taken.
		stack := map[int]string{4: "net/ipv4/", 6: "net/ipv6/"}[w.client]
		check(t, c.a.Sysctl(stack+"conf/"+eth+"/disable_policy", "1"))
		check(t, c.a.Sysctl(stack+"route/flush", "1"))
		j.r.send(t, c.a, s.Bytes())
		j.hear(t, "PA")
	})
}

// wantProtected fails the test if a host has got a segment from somebody that was not protected.
func wantProtected(t *testing.T, seen *wire.Endpoint, from netip.Addr) {
	t.Helper()
	protected := 0
	for _, p := range seen.Take(func(p *wire.Packet) bool { return len(p.IP) > 0 && p.Src() == from }) {
		switch p.IP[0].Protocol {
		case layers.IPProtocolESP:
			protected++
		case layers.IPProtocolTCP:
			t.Fatalf("%v is plain", p)
		}
	}
	if protected == 0 {
		t.Error("no protected packets were seen")
	}
}

// What IPsec is to protect passes POST_ROUTING once before that, whether it is redirected or goes to
// a backend, so that rules see each packet once.
//
//	C ── switch ── A
//	        ├───── B
//	        └───── X
func TestIPsecHooks(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.protect(t, c.a, c.b, netlink.XFRM_MODE_TRANSPORT)
		c.protect(t, c.b, c.a, netlink.XFRM_MODE_TRANSPORT)
		passesOnce(t, c, fmt.Sprintf("meta l4proto %d", c.outer(addrA, addrB).Proto), dprnl.StatTxPackets, "B")

		s := newSpliced(t, w)
		at := w.addr(addrX)
		check(t, s.a.Protect(s.a.at, at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		check(t, s.x.Protect(at, s.a.at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		passesOnce(t, s.cluster, fmt.Sprintf("tcp dport %d", backendPort), dprnl.StatSpliceTxPackets, "X")
	})
}

// passesOnce fails the test unless a rule in A's POST_ROUTING sees as many packets of a connection as
// A says that it has sent, and a few of A's own.
func passesOnce(t *testing.T, c *cluster, match string, sent dprnl.Stat, by string) {
	t.Helper()
	rules := fmt.Sprintf(`table inet seen {
	chain out {
		type filter hook postrouting priority 0;
		%s counter comment "seen"
	}
}`, match)
	ctx, cancel := context.WithTimeout(t.Context(), 2*step)
	defer cancel()
	_, err := c.a.RunInput(ctx, rules, "nft", "-f", "-")
	check(t, err)
	// Many packets, not a few large ones.
	offload(t, c.c, false)
	offload(t, c.a.Host, false)
	a := c.a.meter(t)
	k := connect(t, c.c, c.a.service())
	k.wantServed(t, by)
	check(t, k.upload(256<<10))
	eventually(t, func() error {
		text, err := c.a.Run(ctx, "nft", "list", "ruleset")
		if err != nil {
			return err
		}
		counter := nftCounter.FindStringSubmatch(text)
		if len(counter) < 2 {
			return fmt.Errorf("no counter in\n%s", text)
		}
		seen, err := strconv.ParseUint(counter[1], 10, 64)
		if err != nil {
			return err
		}
		if n := a.changes(t)[sent]; n < 20 || seen < n || seen > n+n/2 {
			return fmt.Errorf("%v changed by %d, the rule has seen %d", sent, n, seen)
		}
		return nil
	})
}

// Policies of IPsec by ports: that of the service, which a backend without a port of its own
// has, and those of this host's splices. They come and go under a connection, and so do the
// keys; nothing holds on to the device.
//
//	C ── switch ── A
//	        └───── X
func TestSpliceIPsecPorts(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		const own = 62001
		for name, tt := range map[string]struct{ backend, own, other uint16 }{
			"service's": {0, 0, port},
			"own":       {backendPort, own, 0},
		} {
			t.Run(name, func(t *testing.T) {
				c := newSpliced(t, w)
				serve(t, c.x, "X", port)
				x := c.backend("x", addrX)
				x.Port = tt.backend
				c.set(t, x)
				c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(own)), SpliceLastPort: ptr(uint32(own))})
				at := w.addr(addrX)
				protect := func() {
					t.Helper()
					check(t, c.a.ProtectPorts(netip.AddrPortFrom(c.a.at, tt.own), netip.AddrPortFrom(at, tt.other), unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
					check(t, c.x.ProtectPorts(netip.AddrPortFrom(at, tt.other), netip.AddrPortFrom(c.a.at, tt.own), unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
				}
				protect()
				seen := observe(t, c.x)
				k := connect(t, c.c, c.a.service())
				k.wantServed(t, "X")
				check(t, k.upload(64<<10))
				check(t, k.download(64<<10))
				wantProtected(t, seen, c.a.at)
				for _, h := range []*vnet.Host{c.a.Host, c.x} {
					check(t, h.Unkey())
				}
				check(t, c.a.Key(c.a.at, at, netlink.XFRM_MODE_TRANSPORT, 1))
				check(t, c.x.Key(at, c.a.at, netlink.XFRM_MODE_TRANSPORT, 1))
				check(t, k.upload(64<<10))
				wantProtected(t, seen, c.a.at)
				for _, h := range []*vnet.Host{c.a.Host, c.x} {
					check(t, h.Unprotect())
					check(t, h.Unkey())
				}
				check(t, k.upload(64<<10))
				protect()
				time.Sleep(settle)
				seen.Take(func(*wire.Packet) bool { return true })
				check(t, k.upload(64<<10))
				wantProtected(t, seen, c.a.at)
				deletable(t, c.a.Host)
			})
		}
	})
}

// IPsec to a client: its keys change under the connection.
//
//	C ── switch ── A
//	        └───── X
func TestSpliceIPsecClient(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		at := w.addr(addrC)
		check(t, c.a.Protect(c.a.at, at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		check(t, c.c.Protect(at, c.a.at, unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		seen := observe(t, c.c)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		check(t, k.upload(64<<10))
		for _, h := range []*vnet.Host{c.a.Host, c.c} {
			check(t, h.Unkey())
		}
		check(t, c.a.Key(c.a.at, at, netlink.XFRM_MODE_TRANSPORT, 1))
		check(t, c.c.Key(at, c.a.at, netlink.XFRM_MODE_TRANSPORT, 1))
		check(t, k.download(64<<10))
		wantProtected(t, seen, c.a.at)
	})
}

// A does handshakes only with clients that IPsec's policy takes, and keeps nothing else of
// theirs for X.
//
//	R ── switch ── A
//	        └───── X (raw)
func TestSpliceIPsecPlaced(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		demand := func(p *placed) {
			t.Helper()
			check(t, p.a.Protect(p.a.at, w.addr(addrR), unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		}
		p := rawPlacing(t, w, false)
		demand(p)
		a := p.a.meter(t)
		p.k.send(t, p.begin())
		becomes(t, a, dprnl.StatHandoverOff, 1)
		silence(t, p.k.r.Endpoint, func(q *wire.Packet) bool { return q.Src() == p.a.at && q.TCP != nil })
		silence(t, p.x.Endpoint, p.atX)

		p = rawPlacing(t, w, false)
		p.greet(t)
		a = p.a.meter(t)
		demand(p)
		p.client(t, "PA", "hello\n", timestamps(102, p.clock))
		becomes(t, a, dprnl.StatHandoverStray, 1)
		check(t, p.a.Unprotect())
		p.k.seq = p.isn + 1
		p.client(t, "PA", "hello\n", timestamps(103, p.clock))
		p.syn = p.x.get(t, p.atX)
		p.accept(t)
		p.wantStamped(t, p.isn+1, backendISN+1, "hello\n", 103, 900)
		if got := a.changes(t)[dprnl.StatSpliced]; got != 1 {
			t.Errorf("%d connections to X, want 1", got)
		}
	})
}

// A request that comes plain, although IPsec's policy wants the client's segments protected, does
// not move a connection: the socket here drops it.
//
//	R ── switch ── A (serves /A)
//	        └───── B (serves /B)
func TestMigrateIPsec(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		k := m.raw(t, addrR).talk(m.a, 4000)
		k.remote = netip.AddrPortFrom(m.a.at, webPort)
		k.open(t)
		get := func(path string) wire.Segment { return k.segment("PA", "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n") }
		served := func(request wire.Segment, by string) {
			t.Helper()
			k.send(t, request)
			if p := k.hear(t, "PA"); !strings.Contains(string(p.Payload), "\r\nServer: "+by+"\r\n") {
				t.Errorf("answer %q, want %s's", p.Payload, by)
			}
			k.say(t, "A", "")
		}
		served(get("/A"), "A")
		a := m.a.meter(t)
		check(t, m.a.Protect(m.a.at, w.addr(addrR), unix.IPPROTO_TCP, netlink.XFRM_MODE_TRANSPORT))
		plain := get("/B")
		k.r.send(t, m.a, plain.Bytes())
		silence(t, k.r.Endpoint, k.mine)
		wantChange(t, a, dprnl.StatMigrateHeld, 0)
		check(t, m.a.Unprotect())
		served(plain, "A") // as it was seen before
		served(get("/B"), "B")
		wantChange(t, a, dprnl.StatMigrateAway, 1)
	})
}

// protect has a host protect what it redirects to another.
func (c *cluster) protect(t *testing.T, s, other *server, mode netlink.Mode) {
	t.Helper()
	check(t, s.Protect(s.addr, other.addr, uint8(c.outer(addrA, addrB).Proto), mode))
}

// What IPsec takes out of its packets has a route, which is not lost when the
// packet gets another: the kernel frees all that a change of routes makes void.
//
//	R ── switch ── A
//	      └─────── B
func TestIPsecRoutes(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.protect(t, c.a, c.b, netlink.XFRM_MODE_TRANSPORT)
		c.protect(t, c.b, c.a, netlink.XFRM_MODE_TRANSPORT)
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		const changes, some = 200, 50
		before := routes(t)
		for range changes {
			check(t, c.b.Sysctl("net/ipv4/route/flush", "1"))
			k.wantServed(t, "B") // two segments: one by a new route, one by the socket's
		}
		eventually(t, func() error {
			if n := routes(t) - before; n > some {
				return fmt.Errorf("%d more routes after %d changes", n, changes)
			}
			return nil
		})
	})
}

// routes is how many routes' entries the kernel has, in all namespaces.
func routes(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/stat/rt_cache")
	check(t, err)
	lines := strings.Split(string(b), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "entries") {
		t.Fatalf("rt_cache has %q", b)
	}
	n, err := strconv.ParseInt(strings.Fields(lines[1])[0], 16, 64)
	check(t, err)
	return int(n)
}
