// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// Addresses of backends.
var (
	addrX = netip.MustParseAddr("10.77.0.21")
	addrY = netip.MustParseAddr("10.77.0.22")
)

const backendPort = 8080

// A spliced cluster has a host A without a server, and a backend X, which has no DPR:
//
//	C ── switch ── A
//	        └───── X
type spliced struct {
	*cluster
	x   *vnet.Host
	web *web // of X
}

// eachSplice runs a test with each family; with one, by the test's name, if there are to be
// few ways.
func eachSplice(t *testing.T, f func(t *testing.T, w way)) {
	ways := []way{fragbit4, plain6}
	if os.Getenv(waysEnv) == "few" {
		h := fnv.New32a()
		h.Write([]byte(t.Name()))
		i := h.Sum32() / 16 % 2
		ways = ways[i : i+1]
	}
	eachWay(t, ways, f)
}

// newSpliced makes one whose A gives all connections to X.
func newSpliced(t *testing.T, w way) *spliced {
	t.Helper()
	c := &spliced{cluster: bareCluster(t, w)}
	c.x = c.host(t, "X", addrX)
	c.web = serve(t, c.x, "X", backendPort)
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
	c.set(t, c.backend("x", addrX))
	return c
}

// backend is one with the given address.
func (c *cluster) backend(name string, addr netip.Addr) dprnl.Backend {
	return dprnl.Backend{Name: name, Address: c.addr(addr), Port: backendPort, Services: []uint16{port}}
}

func (c *cluster) set(t *testing.T, b dprnl.Backend) {
	t.Helper()
	check(t, c.a.dpr.SetBackend(t.Context(), b))
}

// status returns what A says of a backend.
func (c *cluster) status(t *testing.T, name string) dprnl.BackendStatus {
	t.Helper()
	list, err := c.a.dpr.Backends(t.Context())
	check(t, err)
	for _, b := range list {
		if b.Name == name {
			return b
		}
	}
	t.Fatalf("no backend %s among %v", name, list)
	return dprnl.BackendStatus{}
}

// has waits until A has so many connections to a backend that are not over.
func (c *cluster) has(t *testing.T, name string, n uint32) {
	t.Helper()
	eventually(t, func() error {
		if b := c.status(t, name); b.Connections != n {
			return fmt.Errorf("%s has %d connections, want %d", name, b.Connections, n)
		}
		return nil
	})
}

// becomes waits until a counter has changed by n, and no more.
func becomes(t *testing.T, m *meter, stat dprnl.Stat, n uint64) {
	t.Helper()
	eventually(t, func() error {
		if got := m.changes(t)[stat]; got != n {
			return fmt.Errorf("%s: %v changed by %d, want %d", m.s.Name, stat, got, n)
		}
		return nil
	})
}

// A backend serves a connection: it sees A's address, the client that of the service. Both
// directions carry data, whatever the links do for the stack, either side closes first, and
// nothing is left but what waits for late packets. Connection tracking is not needed.
func TestSplice(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		hosts := []*vnet.Host{c.c, c.a.Host, c.x}
		for combination := range 1 << len(hosts) {
			for i, h := range hosts {
				offload(t, h, combination>>i&1 == 1)
				unchanged(t, h, "TcpInCsumErrors", "TcpInErrs", "IpInDiscards", "IpInHdrErrors", "IpOutDiscards",
					"Ip6InDiscards", "Ip6InHdrErrors", "Ip6OutDiscards", "TcpExtTCPSynRetrans")
			}
			a := c.a.meter(t)
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "X")
			c.has(t, "x", 1)
			peer, err := k.ask("peer")
			check(t, err)
			if from, err := netip.ParseAddrPort(peer); err != nil || from.Addr() != c.a.at || from.Port() < 61000 {
				t.Errorf("X sees %q, want %v and a port from 61000 on", peer, c.a.at)
			}
			check(t, k.upload(512<<10))
			check(t, k.download(512<<10))
			if combination%2 == 0 {
				_, err = fmt.Fprintln(k, "close")
				check(t, err)
			}
			check(t, k.Close())
			c.has(t, "x", 0)
			a.want(t, counts{dprnl.StatSpliced: 1, dprnl.StatSpliceTxPackets: some, dprnl.StatSpliceTxBytes: some,
				dprnl.StatSpliceRxPackets: some, dprnl.StatSpliceRxBytes: some, dprnl.StatSpliceExpired: maybe})
		}
		if got := c.status(t, "x"); got.Spliced != 8 {
			t.Errorf("X has got %d connections, want 8", got.Spliced)
		}
	})
}

