// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"dpr/contrib/nftables"
	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// Public addresses: those of A and B, and one for both.
var (
	publicA   = netip.MustParseAddr("198.51.100.11")
	publicB   = netip.MustParseAddr("198.51.100.12")
	publicAll = netip.MustParseAddr("198.51.100.10")
)

// A mapped cluster has private addresses, behind a router Q that translates public ones:
//
//	C ── Q' ──── Q ── switch ── A
//	                     └───── B
type mapped struct {
	*cluster
	client *vnet.Host // C
	router *vnet.Host // Q'
}

// newMapped makes one whose router has the rules of contrib/nftables.
func newMapped(t *testing.T, w way, rules string) *mapped {
	t.Helper()
	c := newCluster(t, w)
	q := c.router(t, "Q", "10.77.0.1")
	router, client := c.beyondRouter(t, q, mtu, "far", farC)
	for _, s := range []*server{c.a, c.b} {
		route(t, s.Host, "0.0.0.0/0", "10.77.0.1")
	}
	names := []string{`"eth0"`, `"x"`}
	for _, n := range []struct {
		four, six string
		is        netip.Addr
	}{
		{"10.0.0.11", "fd00::11", addrA},
		{"10.0.0.12", "fd00::12", addrB},
		{"198.51.100.10", "2001:db8:100::10", publicAll},
		{"198.51.100.11", "2001:db8:100::11", publicA},
		{"198.51.100.12", "2001:db8:100::12", publicB},
	} {
		names = append(names, n.four, n.is.String(), n.six, vnet.Twin(n.is).String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := q.RunInput(ctx, strings.NewReplacer(names...).Replace(rules), "nft", "-f", "-")
	check(t, err)
	return &mapped{c, client, router}
}

// at is a public address of the service.
func (m *mapped) at(public netip.Addr) netip.AddrPort { return m.addrPort(public, port) }

// works fails the test unless a host serves a connection with a public address, which
// carries data both ways, and the host sees the client's own address.
func (m *mapped) works(t *testing.T, public netip.Addr, by string) {
	t.Helper()
	k := connect(t, m.client, m.at(public))
	k.wantServed(t, by)
	if got, err := k.ask("peer"); err != nil || got != k.LocalAddr().String() {
		t.Errorf("%s sees the client %v as %q (%v)", by, k.LocalAddr(), got, err)
	}
	check(t, k.upload(1<<20))
	check(t, k.download(1<<20))
}

// all runs what works whatever the router's rules are.
func (m *mapped) all(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	for _, public := range []netip.Addr{publicA, publicB} {
		_, err := m.client.Run(ctx, "ping", "-c", "1", "-W", "5", m.addr(public).String())
		check(t, err)
	}
	// B's answers have the private address of A, whose public one the client gets.
	seen := observe(t, m.b.Host)
	a := m.a.meter(t)
	m.works(t, publicA, "B")
	wantChange(t, a, dprnl.StatRedirected, 1)
	if p := await(t, seen, synAck); !m.through && (p.Src() != m.a.at || p.Dst() != m.addr(farC)) {
		t.Errorf("B answers by %v, want A's address", p)
	}
	m.works(t, publicB, "B")
	const many = 20
	for i := range many {
		k, err := dial(m.client, m.at(publicA))
		check(t, err)
		who, err := k.ask("who")
		k.Close()
		if err != nil || who != "B" {
			t.Errorf("connection %d: served by %q (%v)", i, who, err)
		}
	}
	wantChange(t, a, dprnl.StatRedirected, 2+many-1)
	// The end of a connection, by either side and by RST, is translated, too.
	k := connect(t, m.client, m.at(publicA))
	k.wantServed(t, "B")
	m.b.web.reset(t, netip.MustParseAddrPort(k.LocalAddr().String()))
	k.wantReset(t)
	m.a.keep(t)
	m.works(t, publicA, "A")
}

// mappedWays are the ways that differ for a router: its families, and how packets and
// answers go.
var mappedWays = []way{fragbit4, plain6, direct4, throughTunnels[0]}

// A router that maps addresses by rules without state.
func TestMappedStateless(t *testing.T) {
	eachWay(t, mappedWays, func(t *testing.T, w way) {
		newMapped(t, w, nftables.Stateless).all(t)
	})
}

// A router that maps addresses by connection tracking: what a host answers is of the same
// connection, whichever host it comes from. It also translates what ICMP errors quote, and
// one public address can stand for all hosts.
func TestMappedTracked(t *testing.T) {
	eachWay(t, mappedWays, func(t *testing.T, w way) {
		m := newMapped(t, w, nftables.Conntrack)
		m.all(t)
		if w != fragbit4 && w != plain6 {
			return
		}
		m.redirect(t, m.b)
		const many = 24
		a := m.a.meter(t)
		for range many {
			k := connect(t, m.client, m.at(publicAll))
			k.wantServed(t, "B")
			check(t, k.Close())
		}
		if n := a.changes(t)[dprnl.StatRedirected]; n == 0 || n == many {
			t.Errorf("of %d connections A has redirected %d, want about half", many, n)
		}
	})
}

// A link of MTU 1400 behind the router that translates: the complaint of the router there
// is about a packet from A's public address, and gets to B.
func TestMappedPathMtu(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMapped(t, w, nftables.Conntrack)
		// The client does not know, and announces an MSS for its own link.
		check(t, m.router.SetMTU("y", narrow))
		a := m.a.meter(t)
		k := connect(t, m.client, m.at(publicA))
		k.wantServed(t, "B")
		check(t, k.download(1<<20))
		if got := a.changes(t); got[dprnl.StatTxIcmp] == 0 {
			t.Errorf("A counts %v, want an ICMP error that went to B", got)
		}
	})
}

// Rules without state do not translate what an ICMP error quotes, so that B does not hear
// of the narrower link: large answers are lost there.
func TestMappedPathMtuStateless(t *testing.T) {
	m := newMapped(t, fragbit4, nftables.Stateless)
	check(t, m.router.SetMTU("y", narrow))
	k := connect(t, m.client, m.at(publicA))
	k.wantServed(t, "B")
	check(t, k.SetDeadline(time.Now().Add(2*time.Second)))
	_, err := fmt.Fprintf(k, "send %d\n", 1<<20)
	check(t, err)
	if err := readPattern(k.r, 1<<20); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a download ends with %v, want that it waits for ever", err)
	}
}
