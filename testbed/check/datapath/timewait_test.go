// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// A client that uses a 4-tuple anew, while the old connection is in TIME_WAIT
// here or there or its flow is closing, gets a new connection that works, on
// the host that the policy picks now.
//
//	C, R (one port, used anew each time) ── switch ── A
//	                                           ├───── B
//	                                           └───── D
func TestSynOnTimeWait(t *testing.T) {
	for name, on := range map[string]func(s *server) netip.Addr{
		"listener on all addresses": func(s *server) netip.Addr { return s.way.any() },
		"listener on its host's":    func(s *server) netip.Addr { return s.at },
	} {
		t.Run(name, func(t *testing.T) {
			allWays(t, func(t *testing.T, w way) {
				c := bareCluster(t, w)
				d := c.server(t, "D", addrD)
				c.know(t, c.a, d)
				for _, s := range []*server{c.a, c.b, d} {
					s.web = serveOn(t, s.Host, s.Name, netip.AddrPortFrom(on(s), port).String(), nil)
				}
				to := map[string]func(){
					"A": func() { c.a.keep(t) },
					"B": func() { c.redirect(t, c.b); c.a.report(t, d, 1000) },
					"D": func() { c.redirect(t, d); c.a.report(t, c.b, 1000) },
				}
				r := c.raw(t, addrR)
				for i, move := range []string{"AA", "AB", "BB", "BA", "BD"} {
					first, second := move[:1], move[1:]
					local := uint16(20000 + i)
					t.Run(first+" then "+second+" closed by the server", func(t *testing.T) {
						unchanged(t, c.c, "TcpExtTCPSynRetrans")
						to[first]()
						old := connectFrom(t, c.c, local, c.a.service())
						old.wantServed(t, first)
						closeByServer(t, old)
						wantNotLive(t, c.a, w.addrPort(addrC, local))
						to[second]()
						connectFrom(t, c.c, local, c.a.service()).wantServed(t, second)
					})
					t.Run(first+" then "+second+" closed by the client", func(t *testing.T) {
						to[first]()
						k := r.talk(c.a, local)
						k.open(t)
						k.wantServed(t, first)
						k.say(t, "FA", "")
						k.hear(t, "FA")
						k.say(t, "A", "")
						wantNotLive(t, c.a, k.local)
						to[second]()
						k.seq += 100_000
						k.reopen(t)
						k.wantServed(t, second)
					})
				}
			})
		})
	}
}

// A socket in TIME_WAIT here keeps no packets of a new connection that the
// stateless policy sends to a peer.
//
//	C ── switch ── A
//	        └───── B
func TestStatelessOnTimeWait(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		served := map[string]int{}
		for local := uint16(21000); local < 21010; local++ {
			c.a.keep(t)
			old := connectFrom(t, c.c, local, c.a.service())
			old.wantServed(t, "A")
			closeByServer(t, old)
			c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
			k := connectFrom(t, c.c, local, c.a.service())
			by, err := k.ask("who")
			check(t, err)
			check(t, k.upload(10_000))
			served[by]++
		}
		if served["B"] == 0 {
			t.Errorf("served by %v: none was redirected", served)
		}
	})
}

// connectFrom connects from a port whose last connection may be in TIME_WAIT at
// the server. The client has the port back when the server's last ACK has come.
func connectFrom(t *testing.T, h *vnet.Host, local uint16, to netip.AddrPort) *conn {
	t.Helper()
	var c *conn
	eventually(t, func() error {
		var err error
		c, err = dialWith(h, to, func(fd int) error {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
				return err
			}
			return unix.Bind(fd, sockaddr(netip.AddrPortFrom(anyOf(to.Addr()), local)))
		})
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Fatal(err)
		}
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// anyOf is the unspecified address of an address's family.
func anyOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// closeByServer makes the server close first: it is then in TIME_WAIT.
func closeByServer(t *testing.T, c *conn) {
	t.Helper()
	if got, err := c.ask("close"); err == nil {
		t.Fatalf("answer %q instead of an end", got)
	}
	check(t, c.Close())
}