// Connections of both families at once, with the same ports at both ends: each goes to the
// backend of its family, and one that ends leaves the other.
//
//	C ── switch ── A
//	        └───── X (of both families)
func TestSpliceFamilies(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		other := w
		other.client = 10 - w.client
		x := c.backend("other", addrX)
		x.Address = other.addr(addrX)
		c.set(t, x)
		only := ptr(uint32(62000))
		c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: only, SpliceLastPort: only})
		first := connectFrom(t, c.c, 4000, c.a.service())
		second := connectFrom(t, c.c, 4000, other.addrPort(addrA, port))
		c.has(t, "x", 1)
		c.has(t, "other", 1)
		for range 2 {
			for k, from := range map[*conn]netip.AddrPort{first: w.addrPort(addrA, 62000), second: other.addrPort(addrA, 62000)} {
				k.wantServed(t, "X")
				if peer, err := k.ask("peer"); err != nil || peer != from.String() {
					t.Errorf("X sees %q (%v), want %v", peer, err, from)
				}
				check(t, k.upload(64<<10))
				check(t, k.download(64<<10))
			}
		}
		check(t, first.Close())
		c.has(t, "x", 0)
		c.has(t, "other", 1)
		second.wantServed(t, "X")
	})
}

// Segments that A's link gathers as lists in which each keeps its header (rx-gro-list, of TCP since
// Linux 6.10): all of them are translated, whether or not there is a header of the PROXY protocol
// before them, or their numbers are shifted.
//
//	C ── switch ── A (gathers)
//	        └───── X
func TestSpliceLists(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for name, begin := range map[string]func(t *testing.T) (*cluster, *vnet.Host){
			"plain":  func(t *testing.T) (*cluster, *vnet.Host) { c := newSpliced(t, w); return c.cluster, c.x },
			"header": func(t *testing.T) (*cluster, *vnet.Host) { c := newProxied(t, w); return c.cluster, c.x },
			"placed": func(t *testing.T) (*cluster, *vnet.Host) { c := newPlacing(t, w); return c.cluster, c.x },
		} {
			t.Run(name, func(t *testing.T) {
				c, x := begin(t)
				for _, h := range []*vnet.Host{c.c, c.a.Host, x} {
					offload(t, h, h == c.a.Host)
					unchanged(t, h, "TcpInCsumErrors", "TcpInErrs")
				}
				ctx, cancel := context.WithTimeout(t.Context(), step)
				defer cancel()
				_, err := c.a.Run(ctx, "ethtool", "-K", eth, "rx-gro-list", "on")
				check(t, err)
				atX, atC := observe(t, x), observe(t, c.c)
				k := connect(t, c.c, c.a.service())
				by, err := k.ask("who /X HTTP/1.1\r")
				if err != nil || by != "X" {
					t.Fatalf("served by %q (%v), want X", by, err)
				}
				check(t, k.upload(256<<10))
				check(t, k.download(256<<10))
				wantNear(t, atX, w.addr(addrX), func(p *wire.Packet) uint32 { return p.TCP.Ack })
				wantNear(t, atC, w.addr(addrC), func(p *wire.Packet) uint32 { return p.TCP.Seq })
			})
		}
	})
}

// wantNear fails the test if a number of some segment to a host is not behind that of the first.
func wantNear(t *testing.T, seen *wire.Endpoint, to netip.Addr, number func(*wire.Packet) uint32) {
	t.Helper()
	list := seen.Take(func(p *wire.Packet) bool { return p.TCP != nil && !p.TCP.SYN && p.Dst() == to })
	if len(list) < 20 {
		t.Fatalf("only %d segments to %v", len(list), to)
	}
	for _, p := range list {
		if number(p)-number(list[0]) > 1<<20 {
			t.Fatalf("%v has number %d, the first had %d", p, number(p), number(list[0]))
		}
	}
}

// A client closes its half and reads on, and a server does.
func TestSpliceHalfClosed(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		c.a.set(t, dprnl.ConfigUpdate{TimeoutFin: ptr(100 * time.Millisecond)})
		k := connect(t, c.c, c.a.service())
		_, err := fmt.Fprintf(k, "eofsend %d\n", 1<<20)
		check(t, err)
		time.Sleep(300 * time.Millisecond)
		check(t, k.CloseWrite())
		check(t, readPattern(k.r, 1<<20))
		c.has(t, "x", 0)
		k = connect(t, c.c, c.a.service())
		_, err = fmt.Fprintln(k, "shut")
		check(t, err)
		check(t, k.SetReadDeadline(time.Now().Add(step)))
		if _, err := k.r.ReadByte(); err == nil {
			t.Error("X has not closed its half")
		}
		time.Sleep(300 * time.Millisecond)
		c.has(t, "x", 1)
		check(t, writePattern(k, 1<<20))
		check(t, k.CloseWrite())
		c.has(t, "x", 0)
	})
}

// Backends get connections in proportion to their weights, no more than they may have, and
// none while they are down or once they are deleted; then A serves them, which competes for
// them by its load, and those that are open continue.
//
//	C ── switch ── A
//	        ├───── X
//	        └───── Y
func TestSpliceChoice(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		serve(t, c.host(t, "Y", addrY), "Y", backendPort)
		x, y := c.backend("x", addrX), c.backend("y", addrY)
		x.Weight, y.Weight = 1, 3
		c.set(t, x)
		c.set(t, y)
		open := func(n int) (got counts2, conns []*conn) {
			t.Helper()
			got = counts2{}
			for range n {
				k := connect(t, c.c, c.a.service())
				who, err := k.ask("who")
				check(t, err)
				got[who]++
				conns = append(conns, k)
			}
			return got, conns
		}
		shut := func(conns []*conn) {
			t.Helper()
			for _, k := range conns {
				check(t, k.Close())
			}
			c.has(t, "x", 0)
			c.has(t, "y", 0)
		}
		got, conns := open(16)
		if got["X"] != 4 || got["Y"] != 12 {
			t.Errorf("%v, want 4 for X and 12 for Y", got)
		}
		shut(conns)
		x.Limit, y.Limit = 2, 1
		c.set(t, x)
		c.set(t, y)
		got, conns = open(3)
		if got["X"] != 2 || got["Y"] != 1 {
			t.Errorf("%v, want 2 for X and 1 for Y", got)
		}
		a := c.a.meter(t)
		if _, err := dial(c.c, c.a.service()); !refused(err) {
			t.Errorf("with all limits reached: %v, want refused", err)
		}
		becomes(t, a, dprnl.StatSpliceLimited, 1)
		shut(conns)
		x.Limit, y.Limit = 0, 0
		x.Down = true
		c.set(t, x)
		c.set(t, y)
		if got, conns = open(3); got["Y"] != 3 {
			t.Errorf("%v, want all for Y", got)
		}
		// Mixed: A serves too, as long as it has less than Y.
		serve(t, c.a.Host, "A", port)
		check(t, c.a.dpr.SetBackend(t.Context(), y))
		more, others := open(4)
		if more["A"] == 0 {
			t.Errorf("%v, want some for A", more)
		}
		check(t, c.a.dpr.DeleteBackend(t.Context(), "y"))
		if more, last := open(2); more["A"] != 2 {
			t.Errorf("%v, want all for A", more)
		} else {
			others = append(others, last...)
		}
		for _, k := range conns {
			k.wantServed(t, "Y")
		}
		for _, k := range append(conns, others...) {
			check(t, k.Close())
		}
		if err := c.a.dpr.DeleteBackend(t.Context(), "y"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("deleting it again: %v", err)
		}
	})
}

// A backend is set down by its name alone: nothing else of it changes, what was set meanwhile
// stays, and none comes back that was deleted. Whoever sets all else leaves it down or up. A client
// that it has not answered gets another one when it repeats its SYN, also once it is deleted; one
// that it has answered stays.
//
//	C, R ── switch ── A
//	           ├───── X (silent at last)
//	           └───── Y
func TestSpliceDown(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		x := c.backend("x", addrX)
		x.Weight, x.Limit, x.Services = 7, 9, []uint16{port, 81}
		c.set(t, x)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		for _, down := range []bool{true, true, false} {
			check(t, c.a.dpr.SetBackendDown(t.Context(), "x", down))
			x.Down, x.Weight = false, x.Weight+1
			c.set(t, x)
			x.Down = down
			if got := c.status(t, "x"); !reflect.DeepEqual(got.Backend, x) || got.Connections != 1 || got.Spliced != 1 {
				t.Errorf("X is %+v, want %+v with its connection", got, x)
			}
			j, err := dial(c.c, c.a.service())
			if down && !refused(err) {
				t.Errorf("a connection while X is down: %v, want refused", err)
			}
			if !down {
				check(t, err)
				j.wantServed(t, "X")
			}
			k.wantServed(t, "X")
		}

		r := c.raw(t, addrR)
		answered := r.talk(c.a, 4000)
		answered.say(t, "S", "")
		answered.hear(t, "SA")
		mute(t, c.x, true)
		a := c.a.meter(t)
		var waiting [2]*talk
		for i := range waiting {
			waiting[i] = r.talk(c.a, 4001+uint16(i))
			waiting[i].say(t, "S", "")
		}
		becomes(t, a, dprnl.StatSpliced, uint64(len(waiting)))
		serve(t, c.host(t, "Y", addrY), "Y", backendPort)
		again := func(j *talk) {
			t.Helper()
			j.seq = 1_000_000
			j.say(t, "S", "")
			j.hear(t, "SA")
			j.say(t, "A", "")
			j.wantServed(t, "Y")
		}
		check(t, c.a.dpr.SetBackendDown(t.Context(), "x", true))
		c.set(t, c.backend("y", addrY))
		again(waiting[0])
		check(t, c.a.dpr.DeleteBackend(t.Context(), "x"))
		again(waiting[1])
		mute(t, c.x, false)
		answered.seq = 1_000_000
		answered.say(t, "S", "")
		answered.hear(t, "SA")
		answered.say(t, "A", "")
		answered.wantServed(t, "X")
		check(t, c.a.dpr.DeleteBackend(t.Context(), "y"))
		for _, name := range []string{"x", "w", "y"} {
			if err := c.a.dpr.SetBackendDown(t.Context(), name, true); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is set down: %v", name, err)
			}
		}
		if list, err := c.a.dpr.Backends(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v (%v), want none", list, err)
		}
	})
}

// counts2 says how many connections each server has.
type counts2 map[string]int

// What cannot be a backend is refused by name, and a client that is one is not passed on.
func TestSpliceRefuses(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		multicast := map[int]netip.Addr{4: netip.MustParseAddr("224.0.0.1"), 6: netip.MustParseAddr("ff02::1")}
		for name, tt := range map[string]struct {
			change func(*dprnl.Backend)
			want   string
		}{
			"this host": {func(b *dprnl.Backend) { b.Address = c.a.at }, "cannot be this host"},
			"a peer":    {func(b *dprnl.Backend) { b.Address = c.b.addr }, "a peer cannot be a backend"},
			"multicast": {func(b *dprnl.Backend) { b.Address = multicast[w.client] }, "must be unicast"},
			"weight":    {func(b *dprnl.Backend) { b.Weight = 65536 }, "weight must be"},
			"no name":   {func(b *dprnl.Backend) { b.Name = "" }, "name"},
			"a name":    {func(b *dprnl.Backend) { b.Name = "a b" }, "name"},
			"none":      {func(b *dprnl.Backend) { b.Services = nil }, "ports of its services"},
			"port 0":    {func(b *dprnl.Backend) { b.Services = []uint16{0} }, "each once"},
			"twice":     {func(b *dprnl.Backend) { b.Services = []uint16{80, 80} }, "each once"},
		} {
			b := c.backend("y", addrY)
			tt.change(&b)
			if err := c.a.dpr.SetBackend(t.Context(), b); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", name, err, tt.want)
			}
		}
		for _, u := range []dprnl.ConfigUpdate{
			{SpliceFirstPort: ptr(uint32(40000))}, {SpliceFirstPort: ptr(uint32(65000)), SpliceLastPort: ptr(uint32(64000))},
			{SpliceFirstPort: ptr(uint32(1023))}, {MaxSplices: ptr(uint32(0))},
		} {
			if err := c.a.dpr.SetConfig(t.Context(), u); err == nil {
				t.Errorf("%+v is accepted", u)
			}
		}
		check(t, c.a.Sysctl("net/ipv4/ip_local_port_range", "1024 65535"))
		if err := c.a.dpr.SetBackend(t.Context(), c.backend("y", addrY)); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("with ports of this host: %v", err)
		}
		// A backend that is there has its ports already: all else of it can change.
		x := c.backend("x", addrX)
		x.Weight, x.Limit, x.Services = 7, 9, []uint16{port, 81}
		for _, proxy := range []bool{true, false} {
			x.Proxy = proxy
			c.set(t, x)
		}
		for name, change := range map[string]func(*dprnl.Backend){
			"address": func(b *dprnl.Backend) { b.Address = c.addr(addrY) },
			"port":    func(b *dprnl.Backend) { b.Port++ },
		} {
			b := x
			change(&b)
			if err := c.a.dpr.SetBackend(t.Context(), b); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("with ports of this host X gets another %s: %v", name, err)
			}
		}
		for _, down := range []bool{true, false} {
			check(t, c.a.dpr.SetBackendDown(t.Context(), "x", down))
		}
		if got := c.status(t, "x"); !reflect.DeepEqual(got.Backend, x) {
			t.Errorf("X is %+v, want %+v", got, x)
		}
		check(t, c.a.Sysctl("net/ipv4/ip_local_reserved_ports", "61000-65535"))
		check(t, c.a.dpr.SetBackend(t.Context(), c.backend("y", addrY)))
		a := c.a.meter(t)
		if _, err := dial(c.x, c.a.service()); !refused(err) {
			t.Errorf("X as a client: %v, want refused", err)
		}
		becomes(t, a, dprnl.StatSpliceLoop, 1)
	})
}

// A backend that refuses: the client hears of it at once, and the splice is over.
func TestSpliceBackendRefuses(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		c.web.stop()
		if _, err := dial(c.c, c.a.service()); !refused(err) {
			t.Errorf("without a server: %v, want refused", err)
		}
		c.has(t, "x", 0)
	})
}

// The table, and the ports of one backend, are bounded. Half-open connections give way, but
// not to each other while their handshakes may be under way.
func TestSpliceFull(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		check(t, c.x.Down(eth)) // X does not answer
		r := c.raw(t, addrR)
		syn := func(p uint16) { t.Helper(); r.talk(c.a, p).say(t, "S", "") }
		c.a.set(t, dprnl.ConfigUpdate{MaxSplices: ptr(uint32(2)), SpliceFirstPort: ptr(uint32(61000)), SpliceLastPort: ptr(uint32(61003))})
		a := c.a.meter(t)
		for p := range uint16(3) {
			syn(5000 + p)
		}
		becomes(t, a, dprnl.StatSpliceFull, 1)
		c.a.set(t, dprnl.ConfigUpdate{MaxSplices: ptr(uint32(100))})
		a = c.a.meter(t)
		for p := range uint16(10) {
			syn(6000 + p)
		}
		eventually(t, func() error {
			if got := a.changes(t); got[dprnl.StatSpliceNoPort] != 8 || got[dprnl.StatSpliced] != 2 {
				return fmt.Errorf("%v, want 2, and 8 without port", got)
			}
			return nil
		})
		time.Sleep(3500 * time.Millisecond)
		a = c.a.meter(t)
		syn(7000)
		eventually(t, func() error {
			if got := a.changes(t); got[dprnl.StatSpliceEvicted] != 1 || got[dprnl.StatSpliced] != 1 {
				return fmt.Errorf("%v, want one evicted for another", got)
			}
			return nil
		})
	})
}

// Half-open connections, which anybody can make up, do not count to a backend's limit, and
// make way for others of that backend: one has the port of another at once, and none of
// another backend goes.
func TestSpliceHalfOpen(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		r := c.raw(t, addrR)
		syn := func(p uint16) { t.Helper(); r.talk(c.a, p).say(t, "S", "") }
		c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(62000)), SpliceLastPort: ptr(uint32(62999))})
		mute(t, c.x, true)
		x := c.backend("x", addrX)
		x.Limit = 4
		c.set(t, x)
		for p := range uint16(4) {
			syn(4000 + p)
		}
		c.has(t, "x", 4)
		mute(t, c.x, false)
		var open []*conn
		for range x.Limit {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "X")
			open = append(open, k)
		}
		a := c.a.meter(t)
		if _, err := dial(c.c, c.a.service()); !refused(err) {
			t.Errorf("beyond the limit: %v, want refused", err)
		}
		becomes(t, a, dprnl.StatSpliceLimited, 1)
		for _, k := range open {
			check(t, k.Close())
		}

		x.Limit, x.Down = 0, true
		c.set(t, x)
		c.set(t, c.backend("y", addrY)) // nobody is there
		a = c.a.meter(t)
		for p := range uint16(3) {
			syn(5000 + p)
		}
		becomes(t, a, dprnl.StatSpliced, 3)
		check(t, c.a.dpr.SetBackendDown(t.Context(), "y", true))
		check(t, c.a.dpr.SetBackendDown(t.Context(), "x", false))
		mute(t, c.x, true)
		for p := range uint16(3000) {
			syn(10000 + p)
		}
		time.Sleep(3500 * time.Millisecond)
		a = c.a.meter(t)
		for p := range uint16(20) {
			syn(20000 + p)
		}
		eventually(t, func() error {
			if got := a.changes(t); got[dprnl.StatSpliced] != 20 || got[dprnl.StatSpliceEvicted] < 15 {
				return fmt.Errorf("%v, want 20 in place of others", got)
			}
			return nil
		})
		if got := c.status(t, "y"); got.Connections != 3 {
			t.Errorf("y has %d connections left, want 3", got.Connections)
		}
	})
}

// A RST of the client during the handshake gives the port free at once, so that nobody keeps
// ports longer by forging it after a SYN, and no host does whose address a SYN has, which answers
// the backend's by a RST.
//
//	R ── switch ── A (has 16 ports)
//	        └───── X (answers from the second half on)
func TestSpliceHalfOpenReset(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		const ports = 16
		c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(62000)), SpliceLastPort: ptr(uint32(62000 + ports - 1))})
		r := c.raw(t, addrR)
		mute(t, c.x, true)
		for _, mutes := range []bool{true, false} {
			a := c.a.meter(t)
			for i := range uint16(4 * ports) {
				k := r.talk(c.a, 4000+i)
				k.say(t, "S", "")
				if !mutes {
					k.hear(t, "SA")
				}
				k.say(t, "R", "")
				changed(t, a, dprnl.StatSpliceTxPackets, 2*uint64(i+1))
			}
			if got := a.changes(t); got[dprnl.StatSpliced] != 4*ports || got[dprnl.StatSpliceNoPort] != 0 || got[dprnl.StatSpliceEvicted] != 0 {
				t.Errorf("%v, want %d to X", got, 4*ports)
			}
			if mutes {
				mute(t, c.x, false)
			}
		}
		c.has(t, "x", 0)
		// A RST that the client cannot have sent changes nothing.
		k := r.talk(c.a, 5000)
		k.say(t, "S", "")
		k.hear(t, "SA")
		for _, seq := range []uint32{k.seq + 1, k.seq - 2, k.seq + 1<<30} {
			s := k.segment("R", "")
			s.Seq = seq
			r.send(t, c.a, s.Bytes())
		}
		time.Sleep(settle)
		if got := c.status(t, "x"); got.Connections != 1 {
			t.Errorf("X has %d connections, want 1", got.Connections)
		}
	})
}

// Connections that have ended keep their ports and places for late packets, but not from new ones
// once they are silent: whoever makes many short ones keeps nobody away. One that is still heard of
// stays, and does not keep the others; open ones stay.
//
//	C, R ── switch ── A (has 32 ports, later room for 32 connections)
//	           └───── X
func TestSpliceEnded(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		const ports = 32
		c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(61000)), SpliceLastPort: ptr(uint32(61000 + ports - 1)),
			TimeoutFin: ptr(time.Hour), TimeoutRst: ptr(time.Hour)})
		open := connect(t, c.c, c.a.service())
		open.wantServed(t, "X")
		heard := c.raw(t, addrR).talk(c.a, 4000)
		heard.open(t)
		heard.say(t, "PA", "close\n")
		heard.hear(t, "FA")
		heard.say(t, "FA", "")
		heard.hear(t, "A")
		c.has(t, "x", 1)
		for i := range ports - 2 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "X")
			if i%2 == 1 {
				_, err := fmt.Fprintln(k, "reset")
				check(t, err)
			}
			check(t, k.Close())
		}
		c.has(t, "x", 1)
		for range 7 {
			heard.say(t, "A", "")
			time.Sleep(500 * time.Millisecond)
		}
		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		becomes(t, a, dprnl.StatSpliceEvicted, 1)
		c.a.set(t, dprnl.ConfigUpdate{SpliceLastPort: ptr(uint32(65535)), MaxSplices: ptr(uint32(ports))})
		connect(t, c.c, c.a.service()).wantServed(t, "X")
		becomes(t, a, dprnl.StatSpliceEvicted, 2)
		open.wantServed(t, "X")
		k.wantServed(t, "X")
		c.has(t, "x", 3)
	})
}

// A backend without a port of its own has as many connections of each service as there are
// ports. Those of one do not make the ports of another look taken.
func TestSpliceServices(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		const other = 81
		check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: other}))
		x := c.backend("x", addrX)
		x.Port, x.Services = 0, []uint16{port, other}
		c.set(t, x)
		check(t, c.x.Down(eth)) // X does not answer
		r := c.raw(t, addrR)
		flood := func(first uint16, n uint64, service, last uint16) {
			t.Helper()
			c.a.set(t, dprnl.ConfigUpdate{SpliceFirstPort: ptr(uint32(62000)), SpliceLastPort: ptr(uint32(last))})
			a := c.a.meter(t)
			for i := range uint16(n) {
				k := r.talk(c.a, first+i)
				k.remote = netip.AddrPortFrom(k.remote.Addr(), service)
				k.say(t, "S", "")
			}
			eventually(t, func() error {
				if got := a.changes(t); got[dprnl.StatSpliced] != n || got[dprnl.StatSpliceNoPort] != 0 || got[dprnl.StatSpliceEvicted] != 0 {
					return fmt.Errorf("%v, want %d to X", got, n)
				}
				return nil
			})
		}
		// Half of the ports, side by side, are taken for the one service, and as many for the other.
		flood(4000, 100, port, 62099)
		flood(5000, 100, other, 62199)
		flood(6000, 20, port, 62199)
	})
}

// mute has a backend get no SYN, or some again.
func mute(t *testing.T, h *vnet.Host, on bool) {
	t.Helper()
	rules := "delete table netdev mute\n"
	if on {
		rules = fmt.Sprintf(`table netdev mute {
	chain in {
		type filter hook ingress device "%s" priority 0;
		tcp dport %d tcp flags & syn != 0 drop
	}
}`, eth, backendPort)
	}
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := h.RunInput(ctx, rules, "nft", "-f", "-")
	check(t, err)
}

// The module goes while connections pass it: A's kernel knows nothing of them, and both
// ends hear of that when they next send. A namespace goes with its splices.
func TestSpliceReload(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		l := startLoad(t, c.c, c.a.service(), 3)
		for range 3 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "X")
			l.more(t, 5)
			reload(t)
			c.a.connect(t)
			c.a.set(t, dprnl.ConfigUpdate{Address: &c.a.addr, Policy: ptr(dprnl.PolicyLowest)})
			check(t, c.a.dpr.AddService(t.Context(), dprnl.Service{Port: port}))
			c.set(t, c.backend("x", addrX))
			k.wantReset(t)
			connect(t, c.c, c.a.service()).wantServed(t, "X")
		}
		l.stop()
	})
}

// Packets that are only part of a segment, or have something before TCP's header.
func TestSpliceParts(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newSpliced(t, w)
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		k.open(t)
		s := k.segment("PA", "who "+strings.Repeat("x", 1000)+"\n")
		s.MayFrag = true
		for _, f := range wire.Fragment(s.Bytes(), 512, 7) {
			r.send(t, c.a, f)
		}
		if p := k.hear(t, "PA"); string(p.Payload) != "X\n" {
			t.Errorf("answered by %q", p.Payload)
		}
	})
}
